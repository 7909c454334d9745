"""What the probe remembers, as frozen values, and the bytes they are kept in.

A record is one line of canonical JSON, ``{"body": ..., "sequence": ..., "sha256": ...}``; the
sequence is the number of the change that wrote the file (``probe.state.seal``), and is not there
where an
earlier version wrote it.  Reading demands the very bytes that writing gives, so no damage passes
for a value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

from probe.state.pending import Held, Known, Pending
from probe.state.seal import Seal
from shared.untrusted import PARSING_FAULTS, json_value

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
    ROTATE = "rotate"
    CONFIRM = "confirm"
    """The tree on trial stays."""
    REVERT = "revert"
    """The tree on trial failed, and the previous one was put back."""
    DRAW = "draw"
    """A picture was drawn; the tree is the same."""
    KEEP = "keep"
    """The tree on trial failed, but the previous one was damaged and could not be put back."""


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
        keys: trusted keys as text (``shared.auth.keys.to_text``); 64 hex digits are Ed25519.
        max_counter_jump: largest accepted step of the counter.
        max_envelope_bytes: largest accepted envelope.
        trial_s: how long a new tree has to be confirmed, seconds; 0 for no trial.
        self_test: program and arguments that confirm a new tree by ending with 0; or nothing.
        max_disk_bytes: what root, slots and state may take together; 0 for no quota.
        identity: the probe's name in what is signed for it; "" if it has none.
        threshold: how many trusted Ed25519 keys must sign a change of keys.
        counter_command: program and arguments of a monotonic counter (``probe.state.counting``), or
            nothing.
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
    trial_s: float = 0.0
    self_test: tuple[str, ...] = ()
    max_disk_bytes: int = 0
    identity: str = ""
    threshold: int = 1
    counter_command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One line of the history; digests of trees and envelopes in hex, times in Unix seconds.

    ``trial_s`` is how long the new tree is on trial from ``time_s`` on; 0 if it is not.
    """

    operation: Operation
    time_s: float
    counter: int
    old_tree: str
    new_tree: str
    envelope: str
    recovered: bool
    trial_s: float = 0.0


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
        trial_since_s: when the tree in place went on trial, Unix seconds.
        trial_until_s: when it goes back unless it is confirmed; 0 if it is not on trial.
    """

    sequence: int
    counter: int
    tree: str
    previous: str
    previous_slot: str
    history: tuple[Entry, ...]
    trial_since_s: float = 0.0
    trial_until_s: float = 0.0


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


def noted(ledger: Ledger, entry: Entry, **changes: Any) -> Ledger:
    """The ledger with one more line of history.

    Args:
        ledger: the ledger before.
        entry: the line; its counter counts if it is higher than the ledger's.
        changes: other fields that change with it.
    """
    return replace(
        ledger,
        sequence=ledger.sequence + 1,
        counter=max(ledger.counter, entry.counter),
        history=(*ledger.history, entry)[-MAX_HISTORY:],
        **changes,
    )


def completed(ledger: Ledger, journal: Journal) -> Ledger:
    """The ledger after the transaction of a journal."""
    entry = journal.entry
    forward = entry.operation is Operation.APPLY
    trial = forward and entry.trial_s > 0
    return noted(
        ledger,
        entry,
        tree=entry.new_tree,
        previous=entry.old_tree if forward else "",
        previous_slot=journal.slot if forward else "",
        trial_since_s=entry.time_s if trial else 0.0,
        trial_until_s=entry.time_s + entry.trial_s if trial else 0.0,
    )


# --- bytes of the records ------------------------------------------------------------------------

Record = Config | Ledger | Journal | Pending | Seal
R = TypeVar("R")


def _encode(body: Mapping[str, Any], sequence: int) -> bytes:
    numbered = {"body": body, "sequence": sequence}
    checksum = hashlib.sha256(_canonical(numbered if sequence else body)).hexdigest()
    value = numbered if sequence else {"body": body}
    return _canonical({**value, "sha256": checksum}) + b"\n"


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def encode(record: Record, sequence: int = 0) -> bytes:
    """The one line that stands for a record.

    Args:
        record: what to keep.
        sequence: number of the change; 0 leaves it out, as earlier versions did.
    """
    return _encode(asdict(record), sequence)


def sequence_of(data: bytes) -> int:
    """The number of the change that wrote a line; 0 if it has none, or is damaged."""
    try:
        return _sequence(json_value(data))
    except PARSING_FAULTS:
        return 0


def _sequence(value: dict[str, Any]) -> int:
    sequence = value.get("sequence", 0)
    if type(sequence) is not int or sequence < 0:
        raise ValueError("its number")
    return sequence


def decode(data: bytes, kind: type[R]) -> R:
    """The record that ``encode`` wrote.

    Args:
        data: the line.
        kind: ``Config``, ``Ledger``, ``Journal``, ``Pending`` or ``Seal``.

    Raises:
        ValueError: these are not the bytes that a record of this kind has.
    """
    found: R = _decoded(data, kind)  # type: ignore[arg-type]  # a class is hashable
    return found


@lru_cache(maxsize=8)
def _decoded(data: bytes, kind: type[Any]) -> Any:
    """Records are frozen, and the same bytes are read several times for one message."""
    try:
        value = json_value(data)
        body = value["body"]
        if _encode(body, _sequence(value)) != data:
            raise ValueError("checksum or form")
        return _build(kind, body)
    except PARSING_FAULTS as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _build(kind: type[R], body: dict[str, Any]) -> R:
    known = fields(kind)  # type: ignore[arg-type]
    # Earlier versions did not write the fields that have a default, later ones may write more.
    needed = {field.name for field in known if field.default is MISSING}
    if not needed <= set(body) <= {field.name for field in known}:
        raise ValueError("other fields than this version writes")
    return kind(**{name: _FROM_JSON.get(name, _same)(value) for name, value in body.items()})


def _same(value: Any) -> Any:
    return value


_FROM_JSON: Mapping[str, Callable[[Any], Any]] = {
    "swap": Swap,
    "operation": Operation,
    "ignore": tuple,
    "self_test": tuple,
    "counter_command": tuple,
    "keys": tuple,
    "entry": lambda body: _build(Entry, body),
    "history": lambda lines: tuple(_build(Entry, line) for line in lines),
    "messages": lambda lines: tuple(_build(Held, line) for line in lines),
    "known": lambda lines: tuple(_build(Known, line) for line in lines),
}
"""By the name of the field, which no two records use for different things."""
