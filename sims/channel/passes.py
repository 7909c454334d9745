"""When the station and the probe see each other: passes, and outages that nobody foresees."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from sims.random_streams import Stream


@dataclass(frozen=True)
class Passes:
    """Windows that come again and again; times are the station's, in seconds from the start.

    Attributes:
        period_s: from one rise to the next.
        length_s: how long each lasts; as long as the period means always.
        first_s: the first rise.
    """

    period_s: float = math.inf
    length_s: float = math.inf
    first_s: float = 0.0

    @property
    def always(self) -> bool:
        return self.length_s >= self.period_s

    def rise(self, time_s: float) -> float:
        """The rise of the window that a time lies in, or of the next one."""
        if self.always:
            return 0.0
        number = max(0, math.floor((time_s - self.first_s) / self.period_s))
        begun = self.first_s + number * self.period_s
        return begun if time_s < begun + self.length_s else begun + self.period_s

    def visible(self, time_s: float) -> bool:
        return self.rise(time_s) <= time_s

    def closing(self, time_s: float) -> float:
        """When the window that a time lies in, or the next one, closes."""
        return math.inf if self.always else self.rise(time_s) + self.length_s

    def earliest(self, time_s: float, duration_s: float) -> float | None:
        """When something that takes so long can begin so that it ends before the probe sets.

        Returns:
            ``time_s`` or later; None if no window is long enough.
        """
        if self.always:
            return time_s
        if duration_s > self.length_s:
            return None
        rise = self.rise(time_s)
        start = max(time_s, rise)
        return start if start + duration_s <= rise + self.length_s else rise + self.period_s


@dataclass(frozen=True)
class OutageRates:
    """Interruptions at random: exponential, as long memoryless causes make them.

    Attributes:
        between_s: mean time from the end of one to the next; 0 where there are none.
        length_s: mean length.
    """

    between_s: float = 0.0
    length_s: float = 0.0


class Outages:
    """One history of interruptions, drawn as far as it is asked for."""

    def __init__(self, rates: OutageRates, stream: Stream) -> None:
        self._rates, self._stream = rates, stream
        self._edges: list[float] = []
        """Begin, end, begin, end, ..."""

    def first_within(self, begin_s: float, end_s: float) -> float | None:
        """The first moment in [begin, end) without signal, or None."""
        if self._rates.between_s <= 0:
            return None
        self._draw_beyond(end_s)
        index = bisect_right(self._edges, begin_s)
        if index % 2:
            return begin_s
        return self._edges[index] if self._edges[index] < end_s else None

    def _draw_beyond(self, time_s: float) -> None:
        while not self._edges or self._edges[-1] <= time_s:
            last = self._edges[-1] if self._edges else 0.0
            begin = last + self._stream.exponential(self._rates.between_s)
            self._edges += [begin, begin + self._stream.exponential(self._rates.length_s)]
