"""Messages on their way from the line to the service: in the order in which they came, bounded.

The line is always read.  Where there is no room, strangers make way (``probe.resources.room``), not
whoever came last and not the bytes that are still in a buffer of the system.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from probe.inbox.inbox import Waiting
from probe.inbox.standing import Standing, group, standing
from probe.resources.room import Guest, lot, makes_way
from shared.message.checks import Record

MOST_MESSAGES = 1024
MOST_BYTES = 4 << 20
"""Or twice the longest message, if that is more."""


class Triage:
    """What is known when a message comes; the service tells it what has changed.

    Args:
        secret: that no sender has, so that none foresees which of many stays.
        clock: Unix time, seconds.
    """

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._secret, self._clock = secret, clock
        self.record: Record | None = None
        """What the probe knew when it looked last."""

    def guest(self, waiting: Waiting) -> Guest:
        """What a message is, as far as can be told without doing anything with it."""
        found = standing(waiting.data, self.record, math.ceil(1000 * self._clock()))
        named = group(waiting.data, self.record) if found is Standing.UNPROVEN else b""
        number = lot(waiting.data, self._secret)
        return Guest(waiting.order, len(waiting.data), found, named, number)


class Lane:
    """A queue with an end, for one thread that puts and one that gets.

    Args:
        most: messages of strangers at most.
        most_bytes: that they take together.
    """

    def __init__(self, most: int = MOST_MESSAGES, most_bytes: int = MOST_BYTES) -> None:
        self._most, self.most_bytes = most, most_bytes
        self._waiting: dict[int, tuple[Guest, Waiting]] = {}
        self._copies: Counter[bytes] = Counter()
        self._changed = threading.Condition()

    def holds(self, data: bytes) -> bool:
        """Whether the same bytes wait already."""
        with self._changed:
            return self._copies[data] > 0

    def put(self, guest: Guest, waiting: Waiting) -> list[Waiting]:
        """Let a message wait; those that make way for it, perhaps itself among them."""
        gone = []
        with self._changed:
            self._waiting[guest.order] = guest, waiting
            self._copies[waiting.data] += 1
            while (one := makes_way(self._guests(), self._most, self.most_bytes)) is not None:
                gone.append(self._take(one.order))
            self._changed.notify()
        return gone

    def get(self, timeout: float) -> Waiting:
        """The oldest message.

        Raises:
            queue.Empty: none has come in so many seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._waiting), timeout):
                raise queue.Empty
            return self._take(next(iter(self._waiting)))

    def _guests(self) -> Sequence[Guest]:
        return [guest for guest, _ in self._waiting.values()]

    def _take(self, order: int) -> Waiting:
        _, waiting = self._waiting.pop(order)
        self._copies[waiting.data] -= 1
        if not self._copies[waiting.data]:
            del self._copies[waiting.data]
        return waiting
