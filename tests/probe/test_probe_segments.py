"""Segments to messages: in any order, in copies, mixed, across restarts and in noise."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from listening import FIRST, SECOND, STACK, Line, cltus, events, listen, stored
from powercut import Quick
from world import TARGET, THIRD, World

from probe.inbox.inbox import open_inbox
from probe.reception.framing import Ccsds, Piece
from probe.reception.reassembly import MAX_PIECES, Assembly, Kept, take
from shared.ccsds.link import data_fields
from shared.ccsds.segmentation import decode_segment
from shared.ccsds.tc_frame import FrameType


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
    assert len(stored(world)[1]) == len(frames) - half
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


def unnumbered(data: bytes, map_id: int = 0) -> list[Piece]:
    stack = replace(STACK, type=FrameType.BD, map_id=map_id)
    return [Piece(decode_segment(field)) for field in data_fields(data, stack)]


def messages(pieces: list[Piece]) -> list[bytes]:
    assembly, found = Assembly(), []
    for order, piece in enumerate(pieces, 1):
        taken = take(assembly, Kept(order, piece), STACK)
        assembly = taken.assembly
        found += taken.messages
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
