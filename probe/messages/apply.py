"""From an envelope to a changed tree: verify, regenerate, check the digest, apply.

What costs anything is handed in as a function and called in its turn: the regenerator opens the
model, and it is not called before every check has passed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from probe.state.pending import Pending, checking_key, known_key
from probe.state.records import Config, Entry, Ledger
from probe.trees.onboard import Clock, Probe, make_way, put_in_place
from probe.trees.trial import check_settled
from shared.auth.keys import IntervalKey, TrustedKey, from_text
from shared.auth.tesla import Commitment
from shared.digest import sha256
from shared.errors import DigestMismatch, InputError, PinError, RegenerationError
from shared.message import checks
from shared.message.envelope import Limits
from shared.message.wire import Message
from shared.system.memory import blaming_memory
from shared.tree import Tree

if TYPE_CHECKING:  # it imports all that regeneration needs, and most commands need none of it
    from shared.regenerate import Regenerated


Regenerator = Callable[[Message, Tree], "Regenerated"]
"""Follows a message from the tree on board to the patch, within a budget."""


@dataclass(frozen=True)
class Verified:
    """A message that passed every check, and the tree it was checked against."""

    message: Message
    baseline: Tree


@dataclass(frozen=True)
class Applied:
    """What ``apply`` did."""

    message: Message
    regenerated: Regenerated
    entry: Entry
    notes: tuple[str, ...] = ()
    """What could not be done and was no reason to fail, in words."""


@blaming_memory()
def apply(probe: Probe, data: bytes, regenerator: Regenerator, clock: Clock) -> Applied:
    """Make an envelope's target the tree in use.

    Raises:
        Refusal: the message is refused; tree and counter are as before.
        StoreError: the disk refuses; all or nothing was done.
        OutOfMemory: the machine has too little memory now; nothing was done.
        PinError: the model is damaged.
    """
    verified = verify(probe, data)
    check_settled(probe.store.ledger())
    make_way(probe)
    told = len(probe.notes)
    regenerated = regenerate(verified, regenerator)
    entry = put_in_place(
        probe,
        verified.baseline,
        regenerated.target,
        counter=verified.message.counter,
        envelope=data,
        now_s=clock(),
    )
    return Applied(verified.message, regenerated, entry, tuple(probe.notes[told:]))


@blaming_memory()
def verify(probe: Probe, data: bytes) -> Verified:
    """Run the numbered checks; reads model manifest and tree only for an authentic message.

    Raises:
        Refusal: of the family of the check that failed.
        StoreError: the state or the tree cannot be read.
        PinError: the model's manifest cannot be read.
    """
    record = on_record(probe.config, probe.store.ledger(), probe.store.pending())
    # 1 to 5: size, form, key, signature, counter
    message = checks.authenticate(data, record)
    # 6: pin
    checks.check_pin(message, record, pin_digest(Path(probe.config.model)))
    # 7: baseline
    baseline = probe.slots.root_tree()
    checks.check_baseline(message, record, baseline.digest)
    return Verified(message, baseline)


@blaming_memory()
def regenerate(verified: Verified, regenerator: Regenerator) -> Regenerated:
    """Follow a verified message and check the digest of what comes out.

    Raises:
        Refusal: over budget, not to be followed, or another patch than was signed.
    """
    try:
        regenerated = regenerator(verified.message, verified.baseline)
    except InputError as error:  # of tree or patch: here the message, not a user, is to blame
        raise RegenerationError(error.found, expected=error.expected) from error
    if not checks.check_patch(verified.message, regenerated.patch):
        raise DigestMismatch(
            "the regenerated patch is not the one that was authored",
            expected=f"a sha256 that begins with {verified.message.patch_digest.hex()}",
            remedy="author it again; if that does not help, the ends do not compute alike",
        )
    return regenerated


def on_record(config: Config, ledger: Ledger, pending: Pending) -> checks.Record:
    """What the checks may know before they look at model and tree."""
    keys = trusted_keys(config)
    return checks.Record(
        keys=keys,
        limits=Limits(config.max_envelope_bytes, config.max_counter_jump),
        counter=ledger.counter,
        pin=bytes.fromhex(config.pin),
        tree=bytes.fromhex(ledger.tree),
        applied=frozenset(bytes.fromhex(entry.envelope) for entry in ledger.history),
        closed=_closed(keys, pending),
        identity=config.identity,
        threshold=config.threshold,
        chains=tuple((key, known_key(pending, key)) for key in keys if isinstance(key, Commitment)),
    )


def trusted_keys(config: Config) -> tuple[TrustedKey, ...]:
    """The trust store."""
    return tuple(from_text(text) for text in config.keys)


def _closed(keys: tuple[TrustedKey, ...], pending: Pending) -> dict[bytes, IntervalKey]:
    chains = [key for key in keys if isinstance(key, Commitment)]
    return {
        sha256(held.data): key
        for held in pending.messages
        for chain in chains
        if (key := checking_key(pending, held, chain))
    }


def read_envelope(path: Path, max_bytes: int) -> bytes:
    """An envelope's file, read once; of a larger one no more than shows that it is too large.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def pin_digest(folder: Path) -> bytes:
    """The digest that names the model in a folder: of its manifest, which names the rest.

    The weights themselves are checked against the manifest when the model is opened.

    Raises:
        PinError: there is no manifest.
    """
    path = folder / "manifest.json"
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise PinError(
            f"{path} cannot be read: {error.strerror}", remedy="restore the model's folder"
        ) from error
