"""Making a state folder: what the probe trusts from then on.

``config.json`` is written last: a state folder without it does not count, and ``init`` may simply
be run again.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from probe.disk.filesystem import Filesystem
from probe.state.pending import Pending
from probe.state.records import Config, Entry, Ledger, Operation, noted
from probe.state.store import Store, open_store, storing
from probe.trees.layout import lay_out
from probe.trees.slots import Slots, check_places
from probe.trees.transaction import recover
from shared.auth.identity import check_identity
from shared.auth.keys import TrustedKey, from_text, to_text
from shared.auth.rotation import may_change_trust
from shared.errors import InputError, StoreError
from shared.message.envelope import NO_COUNTER, Limits
from shared.tree import read_tree

DEFAULT_IGNORE = (".git",)


@dataclass(frozen=True)
class Setup:
    """What the operator decides.

    Attributes:
        root: folder of the onboard software.
        model: folder of the pinned model.
        pin: its digest, 32 bytes.
        keys: trusted keys; 32 bytes stand for an Ed25519 public key.
        counter: the last counter that counts as used; None is none, or with ``renew`` the ledger's.
        ignore: names that are no part of the tree.
        limits: largest accepted envelope and step of the counter.
        trial_s: how long a new tree has to be confirmed, seconds; 0 for no trial.
        self_test: program and arguments that confirm a new tree by ending with 0; or nothing.
        max_disk_bytes: what root, slots and state may take together; 0 for no quota.
        identity: the probe's name in what is signed for it; None is none, or with ``renew`` the
            one that it has.
        threshold: how many trusted Ed25519 keys must sign a change of keys; None is one, or with
            ``renew`` as many as before.
        counter_command: program and arguments of a monotonic counter (``probe.state.counting``);
        None
            is none, or with ``renew`` the one before.
    """

    root: Path
    model: Path
    pin: bytes
    keys: Collection[bytes | TrustedKey]
    counter: int | None = None
    ignore: Collection[str] = DEFAULT_IGNORE
    limits: Limits = field(default_factory=Limits)
    trial_s: float = 0.0
    self_test: tuple[str, ...] = ()
    max_disk_bytes: int = 0
    identity: str | None = None
    threshold: int | None = None
    counter_command: tuple[str, ...] | None = None


def initialise(
    state: Path,
    setup: Setup,
    *,
    now_s: float,
    renew: bool = False,
    files: Filesystem | None = None,
) -> Ledger:
    """Make a state folder, or with ``renew`` take new decisions and keep counter and history.

    Returns:
        The ledger as written.

    Raises:
        InputError: the root is no folder that can be updated, or there is no key, or one that is
            none.
        StoreError: there is a state already (without ``renew``), or none (with it), or the disk
            refuses.
    """
    if not setup.keys:
        raise InputError("no trusted key", remedy="name the file with the ground's public key")
    if setup.self_test and not setup.trial_s:
        raise InputError(
            "a self-test without a trial", remedy="say with --trial how many seconds it may take"
        )
    if not setup.root.is_dir():
        raise InputError(f"{setup.root} is not a folder", expected="the onboard software tree")
    keys = tuple(sorted({_text(key) for key in setup.keys}))
    files = files or Filesystem()
    state, root = state.resolve(), setup.root.resolve()
    check_places(root, state)
    if not renew:
        with storing("make the state folder"):
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
            files.sync_folder(state.parent)
    # A counter that is named anew is not compared with the one before: that one may be broken.
    counted = setup.counter_command is None
    with open_store(state, files, create=not renew, counted=counted) as store:
        old = _existing(store, renew)
        before = store.config() if renew else None
        counting = setup.counter_command
        if counting is None:
            counting = before.counter_command if before else ()
        else:
            with storing("write the state folder"):
                store.sealing.count_with(counting)
        identity, threshold = _binding(setup, before, keys)
        folder, swap = lay_out(files, root, state)
        config = Config(
            root=os.fspath(root),
            slots=os.fspath(folder),
            swap=swap,
            ignore=tuple(sorted({*setup.ignore})),
            model=os.fspath(setup.model.resolve()),
            pin=setup.pin.hex(),
            keys=keys,
            max_counter_jump=setup.limits.max_counter_jump,
            max_envelope_bytes=setup.limits.max_envelope_bytes,
            trial_s=setup.trial_s,
            self_test=setup.self_test,
            max_disk_bytes=setup.max_disk_bytes,
            identity=identity,
            threshold=threshold,
            counter_command=counting,
        )
        ledger = _ledger(old, setup.counter, _root_digest(config), now_s)
        # In this order: the previous tree goes once nothing on record points to it.
        store.write(ledger)
        Slots.of(config).clear(files, keep=ledger.previous_slot)
        if (pending := store.pending()) != Pending():
            # Keys that are public stay so; the clock may have been set right in between.
            store.write(Pending(known=pending.known))
        store.write(config)
        return ledger


def _binding(setup: Setup, before: Config | None, keys: Collection[str]) -> tuple[str, int]:
    """Identity and threshold: what is not said stays, so that no renewal drops it unsaid."""
    identity = setup.identity if setup.identity is not None else before.identity if before else ""
    threshold = setup.threshold or (before.threshold if before else 1)
    check_identity(identity)
    if threshold > 1 and not may_change_trust([from_text(key) for key in keys], threshold):
        raise InputError(
            f"{threshold} keys must sign a change of keys, and so many are not trusted",
            expected=f"at least {threshold} different Ed25519 keys",
            remedy="trust more of them, or lower --rotation-threshold",
        )
    return identity, threshold


def _existing(store: Store, renew: bool) -> Ledger | None:
    """The ledger to go on with, if any."""
    if renew:
        recover(store, Slots.of(store.config()))
        return store.ledger()
    if (store.folder / "config.json").exists():
        raise StoreError(
            f"{store.folder} is a state folder already",
            expected="a new folder",
            remedy="name another folder, or add --renew to keep counter and history",
        )
    if (store.folder / "journal.json").exists():
        store.clear_journal()
    return None


def _ledger(old: Ledger | None, counter: int | None, tree: str, now_s: float) -> Ledger:
    used = old.counter if old else NO_COUNTER
    entry = Entry(
        operation=Operation.INIT,
        time_s=now_s,
        counter=max(used, NO_COUNTER if counter is None else counter),
        old_tree=old.tree if old else "",
        new_tree=tree,
        envelope="",
        recovered=False,
    )
    fresh = old or Ledger(0, used, tree, previous="", previous_slot="", history=())
    # The previous tree is that of another root or another time: it is given up.
    return noted(
        fresh,
        entry,
        tree=tree,
        previous="",
        previous_slot="",
        trial_since_s=0.0,
        trial_until_s=0.0,
    )


def _text(key: bytes | TrustedKey) -> str:
    """Raises InputError: it is no key that anybody can have made."""
    try:
        text = key.hex() if isinstance(key, bytes) else to_text(key)
        from_text(text)
    except ValueError as error:
        raise InputError(
            f"a trusted key is none: {error}", remedy="make one with `groundstation keygen`"
        ) from error
    return text


def _root_digest(config: Config) -> str:
    return read_tree(Path(config.root), ignore=config.ignore).digest.hex()
