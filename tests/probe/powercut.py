"""A disk whose power fails at the n-th operation and forgets what was not synced.

Between two syncs a journaling filesystem may lose any suffix of what was done to names, and any
bytes of files that were not synced.  That is what ``settle`` does, by undoing.  The state folder's
own names and all others are taken as two journals that lose independently, so that a sync of one
cannot stand in for a sync of the other.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from probe.disk.filesystem import Filesystem


class PowerCut(BaseException):
    """Not an Exception: nothing may catch it and go on."""


class Quick(Filesystem):
    """Does not sync: for steps of a test that power does not fail in."""

    def sync_file(self, path: Path) -> None:
        """Nothing: the test does not outlive the page cache."""

    def sync_folder(self, path: Path) -> None:
        """Nothing."""

    @contextmanager
    def barrier(self, folder: Path) -> Iterator[Callable[[], None]]:
        """Nothing."""
        del folder
        yield lambda: None


@dataclass
class Done:
    """An operation on names that no sync has made durable yet."""

    parents: tuple[Path, ...]
    undo: Callable[[], None]


class FailingDisk(Filesystem):
    """A ``Filesystem`` that stops before operation number ``at`` (from 1; None: never)."""

    def __init__(self, state: Path, graveyard: Path, at: int | None = None) -> None:
        self.state = state
        self.graveyard = graveyard
        self.at = at
        self.operations = 0
        self.journals: dict[bool, list[Done]] = {True: [], False: []}
        self.unsynced: set[Path] = set()
        self.buried = 0

    def settle(self, choose: random.Random) -> None:
        """What the disk holds when power returns."""
        for path in self.unsynced:
            if path.is_file() and not path.is_symlink():
                self._tear(path, choose)
        for journal in self.journals.values():
            lost = choose.randint(0, len(journal))
            for done in reversed(journal[len(journal) - lost :]):
                done.undo()
            journal.clear()

    def _tear(self, path: Path, choose: random.Random) -> None:
        data = path.read_bytes()
        kept = choose.choice([0, len(data), choose.randint(0, len(data))])
        fill = choose.choice([b"", bytes(len(data) - kept)])
        path.write_bytes(data[:kept] + fill)

    def _step(self) -> None:
        self.operations += 1
        if self.operations == self.at:
            raise PowerCut

    def _log(self, undo: Callable[[], None], *paths: Path) -> None:
        parents = tuple(path.parent for path in paths)
        self.journals[self.state in parents].append(Done(parents, undo))

    def _bury(self, path: Path) -> Path:
        """Keep what an operation takes away, for the case that it never happened."""
        self.graveyard.mkdir(exist_ok=True)
        self.buried += 1
        grave = self.graveyard / str(self.buried)
        path.rename(grave)
        return grave

    def make_folder(self, path: Path, mode: int) -> None:
        self._step()
        super().make_folder(path, mode)
        self._log(lambda: shutil.rmtree(path), path)

    def write_file(self, path: Path, data: bytes, mode: int) -> None:
        self._step()
        super().write_file(path, data, mode)
        self.unsynced.add(path)
        self._log(path.unlink, path)

    def copy_file(self, source: Path, path: Path) -> tuple[str, ...]:
        self._step()
        dropped = super().copy_file(source, path)
        self.unsynced.add(path)
        self._log(path.unlink, path)
        return dropped

    def link_file(self, source: Path, path: Path) -> None:
        self._step()
        super().link_file(source, path)
        self._log(path.unlink, path)

    def make_link(self, path: Path, target: bytes) -> None:
        self._step()
        super().make_link(path, target)
        self._log(path.unlink, path)

    def remove_file(self, path: Path) -> None:
        self._step()
        grave = self._bury(path)
        self._log(lambda: grave.rename(path), path)

    def remove_folder(self, path: Path) -> None:
        self._step()
        if any(path.iterdir()):
            raise OSError(f"{path} is not empty")
        grave = self._bury(path)
        self._log(lambda: grave.rename(path), path)

    def sync_file(self, path: Path) -> None:
        self._step()
        self.unsynced.discard(path)

    def sync_folder(self, path: Path) -> None:
        self._step()
        for journal in self.journals.values():
            last = max((n for n, done in enumerate(journal, 1) if path in done.parents), default=0)
            del journal[:last]

    @contextmanager
    def barrier(self, folder: Path) -> Iterator[Callable[[], None]]:
        """What came before the sync is durable, what comes after it is not."""
        del folder
        yield self._sync_all

    def _sync_all(self) -> None:
        self._step()
        self.unsynced.clear()
        for journal in self.journals.values():
            journal.clear()

    def rename(self, source: Path, path: Path) -> None:
        self._step()
        grave = self._bury(path) if path.is_file() else None
        source.rename(path)
        if source in self.unsynced:
            self.unsynced.remove(source)
            self.unsynced.add(path)

        def undo() -> None:
            path.rename(source)
            if grave is not None:
                grave.rename(path)

        self._log(undo, source, path)

    def exchange(self, one: Path, other: Path) -> None:
        self._step()
        super().exchange(one, other)
        self._log(lambda: Filesystem.exchange(self, one, other), one, other)
