"""A bench to copy: what the flight software team wants of its probe before it flies.

    pytest docs/examples/hil --hil-command "probe listen --state state"
    pytest docs/examples/hil --hil-udp board:4000 --hil-from 10.0.0.2:4001
    pytest docs/examples/hil --hil-serial /dev/ttyUSB0

MESSAGES is a folder that `linksim conformance --files DIR` wrote; the probe begins with what lies
beside it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from probe.listen.telemetry import Event
from shared.errors import Replayed
from sims.hil.device import ProbeUnderTest
from sims.hil.ground import Said

MESSAGES = Path(os.environ.get("MESSAGES", "bench/messages"))


@pytest.fixture
def first_valid() -> bytes:
    """The first message that must be applied."""
    return sorted(MESSAGES.glob("*-valid.msg"))[0].read_bytes()


def refusal_of(message: bytes) -> Callable[[Said], bool]:
    """That of another one may still be on its way when the line is bad."""
    digest = hashlib.sha256(message).digest()[:8]
    return lambda said: said.event is Event.REFUSED and said.digest == digest


def test_noise_is_refused_and_does_not_block(hil_probe: ProbeUnderTest, first_valid: bytes) -> None:
    noise = b"\x55" * 40
    said = hil_probe.deliver(noise, refusal_of(noise), "a refusal")
    assert said.step in (1, 2, 3)
    hil_probe.deliver(first_valid, lambda s: s.event is Event.APPLIED, "the patch, applied")


def test_a_replay_is_refused(hil_probe: ProbeUnderTest, first_valid: bytes) -> None:
    """After the test above, on the same board: the counter is used up."""
    said = hil_probe.deliver(first_valid, refusal_of(first_valid), "a refusal")
    assert said.exit_code == Replayed.exit_code
