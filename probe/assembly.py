"""Segments of several messages, in any order and with copies, to messages: pure decisions.

Segments of numbered frames (Type-A) are put where their number says, so they may come in any
order, twice, or mixed with those of other messages.  Segments without a number have to come in
order, those of one MAP together; a copy right behind the original is found by the length that the
space packet states.

Nothing here is authentic.  Room is bounded, the oldest segment makes way for the newest, and a
message that was put together wrongly fails at its signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from probe.units import Piece
from shared.ccsds.segmentation import SequenceFlags
from shared.ccsds.space_packet import packets_in
from shared.ccsds.stack import Stack

MAX_PIECES = 512
NUMBERS = 256

_FIRST, _LAST, _WHOLE = SequenceFlags.FIRST, SequenceFlags.LAST, SequenceFlags.UNSEGMENTED


@dataclass(frozen=True)
class Kept:
    """A piece and when it came, counted from the first."""

    order: int
    piece: Piece


@dataclass(frozen=True)
class Assembly:
    """Pieces that wait for others, oldest first."""

    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True)
class Taken:
    """What a piece did.

    Attributes:
        assembly: after it.
        messages: that it completed, in order; several where a unit holds several packets.
        gone: pieces that are no longer needed or had to make way.
        fault: why something was dropped, or "".
    """

    assembly: Assembly
    messages: tuple[bytes, ...] = ()
    gone: tuple[Kept, ...] = field(default_factory=tuple)
    fault: str = ""


def take(assembly: Assembly, kept: Kept, stack: Stack) -> Taken:
    """Take one more piece in; never raises.

    Args:
        assembly: the pieces before; ``kept`` is newer than all of them.
        kept: the piece.
        stack: says whether messages travel in space packets, and whose.
    """
    piece = kept.piece
    copies = [k for k in assembly.kept if piece.number is not None and _same_place(k, kept)]
    if any(k.piece == piece for k in copies):
        return Taken(assembly, gone=(kept,))
    others = [k for k in assembly.kept if k not in copies]
    # After so many others its number means another frame by now.
    oldest = kept.order - NUMBERS
    stale = [k for k in others if k.piece.number is not None and k.order < oldest]
    copies += stale
    waiting = (*(k for k in others if k not in stale), kept)
    unit = _numbered(waiting, kept) if piece.number is not None else _in_order(waiting, kept)
    if unit:
        messages, fault, exact = _messages(unit, stack)
        if len(unit) > 1 and not exact:
            messages = ()
        if not messages and piece.number is not None:
            # One of them is of another message: the oldest, as a rule.  The rest may yet fit.
            unit = (min(unit, key=lambda k: k.order),)
        left = tuple(k for k in waiting if k not in unit)
        return Taken(Assembly(left), messages, (*copies, *unit), fault)
    over = max(0, len(waiting) - MAX_PIECES)
    fault = "no room for more segments: the oldest is dropped" if over else ""
    return Taken(Assembly(waiting[over:]), (), (*copies, *waiting[:over]), fault)


def _same_place(one: Kept, other: Kept) -> bool:
    mine, yours = one.piece, other.piece
    return (mine.segment.map_id, mine.number) == (yours.segment.map_id, yours.number)


def _numbered(waiting: Sequence[Kept], newest: Kept) -> tuple[Kept, ...]:
    """The unit that the newest piece completes, or nothing."""
    map_id = newest.piece.segment.map_id
    places = {
        k.piece.number: k
        for k in waiting
        if k.piece.number is not None and k.piece.segment.map_id == map_id
    }
    if newest.piece.segment.flags is _WHOLE:
        return (newest,)
    before = _run(places, newest, -1, _FIRST, _LAST)
    after = _run(places, newest, 1, _LAST, _FIRST)
    return (*reversed(before), *after[1:]) if before and after else ()


def _run(
    places: Mapping[int, Kept], start: Kept, step: int, end: SequenceFlags, wall: SequenceFlags
) -> list[Kept]:
    """From a piece to the end of its unit in one direction; nothing if that is not there yet."""
    run = [start]
    while run[-1].piece.segment.flags is not end:
        number = run[-1].piece.number
        found = places.get((number + step) % NUMBERS) if number is not None else None
        if found is None or found is start or found.piece.segment.flags in (wall, _WHOLE):
            return []
        run.append(found)
    return run


def _in_order(waiting: Sequence[Kept], newest: Kept) -> tuple[Kept, ...]:
    """All pieces of the newest one's MAP from the last first one, if it is the end of a unit."""
    flags, map_id = newest.piece.segment.flags, newest.piece.segment.map_id
    if flags is _WHOLE:
        return (newest,)
    if flags is not _LAST:
        return ()
    mine = [k for k in waiting if k.piece.number is None and k.piece.segment.map_id == map_id]
    begins = [index for index, k in enumerate(mine) if k.piece.segment.flags is _FIRST]
    return tuple(mine[begins[-1] :]) if begins else (newest,)


def _messages(unit: Iterable[Kept], stack: Stack) -> tuple[tuple[bytes, ...], str, bool]:
    pieces = [k.piece for k in unit]
    if not pieces or pieces[0].segment.flags not in (_FIRST, _WHOLE):
        return (), "a last segment without a first one", False
    data = b"".join(piece.segment.data for piece in pieces)
    if stack.apid is None:
        return (data,), "", True
    packets, fault = packets_in(data)
    if fault:  # perhaps a copy of a segment came right behind it
        apart = [b for a, b in zip([None, *pieces], pieces, strict=False) if a != b]
        if len(apart) < len(pieces):
            packets, fault = packets_in(b"".join(piece.segment.data for piece in apart))
    others = [packet for packet in packets if packet.apid != stack.apid]
    faults = [f"a space packet for application process {p.apid}, not {stack.apid}" for p in others]
    faults += [str(fault)] if fault else []
    messages = tuple(packet.data for packet in packets if packet.apid == stack.apid)
    return messages, " | ".join(dict.fromkeys(faults)), fault is None
