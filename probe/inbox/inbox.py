"""What has been received and not dealt with, on disk: it outlives a restart.

    STATE/inbox/
      lock        held by the one listener
      N.batch     what came together (``probe.inbox.batch``), N counts up

What is in the inbox has not been authenticated, and whoever can write to the line can fill it.  So
it has bounds of its own, apart from the quota of the probe: in bytes, and in durable writes a
minute (``probe.resources.wear``).  Within the budget everything is written as it comes.  Beyond, it
stays in
memory, and what has come meanwhile is written together as soon as the budget allows; what is gone
by then is never written.  A message that is known to be authentic is written at once and counts
against nothing.

Files are whole when they have a name.  They are removed without a sync: what comes back after a
power cut has been dealt with, and is refused as such.  A disk that refuses is no reason to lose a
message that is in memory: the caller goes on without.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from probe.disk.filesystem import Filesystem, durable_write
from probe.inbox.batch import (
    EMPTY_BYTES,
    Item,
    Waiting,
    batch_name,
    next_number,
    packed_bytes,
    read_items,
    write_batch,
)
from probe.reception.reassembly import Kept
from probe.resources.disk import blocks
from probe.resources.wear import Wear
from probe.state.store import INBOX, storing
from shared.errors import StoreError

__all__ = ["Bounds", "Inbox", "Waiting", "open_inbox"]

DRAFT = ".new"
MOST_FILE_BYTES = 1 << 30
"""A larger file is none of this program's."""
REFUSED_S = 2.0
"""How long a disk that has refused is left alone."""

Key = tuple[bool, int]
"""Whether it is a message, and its place in the order of arrival."""


@dataclass(frozen=True)
class Bounds:
    """What strangers may cost a disk.

    Attributes:
        most_bytes: of files in whole blocks.
        writes_a_minute: durable ones.
    """

    most_bytes: int = 16 << 20
    writes_a_minute: int = 60


class Inbox:
    """The files of one inbox, for two threads.  Made by ``open_inbox``.

    Args:
        folder: where they lie.
        files: the disk.
        bounds: what it may cost.
        clock: seconds from any fixed moment.
    """

    def __init__(
        self,
        folder: Path,
        files: Filesystem,
        bounds: Bounds | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.files = files
        self._bounds = bounds or Bounds()
        self._clock = clock
        self._wear = Wear.full(self._bounds.writes_a_minute, clock())
        self._items: dict[Key, Item] = {}
        self._unwritten: dict[Key, None] = {}
        self._places: dict[str, set[Key]] = {}
        """Of each file, what in it still counts."""
        self._counts: dict[str, int] = {}
        """Of each file, how much was in it."""
        self._sizes: dict[str, int] = {}
        self._heirs: list[tuple[set[Key], list[Key]]] = []
        self._number = 1
        self._refusal: StoreError | None = None
        self._refused_until_s = clock()
        self._lock = threading.RLock()

    def put_message(self, waiting: Waiting, *, authentic: bool = False) -> bool:
        """Take a message in; whether it is on disk now.

        Args:
            waiting: the message.
            authentic: it is known to be, and is written whatever the budget.

        Raises:
            StoreError: the disk refuses; it is tried again with the rest.
        """
        return self._put(waiting, alone=authentic)

    def put_segment(self, kept: Kept) -> bool:
        """Take a segment in; see ``put_message``."""
        return self._put(kept, alone=False)

    def drop_message(self, waiting: Waiting) -> None:
        """The message was dealt with.

        Raises:
            StoreError: the disk refuses.
        """
        with self._lock:
            self._drop([_key(waiting)])

    def drop_segment(self, kept: Kept) -> None:
        """The segment is given up; see ``drop_message``."""
        with self._lock:
            self._drop([_key(kept)])

    def replace(self, segments: Sequence[Kept], messages: Iterable[Waiting]) -> None:
        """Segments have become messages: they go as soon as these need them no more.

        Raises:
            StoreError: the disk refuses.
        """
        with self._lock:
            needed = {_key(one) for one in messages} & self._unwritten.keys()
            self._heirs.append((needed, [_key(one) for one in segments]))
            self._settle(())

    def keep(self, *, at_once: bool = False) -> None:
        """Write what waits to be written, if the budget allows.

        Args:
            at_once: whatever the budget, as the last thing before the end.

        Raises:
            StoreError: the disk refuses.
        """
        with self._lock:
            now_s = self._clock()
            resting = self._refusal is not None and now_s < self._refused_until_s
            if not self._unwritten or (resting and not at_once):
                return
            spent = self._wear.spent(now_s)
            if spent is None and not at_once:
                return
            if self._crowded():
                self._wear = spent or self._wear
                self._compact()
                spent = self._wear.spent(now_s)
                if spent is None and not at_once:
                    return
            if chosen := self._that_fit():
                self._wear = spent or self._wear
                self._write(chosen)

    def close(self) -> None:
        """Leave on disk all that waits and nothing else, as far as the bound on bytes allows.

        Raises:
            StoreError: the disk refuses.
        """
        with self._lock:
            stale = any(len(held) < self._counts[name] for name, held in self._places.items())
            living = list(self._items)
            room = self._bounds.most_bytes - self.written_bytes()
            if stale and _size(self._items.values()) <= room:
                before = list(self._places)
                self._write(living)
                for name in before:
                    self._remove(name)
            self.keep(at_once=True)

    def messages(self) -> list[Waiting]:
        """Those that wait, oldest first."""
        with self._lock:
            found = [item for item in self._items.values() if isinstance(item, Waiting)]
        return sorted(found, key=lambda waiting: waiting.order)

    def segments(self) -> list[Kept]:
        """Those that wait, oldest first."""
        with self._lock:
            found = [item for item in self._items.values() if isinstance(item, Kept)]
        return sorted(found, key=lambda kept: kept.order)

    def written_bytes(self) -> int:
        """What the files take, in whole blocks."""
        with self._lock:
            return sum(self._sizes.values())

    def load(self) -> None:
        """Read what lies there; what is none of this program's is passed over and stays.

        Raises:
            StoreError: the folder cannot be listed.
        """
        with storing("list the inbox"):
            paths = sorted(self.folder.iterdir())
        self._number = next_number(path.name for path in paths)
        for path in paths:
            if path.name.endswith(DRAFT):  # a crash left it half written
                with contextlib.suppress(OSError):
                    self.files.remove_file(path)
                continue
            data = plain_bytes(path) if path.name != "lock" else None
            items = read_items(path.name, data) if data is not None else []
            if items and data is not None:
                self._sizes[path.name] = blocks(len(data))
                self._places[path.name] = {_key(item) for item in items}
                self._counts[path.name] = len(self._places[path.name])
                self._items |= {_key(item): item for item in items}

    # --- under the lock ---------------------------------------------------------------------------

    def _put(self, item: Item, *, alone: bool) -> bool:
        with self._lock:
            key = _key(item)
            self._items[key] = item
            if any(key in held for held in self._places.values()):
                return True
            self._unwritten[key] = None
            if self._refusal is not None and self._clock() < self._refused_until_s:
                raise self._refusal
            if alone:
                self._write([key])
            else:
                self.keep()
            return key not in self._unwritten

    def _that_fit(self) -> list[Key]:
        """What waits to be written, as far as the bound on bytes allows."""
        free = self._bounds.most_bytes - self.written_bytes()
        chosen: list[Key] = []
        size = EMPTY_BYTES
        for key in self._unwritten:
            size += packed_bytes(self._items[key])
            if blocks(size) > free:
                break
            chosen.append(key)
        return chosen

    def _held(self) -> list[Key]:
        """What is on disk and still counts."""
        return list(dict.fromkeys(key for keys in self._places.values() for key in keys))

    def _crowded(self) -> bool:
        """Whether there is too little room, and the files hold much that counts no more."""
        free = self._bounds.most_bytes - self.written_bytes()
        if _size(self._items[key] for key in self._unwritten) <= free:
            return False
        anew = _size(self._items[key] for key in self._held())
        return 2 * anew < self.written_bytes() and anew <= free

    def _compact(self) -> None:
        """Write what still counts anew, and remove the files that it was in."""
        before = list(self._places)
        self._write(self._held())
        for name in before:
            self._remove(name)

    def _write(self, keys: Sequence[Key]) -> None:
        if not keys:
            return
        data = write_batch([self._items[key] for key in keys])
        name = batch_name(self._number)
        self._number += 1
        try:
            with storing("put what came into the inbox"):
                durable_write(self.files, self.folder / name, data)
        except StoreError as error:
            self._refusal, self._refused_until_s = error, self._clock() + REFUSED_S
            raise
        self._refusal = None
        self._places[name], self._sizes[name] = set(keys), blocks(len(data))
        self._counts[name] = len(keys)
        for key in keys:
            self._unwritten.pop(key, None)
        self._settle(keys)

    def _settle(self, keys: Sequence[Key]) -> None:
        """Segments go when nothing that they have become needs them any more."""
        for needed, _ in self._heirs:
            needed.difference_update(keys)
        ready = [segments for needed, segments in self._heirs if not needed]
        self._heirs = [one for one in self._heirs if one[0]]
        self._drop([key for segments in ready for key in segments])

    def _drop(self, keys: Sequence[Key]) -> None:
        for key in keys:
            self._items.pop(key, None)
            self._unwritten.pop(key, None)
        for name, held in list(self._places.items()):
            held.difference_update(keys)
            if not held:
                self._remove(name)
        if keys:
            self._settle(keys)

    def _remove(self, name: str) -> None:
        self._places.pop(name, None)
        self._sizes.pop(name, None)
        self._counts.pop(name, None)
        with storing("clear the inbox"), contextlib.suppress(FileNotFoundError):
            self.files.remove_file(self.folder / name)


def _key(item: Item) -> Key:
    return isinstance(item, Waiting), item.order


def _size(items: Iterable[Item]) -> int:
    return blocks(EMPTY_BYTES + sum(map(packed_bytes, items)))


def plain_bytes(path: Path) -> bytes | None:
    """What a file holds; None if it cannot be read, or is a folder, a link, a pipe or a device.

    An inbox may have got files that are not this program's.  They stay, and are in nobody's way:
    a pipe that nobody writes to would keep a reader waiting for ever.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            fits = stat.S_ISREG(found.st_mode) and found.st_size <= MOST_FILE_BYTES
            return file.read() if fits else None
    except OSError:
        return None


@contextmanager
def open_inbox(
    state: Path,
    files: Filesystem,
    bounds: Bounds | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Inbox]:
    """Lock the inbox of a state folder, read it, and at the end write what is not written yet.

    Raises:
        StoreError: there is no state folder, or another listener has the inbox.
    """
    folder = state / INBOX
    with storing("open the inbox"):
        if not folder.exists():
            files.make_folder(folder, 0o700)
            files.sync_folder(state)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(
                "another probe is listening for this state folder", expected="one listener"
            ) from error
        inbox = Inbox(folder, files, bounds, clock)
        inbox.load()
        yield inbox
        with contextlib.suppress(StoreError):
            inbox.close()
    finally:
        os.close(descriptor)
