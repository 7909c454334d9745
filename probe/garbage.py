"""What lies about and nothing needs: drafts, left-over slots, on request the previous tree."""

from __future__ import annotations

from dataclasses import dataclass, replace

from probe.filesystem import durable_remove
from probe.onboard import Probe
from probe.space import taken_bytes
from probe.store import storing
from probe.trial import check_settled

DRAFT = ".new"
"""Ends the names of files that were being written (``probe.filesystem.durable_write``)."""


@dataclass(frozen=True)
class Collected:
    """What collecting did.

    Attributes:
        freed_bytes: in whole blocks.
        taken_bytes: what root, slots and state take now.
        quota_bytes: what they may take; 0 for no quota.
    """

    freed_bytes: int
    taken_bytes: int
    quota_bytes: int


def collect(probe: Probe, *, previous: bool = False) -> Collected:
    """Remove what nothing on record points to.

    Args:
        probe: the open probe.
        previous: give up the previous tree too; then there is nothing to roll back to.

    Raises:
        Refusal: the previous tree is asked for and a tree is on trial.
        StoreError: the disk refuses.
    """
    store, slots = probe.store, probe.slots
    ledger = store.ledger()
    before = _taken(probe)
    if previous and ledger.previous_slot:
        check_settled(ledger)
        # The record goes first: it must never point to what is half removed.
        ledger = replace(ledger, sequence=ledger.sequence + 1, previous="", previous_slot="")
        store.write(ledger)
    slots.clear(store.files, keep=ledger.previous_slot)
    with storing("remove drafts"):
        for draft in sorted(store.folder.glob(f"*{DRAFT}")):
            durable_remove(store.files, draft)
    after = _taken(probe)
    return Collected(before - after, after, probe.config.max_disk_bytes)


def _taken(probe: Probe) -> int:
    slots, state = probe.slots, probe.store.folder
    with storing("count the disk's blocks"):
        outside = slots.folder.parent != state
        others = taken_bytes(state) + (taken_bytes(slots.folder) if outside else 0)
        return taken_bytes(slots.root) + others
