"""What messages became that a disk refused: the model's work is not done twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared.errors import RegenerationError
from shared.message.wire import Message
from shared.tree import Entry, Tree

if TYPE_CHECKING:
    from probe.messages.apply import Regenerator
    from shared.regenerate import Regenerated

MAX_REMEMBERED = 4
MAX_REMEMBERED_BYTES = 16 << 20
"""Of new file contents and patch, of one message; what is more is regenerated again."""


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
