"""The probe at work: a state folder opened, recovered and ready, and what changes its tree.

Everything here happens under the lock of the state folder, after recovery.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from probe.filesystem import Filesystem
from probe.records import Config, Entry, Operation, noted
from probe.slots import Slots, spare_slot
from probe.space import check_room, free_bytes, staged_bytes, taken_bytes
from probe.store import Store, open_store, storing
from probe.transaction import Outcome, change_trees, recover
from probe.trial import confirmed, on_trial, overdue
from shared.digest import sha256
from shared.errors import Refusal, StoreError
from shared.tree import Tree

Clock = Callable[[], float]
"""Seconds since the Unix epoch.  One decision hangs on it, whether a message of a TESLA chain came
in time (``probe.holding``); all other times are only written down."""


@dataclass(frozen=True)
class Probe:
    """One open state folder.

    Attributes:
        store: its files.
        config: what ``init`` fixed.
        slots: the root and its spares.
        recovered: what recovery found to do when the state was opened.
        settled: how a trial ended then that was not confirmed in time, if one did.
    """

    store: Store
    config: Config
    slots: Slots
    recovered: Outcome | None
    settled: Entry | None = None


@contextmanager
def open_probe(
    state: Path, files: Filesystem | None = None, clock: Clock = time.time
) -> Iterator[Probe]:
    """Lock a state folder, recover what a crash left, end a trial that is over, and work on it.

    Raises:
        StoreError: the folder is missing, damaged or in use.
    """
    with open_store(state, files) as store:
        config = store.config()
        slots = Slots.of(config)
        probe = Probe(store, config, slots, recover(store, slots))
        yield replace(probe, settled=_settle(probe, clock()))


def put_in_place(
    probe: Probe, base: Tree, target: Tree, *, counter: int, envelope: bytes, now_s: float
) -> Entry:
    """Make ``target`` the tree in use and keep ``base`` for rollback; all or nothing.

    A target equal to the base uses up the counter and leaves the trees alone.

    Args:
        probe: the open probe.
        base: the tree in use.
        target: the tree to put in its place.
        counter: what the ledger's counter becomes, in the same transaction.
        envelope: the bytes that asked for it; their digest goes into the history.
        now_s: Unix time.

    Raises:
        StoreError: the disk refuses.
    """
    store, slots, ledger = probe.store, probe.slots, probe.store.ledger()
    entry = Entry(
        operation=Operation.APPLY,
        time_s=now_s,
        counter=counter,
        old_tree=base.digest.hex(),
        new_tree=target.digest.hex(),
        envelope=sha256(envelope).hex(),
        recovered=False,
        trial_s=probe.config.trial_s,
    )
    if entry.old_tree == entry.new_tree:
        store.write(noted(ledger, entry))
        return entry
    slots.clear(store.files, keep=ledger.previous_slot)
    _check_room(probe, base, target)
    slot = spare_slot(ledger.previous_slot)
    slots.stage(store.files, slot, base, target)
    change_trees(store, slots, slot, entry)
    slots.clear(store.files, keep=slot)
    return entry


def roll_back(probe: Probe, *, now_s: float, operation: Operation = Operation.ROLLBACK) -> Entry:
    """Put the previous tree back as it was, whatever has become of the tree in use.

    The counter stays: messages that were used up are not accepted again.

    Args:
        probe: the open probe.
        now_s: Unix time.
        operation: what the history calls it: ``ROLLBACK``, or ``REVERT`` at the end of a trial.

    Raises:
        Refusal: there is no previous tree.
        StoreError: the previous tree is damaged, or the disk refuses.
    """
    ledger = probe.store.ledger()
    slot = ledger.previous_slot
    if not slot:
        raise Refusal(
            "there is no previous tree to roll back to",
            expected="an applied message since the last rollback",
            remedy="send a message with the wanted tree as its target",
        )
    found = probe.slots.slot_tree(slot).digest.hex()
    if found != ledger.previous:
        raise StoreError(
            f"the previous tree in {probe.slots.slot(slot)} was altered: it is {found}",
            expected=ledger.previous,
            remedy="restore that folder, or send a message with the wanted tree as its target",
        )
    entry = Entry(
        operation=operation,
        time_s=now_s,
        counter=ledger.counter,
        old_tree=probe.slots.root_tree().digest.hex(),
        new_tree=ledger.previous,
        envelope="",
        recovered=False,
    )
    change_trees(probe.store, probe.slots, slot, entry)
    return entry


def confirm(probe: Probe, *, now_s: float) -> Entry:
    """Let the tree on trial stay.

    Raises:
        Refusal: no tree is on trial.
        StoreError: the disk refuses.
    """
    ledger = confirmed(probe.store.ledger(), now_s)
    probe.store.write(ledger)
    return ledger.history[-1]


def revert(probe: Probe, *, now_s: float) -> Entry:
    """End a trial that failed: put the previous tree back, or keep this one if that is damaged.

    A damaged previous tree must not stop the probe from taking the message that mends things.

    Raises:
        Refusal: no tree is on trial.
        StoreError: the disk refuses.
    """
    kept = confirmed(probe.store.ledger(), now_s, Operation.KEEP)
    if _previous_is_whole(probe):
        return roll_back(probe, now_s=now_s, operation=Operation.REVERT)
    probe.store.write(kept)
    return kept.history[-1]


def _settle(probe: Probe, now_s: float) -> Entry | None:
    ledger = probe.store.ledger()
    if on_trial(ledger) and overdue(ledger, now_s):
        return revert(probe, now_s=now_s)
    return None


def _previous_is_whole(probe: Probe) -> bool:
    ledger = probe.store.ledger()
    try:
        found = probe.slots.slot_tree(ledger.previous_slot).digest.hex()
    except StoreError:
        return False
    return bool(ledger.previous_slot) and found == ledger.previous


def _check_room(probe: Probe, base: Tree, target: Tree) -> None:
    slots, state = probe.slots, probe.store.folder
    with storing("count the disk's blocks"):
        root = taken_bytes(slots.root)
        outside = slots.folder.parent != state
        others = taken_bytes(state) + (taken_bytes(slots.folder) if outside else 0)
        free = free_bytes(slots.folder)
    needed = staged_bytes(root, base, target)
    check_room(needed, taken=root + others, quota=probe.config.max_disk_bytes, free=free)
