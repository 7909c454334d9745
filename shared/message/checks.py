"""The numbered checks of the probe: decisions about values, no I/O.

Rules, in this order; the first that fails refuses the message with its own error and exit code:

    1 size       at most ``Limits.max_envelope_bytes``                   OversizedMessage    12
    2 form       one envelope in its one encoding,                       MalformedMessage    11
                 of a version and kind that this program knows           UnsupportedVersion  13
    3 key        a trusted key bears the id; the key says what the       UnknownKey          14
                 envelope's tail is, and so how step 2 reads it
    4 signature  that key signed this for the pin and tree on record,    BadSignature        15
                 and for this program's codec
    5 counter    above the last one used, at most ``max_counter_jump``   Replayed            16
    6 pin        message, record and the model on disk agree             WrongPin            17
    7 baseline   message, record and the tree on disk agree              WrongBaseline       18

Steps 1 to 5 (``authenticate``) look only at the envelope and at what the probe has on record, so a
forger costs it one signature check: no model is opened and no tree is read for him.  Steps 6 and 7
then compare the record with what is on board now; the caller reads it in between.

A message of a TESLA chain passes step 4 only if the probe holds it from a time when nobody else
could know its key, and that key was disclosed since (``Record.closed``); else it is NotClosed, 23.

A signature binds pin, codec (``shared.message.codec_version``) and tree in full, so one made for
another of them
fails at step 4.  A byte for pin and codec and one for the tree then name the refusal WrongPin,
WrongBaseline or Replayed instead of BadSignature.  Such a name is the sender's claim; the refusal
stands either way.

The bound on the jump means that a thief of the key must get many messages applied to burn the
counters up to their end (2**32), which would close the probe to its owner.  It is a brake, not a
cure: whoever has the key can do worse with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from shared.auth.keys import CheckingKey, IntervalKey, TrustedKey
from shared.auth.profiles import Profile
from shared.auth.tesla import ChainKey, Commitment
from shared.digest import sha256
from shared.errors import BadSignature, Replayed, UnsupportedVersion, WrongBaseline, WrongPin
from shared.message import envelope as signed
from shared.message.envelope import Limits
from shared.message.recipe import Kind
from shared.message.wire import Message


@dataclass(frozen=True)
class Record:
    """What the probe knows without looking at model or tree.

    Attributes:
        keys: trusted keys, each with its profile.
        limits: bounds on envelopes and counters.
        counter: the last one used.
        pin: digest of the model, 32 bytes.
        tree: digest of the tree that init or the last change put in place, 32 bytes.
        applied: digests of envelopes applied before, as far as the history goes.
        closed: digests of held envelopes, and the disclosed key that each is to be checked with.
        kind: of message that is taken.
        identity: the probe's own; "" if it has none.
        threshold: how many trusted keys must sign a change of keys.
        chains: of those trusted, each with the latest key that was disclosed.
    """

    keys: tuple[TrustedKey, ...]
    limits: Limits
    counter: int
    pin: bytes
    tree: bytes
    applied: Collection[bytes] = ()
    closed: Mapping[bytes, IntervalKey] = field(default_factory=dict)
    kind: Kind = Kind.CODE
    identity: str = ""
    threshold: int = 1
    chains: tuple[tuple[Commitment, ChainKey], ...] = ()


def authenticate(data: bytes, record: Record) -> Message:
    """Steps 1 to 5.

    Raises:
        Refusal: of the family that the step names.
    """
    envelope, keys = claim(data, record)
    # 4. signature
    _check_signature(data, envelope, _checking(data, envelope, keys, record), record)
    # 5. counter
    signed.check_counter(envelope.message, record.counter, record.limits)
    return envelope.message


def claim(data: bytes, record: Record) -> tuple[signed.Envelope, tuple[TrustedKey, ...]]:
    """Steps 1 to 3: what an envelope says it is, and the keys that it may mean.

    Raises:
        Refusal: of the family that the step names.
    """
    # 1. size
    signed.check_size(data, record.limits)
    # 2. form
    envelope = signed.parse_envelope(data, signed.profile_named(data, record.keys))
    _check_kind(envelope.message, record.kind)
    # 3. key
    return envelope, signed.keys_named(envelope, record.keys)


def waits(data: bytes, record: Record) -> bool:
    """Whether an envelope names a chain, and is not one that a disclosed key can close."""
    delayed = signed.profile_named(data, record.keys) is Profile.TESLA
    return delayed and sha256(data) not in record.closed


def check_pin(message: Message, record: Record, found: bytes) -> None:
    """Step 6.

    Args:
        message: an authentic message.
        record: what the probe knows.
        found: digest of the model on disk now.

    Raises:
        WrongPin: they do not agree.
    """
    signed.check_pin(message, record.pin)
    if found != record.pin:
        raise WrongPin(
            f"the model on board is now the pin {found.hex()}",
            expected=record.pin.hex(),
            remedy="restore the model's folder, or trust the new one with probe init --renew",
        )


def check_baseline(message: Message, record: Record, found: bytes) -> None:
    """Step 7.

    Args:
        message: an authentic message.
        record: what the probe knows.
        found: digest of the tree on disk now.

    Raises:
        WrongBaseline: they do not agree.
    """
    signed.check_baseline(message, record.tree)
    if found != record.tree:
        raise WrongBaseline(
            f"the tree on board was altered: it is now {found.hex()}",
            expected=record.tree.hex(),
            remedy="restore it (probe rollback, if the previous tree will do), "
            "or take it as it is with probe init --renew",
        )


def check_patch(message: Message, patch: bytes) -> bool:
    """Whether a regenerated patch has the digest that the message names."""
    return sha256(patch).startswith(message.patch_digest)


_WANTED = {
    Kind.CODE: ("a patch of the onboard software", "hand it to probe draw"),
    Kind.MEDIA: ("a picture", "hand it to probe apply"),
}


def _check_kind(message: Message, kind: Kind) -> None:
    if message.kind is not kind:
        expected, remedy = _WANTED[kind]
        raise UnsupportedVersion(
            f"the message is of the kind {message.kind.name.lower()}",
            expected=expected,
            remedy=remedy,
        )


def _checking(
    data: bytes, envelope: signed.Envelope, keys: Sequence[TrustedKey], record: Record
) -> tuple[CheckingKey, ...]:
    if envelope.profile is Profile.TESLA and not waits(data, record):
        return (record.closed[sha256(data)],)
    return signed.checking(keys)


def _check_signature(
    data: bytes,
    envelope: signed.Envelope,
    keys: tuple[CheckingKey, ...],
    record: Record,
) -> None:
    try:
        signed.check_signature(
            envelope,
            keys,
            record.pin,
            record.tree,
            last_counter=record.counter,
            limits=record.limits,
            identity=record.identity,
        )
    except BadSignature:
        # After a change of trees an old envelope no longer verifies, and a byte of the digest does
        # not always tell.  The history knows it by all its bytes.
        if sha256(data) in record.applied:
            raise Replayed(
                "this very message was applied before", expected="each message once"
            ) from None
        raise
