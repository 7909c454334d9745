"""Which segments may be one unit: readings, the likelier before the others.

Segments are not authentic.  A stranger's copy of one, with other data, stands beside the honest one
and neither replaces the other: both readings are tried, and the message's signature decides.  There
may be more readings than can be tried, so they are ordered: of one sender before of several, and of
an even rhythm in the order of arrival before an uneven one.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from probe.reception.framing import Piece
from shared.ccsds.errors import FrameError
from shared.ccsds.segmentation import SequenceFlags
from shared.ccsds.space_packet import packet_bytes

NUMBERS = 256
MAX_ENDS = 4
"""First segments, and last ones, that are tried with one piece."""
MAX_PATHS = 8
"""Readings between one first and one last segment."""
MAX_STEPS = 4096
"""What ordering the readings of one piece may take: pairs of segments that are compared."""

_FIRST, _LAST, _CONTINUATION = (
    SequenceFlags.FIRST,
    SequenceFlags.LAST,
    SequenceFlags.CONTINUATION,
)
_STRANGE = 1 << 40
"""Distance between two senders: more than that of any two orders of arrival."""


@dataclass(frozen=True)
class Kept:
    """A piece and when it came, counted from the first."""

    order: int
    piece: Piece


Reading = tuple[Kept, ...]
_Path = tuple[int, Reading]
"""The sum of a reading's squared steps, and the reading."""


@dataclass
class _Budget:
    """Comparisons that are left."""

    left: int = MAX_STEPS


def numbered(waiting: Sequence[Kept], newest: Kept) -> Iterator[Reading]:
    """Read units of numbered segments with the newest one in its place.

    Args:
        waiting: the segments that may be used; those of other MAPs are passed over.
        newest: the segment that has just come.
    """
    map_id, middle = newest.piece.segment.map_id, newest.piece.number
    places: dict[int | None, list[Kept]] = {}
    for kept in waiting:
        if kept.piece.segment.map_id == map_id and kept is not newest:
            places.setdefault(kept.piece.number, []).append(kept)
    places[middle] = [newest]
    before, after = _ends(places, newest, -1), _ends(places, newest, 1)
    budget = _Budget()
    for begin, end in sorted(itertools.product(before, after), key=sum):
        if begin + end >= NUMBERS or middle is None:
            continue
        layers = []
        for step in range(-begin, end + 1):
            flags = _FIRST if step == -begin else _LAST if step == end else _CONTINUATION
            layers.append(_flagged(places[(middle + step) % NUMBERS], flags))
        yield from _likeliest(layers, budget, ascending=False)


def _ends(places: dict[int | None, list[Kept]], newest: Kept, way: int) -> list[int]:
    """How many numbers away, in one direction, a unit with the newest piece may begin or end."""
    end = _FIRST if way < 0 else _LAST
    flags = newest.piece.segment.flags
    if flags is end:
        return [0]
    middle = newest.piece.number
    found: list[int] = []
    for step in range(1, NUMBERS):
        here = places.get((middle + way * step) % NUMBERS, []) if middle is not None else []
        if _flagged(here, end):
            found.append(step)
        if len(found) == MAX_ENDS or not _flagged(here, _CONTINUATION):
            break
    return found


def _flagged(kept: Sequence[Kept], flags: SequenceFlags) -> list[Kept]:
    return [one for one in kept if one.piece.segment.flags is flags]


def in_order(waiting: Sequence[Kept], last: Kept, *, packets: bool) -> Iterator[Reading]:
    """Read units of segments without numbers that end with a last one.

    As they came, if a sender's pieces or all of them fit; else with some left out.

    Args:
        waiting: the segments of the same MAP before it, in the order in which they came.
        last: the segment that has just come.
        packets: whether a unit says how long it is.
    """
    begins = [at for at, one in enumerate(waiting) if one.piece.segment.flags is _FIRST]
    own_begins = [at for at in begins if waiting[at].piece.source == last.piece.source]
    latest = {*begins[-MAX_ENDS // 2 :], *own_begins[-MAX_ENDS // 2 :]}
    budget = _Budget()
    for begin in sorted(latest, key=lambda at: (at in own_begins, at), reverse=True):
        first, between = waiting[begin], _flagged(waiting[begin:], _CONTINUATION)
        own = [one for one in between if one.piece.source == last.piece.source]
        yield (first, *own, last)
        yield (first, *between, last)
        if packets:
            for some in (own, between) if len(own) < len(between) else (between,):
                apart = _apart((first, *some, last))
                yield apart
                yield from _chosen(first, list(apart[1:-1]), last, budget)


def _apart(reading: Reading) -> Reading:
    """Without copies right behind the original."""
    pairs = zip((None, *reading), reading, strict=False)
    return tuple(b for a, b in pairs if a is None or a.piece != b.piece)


def _chosen(first: Kept, between: list[Kept], last: Kept, budget: _Budget) -> Iterator[Reading]:
    """As many pieces as long as the first as the packet's length has room for."""
    size = len(first.piece.segment.data)
    try:
        missing = packet_bytes(first.piece.segment.data) - size - len(last.piece.segment.data)
    except FrameError:
        return
    fitting = [one for one in between if len(one.piece.segment.data) == size]
    count, rest = divmod(missing, size)
    if rest or not 0 <= count < len(fitting):
        return
    yield from _likeliest([[first], *([fitting] * count), [last]], budget, ascending=True)


def _likeliest(layers: list[list[Kept]], budget: _Budget, *, ascending: bool) -> Iterator[Reading]:
    """The most even paths through layers, by dynamic programming, as many as the budget allows.

    Args:
        layers: one piece of each makes a reading.
        budget: what is left of it.
        ascending: whether each piece has to have come after the one before it.
    """
    steps = max(1, sum(len(a) * len(b) for a, b in itertools.pairwise(layers)))
    count = min(MAX_PATHS, budget.left // steps)
    if not count:
        return
    budget.left -= count * steps
    known: list[list[_Path]] = [[(0, (one,))] for one in layers[0]]
    for before, here in itertools.pairwise(layers):
        known = [_extended(before, known, one, count, ascending=ascending) for one in here]
    for _, path in heapq.nsmallest(count, itertools.chain.from_iterable(known), key=_rank):
        yield path


def _extended(
    before: list[Kept], known: list[list[_Path]], one: Kept, count: int, *, ascending: bool
) -> list[_Path]:
    """The most even paths that end with a piece."""
    longer: list[_Path] = []
    for last, paths in zip(before, known, strict=True):
        if not ascending or last.order < one.order:
            distance = _distance(last, one)
            longer += [(cost + distance, (*path, one)) for cost, path in paths]
    return heapq.nsmallest(count, longer, key=_rank)


def unevenness(reading: Reading) -> float:
    """Say how unlikely a reading is, to compare it with others."""
    squares = sum(_distance(one, other) for one, other in itertools.pairwise(reading))
    return _rank((squares, reading))


def _rank(path: _Path) -> float:
    """How far the steps are from all being alike: the sum of squares about their mean."""
    squares, reading = path
    span = reading[-1].order - reading[0].order
    return squares - span**2 / max(1, len(reading) - 1)


def _distance(one: Kept, other: Kept) -> int:
    strange = _STRANGE if one.piece.source != other.piece.source else 0
    return (other.order - one.order) ** 2 + strange
