"""A serial line has no end: one that is lost has failed, and nothing that came is."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tty
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listening import FIRST, SECOND, STACK, Line, cltus, listen
from world import BASE, TARGET, World

from probe.listen.telemetry import Event, Telemetry
from probe.reception.framing import Ccsds, Framing, Slip, slip
from probe.reception.transports import Serial
from shared.errors import InputError


def listener(world: World, device: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "probe", "listen", "--serial", device]
    return subprocess.Popen(
        [*words, "--state", str(world.state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def heard(line: int, wanted: bytes) -> bytes:
    """What a line brings up to some bytes, or up to its end."""
    found = b""
    while wanted not in found:
        found += os.read(line, 4096)
    return found


@pytest.mark.parametrize("sent", [b"", slip(FIRST)], ids=["idle", "after a message"])
def test_a_line_that_is_unplugged_ends_it_with_4(world: World, sent: bytes) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    process = listener(world, os.ttyname(slave))
    heard(master, b'"ready"')
    os.close(slave)
    if sent:
        os.write(master, sent)
        heard(master, b'"applied"')
    os.close(master)
    _, said = process.communicate()
    assert process.returncode == InputError.exit_code, said
    assert "the line has failed" in said
    assert "is lost" in said
    assert "Traceback" not in said
    assert world.tree() == (TARGET if sent else BASE)


def test_another_way_to_lose_a_line() -> None:
    """Its descriptor is closed beneath."""
    master, slave = pty.openpty()
    line = Serial(os.ttyname(slave), 9600)
    os.close(line._line.fileno())
    with pytest.raises(InputError, match="is lost"):
        line.receive(0.0)
    os.close(master)
    os.close(slave)


class Lost(Line):
    """A line that fails where another ends."""

    def receive(self, timeout_s: float) -> bytes:
        if not self.pieces:
            raise InputError("the serial line is lost")
        return super().receive(timeout_s)


def framing(ccsds: bool) -> Framing:
    return Ccsds(STACK) if ccsds else Slip(1 << 20)


WHOLE = {
    True: b"".join([*cltus(FIRST, 3), *cltus(SECOND, 90)]),
    False: slip(FIRST) + slip(SECOND),
}


def outcome(said: list[Telemetry]) -> list[tuple[Event, int]]:
    return [(one.event, one.counter) for one in said]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ccsds=st.booleans(), share=st.floats(0, 1))
def test_a_lost_line_loses_no_more_than_one_that_ends(
    world: World, ccsds: bool, share: float
) -> None:
    """Cut anywhere: the same events, and then the failure."""
    data = WHOLE[ccsds]
    pieces = [data[: round(share * len(data))] or b"\xc0"]
    copy = world.folder.with_name("copy")
    if not copy.exists():
        world.save(copy)
    expected = outcome(listen(world, Line(pieces, datagrams=False), framing(ccsds)))
    tree = world.tree()
    world.restore(copy)
    said: list[Telemetry] = []
    with pytest.raises(InputError, match="the line has failed"):
        listen(world, Lost(pieces, datagrams=False), framing(ccsds), said=said)
    assert outcome(said)[:-1] == expected
    assert said[-1].exit_code == InputError.exit_code
    assert world.tree() == tree
    world.restore(copy)
