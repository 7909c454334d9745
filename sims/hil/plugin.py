"""The pytest plugin: a probe as a fixture, over UDP or a serial line, here or on a board.

    def test_a_damaged_message_is_refused(hil_probe):
        hil_probe.send(b"\\0" * 40)
        hil_probe.expect(Event.REFUSED, step=2)

Options, or the same names in pytest's ini file with ``_`` for ``-``:

    --hil-command WORDS   starts `probe listen --state DIR` ("ssh board probe listen --state /s")
    --hil-udp HOST:PORT   a probe that listens already
    --hil-serial DEVICE   the same on a serial line
    --hil-line, --hil-framing, --hil-telemetry, --hil-weather, --hil-seed

Nothing is imported before a test asks for a probe.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sims.hil.device import ProbeUnderTest

OPTIONS = {
    "hil-command": ("", "words that start the probe, up to the options of its line"),
    "hil-udp": ("", "HOST:PORT of a probe that listens already"),
    "hil-from": ("", "HOST:PORT of this end, which such a probe names with --telemetry-to"),
    "hil-serial": ("", "serial device of a probe that listens already"),
    "hil-line": ("udp", "line to a probe that is started: udp or serial"),
    "hil-framing": ("bare", "what lies on the line: bare or ccsds"),
    "hil-telemetry": ("json", "what the probe says: json or packet"),
    "hil-weather": ("clear", "on the line, both ways: clear, rain, storm, or a preset of linksim"),
    "hil-seed": ("1", "of the weather"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and ini values."""
    group = parser.getgroup("hil", "a probe under test")
    for name, (default, meaning) in OPTIONS.items():
        group.addoption(f"--{name}", default=None, help=f"{meaning} [{default or 'none'}]")
        parser.addini(name.replace("-", "_"), meaning, default=default)


def option(config: pytest.Config, name: str) -> str:
    """The value of an option, from the command line or else from the ini file."""
    given = config.getoption(f"--{name}")
    return str(config.getini(name.replace("-", "_")) if given is None else given)


@pytest.fixture
def hil_probe(pytestconfig: pytest.Config) -> Iterator[ProbeUnderTest]:
    """The probe that the options name; one that is started is ended after the test."""
    from shared.errors import InputError
    from sims.hil.device import attached, started
    from sims.hil.impairment_presets import weather_named

    said = {name: option(pytestconfig, name) for name in OPTIONS}
    framing, telemetry = said["hil-framing"], said["hil-telemetry"]
    for kind in ("udp", "serial"):
        if said[f"hil-{kind}"]:
            where, here = said[f"hil-{kind}"], said["hil-from"]
            with attached(kind, where, framing=framing, telemetry=telemetry, here=here) as probe:
                yield probe
            return
    if not said["hil-command"]:
        pytest.fail("no probe: give --hil-command, --hil-udp or --hil-serial", pytrace=False)
    try:
        weather = weather_named(said["hil-weather"])
    except InputError as error:
        pytest.fail(f"--hil-weather: {error}", pytrace=False)
    with started(
        shlex.split(said["hil-command"]),
        kind=said["hil-line"],
        framing=framing,
        telemetry=telemetry,
        weather=weather,
        seed=int(said["hil-seed"]),
    ) as probe:
        yield probe
