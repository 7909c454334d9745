"""One change of trees, all or nothing, across crashes.

    1  the new tree lies durable and checked in a slot
    2  journal.json says what is about to happen
    3  root and slot exchange                            <- the instant of the change
    4  ledger.json counts it: counter, tree, history
    5  journal.json goes

A crash before 3 leaves the old tree, one after it the new tree.  ``recover``, which every command
runs first, looks which of them is in the root and completes or abandons the rest.  Nothing else
is ever accepted between 3 and 4, since nothing is done before recovery: a message can neither be
applied twice nor be replayed.

The verdict is that of 3 alone.  Before it everything can fail and nothing has happened; after it
the new tree is in place, and what a disk then refuses is told and left to the next command.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from enum import StrEnum

from probe.state.records import Entry, Journal, completed
from probe.state.store import Store
from probe.trees.slots import Slots
from shared.errors import StoreError


class Outcome(StrEnum):
    """What recovery did with the transaction it found."""

    COMPLETED = "completed"
    ABANDONED = "abandoned"


def change_trees(store: Store, slots: Slots, slot: str, entry: Entry) -> tuple[str, ...]:
    """Steps 2 to 5: let the durable tree in ``slot`` and the root change places.

    Returns:
        What the disk refused after the exchange, in words: the next command's ``recover`` completes
        it.  Until then nothing that the ledger points to may be removed.

    Raises:
        StoreError: the disk refuses; the trees have not changed places.
    """
    ledger = store.ledger()
    inode = slots.slot_inode(slot)
    if inode is None:
        raise StoreError(f"slot {slot} is empty", expected="the tree to put into place")
    journal = Journal(ledger.sequence + 1, slot, inode, entry)
    store.write(journal)
    undone: list[str] = []
    try:
        slots.exchange(store.files, slot)
    except StoreError as error:
        if slots.root_inode() != inode:
            with suppress(StoreError):
                recover(store, slots)
            raise
        undone.append(str(error))
    try:
        store.write(completed(ledger, journal))
        store.clear_journal()
    except StoreError as error:
        undone.append(str(error))
    return tuple(undone)


def recover(store: Store, slots: Slots) -> Outcome | None:
    """Complete or abandon the transaction that a crash cut short; None if there was none.

    Raises:
        StoreError: a file of the state is damaged, or neither tree is where it could be.
    """
    journal = store.journal()
    if journal is None:
        return None
    ledger = store.ledger()
    outcome = Outcome.COMPLETED
    if journal.sequence != ledger.sequence:
        _check_follows(journal, ledger.sequence)
        slots.settle(store.files, journal.slot)
        outcome = judge(
            journal,
            tree=_root_digest(slots),
            root_inode=slots.root_inode(),
            slot_inode=slots.slot_inode(journal.slot),
        )
        if outcome is Outcome.COMPLETED:
            noted = replace(journal, entry=replace(journal.entry, recovered=True))
            store.write(completed(ledger, noted))
    store.clear_journal()
    return outcome


def judge(
    journal: Journal, *, tree: str, root_inode: int | None, slot_inode: int | None
) -> Outcome:
    """Which tree is in the root?  By its digest, and failing that by the folder's identity.

    The digest decides alone unless other software wrote to the root between crash and recovery.
    Then the folders still tell: the incoming tree's folder is the root now, or it is not.

    Args:
        journal: the transaction found.
        tree: digest of the tree in the root, hex; "" if it is no tree any more.
        root_inode: inode number of the root's folder.
        slot_inode: inode number of the slot's folder, None if there is none.

    Raises:
        StoreError: no evidence either way.
    """
    if tree == journal.entry.new_tree:
        return Outcome.COMPLETED
    if tree == journal.entry.old_tree:
        return Outcome.ABANDONED
    if root_inode == journal.inode:
        return Outcome.COMPLETED
    if slot_inode == journal.inode:
        return Outcome.ABANDONED
    raise StoreError(
        f"the journal does not fit the root, which holds {tree or 'no tree'}",
        expected=f"{journal.entry.old_tree} or {journal.entry.new_tree}",
        remedy="restore one of these trees and run any probe command, or start a new state folder "
        f"with probe init --counter {journal.entry.counter}",
    )


def _root_digest(slots: Slots) -> str:
    try:
        return slots.root_tree().digest.hex()
    except StoreError:
        return ""


def _check_follows(journal: Journal, sequence: int) -> None:
    if journal.sequence != sequence + 1:
        raise StoreError(
            f"journal.json is number {journal.sequence}, ledger.json number {sequence}",
            expected="the journal to be the ledger's next",
            remedy="these files were not restored together: restore both from one time",
        )
