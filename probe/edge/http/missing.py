"""Names that the origin has not: remembered for a while, so many of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable


class Missing:
    """A bounded memory of what is not there.  For one thread.

    The store is always looked at first, so that a name which is published meanwhile is served.

    Args:
        clock: seconds that never go back.
        seconds: that a name is remembered; 0 remembers none.
        most: names; the one that was remembered first goes first.
    """

    def __init__(self, clock: Callable[[], float], seconds: float, most: int = 10_000) -> None:
        self._clock, self._seconds, self._most = clock, seconds, most
        self._until: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def __contains__(self, name: str) -> bool:
        until = self._until.get(name)
        if until is not None and until <= self._clock():
            del self._until[name]
            return False
        return until is not None

    def add(self, name: str) -> None:
        """Remembers a name from now on."""
        if self._seconds <= 0:
            return
        self._until.pop(name, None)
        self._until[name] = self._clock() + self._seconds
        while len(self._until) > self._most:
            self._until.popitem(last=False)
