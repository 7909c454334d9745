"""The probe's memory: a state folder with a lock and three small files.

    STATE/
      lock          held (flock) by the one command that works on this state
      config.json   what ``init`` was told: root, model, keys, limits; rewritten by ``init`` only
      ledger.json   what happened: counter, digest of the tree in place, previous tree, history
      journal.json  there only while trees change places: what is about to happen
      slots/a, b    the staged or the previous tree (beside the root if that is another filesystem)

A file is one line of canonical JSON, ``{"body": ..., "sha256": ...}``, replaced whole and durably.
Reading demands the very bytes that writing gives, so no damage passes for a value.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from probe.filesystem import Filesystem, durable_remove, durable_write
from shared.errors import StoreError

MAX_HISTORY = 256
"""Entries kept in the ledger; the oldest fall out."""


class Swap(StrEnum):
    """How two trees change places (docs/decisions/0005-exchange-whole-trees.md)."""

    EXCHANGE = "exchange"
    RENAMES = "renames"


class Operation(StrEnum):
    """What an entry of the history did."""

    INIT = "init"
    APPLY = "apply"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class Config:
    """What ``init`` fixed.

    Attributes:
        root: folder whose content other software reads, absolute, no links in it.
        slots: folder of the two spare trees, on the filesystem of root.
        swap: how root and a slot change places.
        ignore: names that are no part of the tree, at any depth.
        model: folder of the pinned model.
        pin: its digest, 64 hex digits.
        keys: trusted Ed25519 public keys, 64 hex digits each.
        max_counter_jump: largest accepted step of the counter.
        max_envelope_bytes: largest accepted envelope.
    """

    root: str
    slots: str
    swap: Swap
    ignore: tuple[str, ...]
    model: str
    pin: str
    keys: tuple[str, ...]
    max_counter_jump: int
    max_envelope_bytes: int


@dataclass(frozen=True)
class Entry:
    """One line of the history; digests of trees and envelopes in hex, times in Unix seconds."""

    operation: Operation
    time_s: float
    counter: int
    old_tree: str
    new_tree: str
    envelope: str
    recovered: bool


@dataclass(frozen=True)
class Ledger:
    """What has happened.

    Attributes:
        sequence: number of completed transactions; never falls.
        counter: last counter that was used up; never falls.
        tree: digest of the tree in place, hex.
        previous: digest of the tree that ``rollback`` restores, or "" if there is none.
        previous_slot: its slot, or "".
        history: the last MAX_HISTORY entries, oldest first.
    """

    sequence: int
    counter: int
    tree: str
    previous: str
    previous_slot: str
    history: tuple[Entry, ...]


@dataclass(frozen=True)
class Journal:
    """A transaction under way: root and a slot are about to change places, or just have.

    Attributes:
        sequence: the ledger's sequence once this is complete.
        slot: the slot with the incoming tree.
        inode: inode number of the incoming tree's folder, which moves with it.
        entry: the line of history this becomes.
    """

    sequence: int
    slot: str
    inode: int
    entry: Entry


def completed(ledger: Ledger, journal: Journal) -> Ledger:
    """The ledger after a transaction."""
    entry = journal.entry
    forward = entry.operation is Operation.APPLY
    return replace(
        ledger,
        sequence=journal.sequence,
        counter=max(ledger.counter, entry.counter),
        tree=entry.new_tree,
        previous=entry.old_tree if forward else "",
        previous_slot=journal.slot if forward else "",
        history=(*ledger.history, entry)[-MAX_HISTORY:],
    )


class Store:
    """The files of one state folder.  Made by ``open_store``, which holds the lock."""

    def __init__(self, folder: Path, files: Filesystem) -> None:
        self.folder = folder
        self.files = files

    def config(self) -> Config:
        """What ``init`` wrote.

        Raises:
            StoreError: there is none, or it is damaged.
        """
        return _load(self._path("config"), _config)

    def ledger(self) -> Ledger:
        """What has happened; errors as ``config``."""
        return _load(self._path("ledger"), _ledger)

    def journal(self) -> Journal | None:
        """The transaction under way, if any; errors as ``config``."""
        path = self._path("journal")
        return _load(path, _journal) if path.exists() else None

    def write(self, record: Config | Ledger | Journal) -> None:
        """Replace the record's file durably."""
        name = type(record).__name__.lower()
        with storing(f"write {name}.json"):
            durable_write(self.files, self._path(name), _encode(asdict(record)))

    def clear_journal(self) -> None:
        """The transaction is over."""
        with storing("remove journal.json"):
            durable_remove(self.files, self._path("journal"))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


@contextmanager
def open_store(
    folder: Path, files: Filesystem | None = None, *, create: bool = False
) -> Iterator[Store]:
    """Lock a state folder and work on it; the system drops the lock with the process.

    Raises:
        StoreError: this is no state folder (unless ``create``), or another command holds it.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    with storing("open the state folder", _missing(folder)):
        descriptor = os.open(folder / "lock", flags, 0o600)
    try:
        with storing("lock the state folder", _busy):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield Store(folder, files or Filesystem())
    finally:
        os.close(descriptor)


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
            f"cannot {attempt}: {error}",
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


# --- bytes of the records ------------------------------------------------------------------------

R = TypeVar("R")


def _encode(body: Mapping[str, Any]) -> bytes:
    checksum = hashlib.sha256(_canonical(body)).hexdigest()
    return _canonical({"body": body, "sha256": checksum}) + b"\n"


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _load(path: Path, build: Callable[[dict[str, Any]], R]) -> R:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(
            f"{path} is missing",
            expected="a state folder made by probe init",
            remedy="run probe init, or name the right folder with --state",
        ) from error
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error}") from error
    try:
        body = json.loads(data)["body"]
        if _encode(body) != data:
            raise ValueError("checksum or form")
        return build(body)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StoreError(
            f"{path} is damaged ({error})",
            expected="the bytes that the probe wrote",
            remedy="restore the file, or start a new state folder with probe init --counter N, "
            "N at least the last counter used",
        ) from error


def _config(body: dict[str, Any]) -> Config:
    known = _typed(Config, body, {"swap": Swap})
    return replace(known, ignore=tuple(known.ignore), keys=tuple(known.keys))


def _entry(body: dict[str, Any]) -> Entry:
    return _typed(Entry, body, {"operation": Operation})


def _ledger(body: dict[str, Any]) -> Ledger:
    return _typed(Ledger, body, {"history": lambda lines: tuple(_entry(line) for line in lines)})


def _journal(body: dict[str, Any]) -> Journal:
    return _typed(Journal, body, {"entry": _entry})


def _typed(kind: type[R], body: dict[str, Any], convert: Mapping[str, Callable[[Any], Any]]) -> R:
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if set(body) != names:
        raise ValueError("other fields than this version writes")
    return kind(**{name: convert.get(name, _same)(value) for name, value in body.items()})


def _same(value: Any) -> Any:
    return value
