"""Segments: cut, joined, and every way to lose, double or exchange one."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ccsds import segmentation
from shared.ccsds.errors import FrameError
from shared.ccsds.segmentation import (
    Reassembly,
    Segment,
    SequenceFlags,
    decode_segment,
    encode_segment,
    join_segments,
    reassemble,
    segment_sdu,
)
from shared.errors import InputError

SDU = bytes(range(50, 73))
PIECES = segment_sdu(SDU, 9, 5)


def run(
    segments: list[Segment], numbers: list[int] | None = None
) -> tuple[list[bytes], list[str], Reassembly]:
    """Units, faults and last state of segments."""
    state, units, faults = Reassembly(), [], []
    for index, segment in enumerate(segments):
        step = reassemble(state, segment, numbers[index] if numbers else None)
        state = step.state
        units += [step.sdu] if step.sdu is not None else []
        faults += [str(step.fault)] if step.fault else []
    return units, faults, state


def test_header_layout() -> None:
    """232.0-B-4, 4.1.3.2.2: first 01, continuing 00, last 10, unsegmented 11; then the MAP ID."""
    assert encode_segment(Segment(SequenceFlags.LAST, 42, b"\x07")).hex() == "aa07"
    assert [encode_segment(piece)[0] for piece in PIECES] == [0x49, 0x09, 0x09, 0x09, 0x89]
    assert encode_segment(segment_sdu(b"abc", 63, 3)[0]) == b"\xffabc"


@given(st.binary(min_size=1, max_size=300), st.integers(0, 63), st.integers(1, 50))
def test_round_trip(sdu: bytes, map_id: int, room: int) -> None:
    segments = segment_sdu(sdu, map_id, room)
    assert len(segments) == -(-len(sdu) // room)
    sent = [encode_segment(segment) for segment in segments]
    assert all(1 < len(each) <= room + 1 for each in sent)
    assert join_segments(map(decode_segment, sent)) == sdu


def test_no_permutation_without_one_segment_passes_for_the_whole() -> None:
    """Unnumbered, the middle ones can be exchanged unseen: that is what N(S) is for."""
    middle = PIECES[1:-1]
    for count in range(len(PIECES)):
        for some in permutations(PIECES, count):
            units, _, _ = run(list(some))
            assert SDU not in units
    for order in permutations(middle):
        units, faults, _ = run([PIECES[0], *order, PIECES[-1]])
        assert (units == [SDU]) == (list(order) == middle)
        assert not faults


@pytest.mark.parametrize("first", [0, 253])
def test_with_numbers_only_the_whole_in_order_is_a_unit(first: int) -> None:
    numbers = [(first + index) % 256 for index in range(len(PIECES))]
    for count in range(len(PIECES) + 1):
        for order in permutations(range(len(PIECES)), count):
            units, faults, state = run([PIECES[at] for at in order], [numbers[at] for at in order])
            if order == tuple(range(len(PIECES))):
                assert (units, faults) == ([SDU], [])
            else:
                assert units == []
                assert faults or state.parts or not order


def test_a_double_is_dropped_and_nothing_is_lost() -> None:
    for doubled in range(len(PIECES)):
        order = sorted([*range(len(PIECES)), doubled])
        units, faults, _ = run([PIECES[at] for at in order], [200 + at for at in order])
        assert units == [SDU]
        assert faults == [f"N(S) {200 + doubled} came twice; expected: each frame once"]


def test_a_new_unit_in_the_middle_of_another() -> None:
    other = segment_sdu(b"other unit", 9, 7)
    units, faults, _ = run([*PIECES[:3], *other, *PIECES])
    assert units == [b"other unit", SDU]
    assert len(faults) == 1 and "after 3 segments" in faults[0]
    units, faults, _ = run([PIECES[0], Segment(SequenceFlags.UNSEGMENTED, 9, b"u"), *PIECES[1:]])
    assert units == [b"u"]
    assert len(faults) == 1 + 4


def test_a_unit_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation, "MAX_SDU_BYTES", 12)
    units, faults, state = run(PIECES)
    assert units == []
    assert faults[0].startswith("a unit of 15 bytes or more")
    assert state.parts == ()


@pytest.mark.parametrize(
    "segments", [[], PIECES[:-1], PIECES[1:], [*PIECES, PIECES[-1]], [*PIECES, *PIECES]]
)
def test_join_refuses_what_is_not_one_unit(segments: list[Segment]) -> None:
    with pytest.raises(FrameError):
        join_segments(segments)


def test_what_cannot_be_segmented() -> None:
    for field in (b"", b"\xc0"):
        with pytest.raises(FrameError):
            decode_segment(field)
    for sdu, map_id, room in ((b"", 0, 5), (b"x", 0, 0), (b"x", 0, -3)):
        with pytest.raises(InputError):
            segment_sdu(sdu, map_id, room)
    for map_id in (-1, 64):
        with pytest.raises(InputError, match="MAP ID"):
            encode_segment(Segment(SequenceFlags.FIRST, map_id, b"x"))
    with pytest.raises(InputError):
        encode_segment(Segment(SequenceFlags.FIRST, 1, b""))
