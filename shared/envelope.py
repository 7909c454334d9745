"""Signed messages: who may change the probe, and in which order that is found out.

    key id (1 byte) | message | Ed25519 signature (64 bytes)

The signature covers ``DOMAIN | binding | baseline digest | key id | message``, where the binding is
a digest of the pin and of the codec's version (``shared.codec``).  Both digests are known to both
ends, so they are bound in full without being sent: the signature of a message for another model,
codec or tree does not verify.  A byte of each travels in the message, only to tell the operator
*which* of the two differs.

Everything here is a pure function of its arguments, and nothing here costs more than one signature
check.  docs/wire-format.md says what an attacker can and cannot do.

Sources: RFC 8032 (Ed25519); RFC 9124 for the threats (old messages, messages for another
baseline, counters thrown far ahead).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.codec import CODEC, binding
from shared.digest import DIGEST_BYTES, to_hex
from shared.errors import (
    BadSignature,
    MalformedMessage,
    OversizedMessage,
    Refusal,
    Replayed,
    UnknownKey,
    WrongBaseline,
    WrongPin,
)
from shared.trust import key_id
from shared.wire import Message, decode_message

DOMAIN = b"rehydration-uplink/envelope/2\n"
KEY_ID_BYTES = 1
SIGNATURE_BYTES = 64
NO_COUNTER = -1
"""The last counter of a probe that has accepted nothing yet."""


@dataclass(frozen=True)
class Limits:
    """What a probe accepts.

    Attributes:
        max_envelope_bytes: longer envelopes are not even parsed.
        max_counter_jump: how far a counter may be above the last one.  Without a bound, one message
            with the highest counter would close the probe to every later one.
    """

    max_envelope_bytes: int = 1 << 20
    max_counter_jump: int = 1 << 20


@dataclass(frozen=True)
class Envelope:
    """An envelope taken apart; nothing is verified yet.

    Attributes:
        key_id: names the key that is said to have signed.
        message_bytes: the message as it came, which is what was signed.
        message: the same, decoded.
        signature: 64 bytes.
    """

    key_id: int
    message_bytes: bytes
    message: Message
    signature: bytes


def sign(message: bytes, pin: bytes, baseline: bytes, key: Ed25519PrivateKey) -> bytes:
    """The envelope of a message.

    Args:
        message: bytes of ``wire.encode_message``.
        pin: full digest of the model, 32 bytes.
        baseline: full digest of the onboard tree, 32 bytes.
        key: the ground's private key.
    """
    number = key_id(key.public_key())
    return bytes([number]) + message + key.sign(signed_bytes(number, message, pin, baseline))


def signed_bytes(number: int, message: bytes, pin: bytes, baseline: bytes) -> bytes:
    """What the signature covers, with this program's codec; only the last field's length varies.

    Raises:
        ValueError: a digest is not 32 bytes.
    """
    if len(baseline) != DIGEST_BYTES:
        raise ValueError(f"a baseline's digest of {len(baseline)} bytes, not {DIGEST_BYTES}")
    return DOMAIN + binding(pin) + baseline + bytes([number]) + message


def open_envelope(
    data: bytes,
    trusted: Sequence[Ed25519PublicKey],
    pin: bytes,
    baseline: bytes,
    *,
    last_counter: int = NO_COUNTER,
    limits: Limits | None = None,
) -> Message:
    """Every check that needs no model, cheapest first.

    Args:
        data: the envelope.
        trusted: the keys that this probe accepts.
        pin: full digest of the receiver's own model.
        baseline: full digest of the receiver's own tree.
        last_counter: the counter last accepted.
        limits: what the receiver accepts.

    Raises:
        Refusal: the family member named by the step that failed.
    """
    limits = limits or Limits()
    # 1. size
    check_size(data, limits)
    # 2. form and version
    envelope = parse_envelope(data)
    # 3. key
    keys = keys_named(envelope, trusted)
    # 4. signature
    check_signature(envelope, keys, pin, baseline, last_counter=last_counter, limits=limits)
    # 5. counter
    check_counter(envelope.message, last_counter, limits)
    # 6. pin and baseline
    check_pin(envelope.message, pin)
    check_baseline(envelope.message, baseline)
    return envelope.message


def check_size(data: bytes, limits: Limits) -> None:
    """Step 1.

    Raises:
        OversizedMessage: more bytes than the limit.
    """
    if len(data) > limits.max_envelope_bytes:
        raise OversizedMessage(
            f"the envelope has {len(data)} bytes",
            expected=f"at most {limits.max_envelope_bytes}",
            remedy="split the patch, or raise the probe's limit with an earlier message",
        )


def parse_envelope(data: bytes) -> Envelope:
    """Step 2: takes an envelope apart.

    Raises:
        MalformedMessage: too short, or the message in it is not in its one encoding.
        UnsupportedVersion: a version or feature that this program does not know.
    """
    if len(data) <= KEY_ID_BYTES + SIGNATURE_BYTES:
        raise MalformedMessage(
            f"{len(data)} bytes are no envelope",
            expected=f"more than {KEY_ID_BYTES + SIGNATURE_BYTES}",
        )
    message_bytes = data[KEY_ID_BYTES:-SIGNATURE_BYTES]
    return Envelope(
        key_id=data[0],
        message_bytes=message_bytes,
        message=decode_message(message_bytes),
        signature=data[-SIGNATURE_BYTES:],
    )


def keys_named(
    envelope: Envelope, trusted: Sequence[Ed25519PublicKey]
) -> tuple[Ed25519PublicKey, ...]:
    """Step 3: the trusted keys that the envelope may mean.

    Raises:
        UnknownKey: none has this id.
    """
    keys = tuple(key for key in trusted if key_id(key) == envelope.key_id)
    if not keys:
        known = ", ".join(sorted(f"{key_id(key):#04x}" for key in trusted)) or "none"
        raise UnknownKey(
            f"the envelope names key {envelope.key_id:#04x}",
            expected=f"a trusted key: {known}",
            remedy="sign with a key that the probe trusts",
        )
    return keys


def check_signature(
    envelope: Envelope,
    keys: Sequence[Ed25519PublicKey],
    pin: bytes,
    baseline: bytes,
    *,
    last_counter: int = NO_COUNTER,
    limits: Limits | None = None,
) -> None:
    """Step 4: returns only if one of the keys signed this message for this pin and baseline.

    A signature made for another pin, codec or baseline cannot be told from a forged one.  The
    prefixes in the message decide how such a refusal is *named*, and an old counter goes first: a
    message sent twice was signed for the tree before the first time, and the operator should read
    "replayed".  These names are the sender's claim; only the refusal itself is certain.

    Raises:
        BadSignature: it does not verify although both prefixes match.
        Replayed: it does not verify, a prefix differs, and the counter is not acceptable.
        WrongPin: it does not verify, and the pin prefix differs: another pin or codec.
        WrongBaseline: it does not verify, and the baseline prefix differs.
    """
    signed = signed_bytes(envelope.key_id, envelope.message_bytes, pin, baseline)
    if any(_verifies(key, envelope.signature, signed) for key in keys):
        return
    try:
        check_pin(envelope.message, pin)
        check_baseline(envelope.message, baseline)
    except (WrongPin, WrongBaseline):
        check_counter(envelope.message, last_counter, limits or Limits())
        raise
    raise BadSignature(
        "the signature does not fit the message, this probe's pin and its baseline",
        expected=f"a signature by key {envelope.key_id:#04x} over exactly these bytes with {CODEC}",
        remedy="send it again if it was damaged; otherwise author it against the probe's tree, "
        "with the model and the program version that are on board",
    )


def check_counter(message: Message, last_counter: int, limits: Limits) -> None:
    """Step 5.

    Raises:
        Replayed: the counter is not above the last one, or too far above it.
    """
    highest = last_counter + limits.max_counter_jump
    if not last_counter < message.counter <= highest:
        raise Replayed(
            f"the message has counter {message.counter}",
            expected=f"{last_counter + 1} to {highest}",
            remedy="sign the recipe again with the next counter",
        )


def check_pin(message: Message, pin: bytes) -> None:
    """Step 6, first half.

    Raises:
        WrongPin: the prefix is not that of this pin and this program's codec.
    """
    _check_prefix(
        message.pin_prefix,
        binding(pin),
        WrongPin,
        found="with another pin or another codec version",
        expected=f"pin {to_hex(pin, characters=16)}... with {CODEC}",
        remedy="author it with the model and the program version that are on board",
    )


def check_baseline(message: Message, baseline: bytes) -> None:
    """Step 6, second half.

    Raises:
        WrongBaseline: the prefix is not this tree's.
    """
    _check_prefix(
        message.baseline_prefix,
        baseline,
        WrongBaseline,
        found="for another baseline",
        expected=f"baseline {to_hex(baseline, characters=16)}...",
        remedy="author it against the tree that is on board now",
    )


def _check_prefix(
    prefix: bytes, own: bytes, refusal: type[Refusal], *, found: str, expected: str, remedy: str
) -> None:
    if not own.startswith(prefix):
        raise refusal(
            f"the message was authored {found}: it has the prefix {prefix.hex()}",
            expected=f"{own[: len(prefix)].hex()}, of {expected}",
            remedy=remedy,
        )


def _verifies(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True
