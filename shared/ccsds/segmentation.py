"""The TC segment header, and service data units cut into segments and put together again.

    sequence flags (2 bits) | MAP ID (6 bits) | data

Source: CCSDS 232.0-B-4, 4.1.3.2.2 (segment header), 4.4 (extraction).

A segment header has no counter, so a lost *middle* segment cannot be seen in it.  It is seen in
N(S) where frames are of Type-A (pass it as ``number``), else in the length of the space packet, and
at the latest in the envelope's signature.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from shared.ccsds.errors import FrameError
from shared.errors import InputError

SEGMENT_HEADER_BYTES = 1
MAX_MAP_ID = 0x3F
MAX_SDU_BYTES = 1 << 21
"""What a receiver collects at most: an envelope's own limit, 1 MiB, and much room."""


class SequenceFlags(IntEnum):
    """Where a piece lies in its whole; packets (133.0-B-2, 4.1.3) use the same four values."""

    CONTINUATION = 0
    FIRST = 1
    LAST = 2
    UNSEGMENTED = 3


@dataclass(frozen=True)
class Segment:
    """A piece of a service data unit.

    Attributes:
        flags: whether it is the first, last, only or another one.
        map_id: multiplexer access point, 0 to 63.
        data: its share of the unit; not empty.
    """

    flags: SequenceFlags
    map_id: int
    data: bytes


def encode_segment(segment: Segment) -> bytes:
    """A segment with its header.

    Raises:
        InputError: the MAP ID does not fit, or there is no data.
    """
    if not 0 <= segment.map_id <= MAX_MAP_ID:
        raise InputError(f"MAP ID {segment.map_id}", expected=f"0 to {MAX_MAP_ID}")
    if not segment.data:
        raise InputError("a segment without data", expected="at least one byte")
    return bytes([segment.flags << 6 | segment.map_id]) + segment.data


def decode_segment(field: bytes) -> Segment:
    """The segment that a frame's data field holds.

    Raises:
        FrameError: there is nothing behind the header.
    """
    if len(field) <= SEGMENT_HEADER_BYTES:
        raise FrameError(
            f"a segment of {len(field)} bytes", expected="a header and at least one byte"
        )
    return Segment(SequenceFlags(field[0] >> 6), field[0] & MAX_MAP_ID, field[1:])


def segment_sdu(sdu: bytes, map_id: int, max_data_bytes: int) -> list[Segment]:
    """Cuts a unit into as few segments as carry it.

    Args:
        sdu: the service data unit, not empty.
        map_id: on which access point it travels.
        max_data_bytes: room for data in one segment.

    Raises:
        InputError: the unit is empty or there is no room.
    """
    if not sdu:
        raise InputError("an empty service data unit", expected="at least one byte")
    if max_data_bytes < 1:
        raise InputError(
            f"room for {max_data_bytes} bytes in a segment",
            expected="at least 1",
            remedy="allow longer frames",
        )
    pieces = [sdu[at : at + max_data_bytes] for at in range(0, len(sdu), max_data_bytes)]
    if len(pieces) == 1:
        return [Segment(SequenceFlags.UNSEGMENTED, map_id, sdu)]
    flags = [SequenceFlags.CONTINUATION] * len(pieces)
    flags[0], flags[-1] = SequenceFlags.FIRST, SequenceFlags.LAST
    return [Segment(flag, map_id, piece) for flag, piece in zip(flags, pieces, strict=True)]


@dataclass(frozen=True)
class Reassembly:
    """What a receiver holds of a unit between two segments of one MAP.

    Attributes:
        parts: data of the segments so far, in order; empty if no unit is under way.
        number: N(S) of the last segment's frame, or None if frames are not numbered.
    """

    parts: tuple[bytes, ...] = ()
    number: int | None = None


@dataclass(frozen=True)
class Step:
    """What one more segment did.

    Attributes:
        state: to go on with.
        sdu: the unit that the segment completed, or None.
        fault: what was lost or dropped on the way, or None.  Both may be there: a new unit that
            begins and ends here, and an unfinished one before it that is given up.
    """

    state: Reassembly
    sdu: bytes | None = None
    fault: FrameError | None = None


def reassemble(state: Reassembly, segment: Segment, number: int | None = None) -> Step:
    """Takes one segment; never raises, since what to drop is part of the answer.

    Args:
        state: after the segments before.
        segment: of the same MAP.
        number: N(S) of the frame it came in, modulo 256, if frames are numbered (Type-A).
    """
    if number is not None and number == state.number:
        return Step(
            state, fault=FrameError(f"N(S) {number} came twice", expected="each frame once")
        )
    gap = number is not None and state.number is not None and number != (state.number + 1) % 256
    begins = segment.flags in (SequenceFlags.FIRST, SequenceFlags.UNSEGMENTED)
    ends = segment.flags in (SequenceFlags.LAST, SequenceFlags.UNSEGMENTED)
    idle = Reassembly(number=number)

    fault: FrameError | None = None
    if state.parts and gap:
        fault = FrameError(
            f"N(S) {number} after {state.number}",
            expected="consecutive frames within one unit",
            remedy="send the unit again",
        )
    elif state.parts and begins:
        fault = FrameError(
            f"a unit begins after {len(state.parts)} segments of another",
            expected="the last segment first",
            remedy="send the unfinished unit again",
        )
    elif not state.parts and not begins:
        fault = FrameError(
            f"a segment marked {segment.flags.name} without a first one",
            expected="a first segment before it",
            remedy="send the unit again",
        )
    if not begins and fault:
        return Step(idle, fault=fault)

    parts = (*(() if begins else state.parts), segment.data)
    size = sum(map(len, parts))
    if size > MAX_SDU_BYTES:
        fault = FrameError(f"a unit of {size} bytes or more", expected=f"at most {MAX_SDU_BYTES}")
        return Step(idle, fault=fault)
    if ends:
        return Step(idle, b"".join(parts), fault)
    return Step(Reassembly(parts, number), fault=fault)


def join_segments(segments: Iterable[Segment]) -> bytes:
    """The one unit that these segments are, with nothing left over.

    Raises:
        FrameError: they are not the segments of one unit in their order.
    """
    state, whole = Reassembly(), None
    for segment in segments:
        step = reassemble(state, segment)
        if step.fault or whole is not None:
            raise step.fault or FrameError("a segment after the last one", expected="one unit")
        state, whole = step.state, step.sdu
    if whole is None:
        raise FrameError(f"{len(state.parts)} segments without a last one", expected="one unit")
    return whole
