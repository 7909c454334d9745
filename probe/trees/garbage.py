"""What lies about and nothing needs: drafts, left-over slots, on request the previous tree."""

from __future__ import annotations

from dataclasses import dataclass, replace

from probe.disk.clearing import Leftover, remove_all, told
from probe.disk.filesystem import DRAFT
from probe.state.store import storing
from probe.trees.onboard import Probe, disk_taken
from probe.trees.trial import check_settled


@dataclass(frozen=True)
class Collected:
    """What collecting did.

    Attributes:
        freed_bytes: in whole blocks.
        taken_bytes: what root, slots and state take now.
        quota_bytes: what they may take; 0 for no quota.
        left: what could not be removed, in words; it is in nobody's way.
    """

    freed_bytes: int
    taken_bytes: int
    quota_bytes: int
    left: tuple[str, ...] = ()


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
    before = disk_taken(probe)
    if previous and ledger.previous_slot:
        check_settled(ledger)
        # The record goes first: it must never point to what is half removed.
        ledger = replace(ledger, sequence=ledger.sequence + 1, previous="", previous_slot="")
        store.write(ledger)
    left: list[Leftover] = list(slots.clear(store.files, keep=ledger.previous_slot))
    with storing("remove drafts"):
        for draft in sorted(store.folder.glob(f"*{DRAFT}")):
            left += remove_all(store.files, draft)
        store.files.sync_folder(store.folder)
    after = disk_taken(probe)
    said = (told(left),) if left else ()
    return Collected(before - after, after, probe.config.max_disk_bytes, said)
