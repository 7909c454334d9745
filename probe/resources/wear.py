"""A budget of wear: how often a disk may be written durably for the sake of strangers.

A token bucket: half of what a minute allows may be used at once, and it fills up again by the other
half in a minute.  So in no sixty seconds, wherever they begin, is it more than the budget.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

MINUTE_S = 60.0


@dataclass(frozen=True)
class Wear:
    """What is left.

    Attributes:
        per_minute: durable writes in any sixty seconds at most, 2 or more.
        left: writes that may be made now.
        then_s: when that was counted, by a clock that does not jump, seconds.
    """

    per_minute: int
    left: float
    then_s: float

    @staticmethod
    def full(per_minute: int, now_s: float) -> Wear:
        """A budget of which nothing is used."""
        return Wear(per_minute, per_minute / 2, now_s)

    def at(self, now_s: float) -> Wear:
        """The same later on."""
        gained = max(now_s - self.then_s, 0.0) * self.per_minute / 2 / MINUTE_S
        return replace(self, left=min(self.left + gained, self.per_minute / 2), then_s=now_s)

    def spent(self, now_s: float) -> Wear | None:
        """The budget after one write, or None where none may be made now."""
        now = self.at(now_s)
        return replace(now, left=now.left - 1) if now.left >= 1 else None
