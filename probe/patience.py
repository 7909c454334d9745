"""What a disk refused is tried again, ever more rarely, and the model's work is not done twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared.errors import RegenerationError
from shared.tree import Entry, Tree
from shared.wire import Message

if TYPE_CHECKING:
    from probe.messages.apply import Regenerator
    from shared.regenerate import Regenerated

LONGEST_S = 6 * 3600.0
MAX_REMEMBERED = 4
MAX_REMEMBERED_BYTES = 16 << 20
"""Of new file contents and patch, of one message; what is more is regenerated again."""


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


@dataclass(frozen=True)
class _Made:
    """A ``Regenerated`` without what the baseline has anyway."""

    edits: Mapping[str, Entry | None]
    rest: Regenerated

    def bytes(self) -> int:
        files = sum(len(entry.data) for entry in self.edits.values() if entry)
        return files + len(self.rest.patch)


class Remembered:
    """What the last few messages became, or why they cannot become anything.

    For messages that are tried again because a disk refused: bounded in number and in bytes.
    """

    def __init__(self) -> None:
        self._outcomes: OrderedDict[object, _Made | RegenerationError] = OrderedDict()

    def around(self, follow: Regenerator) -> Regenerator:
        """The same regenerator, asked once for each message and baseline."""

        def remembering(message: Message, baseline: Tree) -> Regenerated:
            key = (message, baseline.digest)
            known = self._outcomes.get(key)
            if isinstance(known, RegenerationError):
                raise known
            if known is not None:
                return replace(known.rest, target=baseline.replace(dict(known.edits)))
            try:
                made = follow(message, baseline)
            except RegenerationError as error:
                self._keep(key, error)
                raise
            changed = {*baseline.entries, *made.target.entries}
            edits = {
                path: made.target.get(path)
                for path in changed
                if made.target.get(path) != baseline.get(path)
            }
            short = _Made(edits, replace(made, target=Tree({})))
            if short.bytes() <= MAX_REMEMBERED_BYTES:
                self._keep(key, short)
            return made

        return remembering

    def _keep(self, key: object, outcome: _Made | RegenerationError) -> None:
        self._outcomes[key] = outcome
        while len(self._outcomes) > MAX_REMEMBERED:
            self._outcomes.popitem(last=False)
