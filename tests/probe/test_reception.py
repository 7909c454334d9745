"""What comes over a line, slowly, in pieces, packed, filled up: taken, and told once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listening import FIRST, SECOND, Line, events, listen
from world import TARGET, THIRD, World

from probe.listen.faults import told
from probe.reception.framing import Ccsds, Framing, Slip, slip
from shared.ccsds.cltu import encode_cltu
from shared.ccsds.link import build_frame, send
from shared.ccsds.space_packet import SpacePacket, encode_packet
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import FrameType

STACK = Stack()


def packed(*messages: bytes) -> bytes:
    """All of them in one frame."""
    unit = b"".join(encode_packet(SpacePacket(1, m, n)) for n, m in enumerate(messages))
    return encode_cltu(build_frame(b"\xc0" + unit, STACK), STACK.channel)


class Pausing(Line):
    """Lets time pass after each piece: polls that bring nothing."""

    def __init__(self, pieces: list[bytes]) -> None:
        super().__init__(pieces, datagrams=False)
        self.pauses = 0

    def receive(self, timeout_s: float) -> bytes | None:  # type: ignore[override]
        self.pauses += 1
        return None if self.pauses % 4 else super().receive(timeout_s)


@pytest.mark.parametrize("framing", [Ccsds(STACK), Slip(1 << 20)])
def test_a_slow_line_pauses_after_every_byte(world: World, framing: Framing) -> None:
    """At 16 bit/s half a second passes between two bytes, and a minute is as good."""
    one, two = [slip(m) if isinstance(framing, Slip) else packed(m) for m in (FIRST, SECOND)]
    said = listen(world, Pausing([bytes([value]) for value in one + two]), framing)
    assert events(said) == ["ready", "applied", "applied"]
    assert world.tree() == THIRD


@pytest.mark.parametrize("line", ["stdin", "serial"])
@pytest.mark.parametrize("framing", ["ccsds", "bare"])
def test_a_real_line_that_pauses_inside_a_message(world: World, line: str, framing: str) -> None:
    """Longer than the listener waits for a byte; a fixed pause would have given up by then."""
    data = packed(FIRST) if framing == "ccsds" else slip(FIRST)
    if line == "serial":
        pytest.importorskip("serial")
    ground, probe = os.openpty() if line == "serial" else os.pipe()[::-1]
    way = ["--serial", os.ttyname(probe)] if line == "serial" else ["--stdin"]
    words = [sys.executable, "-m", "probe", "listen", "--state", str(world.state), *way]
    process = subprocess.Popen(
        [*words, "--framing", framing],
        stdin=probe if line == "stdin" else subprocess.DEVNULL,
        stdout=subprocess.PIPE if line == "stdin" else ground,
        cwd=Path(__file__).parents[2],
    )
    os.close(probe) if line == "stdin" else None
    told_by = process.stdout.fileno() if process.stdout else ground
    lines = spoken(told_by)
    assert next(lines)["event"] == "ready"
    for some in (data[:20], data[20:50], data[50:]):
        os.write(ground, some)
        time.sleep(0.5)
    assert next(lines)["event"] == "applied"
    process.terminate()
    process.wait()
    assert world.tree() == TARGET


def spoken(descriptor: int) -> Iterator[dict[str, object]]:
    """Lines of JSON from a pipe or a terminal."""
    text = b""
    while some := os.read(descriptor, 4096):
        text += some
        while b"\n" in text:
            one, text = text.split(b"\n", 1)
            yield json.loads(one)


def test_two_packets_in_a_frame_are_both_taken(world: World) -> None:
    said = listen(world, Line([packed(FIRST, SECOND)]), Ccsds(STACK))
    assert events(said) == ["ready", "applied", "applied"]
    assert world.tree() == THIRD


def test_two_packets_in_a_unit_of_several_segments_are_both_taken(world: World) -> None:
    stack = replace(STACK, max_frame_bytes=60, type=FrameType.AD, apid=None)
    unit = b"".join(encode_packet(SpacePacket(1, m)) for m in (FIRST, SECOND))
    frames = send(unit, stack)
    assert len(frames) > 4
    listen(world, Line(frames), Ccsds(replace(stack, apid=1)), stack=replace(stack, apid=1))
    assert world.tree() == THIRD


@pytest.mark.parametrize("fill", [b"\x00", b"\x55", b"\x21\x00", b"\xff"])
def test_fill_is_one_report_and_the_message_is_applied(world: World, fill: bytes) -> None:
    frame = build_frame(b"\xc0" + encode_packet(SpacePacket(1, FIRST)), STACK)
    filled = encode_cltu((frame + fill * 1024)[:1024], STACK.channel)
    said = listen(world, Line([filled]), Ccsds(STACK))
    assert world.tree() == TARGET
    assert events(said).count("frames") <= 1


@pytest.mark.parametrize(
    "one",
    [
        encode_cltu(bytes(1020), STACK.channel),
        b"".join(encode_cltu(bytes([n]) * 30, STACK.channel) for n in range(1, 40)),
        b"".join(send(b"for others", replace(STACK, scid=n))[0] for n in range(2, 60)),
        packed(b"x") * 30 + b"".join(send(b"x", replace(STACK, apid=n))[0] for n in range(2, 60)),
    ],
)
def test_faults_of_one_datagram_are_one_report(world: World, one: bytes) -> None:
    said = listen(world, Line([one]), Ccsds(STACK))
    assert events(said).count("frames") == 1


def test_faults_of_slip_are_one_report_too(world: World) -> None:
    said = listen(world, Line([b"\xdb\x00\xc0" * 50], datagrams=False), Slip(100))
    assert [one.reason for one in said if one.event.name == "FRAMES"] == [
        "a message with a wrong escape, or too long (50 times)"
    ]


def test_an_input_that_ends_inside_a_message_says_so(world: World) -> None:
    for framing, data in ((Ccsds(STACK), packed(FIRST)[:60]), (Slip(999), slip(FIRST)[:60])):
        assert events(listen(world, Line([data], datagrams=False), framing)) == ["ready", "frames"]


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=200))
@settings(deadline=None)
def test_a_report_counts_every_fault_and_stays_short(faults: list[str]) -> None:
    report = told(faults)
    counted = 0
    for part in report.split(" | "):
        number = "".join(one for one in part if one.isdigit())
        counted += int(number) if number else 1
    assert counted == len(faults)
    assert len(report) < 100
