"""Segments of several messages, in any order, with copies and forgeries, to messages: decisions.

Segments of numbered frames (Type-A) are put where their number says, so they may come in any
order, twice, or mixed with those of other messages.  Segments without a number have to come in
order, those of one MAP together.

Nothing here is authentic, so nothing that comes replaces what came before: several candidates for
one place are kept, and each reading that holds the newest piece is handed on once
(``probe.reception.readings``).  Pieces of a message that was handed on are *spent*: they need no
place on
disk any more, but a forged piece may have stood in for one that is still to come.  They are
forgotten when the message turns out to be authentic, or to make room.  Room is bounded: spent
pieces make way first, then candidates where there are most of them, then the oldest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from probe.reception.readings import NUMBERS, Kept, Reading, in_order, numbered, unevenness
from shared.ccsds.segmentation import SequenceFlags
from shared.ccsds.space_packet import packets_in
from shared.ccsds.stack import Stack

__all__ = ["MAX_PIECES", "NUMBERS", "Assembly", "Kept", "Taken", "settled", "take"]

MAX_PIECES = 512
MAX_RIVALS = 8
"""Candidates for one place."""
MAX_READINGS = 8
"""Messages that one piece completes."""
MAX_TRIED = 64
"""Readings that are looked at for them."""
MAX_GIVEN = 64
"""Messages that are remembered for ``settled``."""

_LAST, _WHOLE = SequenceFlags.LAST, SequenceFlags.UNSEGMENTED


@dataclass(frozen=True)
class Given:
    """A message that was handed on, and the orders of the pieces that it was made of."""

    message: bytes
    orders: frozenset[int]


@dataclass(frozen=True)
class Assembly:
    """Pieces that wait for others, oldest first.

    Attributes:
        kept: all of them.
        spent: orders of those that were part of a message already.
        given: the latest such messages.
    """

    kept: tuple[Kept, ...] = ()
    spent: frozenset[int] = frozenset()
    given: tuple[Given, ...] = ()


@dataclass(frozen=True)
class Taken:
    """What a piece did.

    Attributes:
        assembly: after it.
        messages: that it completed, likelier ones first; several where a unit holds several
            packets, or where pieces compete.
        gone: pieces that need no place on disk any more.
        fault: why something was dropped, or "".
    """

    assembly: Assembly
    messages: tuple[bytes, ...] = ()
    gone: tuple[Kept, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class _Unit:
    """What a reading says: messages, whether nothing is left over, and what is wrong if so."""

    reading: Reading
    messages: tuple[bytes, ...]
    exact: bool
    fault: str


def take(assembly: Assembly, kept: Kept, stack: Stack) -> Taken:
    """Take one more piece in; never raises.

    Args:
        assembly: the pieces before; ``kept`` is newer than all of them.
        kept: the piece.
        stack: says whether messages travel in space packets, and whose.
    """
    if kept.piece.segment.flags is _WHOLE:
        unit = _unit((kept,), stack)
        return Taken(assembly, unit.messages, (kept,), unit.fault)
    if kept.piece.number is None:
        return _take_in_order(assembly, kept, stack)
    return _take_numbered(assembly, kept, stack)


def settled(assembly: Assembly, message: bytes) -> Assembly:
    """Forget the spent pieces of a message that has turned out to be authentic."""
    orders = {
        order for given in assembly.given if given.message == message for order in given.orders
    }
    gone = orders & assembly.spent
    return Assembly(
        tuple(one for one in assembly.kept if one.order not in gone),
        assembly.spent - gone,
        tuple(given for given in assembly.given if given.message != message),
    )


def _take_numbered(assembly: Assembly, kept: Kept, stack: Stack) -> Taken:
    twin = next((one for one in assembly.kept if one.piece == kept.piece), None)
    if twin is not None and twin.order not in assembly.spent:
        return Taken(assembly, gone=(kept,))
    after, gone, fault = _with(assembly, kept, instead_of=twin)
    # A copy of what was spent is the unit sent again: it is handed on when all of it has come.
    usable = after.kept if twin is None else _live(after)
    units = _units(numbered(usable, kept), stack)
    exact = _exact(units)
    if not exact:
        return Taken(after, (), gone, fault or (units[0].fault if units else ""))
    spent, handed = _spent(after, exact, {one for unit in exact for one in unit.reading})
    return Taken(spent, handed, (*gone, *_no_longer_live(after, spent)), fault)


def _take_in_order(assembly: Assembly, kept: Kept, stack: Stack) -> Taken:
    after, gone, fault = _with(assembly, kept)
    if kept.piece.segment.flags is not _LAST:
        return Taken(after, (), gone, fault)
    mine = [one for one in after.kept if _same_line(one, kept) and one is not kept]
    copied = any(one.piece == kept.piece and one.order in after.spent for one in mine)
    usable = _usable(mine, kept, after.spent, copied=copied)
    units = _units(in_order(usable, kept, packets=stack.apid is not None), stack)
    exact = _exact(units)
    used = {one for unit in exact or units[:1] for one in unit.reading} | {kept}
    begin = min(one.order for one in used)
    used |= {one for one in mine if one.order >= begin}
    spent, handed = _spent(after, exact, used)
    if not exact and not copied:
        fault = fault or (units[0].fault if units else "a last segment without a first one")
    return Taken(spent, handed, (*gone, *_no_longer_live(after, spent)), fault)


def _usable(mine: Sequence[Kept], last: Kept, spent: frozenset[int], *, copied: bool) -> list[Kept]:
    """Pieces without numbers that a unit may be made of.

    What is spent belongs to an earlier unit where the sender has begun another, and where this one
    ends with a copy of what was spent.
    """
    begun = [
        one.order
        for one in mine
        if one.order not in spent
        and one.piece.segment.flags is SequenceFlags.FIRST
        and one.piece.source == last.piece.source
    ]
    since = max(begun, default=0)
    return [
        one
        for one in mine
        if one.order not in spent
        or not (copied or (one.order < since and one.piece.source == last.piece.source))
    ]


def _with(
    assembly: Assembly, kept: Kept, instead_of: Kept | None = None
) -> tuple[Assembly, tuple[Kept, ...], str]:
    """The pieces and one more, what made way for it, and why if that may have been needed."""
    pieces = [*(one for one in assembly.kept if one is not instead_of), kept]
    dropped: tuple[Kept, ...] = ()
    rivals = [one for one in pieces if one.piece.number is not None and _same_place(one, kept)]
    if len(rivals) > MAX_RIVALS:
        dropped = (_middle(rivals),)
    elif len(pieces) > MAX_PIECES:
        dropped = (_least_needed(pieces, assembly.spent),)
    after = [one for one in pieces if not any(one is gone for gone in dropped)]
    live = tuple(one for one in dropped if one.order not in assembly.spent)
    fault = "no room for more segments: one is dropped" if live else ""
    orders = {one.order for one in after}
    return Assembly(tuple(after), assembly.spent & orders, assembly.given), live, fault


def _least_needed(pieces: Sequence[Kept], spent: frozenset[int]) -> Kept:
    """A spent piece, else one of many candidates for a place, else the oldest."""
    if spent:
        return next(one for one in pieces if one.order in spent)
    places: dict[tuple[int, int], list[Kept]] = {}
    for one in pieces:
        if one.piece.number is not None:
            places.setdefault((one.piece.segment.map_id, one.piece.number), []).append(one)
    rivals = max(places.values(), key=len, default=[])
    return _middle(rivals) if len(rivals) > 1 else pieces[0]


def _middle(rivals: Sequence[Kept]) -> Kept:
    """Of candidates for a place, one that came neither early nor late.

    A stranger who wants to push an honest piece out sends many before it, or many after it.
    """
    return rivals[len(rivals) // 2]


def _units(readings: Iterable[Reading], stack: Stack) -> list[_Unit]:
    tried = dict.fromkeys(islice(readings, MAX_TRIED))
    return [_unit(reading, stack) for reading in tried]


def _exact(units: Sequence[_Unit]) -> list[_Unit]:
    """Those with nothing left over, the likelier ones."""
    exact = [unit for unit in units if unit.exact]
    return sorted(exact, key=lambda unit: unevenness(unit.reading))[:MAX_READINGS]


def _unit(reading: Reading, stack: Stack) -> _Unit:
    data = b"".join(one.piece.segment.data for one in reading)
    if stack.apid is None:
        return _Unit(reading, (data,), True, "")
    packets, fault = packets_in(data)
    others = sorted({packet.apid for packet in packets} - {stack.apid})
    faults = [f"a space packet for application process {one}, not {stack.apid}" for one in others]
    faults += [str(fault)] if fault else []
    messages = tuple(packet.data for packet in packets if packet.apid == stack.apid)
    return _Unit(reading, messages, fault is None, " | ".join(faults))


def _spent(
    assembly: Assembly, units: Sequence[_Unit], used: Iterable[Kept]
) -> tuple[Assembly, tuple[bytes, ...]]:
    """The pieces after units were handed on, and the messages of those, each once."""
    given = [
        Given(message, frozenset(one.order for one in unit.reading))
        for unit in units
        for message in unit.messages
    ]
    spent = assembly.spent | {one.order for one in used}
    remembered = (*assembly.given, *given)[-MAX_GIVEN:]
    messages = tuple(dict.fromkeys(one.message for one in given))
    return replace(assembly, spent=spent, given=remembered), messages


def _no_longer_live(before: Assembly, after: Assembly) -> tuple[Kept, ...]:
    gone = after.spent - before.spent
    return tuple(one for one in before.kept if one.order in gone)


def _live(assembly: Assembly) -> tuple[Kept, ...]:
    return tuple(one for one in assembly.kept if one.order not in assembly.spent)


def _same_place(one: Kept, other: Kept) -> bool:
    return _same_line(one, other) and one.piece.number == other.piece.number


def _same_line(one: Kept, other: Kept) -> bool:
    """Whether two pieces are of one MAP, and both numbered or both not."""
    mine, yours = one.piece, other.piece
    numbers = (mine.number is None) == (yours.number is None)
    return numbers and mine.segment.map_id == yours.segment.map_id
