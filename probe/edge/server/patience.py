"""How long the edge waits for a client, and whom it lets go when there are too many.

Decisions alone: what is seen of a connection goes in, a reason to close it comes out.  Requests
that never end (Slowloris) and answers that nobody reads cost their sender nothing; each holds a
connection, and what was written for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """What a client may take.

    Attributes:
        request_s: to send a request, header and body, and a second more for every ``rate`` bytes.
        answer_s: to read ``answer_s * rate`` bytes of what is written, or all of it.
        rate: bytes a second that a line must bring.
        connections: at a time.
    """

    request_s: float = 10.0
    answer_s: float = 30.0
    rate: int = 1024
    connections: int = 1000


class Reason(StrEnum):
    """Why a connection was closed from this side."""

    HALF = "half"
    """Its request did not come to an end."""
    UNREAD = "unread"
    """Its answer was not read."""
    ROOM = "room"
    """It had nothing to do, or only half a request, and another one needed its place."""
    FULL = "full"
    """All others were at work."""


@dataclass
class Seen:
    """What is seen of a connection.

    Attributes:
        since_s: when it was made, or when its request began; None while it rests between two, or
            while its request is whole.
        received_bytes: since then.
        unread_s: since when it has to read; None if there is nothing.
        unread_bytes: then.
        working: an answer is being made.
    """

    since_s: float | None
    received_bytes: int = 0
    unread_s: float | None = None
    unread_bytes: int = 0
    working: bool = False


def written(seen: Seen, waiting_bytes: int, now_s: float, patience: Patience) -> None:
    """Notes how much waits to be read by the client now."""
    enough = patience.answer_s * patience.rate
    if waiting_bytes == 0:
        seen.unread_s = None
    elif seen.unread_s is None or waiting_bytes <= seen.unread_bytes - enough:
        seen.unread_s, seen.unread_bytes = now_s, waiting_bytes
    else:
        seen.unread_bytes = max(seen.unread_bytes, waiting_bytes)


def verdict(seen: Seen, now_s: float, patience: Patience) -> Reason | None:
    """Why a connection is to be closed now, or None."""
    if seen.since_s is not None:
        late_s = seen.since_s + patience.request_s + seen.received_bytes / patience.rate
        if now_s >= late_s:
            return Reason.HALF
    if seen.unread_s is not None and now_s >= seen.unread_s + patience.answer_s:
        return Reason.UNREAD
    return None


def dispensable(connections: Iterable[tuple[T, Seen]]) -> T | None:
    """The connection that goes first if there are too many; None if all are at work.

    One that rests between two requests goes last of those: it has shown that it sends whole ones.
    Of several the one that has waited longest.
    """
    best: tuple[tuple[bool, float], T] | None = None
    for connection, seen in connections:
        if seen.working or seen.unread_s is not None:
            continue
        rank = (seen.since_s is None, seen.since_s or 0.0)
        if best is None or rank < best[0]:
            best = (rank, connection)
    return None if best is None else best[1]
