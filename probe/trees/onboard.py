"""The probe at work: a state folder opened, recovered and ready, and what changes its tree.

Everything here happens under the lock of the state folder, after recovery.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from probe.disk.clearing import told
from probe.disk.filesystem import Filesystem
from probe.resources.disk import NoRoom, check_room, free_bytes, staged_bytes, taken_bytes
from probe.state.records import Config, Entry, Operation, noted
from probe.state.store import INBOX, Store, open_store, storing
from probe.trees.slots import Slots
from probe.trees.transaction import Outcome, change_trees, recover
from probe.trees.trial import confirmed, on_trial, overdue
from shared.digest import sha256
from shared.errors import Refusal, StoreError
from shared.system.memory import came_of_lack
from shared.tree import Tree

Clock = Callable[[], float]
"""Seconds since the Unix epoch.  One decision hangs on it, whether a message of a TESLA chain came
in time (``probe.messages.tesla``); all other times are only written down."""


@dataclass(frozen=True)
class Probe:
    """One open state folder.

    Attributes:
        store: its files.
        config: what ``init`` fixed.
        slots: the root and its spares.
        recovered: what recovery found to do when the state was opened.
        settled: how a trial ended then that was not confirmed in time, if one did.
        notes: what could not be done and was no reason to fail, in words; grows with the work.
    """

    store: Store
    config: Config
    slots: Slots
    recovered: Outcome | None
    settled: Entry | None = None
    notes: list[str] = field(default_factory=list)


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
        Unstageable: such a tree cannot lie on this disk.
        BudgetExceeded: there is no room for it.
        StoreError: the disk refuses; the old tree is in place.
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
    slot = make_way(probe)
    _check_room(probe, base, target)
    probe.notes.extend(slots.stage(store.files, slot, base, target))
    if _change_trees(probe, slot, entry) and (left := slots.clear(store.files, keep=slot)):
        probe.notes.append(told(left))
    return entry


def make_way(probe: Probe) -> str:
    """Clear what nothing needs, and name the slot that a new tree can be built in.

    Raises:
        NoRoom: so much was set aside that could not be cleared that no slot is free.
    """
    previous = probe.store.ledger().previous_slot
    left = probe.slots.clear(probe.store.files, keep=previous)
    slot = probe.slots.spare(previous)
    if slot is None:
        raise NoRoom(
            f"no slot is free: {told(left)}",
            expected="one folder that a tree can be built in",
            remedy="remove these as a user who may, then send the message again",
        )
    return slot


def disk_taken(probe: Probe) -> int:
    """What root, slots and state take now, bytes in whole blocks.

    The inbox does not count: strangers fill it, and it has bounds of its own.

    Raises:
        StoreError: the disk refuses to tell.
    """
    slots, state = probe.slots, probe.store.folder
    outside = [place for place in slots.places() if state not in place.parents]
    with storing("count the disk's blocks"):
        taken = sum(map(taken_bytes, (slots.root, state, *outside)))
        return taken - taken_bytes(state / INBOX)


def _change_trees(probe: Probe, slot: str, entry: Entry) -> bool:
    """Whether all of it was done and written down; what was not is noted."""
    undone = change_trees(probe.store, probe.slots, slot, entry)
    probe.notes.extend(f"the trees have changed places, but: {one}" for one in undone)
    return not undone


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
    _change_trees(probe, slot, entry)
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
    except StoreError as error:
        if came_of_lack(error):  # it is not the tree that is damaged
            raise
        return False
    return bool(ledger.previous_slot) and found == ledger.previous


def _check_room(probe: Probe, base: Tree, target: Tree) -> None:
    with storing("count the disk's blocks"):
        root, free = taken_bytes(probe.slots.root), free_bytes(probe.slots.root.parent)
    needed = staged_bytes(root, base, target)
    check_room(needed, taken=disk_taken(probe), quota=probe.config.max_disk_bytes, free=free)
