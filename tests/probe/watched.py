"""A listener on a recording disk: what its inbox has taken, and when it began to drop it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from listening import STACK, AtOnce, Line
from recorder import Recorder
from world import World, regenerator

from probe.inbox.batch import Waiting
from probe.inbox.inbox import Inbox, Key, open_inbox
from probe.listen.receiver import Receiver
from probe.listen.service import Doing, Service
from probe.listen.telemetry import Event, Telemetry
from probe.reception.reassembly import Kept

Item = bytes | tuple[int | None, bytes]
"""A message, or the number and data of a segment."""


@dataclass(frozen=True)
class Note:
    """Something taken or dropped, and how many operations were done when it was."""

    item: Item
    order: int
    step: int


@dataclass
class Taken:
    """What the inbox has taken, and what it then began to drop."""

    put: list[Note] = field(default_factory=list)
    dropping: list[Note] = field(default_factory=list)
    parked: list[tuple[bytes, int]] = field(default_factory=list)
    """Digest, and how many operations were done when it was said."""

    def held(self, done: int) -> Counter[Item]:
        """What must be there after so many operations."""
        dropped = {(note.item, note.order) for note in self.dropping if note.step <= done}
        put = (note for note in self.put if note.step <= done)
        return Counter(note.item for note in put if (note.item, note.order) not in dropped)


def item_of(one: Waiting | Kept) -> Item:
    if isinstance(one, Waiting):
        return one.data
    return one.piece.number, one.piece.segment.data


class Watched(Inbox):
    """Notes when something is on disk for good, and when it begins to be dropped."""

    def __init__(self, real: Inbox, disk: Recorder, taken: Taken) -> None:
        super().__init__(real.folder, real.files)
        self.disk, self.taken = disk, taken
        self.load()

    def _note(self, notes: list[Note], key: Key) -> None:
        item = self._items[key]
        notes.append(Note(item_of(item), item.order, len(self.disk.steps)))

    def _settle(self, keys: Sequence[Key]) -> None:
        for key in keys:
            if key in self._items:  # written just now, not dropped
                self._note(self.taken.put, key)
        super()._settle(keys)

    def _drop(self, keys: Sequence[Key]) -> None:
        for key in keys:
            if key in self._items:
                self._note(self.taken.dropping, key)
        super()._drop(keys)


def recorded(world: World, line: Line, framing: object) -> tuple[Recorder, Taken]:
    """Run a listener to its end on a recording disk, one thing after the other."""
    disk, taken = Recorder(world.folder), Taken()

    def say(one: Telemetry) -> None:
        if one.event is Event.PARKED:
            taken.parked.append((one.digest, len(disk.steps)))

    doing = Doing(world.state, disk, lambda: 1000.0, lambda *_: regenerator, say)
    with open_inbox(world.state, disk) as real:
        inbox = Watched(real, disk, taken)
        receiver = Receiver(line, framing, STACK, inbox, 1 << 20, lambda _: None)  # type: ignore[arg-type]
        receiver._thread = AtOnce(receiver._run)  # type: ignore[assignment]
        Service(doing, inbox, receiver).run()
        inbox.close()
    return disk, taken
