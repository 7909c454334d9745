"""``probe listen`` as a process on real lines."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from listening import FIRST, SECOND, cltus
from powercut import Quick
from world import TARGET, THIRD, World

from probe.inbox.inbox import Inbox, open_inbox
from probe.listen.telemetry import Event, read_packet
from probe.reception.framing import slip
from shared.errors import StoreError


def command(world: World, *options: str, **more: object) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "probe", "listen", "--state", str(world.state), *options]
    folder = Path(__file__).parents[2]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, **more
    )  # type: ignore[call-overload]


def ended(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 0, err


def test_standard_input(world: World) -> None:
    process = command(world, "--stdin", stdin=subprocess.PIPE)
    out, err = process.communicate(slip(b"no message") + slip(FIRST) + slip(SECOND))
    assert (process.returncode, err) == (0, b"")
    said = [json.loads(line) for line in out.splitlines()]
    assert [one["event"] for one in said] == ["ready", "refused", "applied", "applied"]
    assert world.tree() == THIRD


def test_udp_with_packets_for_telemetry(world: World) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ground:
        ground.bind(("127.0.0.1", 0))
        ground.settimeout(60)
        told = f"127.0.0.1:{ground.getsockname()[1]}"
        words = ["--udp", f"127.0.0.1:{port}", "--telemetry", "packet", "--telemetry-to", told]
        process = command(world, *words, "--framing", "ccsds")
        assert read_packet(ground.recv(100)).event is Event.READY
        for data in reversed(cltus(FIRST, 0)):
            ground.sendto(data, ("127.0.0.1", port))
        said = read_packet(ground.recv(100))
        assert (said.event, said.digest) == (Event.APPLIED, TARGET.digest[:8])
        ended(process)
    assert world.tree() == TARGET


def test_a_serial_line(world: World) -> None:
    pytest.importorskip("serial")
    ground, probe = os.openpty()
    process = command(world, "--serial", os.ttyname(probe))
    with os.fdopen(ground, "r+b", buffering=0) as line:
        assert json.loads(read_line(line))["event"] == "ready"
        line.write(b"\x00noise\xdb" + slip(FIRST))
        told = []
        while "applied" not in told:
            told.append(json.loads(read_line(line))["event"])
        ended(process)
    assert world.tree() == TARGET


def read_line(line: object) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        data += line.read(1)  # type: ignore[attr-defined]
    return data


def test_one_listener_for_a_state(world: World) -> None:
    with open_inbox(world.state, Quick()) as inbox:
        assert isinstance(inbox, Inbox)
        with (
            pytest.raises(StoreError, match="another probe is listening"),
            open_inbox(world.state, Quick()),
        ):
            pass


@pytest.mark.parametrize(
    "options", [[], ["--stdin", "--udp", "127.0.0.1:0"], ["--stdin", "--framing", "x"]]
)
def test_wrong_usage(world: World, options: list[str]) -> None:
    process = command(world, *options, stdin=subprocess.DEVNULL)
    process.communicate()
    assert process.returncode == 2
