"""``probe listen``: real lines, real messages; nothing is lost and nothing blocks the next."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from powercut import Quick
from world import BASE, KEY, TARGET, THIRD, World, classical, envelope, regenerator

from probe.assembly import MAX_PIECES, Assembly, Kept, take
from probe.filesystem import Filesystem
from probe.inbox import Inbox, open_inbox
from probe.onboard import confirm, open_probe
from probe.receiver import Receiver
from probe.service import MAX_PARKED, Doing, Service
from probe.telemetry import Event, Telemetry, json_line, packet, read_packet
from probe.units import Ccsds, Datagrams, Piece, Slip, slip
from shared.auth.rotation import encode_rotation
from shared.ccsds.link import data_fields, send
from shared.ccsds.segmentation import decode_segment
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import FrameType
from shared.errors import MalformedMessage, RehydrationError, StoreError
from shared.regenerate import resident_bytes
from shared.tree import Entry, Mode

FIRST = envelope(classical(BASE, TARGET), 5)
SECOND = envelope(classical(TARGET, THIRD), 6)
STACK = Stack(type=FrameType.AD, max_frame_bytes=16)
"""Small frames: FIRST takes a few dozen."""


class Line:
    """A line that brings what a test lists, a piece at a time, and keeps what is sent."""

    def __init__(self, pieces: list[bytes], *, datagrams: bool = True) -> None:
        self.datagrams = datagrams
        self.pieces = list(pieces)

    def receive(self, timeout_s: float) -> bytes:
        del timeout_s
        return self.pieces.pop(0) if self.pieces else b""

    def send(self, data: bytes) -> None:
        raise AssertionError(f"telemetry goes elsewhere here: {data!r}")

    def close(self) -> None:
        pass


def listen(
    world: World,
    line: Line,
    framing: object = None,
    files: Filesystem | None = None,
    stack: Stack = STACK,
) -> list[Telemetry]:
    """Run a service over a line until its end; the telemetry."""
    said: list[Telemetry] = []
    disk = files or Quick()
    doing = Doing(world.state, disk, lambda: 1000.0, lambda *_: regenerator, said.append)
    with open_inbox(world.state, disk) as inbox:

        def fault(reason: str) -> None:
            said.append(Telemetry(Event.FRAMES, reason=reason))

        frames = framing or Datagrams()
        receiver = Receiver(line, frames, stack, inbox, 1 << 20, fault)  # type: ignore[arg-type]
        Service(doing, inbox, receiver).run()
    return said


def events(said: list[Telemetry]) -> list[str]:
    return [one.event.name.lower() for one in said]


def cltus(data: bytes, first: int, count: int = 0) -> list[bytes]:
    return send(data, STACK, first_number=first, packet_count=count)


# --- messages -------------------------------------------------------------------------------------


def test_valid_and_hostile_messages_mixed(world: World) -> None:
    damaged = bytes([*FIRST[:9], FIRST[9] ^ 4, *FIRST[10:]])
    noise = random.Random(3).randbytes(200)
    said = listen(world, Line([noise, damaged, FIRST, FIRST, b"x", SECOND, noise]))
    assert world.tree() == THIRD
    assert world.ledger().counter == 6
    assert [one.event for one in said].count(Event.APPLIED) == 2
    assert said[0].event is Event.READY
    assert said[0].digest == BASE.digest[:8]
    applied = [one for one in said if one.event is Event.APPLIED]
    assert [one.digest for one in applied] == [TARGET.digest[:8], THIRD.digest[:8]]
    assert [one.counter for one in applied] == [5, 6]
    replay = next(one for one in said if one.exit_code == 16)
    assert (replay.event, replay.step) == (Event.REFUSED, 5)
    assert all(one.memory_kib > 1000 and one.disk_kib > 1000 for one in applied)


def test_a_message_that_overtook_another_waits_for_it(world: World) -> None:
    said = listen(world, Line([SECOND, FIRST]))
    assert events(said)[:4] == ["ready", "parked", "parked", "applied"] or events(said)[:3] == [
        "ready",
        "parked",
        "applied",
    ]
    assert world.tree() == THIRD


def test_a_message_waits_while_a_tree_is_on_trial(world: World) -> None:
    world.initialise(renew=True, trial_s=1e12)
    said = listen(world, Line([FIRST, SECOND]))
    assert events(said) == ["ready", "applied", "parked"]
    with open_probe(world.state, Quick()) as probe:
        confirm(probe, now_s=1001.0)
    assert "applied" in events(listen(world, Line([])))  # what was parked outlived the restart
    assert world.tree() == THIRD


def test_keys_can_be_changed_on_the_line(world: World) -> None:
    said = listen(world, Line([encode_rotation((KEY.public_key(),), 4, KEY), FIRST]))
    assert events(said) == ["ready", "rotated", "applied"]


def test_the_self_test_is_run(world: World) -> None:
    fails = (sys.executable, "-c", "raise SystemExit(1)")
    world.initialise(renew=True, trial_s=60.0, self_test=fails)
    said = listen(world, Line([FIRST]))
    assert events(said) == ["ready", "applied", "settled"]
    assert "revert" in said[2].reason
    assert world.tree() == BASE


def test_a_defect_does_not_stop_the_service(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import probe.service

    real = probe.service.deal

    def deal(*arguments: object) -> object:
        if arguments[1] == b"trap":
            raise ZeroDivisionError("planted")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(probe.service, "deal", deal)
    said = listen(world, Line([b"trap", FIRST]))
    assert events(said) == ["ready", "refused", "applied"]
    assert said[1].exit_code == 1
    assert "planted" in said[1].reason


class FullDisk(Quick):
    """Has no room for the inbox."""

    def write_file(self, path: Path, data: bytes, mode: int) -> None:
        if path.parent.name == "inbox":
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write_file(path, data, mode)


def test_a_full_disk_does_not_lose_what_is_in_memory(world: World) -> None:
    said = listen(world, Line([*cltus(FIRST, 250), *cltus(SECOND, 3)]), Ccsds(STACK), FullDisk())
    assert world.tree() == THIRD
    assert any("No space left" in one.reason for one in said)


class FullSlots(Quick):
    """Has no room for trees until told."""

    full = True

    def copy_file(self, source: Path, path: Path) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().copy_file(source, path)


def test_a_full_disk_parks_the_message_and_not_the_next(world: World) -> None:
    disk = FullSlots()
    rotation = encode_rotation((KEY.public_key(),), 4, KEY)
    said = listen(world, Line([FIRST, rotation]), files=disk)
    assert "rotated" in events(said)
    parked = next(one for one in said if one.event is Event.PARKED)
    assert (parked.step, parked.exit_code) == (10, 30)
    assert world.tree() == BASE
    disk.full = False
    assert "applied" in events(listen(world, Line([]), files=disk))
    assert world.tree() == TARGET


def test_forgeries_do_not_push_out_a_message_that_a_full_disk_keeps_waiting(world: World) -> None:
    disk = FullSlots()
    forged = [SECOND[:-1] + bytes([SECOND[-1] ^ number]) for number in range(1, 40)]
    said = listen(world, Line([FIRST, *forged]), files=disk)
    assert sum("the oldest is given up" in one.reason for one in said) == 40 - MAX_PARKED
    disk.full = False
    assert "applied" in events(listen(world, Line([]), files=disk))
    assert world.tree() == TARGET


def test_a_disk_that_has_room_again_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a restart, and though nothing else has come."""
    monkeypatch.setattr("probe.service.DISK_S", 0.0)

    class FullOnce(FullSlots):
        def copy_file(self, source: Path, path: Path) -> None:
            try:
                super().copy_file(source, path)
            finally:
                self.full = False

    said = events(listen(world, Line([FIRST]), files=FullOnce()))
    assert said == ["ready", "parked", "applied"]
    assert world.tree() == TARGET


# --- segments -------------------------------------------------------------------------------------


def test_segments_in_any_order_with_copies_and_mixed(world: World) -> None:
    choose = random.Random(8)
    frames = cltus(FIRST, 250) + cltus(SECOND, 250 + len(cltus(FIRST, 0)), 1)
    assert 20 < len(frames) < 200
    sent = frames + choose.sample(frames, len(frames) // 2)
    choose.shuffle(sent)
    listen(world, Line(sent), Ccsds(STACK))
    assert world.tree() == THIRD


def test_a_restart_in_the_middle_of_a_transfer(world: World) -> None:
    frames = cltus(FIRST, 17)
    half = len(frames) // 2
    assert events(listen(world, Line(frames[half:]), Ccsds(STACK))) == ["ready"]
    assert len(list((world.state / "inbox").glob("*.segment"))) == len(frames) - half
    assert "applied" in events(listen(world, Line(frames[:half]), Ccsds(STACK)))
    assert world.tree() == TARGET
    assert [path.name for path in (world.state / "inbox").iterdir()] == ["lock"]


def test_a_restart_between_the_last_segment_and_the_message(world: World) -> None:
    """All segments are on disk, the message is not: it is put together at the start."""
    with open_inbox(world.state, Quick()) as inbox:
        for order, field in enumerate(data_fields(FIRST, STACK), 1):
            inbox.put_segment(Kept(order, Piece(decode_segment(field), order)))
    assert events(listen(world, Line([]))) == ["ready", "applied"]
    assert world.tree() == TARGET


def test_numbers_that_wrapped_around_do_not_spoil_the_next_message(world: World) -> None:
    """A last segment was left over from a message before, under a number that comes again."""
    frames = cltus(FIRST, 40)
    stray = cltus(SECOND, 40 + len(frames) - len(cltus(SECOND, 0)), 1)[-1]
    listen(world, Line([stray, *frames]), Ccsds(STACK))
    assert world.tree() == TARGET


def test_a_line_full_of_noise(world: World) -> None:
    choose = random.Random(4)
    noisy: list[bytes] = []
    for frame in cltus(FIRST, 0):
        noisy += [choose.randbytes(choose.randint(1, 40)), frame]
    stream = b"".join(noisy)
    cut = [stream[at : at + 37] for at in range(0, len(stream), 37)]
    listen(world, Line(cut, datagrams=False), Ccsds(STACK))
    assert world.tree() == TARGET


@pytest.mark.slow
def test_five_hundred_messages_over_a_lossy_line(world: World) -> None:
    """Valid ones in copies, noise, forgeries and replays; a line that loses and damages frames."""
    choose = random.Random(21)
    trees = [BASE]
    for turn in range(1, 21):
        new = Entry(Mode.REGULAR, b"turn %d\n" % turn)
        trees.append(trees[-1].replace({"turn.txt": new}))
    valid = [
        envelope(classical(old, new), counter)
        for counter, (old, new) in enumerate(itertools.pairwise(trees), 1)
    ]
    number, count, sent, units = 0, 0, [], 0
    for data in valid:
        hostile = [choose.randbytes(choose.randint(1, 30)) for _ in range(17)]
        hostile += [valid[0], data[:20] + bytes([data[20] ^ 1]) + data[21:], data[:-1], b"\xff"]
        for message in [*hostile, data]:
            frames = cltus(message, number, count % 16384)
            copies = 4 if message is data else 1
            units += copies
            sent += [
                damaged(frame, choose)
                for _ in range(copies)
                for frame in frames
                if choose.random() > 0.1
            ]
            number, count = (number + len(frames)) % 256, count + 1
    assert units >= 500
    line = Line(sent)
    before = resident_bytes()
    said = listen(world, line, Ccsds(STACK))
    applied = [one.digest for one in said if one.event is Event.APPLIED]
    assert applied == [tree.digest[:8] for tree in trees[1:]]
    assert world.tree() == trees[-1]
    assert resident_bytes() - before < 20 << 20


def damaged(frame: bytes, choose: random.Random) -> bytes:
    """One frame in ten with a burst in it."""
    if choose.random() > 0.1:
        return frame
    at = choose.randrange(len(frame))
    return frame[:at] + choose.randbytes(3) + frame[at + 3 :]


def unnumbered(data: bytes, map_id: int = 0) -> list[Piece]:
    stack = replace(STACK, type=FrameType.BD, map_id=map_id)
    return [Piece(decode_segment(field)) for field in data_fields(data, stack)]


def messages(pieces: list[Piece]) -> list[bytes]:
    assembly, found = Assembly(), []
    for order, piece in enumerate(pieces, 1):
        taken = take(assembly, Kept(order, piece), STACK)
        assembly = taken.assembly
        found += [taken.message] if taken.message is not None else []
    return found


def test_segments_without_numbers(world: World) -> None:
    del world
    one, other = unnumbered(bytes(300), 3), unnumbered(FIRST, 9)
    assert messages([*one, *other]) == [bytes(300), FIRST]
    mixed = [p for pair in itertools.zip_longest(one, other) for p in pair if p]
    assert sorted(messages(mixed)) == sorted([bytes(300), FIRST])
    assert messages([p for p in other for _ in range(2)]) == [FIRST]
    assert messages([*other[:2], *other]) == [FIRST]
    assert messages(other[1:]) == []
    assert messages([other[0], *other[2:]]) == []


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 255), st.integers(1, 400))
def test_any_order_of_numbered_segments(choose: random.Random, first: int, size: int) -> None:
    data = choose.randbytes(size)
    pieces = [
        Piece(decode_segment(field), (first + n) % 256)
        for n, field in enumerate(data_fields(data, STACK))
    ]
    pieces += choose.sample(pieces, choose.randint(0, len(pieces)))
    choose.shuffle(pieces)
    assert data in messages(pieces)
    assert set(messages(pieces)) == {data}


def test_room_for_segments_is_bounded() -> None:
    assembly = Assembly()
    for order in range(1, 3 * MAX_PIECES):
        piece = replace(unnumbered(bytes(300), order % 64)[1], number=None)
        taken = take(assembly, Kept(order, piece), STACK)
        assembly = taken.assembly
    assert len(assembly.kept) == MAX_PIECES


# --- streams and telemetry ------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=1, max_size=40)), st.integers(1, 9))
def test_slip_gives_back_what_went_in(sent: list[bytes], step: int) -> None:
    stream = b"".join(map(slip, sent))
    reader, found = Slip(40), []
    for at in range(0, len(stream), step):
        found += reader.feed(stream[at : at + step]).messages
    assert found == sent


def test_slip_literally_and_after_damage() -> None:
    assert slip(b"a\xc0b\xdbc") == bytes.fromhex("c0 61 dbdc 62 dbdd 63 c0")
    reader = Slip(5)
    assert reader.feed(b"\xdbx\xc0").faults
    assert reader.feed(b"123456\xc0").faults
    assert reader.feed(b"noise"[:3] + slip(b"12345")).messages == (b"noi", b"12345")


SAMPLE = Telemetry(
    Event.REFUSED,
    time_s=1_800_000_000.75,
    step=4,
    exit_code=15,
    counter=66051,
    tokens=4711,
    milliseconds=90_000,
    memory_kib=400_000,
    disk_kib=5_000_000_000,
    digest=bytes.fromhex("0011223344556677"),
    reason="said in JSON alone",
)
SAMPLE_BYTES = bytes.fromhex(
    "0007 c005 0027"  # telemetry, APID 7; unsegmented, count 5; 40 bytes
    "01 03 04 0f 00010203 00001267 00015f90 00061a80 fffffffe 0011223344556677 00006b49d200"
)


def test_a_packet_byte_by_byte() -> None:
    data = packet(SAMPLE, 7, 5 + 16384)
    assert data[:-2] == SAMPLE_BYTES
    assert len(data) == 46
    check = 0xFFFF  # CRC-16/IBM-3740, bit by bit
    for byte in data[6:-2]:
        check ^= byte << 8
        for _ in range(8):
            check = (check << 1 ^ (0x1021 if check & 0x8000 else 0)) & 0xFFFF
    assert data[-2:] == check.to_bytes(2, "big")
    expected = replace(SAMPLE, disk_kib=0xFFFFFFFE, time_s=1_800_000_000.0, reason="")
    assert read_packet(data) == expected
    assert read_packet(packet(Telemetry(Event.READY), 0, 0)) == Telemetry(Event.READY)


def test_every_flipped_bit_of_a_packet_is_noticed_or_in_the_header() -> None:
    data = packet(SAMPLE, 7, 5)
    for bit in range(8 * 6, 8 * len(data)):
        bad = bytearray(data)
        bad[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(RehydrationError):
            read_packet(bytes(bad))
    for size in range(len(data)):
        with pytest.raises(MalformedMessage):
            read_packet(data[:size])


def test_a_line_of_json() -> None:
    assert json.loads(json_line(SAMPLE)) == {
        "event": "refused",
        "time_s": 1_800_000_000.75,
        "step": 4,
        "exit_code": 15,
        "counter": 66051,
        "tokens": 4711,
        "milliseconds": 90_000,
        "memory_kib": 400_000,
        "disk_kib": 5_000_000_000,
        "digest": "0011223344556677",
        "reason": "said in JSON alone",
    }


# --- the command itself ---------------------------------------------------------------------------


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
