"""What of a line was dropped, told sparingly: the first at once, the rest counted.

Noise without end is an input every few milliseconds.  Each fault that is told costs time, power and
a downlink, so after one report the next waits for a second, and says how often it was.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence

EACH_S = 1.0
"""Between two reports at least."""
KINDS_TOLD = 3
"""Kinds of faults that one report spells out."""
MOST_KINDS = 64
"""Kinds that are told apart until the next report: they may be as many as the inputs."""
OTHERS = "other faults"

Clock = Callable[[], float]


class Faults:
    """Faults that are still to be told; for one thread.

    Args:
        tell: takes a report.
        clock: seconds from any fixed moment.
    """

    def __init__(self, tell: Callable[[str], None], clock: Clock = time.monotonic) -> None:
        self._tell, self._clock = tell, clock
        self._kinds: Counter[str] = Counter()
        self._due_s = -math.inf

    def note(self, reasons: Sequence[str]) -> None:
        """Take faults in, each in words."""
        for reason in reasons:
            known = reason in self._kinds or len(self._kinds) < MOST_KINDS
            self._kinds[reason if known else OTHERS] += 1

    def report(self, *, at_once: bool = False) -> None:
        """Tell of all that was noted, if there is anything and it is time.

        Args:
            at_once: whatever the time: the last report before the end.
        """
        now_s = self._clock()
        if not self._kinds or (now_s < self._due_s and not at_once):
            return
        kinds, self._kinds = self._kinds, Counter()
        self._due_s = now_s + EACH_S
        self._tell(told(kinds))


def told(faults: Sequence[str] | Counter[str]) -> str:
    """One report of many faults: each kind once with its count, the rest counted."""
    kinds = Counter(faults).most_common()
    said = [f"{reason} ({count} times)" if count > 1 else reason for reason, count in kinds]
    more = sum(count for _, count in kinds[KINDS_TOLD:])
    return " | ".join([*said[:KINDS_TOLD], *([f"and {more} {OTHERS}"] if more else [])])
