"""What a disk refused is tried again, ever more rarely."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_S = 6 * 3600.0


@dataclass(frozen=True)
class Patience:
    """How often a disk refused a message, and when it is tried again.

    Attributes:
        attempts: so far.
        due_s: when the next is due, by the clock that ``refused`` was given, seconds.
        wait_s: from the last attempt to that.
    """

    attempts: int
    due_s: float
    wait_s: float

    def __str__(self) -> str:
        return f"attempt {self.attempts}, again in {self.wait_s:.0f} s"


def refused(before: Patience | None, now_s: float, first_s: float) -> Patience:
    """One more refusal: the wait doubles from ``first_s`` on, up to ``LONGEST_S`` seconds.

    An attempt that was made before it was due, since the tree has changed, counts for nothing.
    """
    if before and now_s < before.due_s:
        return before
    attempts = before.attempts + 1 if before else 1
    wait_s = min(first_s * 2 ** min(attempts - 1, 32), LONGEST_S)
    return Patience(attempts, now_s + wait_s, wait_s)
