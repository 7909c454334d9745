"""Forged copies of segments beside the honest ones: none replaces another."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listening import FIRST, SECOND, Line, cltus, events, listen
from world import TARGET, THIRD, World

from probe.reception import readings
from probe.reception.framing import Ccsds, Piece
from probe.reception.reassembly import MAX_PIECES, MAX_READINGS, Assembly, Kept, settled, take
from shared.ccsds.cltu import encode_cltu
from shared.ccsds.link import build_frame, data_fields, send
from shared.ccsds.segmentation import SequenceFlags, decode_segment, encode_segment
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import FrameType

NUMBERED = Stack(type=FrameType.AD, max_frame_bytes=60)
PLAIN = replace(NUMBERED, type=FrameType.BD)
both = pytest.mark.parametrize("stack", [NUMBERED, PLAIN], ids=["AD", "BD"])


def pieces(message: bytes, stack: Stack, first: int = 0) -> list[Piece]:
    """One a frame."""
    fields = data_fields(message, stack)
    numbers = [
        (first + n) % 256 if stack.type is FrameType.AD else None for n in range(len(fields))
    ]
    return [Piece(decode_segment(f), n) for f, n in zip(fields, numbers, strict=True)]


def forged(piece: Piece, choose: random.Random) -> Piece:
    """Other data of the same length; a first segment keeps its packet header."""
    data = piece.segment.data
    kept = 6 if piece.segment.flags is SequenceFlags.FIRST else 0
    other = data[:kept] + choose.randbytes(len(data) - kept)
    return replace(piece, segment=replace(piece.segment, data=other))


def handed_on(sent: list[Piece], stack: Stack) -> list[bytes]:
    state, found = Assembly(), []
    for order, piece in enumerate(sent, 1):
        taken = take(state, Kept(order, piece), stack)
        state = taken.assembly
        assert len(taken.messages) <= MAX_READINGS
        found += taken.messages
    return found


MESSAGE = bytes(random.Random(1).randbytes(240))


@both
@pytest.mark.parametrize("where", range(5))
@pytest.mark.parametrize("late", [0, 1, 3])
def test_a_forged_copy_anywhere(stack: Stack, where: int, late: int) -> None:
    """Before the honest one, right behind it, or much later; with no word on which is which."""
    choose = random.Random(where)
    honest = pieces(MESSAGE, stack)
    sent = list(honest)
    sent.insert(where + late, forged(honest[where], choose))
    assert MESSAGE in handed_on(sent, stack)


@both
@pytest.mark.parametrize("before", [True, False])
def test_a_forged_copy_of_each(stack: Stack, before: bool) -> None:
    choose = random.Random(2)
    pairs = [(piece, forged(piece, choose)) for piece in pieces(MESSAGE, stack)]
    sent = [one for pair in pairs for one in (pair[::-1] if before else pair)]
    assert MESSAGE in handed_on(sent, stack)


@both
def test_a_whole_forged_unit_before_and_behind(stack: Stack) -> None:
    choose = random.Random(3)
    honest = pieces(MESSAGE, stack)
    other = [forged(piece, choose) for piece in honest]
    assert MESSAGE in handed_on([*other, *honest, *other], stack)
    assert MESSAGE in handed_on([*other[:3], *honest, *other[3:]], stack)


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4), st.integers(0, 255))
def test_numbered_segments_in_any_order_with_a_few_forgeries(
    choose: random.Random, forgeries: int, first: int
) -> None:
    """Up to eight readings: all of them are handed on, so the honest one is."""
    honest = pieces(MESSAGE, NUMBERED, first)
    sent = honest + [forged(choose.choice(honest), choose) for _ in range(forgeries)]
    choose.shuffle(sent)
    found = handed_on(sent, NUMBERED)
    rivals = 1
    for piece in {one.number for one in honest}:
        rivals *= sum(one.number == piece for one in sent)
    assert MESSAGE in found or rivals > MAX_READINGS


@settings(max_examples=12, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_a_sender_of_its_own_is_read_apart(choose: random.Random, rate: int) -> None:
    """Thirty forgeries beside each honest segment, numbered or not, from another address."""
    for stack in (NUMBERED, PLAIN):
        honest = [replace(one, source="ground") for one in pieces(MESSAGE, stack)]
        sent: list[Piece] = []
        for piece in honest:
            strange = [replace(forged(piece, choose), source="strange") for _ in range(rate)]
            at = choose.randint(0, rate if stack is PLAIN else min(rate, 3))
            sent += [*strange[:at], piece, *strange[at:]]
        assert MESSAGE in handed_on(sent, stack)


@both
def test_the_room_for_pieces_and_what_is_handed_on_are_bounded(stack: Stack) -> None:
    """A flood of forgeries: work for one piece has a bound, and so has memory."""
    choose = random.Random(5)
    honest = pieces(bytes(range(256)) * 8, stack)
    state = Assembly()
    for order in range(1, 620):
        piece = forged(choose.choice(honest), choose)
        taken = take(state, Kept(order, piece), stack)
        state = taken.assembly
        assert len(state.kept) <= MAX_PIECES
        assert state.spent <= {one.order for one in state.kept}
        assert len(taken.messages) <= MAX_READINGS


def test_readings_of_one_piece_take_a_bounded_number_of_comparisons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counted, with every place taken as often as is allowed."""
    count = 0
    real = readings._distance

    def counting(one: Kept, other: Kept) -> int:
        nonlocal count
        count += 1
        return real(one, other)

    monkeypatch.setattr(readings, "_distance", counting)
    choose = random.Random(6)
    for stack in (NUMBERED, PLAIN):
        honest = pieces(choose.randbytes(30 * 52), stack)
        sent = [forged(piece, choose) for piece in honest for _ in range(6)]
        most = 0
        state = Assembly()
        for order, piece in enumerate([*sent, *honest], 1):
            count = 0
            state = take(state, Kept(order, piece), stack).assembly
            most = max(most, count)
        assert most <= 2 * readings.MAX_STEPS
        assert most > 0 or stack is PLAIN


@both
def test_sent_again_is_handed_on_again_once(stack: Stack) -> None:
    honest = pieces(MESSAGE, stack)
    assert handed_on(honest * 3, stack) == [MESSAGE] * 3
    doubled = [one for piece in honest for one in (piece, piece)]
    assert handed_on(doubled, stack) == [MESSAGE]


def test_messages_of_one_size_under_the_same_numbers_are_not_mixed_once_settled() -> None:
    """A sender that begins to count anew with each message."""
    other = bytes(reversed(MESSAGE))
    state, found = Assembly(), []
    for order, piece in enumerate([*pieces(MESSAGE, NUMBERED), *pieces(other, NUMBERED)], 1):
        taken = take(state, Kept(order, piece), NUMBERED)
        state = taken.assembly
        for message in taken.messages:
            found.append(message)
            state = settled(state, message)
    assert found == [MESSAGE, other]
    assert state == Assembly()


@both
def test_messages_of_one_size_in_order_are_not_mixed(stack: Stack) -> None:
    """Numbers that go on, or none."""
    messages = [bytes([n]) * 240 for n in range(5)]
    sent = [one for n, m in enumerate(messages) for one in pieces(m, stack, 6 * n)]
    assert handed_on(sent, stack) == messages


# --- through the service ------------------------------------------------------------------------


@both
def test_the_honest_message_is_applied(world: World, stack: Stack) -> None:
    """Each segment with a forged copy before it and one behind."""
    choose = random.Random(7)
    sent = []
    for n, piece in enumerate(pieces(FIRST, stack)):
        for one in (forged(piece, choose), piece, forged(piece, choose)):
            number = n if stack.type is FrameType.AD else 0
            frame = build_frame(encode_segment(one.segment), stack, sequence_number=number)
            sent.append(encode_cltu(frame, stack.channel))
    said = events(listen(world, Line(sent), Ccsds(stack), stack=stack))
    assert said.count("applied") == 1
    assert world.tree() == TARGET


def test_a_forged_last_segment_that_comes_first_spoils_nothing(world: World) -> None:
    """Today's case of the kind: the unit was complete with it, and the honest one came too late."""
    frames = cltus(FIRST, 9)
    stack = Stack(type=FrameType.AD, max_frame_bytes=16)
    last = pieces(FIRST, stack, 9)[-1]
    field = encode_segment(forged(last, random.Random(8)).segment)
    number = (last.number or 0) % 256
    wrong = encode_cltu(build_frame(field, stack, sequence_number=number), stack.channel)
    listen(world, Line([*frames[:-1], wrong, frames[-1], *cltus(SECOND, 100, 1)]), Ccsds(stack))
    assert world.tree() == THIRD


def test_files_of_segments_go_when_a_message_is_made_of_them(world: World) -> None:
    sent = send(FIRST, replace(NUMBERED, max_frame_bytes=40))
    listen(world, Line(sent), Ccsds(NUMBERED), stack=NUMBERED)
    assert [path.name for path in (world.state / "inbox").iterdir()] == ["lock"]
