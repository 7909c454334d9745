"""Who makes way where there is no room: pure decisions about messages of which most are floods.

Nothing that is authentic makes way.  Of the others the least promising go first; among equals the
largest group does, that is, all that says to be the same message.  Within a group the first to come
stays, and of the rest a fair sample: each has a number that its sender cannot foresee, the same for
every copy, and the lowest goes.  So a flood displaces itself before it displaces anything else, and
however long it is, an honest message amid it stays with the chance that room and flood leave it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from shared.digest import sha256


class Standing(IntEnum):
    """How much a message has to be said for it, least first."""

    HOPELESS = 0
    """Refused now, and nothing that may still come would change that."""
    UNPROVEN = 1
    """It may be authentic: for another tree, or once a key is disclosed."""
    AUTHENTIC = 2
    """Signed by a trusted key for this model and tree, under a counter that is free."""


@dataclass(frozen=True)
class Guest:
    """One that has a place.

    Attributes:
        order: when it came.
        size_bytes: what it takes.
        standing: what is known of it.
        group: what it says that it is.
        lot: its number in the draw, 8 bytes.
    """

    order: int
    size_bytes: int
    standing: Standing
    group: bytes
    lot: bytes


def lot(data: bytes, secret: bytes) -> bytes:
    """The number of a message in the draw: the same for copies, unknown to its sender."""
    return sha256(secret, data)[:8]


def makes_way(guests: Sequence[Guest], most: int, most_bytes: int) -> Guest | None:
    """The one that has to go, or None if all have room, or all that is left is authentic.

    Args:
        guests: in the order in which they came.
        most: how many there may be.
        most_bytes: what they may take together.
    """
    if len(guests) <= most and sum(one.size_bytes for one in guests) <= most_bytes:
        return None
    least = min((one.standing for one in guests), default=Standing.AUTHENTIC)
    if least is Standing.AUTHENTIC:
        return None
    candidates = [one for one in guests if one.standing is least]
    sizes = Counter(one.group for one in candidates)
    largest = max(sizes.values())
    firsts = {one.group: one.order for one in reversed(candidates)}
    of_largest = [one for one in candidates if sizes[one.group] == largest]
    later = [one for one in of_largest if firsts[one.group] != one.order]
    return min(later or of_largest, key=lambda one: one.lot)
