"""Signed messages: who may change the probe, and in which order that is found out.

    key id (1 byte) | message | tail

The tail is an Ed25519 signature of 64 bytes, or that of another profile (``shared.auth``); which
one, the key says.  It covers ``domain | binding | baseline digest | key id | message``, where the
domain names the profile and the binding is a digest of the pin and of the codec's version
(``shared.message.codec_version``).  If the probe has an identity, another domain and the digest of
that name stand
before the binding (``shared.auth.identity``).  All of these are known to both ends, so they are
bound in full without being sent: the signature of a message for another model, codec, tree or
probe does not verify.  A byte of binding and of baseline travels in the message, only to tell the
operator *which* of the two differs.

Everything here is a pure function of its arguments, and nothing here costs more than one signature
check.  docs/wire-format.md says what an attacker can and cannot do.

Sources: RFC 8032 (Ed25519); RFC 9124 for the threats (old messages, messages for another
baseline, counters thrown far ahead).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.auth.identity import identity_digest
from shared.auth.keys import (
    CheckingKey,
    SigningKey,
    TrustedKey,
    key_id,
    profile_of,
    trusted,
)
from shared.auth.profiles import KEY_ID_BYTES, Profile
from shared.auth.tags import fits, make_tail
from shared.auth.tesla import Commitment
from shared.digest import DIGEST_BYTES, to_hex
from shared.errors import (
    BadSignature,
    MalformedMessage,
    NotClosed,
    OversizedMessage,
    Refusal,
    Replayed,
    UnknownKey,
    WrongBaseline,
    WrongPin,
)
from shared.message.codec_version import CODEC, binding
from shared.message.wire import Message, decode_message

DOMAIN = Profile.ED25519.domain
SIGNATURE_BYTES = Profile.ED25519.tail_bytes
"""Of the default profile."""
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
        signature: the tail: 64 bytes, or what the profile has.
        profile: as which it was taken apart.
    """

    key_id: int
    message_bytes: bytes
    message: Message
    signature: bytes
    profile: Profile = Profile.ED25519


def sign(message: bytes, pin: bytes, baseline: bytes, key: SigningKey, identity: str = "") -> bytes:
    """The envelope of a message.

    Args:
        message: bytes of ``wire.encode_message``.
        pin: full digest of the model, 32 bytes.
        baseline: full digest of the onboard tree, 32 bytes.
        key: the ground's key; of a chain, that of the interval in which it is sent.
        identity: of the probe that it is for; "" if that has none.

    Raises:
        InputError: no probe can have this identity.
    """
    number = key_id(trusted(key))
    covered = signed_bytes(number, message, pin, baseline, profile_of(key), identity)
    return bytes([number]) + message + make_tail(key, covered)


def signed_bytes(
    number: int,
    message: bytes,
    pin: bytes,
    baseline: bytes,
    profile: Profile = Profile.ED25519,
    identity: str = "",
) -> bytes:
    """What the tail covers, with this program's codec; only the last field's length varies.

    Raises:
        ValueError: a digest is not 32 bytes.
        InputError: no probe can have this identity.
    """
    if len(baseline) != DIGEST_BYTES:
        raise ValueError(f"a baseline's digest of {len(baseline)} bytes, not {DIGEST_BYTES}")
    begin = profile.identity_domain + identity_digest(identity) if identity else profile.domain
    return begin + binding(pin) + baseline + bytes([number]) + message


def open_envelope(
    data: bytes,
    trusted: Sequence[TrustedKey],
    pin: bytes,
    baseline: bytes,
    *,
    last_counter: int = NO_COUNTER,
    limits: Limits | None = None,
    identity: str = "",
) -> Message:
    """Every check that needs no model, cheapest first, of an envelope that needs no disclosure.

    Args:
        data: the envelope.
        trusted: the keys that this probe accepts.
        pin: full digest of the receiver's own model.
        baseline: full digest of the receiver's own tree.
        last_counter: the counter last accepted.
        limits: what the receiver accepts.
        identity: the receiver's own; "" if it has none.

    Raises:
        Refusal: the family member named by the step that failed.
    """
    limits = limits or Limits()
    # 1. size
    check_size(data, limits)
    # 2. form and version
    envelope = parse_envelope(data, profile_named(data, trusted))
    # 3. key
    keys = keys_named(envelope, trusted)
    # 4. signature
    check_signature(
        envelope,
        checking(keys),
        pin,
        baseline,
        last_counter=last_counter,
        limits=limits,
        identity=identity,
    )
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


def profile_named(data: bytes, trusted: Sequence[TrustedKey]) -> Profile:
    """How an envelope is to be taken apart: the profile of the first trusted key that it may mean.

    Ed25519 if there is none; a trust file has no two profiles under one key id.
    """
    named = (profile_of(key) for key in trusted if data[:1] == bytes([key_id(key)]))
    return next(named, Profile.ED25519)


def parse_envelope(data: bytes, profile: Profile = Profile.ED25519) -> Envelope:
    """Step 2: takes an envelope apart.

    Raises:
        MalformedMessage: too short, or the message in it is not in its one encoding.
        UnsupportedVersion: a version or feature that this program does not know.
    """
    tail = profile.tail_bytes
    if len(data) <= KEY_ID_BYTES + tail:
        raise MalformedMessage(
            f"{len(data)} bytes are no envelope", expected=f"more than {KEY_ID_BYTES + tail}"
        )
    message_bytes = data[KEY_ID_BYTES:-tail]
    return Envelope(
        key_id=data[0],
        message_bytes=message_bytes,
        message=decode_message(message_bytes),
        signature=data[-tail:],
        profile=profile,
    )


def keys_named(envelope: Envelope, trusted: Sequence[TrustedKey]) -> tuple[TrustedKey, ...]:
    """Step 3: the trusted keys that the envelope may mean.

    Raises:
        UnknownKey: none has this id and this profile.
    """
    keys = tuple(
        key
        for key in trusted
        if key_id(key) == envelope.key_id and profile_of(key) is envelope.profile
    )
    if not keys:
        known = ", ".join(sorted(f"{key_id(key):#04x}" for key in trusted)) or "none"
        raise UnknownKey(
            f"the envelope names key {envelope.key_id:#04x}",
            expected=f"a trusted key: {known}",
            remedy="sign with a key that the probe trusts",
        )
    return keys


def checking(keys: Sequence[TrustedKey]) -> tuple[CheckingKey, ...]:
    """The keys as they check a tail.

    Raises:
        NotClosed: one is a chain; a message of a chain cannot be checked before its key is known.
    """
    if any(isinstance(key, Commitment) for key in keys):
        raise NotClosed(
            "the message waits for the disclosure of its key",
            expected="a message that was held, and then a disclosure",
            remedy="hand it to probe apply when it comes, then the disclosure to probe disclose",
        )
    return tuple(key for key in keys if not isinstance(key, Commitment))


def check_signature(
    envelope: Envelope,
    keys: Sequence[CheckingKey],
    pin: bytes,
    baseline: bytes,
    *,
    last_counter: int = NO_COUNTER,
    limits: Limits | None = None,
    identity: str = "",
) -> None:
    """Step 4: returns only if one of the keys signed this message for this probe as it is.

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
    signed = signed_bytes(
        envelope.key_id, envelope.message_bytes, pin, baseline, envelope.profile, identity
    )
    if any(fits(key, envelope.signature, signed) for key in keys):
        return
    try:
        check_pin(envelope.message, pin)
        check_baseline(envelope.message, baseline)
    except (WrongPin, WrongBaseline):
        check_counter(envelope.message, last_counter, limits or Limits())
        raise
    raise BadSignature(
        "the signature does not fit the message, this probe's pin and its baseline"
        + (", and its identity" if identity else ""),
        expected=f"a signature by key {envelope.key_id:#04x} over exactly these bytes with {CODEC}",
        remedy="send it again if it was damaged; otherwise author it against the probe's tree, "
        "with the model and the program version that are on board"
        + (", and the same --identity" if identity else ""),
    )


def check_counter(message: Message, last_counter: int, limits: Limits) -> None:
    """Step 5.

    Raises:
        Replayed: the counter is not above the last one, or too far above it.
    """
    check_number(message.counter, last_counter, limits)


def check_number(counter: int, last_counter: int, limits: Limits) -> None:
    """Whether a counter may be used now; all kinds of messages share them.

    Raises:
        Replayed: as ``check_counter``.
    """
    highest = last_counter + limits.max_counter_jump
    if not last_counter < counter <= highest:
        raise Replayed(
            f"the message has counter {counter}",
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
