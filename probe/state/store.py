"""The probe's memory: a state folder with a lock and five small files.

    STATE/
      lock          held (flock) by the one command that works on this state
      config.json   what ``init`` was told: root, model, keys, limits; rewritten by ``init`` only
      ledger.json   what happened: counter, digest of the tree in place, previous tree, history
      journal.json  there only while trees change places: what is about to happen
      pending.json  messages that wait for a key, and the keys disclosed; there once one came
      seal.json     what the other files have to be: none may be an older copy
      (``probe.state.seal``)
      slots/a, b    the staged or the previous tree (beside the root if that is another filesystem)

A file is replaced whole and durably, and damage to one is noticed when it is read.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from probe.disk.filesystem import Filesystem, durable_remove, durable_write
from probe.state.pending import Pending
from probe.state.records import Config, Journal, Ledger, Record, encode
from probe.state.sealing import Sealing, read_record
from shared.digest import sha256
from shared.errors import StoreError, words_of

INBOX = "inbox"
"""Name of the folder of what a listener has received (``probe.inbox.inbox``)."""

R = TypeVar("R", Config, Ledger, Journal, Pending)


class Store:
    """The files of one state folder.  Made by ``open_store``, which holds the lock."""

    def __init__(self, folder: Path, files: Filesystem) -> None:
        self.folder = folder
        self.files = files
        self.sealing = Sealing(folder, self.files)

    def config(self) -> Config:
        """What ``init`` wrote.

        Raises:
            StoreError: there is none, or it is damaged.
        """
        return self._read(Config)

    def ledger(self) -> Ledger:
        """What has happened; errors as ``config``."""
        return self._read(Ledger)

    def journal(self) -> Journal | None:
        """The transaction under way, if any; errors as ``config``."""
        return self._read(Journal) if self._there(Journal) else None

    def pending(self) -> Pending:
        """The messages that wait for a key; errors as ``config``."""
        return self._read(Pending) if self._there(Pending) else Pending()

    def write(self, record: Record) -> None:
        """Replace the record's file durably, and let the seal know.

        Raises:
            StoreError: the disk refuses, or the hardware's counter does.
        """
        path = self._path(type(record))
        with storing(f"write {path.name}"):
            data = encode(record, self.sealing.next_number)
            with self.sealing.change(path.stem, sha256(data).hex()):
                durable_write(self.files, path, data)

    def clear_journal(self) -> None:
        """The transaction is over; errors as ``write``."""
        with storing("remove journal.json"), self.sealing.change("journal", ""):
            durable_remove(self.files, self._path(Journal))

    def close(self) -> None:
        """Let the seal say that all is settled; if the disk refuses, the next command does it."""
        with suppress(StoreError), storing("write seal.json"):
            self.sealing.close()

    def _there(self, kind: type[Record]) -> bool:
        with storing(f"look for {self._path(kind).name}"):
            return self._path(kind).exists()

    def _path(self, kind: type[Record]) -> Path:
        return self.folder / f"{kind.__name__.lower()}.json"

    def _read(self, kind: type[R]) -> R:
        return read_record(self._path(kind), kind)


@contextmanager
def open_store(
    folder: Path,
    files: Filesystem | None = None,
    *,
    create: bool = False,
    counted: bool = True,
) -> Iterator[Store]:
    """Lock a state folder and work on it; the system drops the lock with the process.

    Args:
        folder: of the state.
        files: how it is written.
        create: take it as it is, empty or left by an ``init`` that was cut short.
        counted: ask the hardware's counter, if there is one.

    Raises:
        StoreError: this is no state folder (unless ``create``), another command holds it, or its
            files are not of one moment.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    with ExitStack() as stack:
        with storing("open the state folder", _missing(folder)):
            place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, place)
            _check_private(folder, os.fstat(place).st_mode)
            descriptor = os.open("lock", flags | os.O_NOFOLLOW, 0o600, dir_fd=place)
            stack.callback(os.close, descriptor)
        # The folder too: a lock file may be replaced while it is held, and then locks nothing.
        with storing("lock the state folder", _busy):
            _lock_folder(place)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        store = Store(folder, files or Filesystem())
        with storing("read the state folder"):
            if create:
                store.sealing.adopt()
            else:
                store.sealing.check(counted=counted)
        try:
            yield store
        except Exception:  # a power cut is none
            store.close()
            raise
        store.close()


def _lock_folder(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # NFS locks no folders
        if error.errno not in (errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.EISDIR):
            raise


def _check_private(folder: Path, mode: int) -> None:
    """Raises StoreError where others may write what this probe trusts."""
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreError(
            f"others may write to the state folder {folder}: mode {stat.S_IMODE(mode):04o}",
            expected="a folder that its owner alone may write to, such as 0700",
            remedy=f"chmod go-w {folder}, once you are sure that nobody has altered it",
        )


@contextmanager
def storing(
    attempt: str, explain: Callable[[OSError], StoreError | None] | None = None
) -> Iterator[None]:
    """Turn an OSError into a StoreError that says what was attempted."""
    try:
        yield
    except OSError as error:
        known = explain(error) if explain else None
        raise known or StoreError(
            f"cannot {attempt}: {words_of(error)}",
            remedy="see to the disk and its permissions; the next command recovers what was begun",
        ) from error


def _missing(folder: Path) -> Callable[[OSError], StoreError | None]:
    def explain(error: OSError) -> StoreError | None:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            return None
        return StoreError(
            f"{folder} is no state folder",
            expected="a folder made by probe init",
            remedy="run probe init, or name the right folder with --state",
        )

    return explain


def _busy(error: OSError) -> StoreError | None:
    if error.errno not in (errno.EAGAIN, errno.EACCES):
        return None
    return StoreError(
        "another probe command is working on this state folder",
        expected="one command at a time",
        remedy="wait for it to end",
    )
