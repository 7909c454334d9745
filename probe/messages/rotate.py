"""Changing whom the probe trusts by a signed message from the ground (``shared.auth.rotation``)."""

from __future__ import annotations

from dataclasses import replace

from probe.messages.apply import on_record
from probe.state.records import Entry, Operation, noted
from probe.trees.onboard import Clock, Probe
from shared.auth.keys import TrustedKey, to_text
from shared.auth.rotation import Rotation, check_rotation, decode_rotation
from shared.auth.trust_file import check_apart
from shared.digest import sha256
from shared.errors import InputError, Refusal
from shared.message.checks import Record
from shared.message.envelope import check_number, check_size


def check(data: bytes, record: Record) -> tuple[Rotation, tuple[TrustedKey, ...]]:
    """The change of keys that a trusted key has signed, and the keys that are trusted after it.

    Raises:
        Refusal: of the family of the check that failed.
    """
    check_size(data, record.limits)
    rotation = decode_rotation(data)
    keys = check_rotation(
        rotation, record.keys, identity=record.identity, threshold=record.threshold
    )
    check_number(rotation.counter, record.counter, record.limits)
    return rotation, keys


def rotate(probe: Probe, data: bytes, clock: Clock) -> tuple[TrustedKey, ...]:
    """Trust other keys from now on, and no others.

    The counter is used up first: a crash in between leaves the old keys, and asks for the message
    once more under the next counter.  The other way round it could be replayed.

    Returns:
        The keys that are trusted now.

    Raises:
        Refusal: of the family of the check that failed; nothing has changed.
        StoreError: the disk refuses.
    """
    ledger = probe.store.ledger()
    rotation, keys = check(data, on_record(probe.config, ledger, probe.store.pending()))
    try:
        check_apart(keys)
    except InputError as error:
        raise Refusal(error.found, expected=error.expected, remedy=error.remedy) from error
    entry = Entry(
        operation=Operation.ROTATE,
        time_s=clock(),
        counter=rotation.counter,
        old_tree=ledger.tree,
        new_tree=ledger.tree,
        envelope=sha256(data).hex(),
        recovered=False,
    )
    probe.store.write(noted(ledger, entry))
    texts = tuple(sorted({to_text(key) for key in keys}))
    probe.store.write(replace(probe.config, keys=texts, threshold=rotation.threshold))
    return keys
