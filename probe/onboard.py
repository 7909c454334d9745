"""The probe at work: a state folder opened, recovered and ready, and what changes its tree.

Everything here happens under the lock of the state folder, after recovery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from probe.filesystem import Filesystem
from probe.records import Config, Entry, Operation, noted
from probe.slots import Slots, spare_slot
from probe.store import Store, open_store
from probe.transaction import Outcome, change_trees, recover
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
    """

    store: Store
    config: Config
    slots: Slots
    recovered: Outcome | None


@contextmanager
def open_probe(state: Path, files: Filesystem | None = None) -> Iterator[Probe]:
    """Lock a state folder, recover what a crash left, and work on it.

    Raises:
        StoreError: the folder is missing, damaged or in use.
    """
    with open_store(state, files) as store:
        config = store.config()
        slots = Slots.of(config)
        yield Probe(store, config, slots, recover(store, slots))


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
    )
    if entry.old_tree == entry.new_tree:
        store.write(noted(ledger, entry))
        return entry
    slots.clear(store.files, keep=ledger.previous_slot)
    slot = spare_slot(ledger.previous_slot)
    slots.stage(store.files, slot, base, target)
    change_trees(store, slots, slot, entry)
    slots.clear(store.files, keep=slot)
    return entry


def roll_back(probe: Probe, *, now_s: float) -> Entry:
    """Put the previous tree back as it was, whatever has become of the tree in use.

    The counter stays: messages that were used up are not accepted again.

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
        operation=Operation.ROLLBACK,
        time_s=now_s,
        counter=ledger.counter,
        old_tree=probe.slots.root_tree().digest.hex(),
        new_tree=ledger.previous,
        envelope="",
        recovered=False,
    )
    change_trees(probe.store, probe.slots, slot, entry)
    return entry
