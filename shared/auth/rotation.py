"""A message that changes whom the probe trusts: the new trust store, signed by old keys and new.

    key id (1) | head (1) | counter (1 to 4) | threshold (1) | number of keys (1) | keys
    | Ed25519 signature (64) | further signatures, each key id (1) | signature (64)

The head is 4 and the size of the counter, less one; its first bits are those of wire version 0, so
no envelope looks like this.  Each key is a byte and

    0   an Ed25519 public key, 32 bytes
    1   a chain's commitment, 52 bytes
    2   the first 8 bytes of the fingerprint of a key that the probe holds already and keeps

A shared key is a secret and does not travel: it can only be kept.  Only Ed25519 keys sign this,
since whoever reads a probe out has its shared keys.  Each signature covers ``DOMAIN | digest of the
probe's identity | all before the first signature``; it is bound to no model and no tree.  The rule
on who has to sign is ``check_rotation``'s.

Version 1 (head 0 to 3, neither threshold nor number, one signature over ``DOMAIN_1`` and the rest)
bound no probe and proved nothing of the new keys.  It is still decoded, and refused by its version.

Source: The Update Framework 1.0.33, 5.3.4 (a new root is signed by a threshold of old root's keys
and a threshold of its own).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.auth.identity import identity_digest
from shared.auth.keys import SharedKey, TrustedKey, fingerprint, key_id
from shared.auth.points import flaw_of
from shared.auth.profiles import KEY_ID_BYTES, Profile
from shared.auth.tags import fits
from shared.auth.tesla import COMMITMENT_BYTES, Commitment
from shared.errors import BadSignature, MalformedMessage, Refusal, UnknownKey, UnsupportedVersion

DOMAIN_1 = b"rehydration-uplink/trust/1\n"
DOMAIN = b"rehydration-uplink/trust/2\n"
KEPT_BYTES = 8
MAX_KEYS = 255
_VERSION_2 = 4
_SIGNATURE_BYTES = Profile.ED25519.tail_bytes
_ED25519, _CHAIN, _KEPT = range(3)
_SIZES = {_ED25519: 32, _CHAIN: COMMITMENT_BYTES, _KEPT: KEPT_BYTES}


@dataclass(frozen=True)
class Kept:
    """A key that the probe holds already.

    Attributes:
        prefix: the first 8 bytes of its fingerprint.
    """

    prefix: bytes


NewKey = Ed25519PublicKey | Commitment | Kept


@dataclass(frozen=True)
class Signature:
    """One of those under a change of keys.

    Attributes:
        key_id: names the key that is said to have signed.
        signature: 64 bytes.
    """

    key_id: int
    signature: bytes


@dataclass(frozen=True)
class Rotation:
    """A new trust store, as it was read; nothing is verified yet.

    Attributes:
        version: 1 or 2.
        counter: as that of messages, and counted with them.
        threshold: how many keys of the new store must sign the next change.
        keys: the store from now on.
        body: all before the signatures.
        signatures: at least one; the first is an old key's.
    """

    version: int
    counter: int
    threshold: int
    keys: tuple[NewKey, ...]
    body: bytes
    signatures: tuple[Signature, ...]

    def covered(self, identity: str) -> bytes:
        """What each signature is over, for the probe of that name."""
        if self.version == 1:
            return DOMAIN_1 + self.body
        return DOMAIN + identity_digest(identity) + self.body


def is_rotation(data: bytes) -> bool:
    """Whether bytes claim to be a change of keys: no envelope has such a second byte."""
    return len(data) > KEY_ID_BYTES and data[KEY_ID_BYTES] < 2 * _VERSION_2


def encode_rotation(
    keys: Sequence[TrustedKey],
    counter: int,
    *signers: Ed25519PrivateKey,
    threshold: int = 1,
    identity: str = "",
) -> bytes:
    """The signed message; shared keys in it are kept, not sent.

    Args:
        keys: the trust store from then on, 1 to 255.
        counter: in [0, 2**32), above that of every message before.
        signers: the first of the old store; further ones of the old or the new.
        threshold: how many of its Ed25519 keys must sign the change after this one.
        identity: of the probe; "" if it has none.

    Raises:
        ValueError: no signer, or a number out of its range.
        InputError: no probe can have this identity.
    """
    if not signers or not 1 <= len(keys) <= MAX_KEYS or not 1 <= threshold <= MAX_KEYS:
        raise ValueError(f"{len(signers)} signers, {len(keys)} keys, threshold {threshold}")
    size = max(1, (counter.bit_length() + 7) // 8)
    head = bytes([key_id(signers[0].public_key()), _VERSION_2 + size - 1])
    body = head + counter.to_bytes(size, "big") + bytes([threshold, len(keys)])
    body += b"".join(map(_encoded, keys))
    covered = DOMAIN + identity_digest(identity) + body
    first, *others = signers
    return body + first.sign(covered) + b"".join(_further(key, covered) for key in others)


def add_signature(data: bytes, signer: Ed25519PrivateKey, identity: str = "") -> bytes:
    """The same change of keys with one more signature, as of somebody at another place.

    Raises:
        MalformedMessage: this is no change of keys.
        UnsupportedVersion: it is one of version 1, which has one signature.
        InputError: no probe can have this identity.
    """
    rotation = decode_rotation(data)
    if rotation.version == 1:
        raise _outdated()
    return data + _further(signer, rotation.covered(identity))


def _further(signer: Ed25519PrivateKey, covered: bytes) -> bytes:
    return bytes([key_id(signer.public_key())]) + signer.sign(covered)


def decode_rotation(data: bytes) -> Rotation:
    """The rotation that these bytes are.

    Raises:
        MalformedMessage: they are none, or not in the one encoding.
    """
    if not is_rotation(data):
        raise MalformedMessage("this is no change of trusted keys")
    start = KEY_ID_BYTES + 1 + data[1] % _VERSION_2 + 1
    counter = data[KEY_ID_BYTES + 1 : start]
    if len(data) <= start + 2 + _SIGNATURE_BYTES or (len(counter) > 1 and not counter[0]):
        raise MalformedMessage("a change of trusted keys that ends early, or has a long counter")
    number = int.from_bytes(counter, "big")
    if data[1] < _VERSION_2:
        body = data[:-_SIGNATURE_BYTES]
        keys, _ = _keys(body[start:], None)
        signed = Signature(data[0], data[-_SIGNATURE_BYTES:])
        return Rotation(1, number, 1, keys, body, (signed,))
    threshold, count = data[start], data[start + 1]
    if not threshold or not count:
        raise MalformedMessage("a change of trusted keys to none, or with a threshold of none")
    keys, rest = _keys(data[start + 2 :], count)
    body = data[: len(data) - len(rest)]
    return Rotation(2, number, threshold, keys, body, _signatures(data[:1] + rest))


def _keys(data: bytes, count: int | None) -> tuple[tuple[NewKey, ...], bytes]:
    """So many keys (None: to the end), and the bytes after them."""
    keys: list[NewKey] = []
    while data if count is None else len(keys) < count:
        size = 1 + _SIZES.get(data[0], len(data)) if data else 1
        if len(data) < size or data[0] not in _SIZES:
            raise MalformedMessage("a change of trusted keys ends inside a key, or has one unknown")
        keys.append(_decoded(data[0], data[1:size]))
        data = data[size:]
    return tuple(keys), data


def _signatures(data: bytes) -> tuple[Signature, ...]:
    size = KEY_ID_BYTES + _SIGNATURE_BYTES
    if len(data) % size or not data[1:]:
        raise MalformedMessage("a change of trusted keys ends inside a signature")
    parts = (data[start : start + size] for start in range(0, len(data), size))
    return tuple(Signature(part[0], part[KEY_ID_BYTES:]) for part in parts)


def check_rotation(
    rotation: Rotation, trusted: Sequence[TrustedKey], *, identity: str = "", threshold: int = 1
) -> tuple[TrustedKey, ...]:
    """The new trust store, if those have signed it who must.

    That are, for this probe: as many different Ed25519 keys of the old store as its threshold says,
    the first signature among them; as many of the new store as the new threshold says; and one of
    those that come new, if any does, so that nobody trusts a key that nobody has.  One signature
    may count for all three.  What else is signed must fit too.

    Args:
        rotation: what was read.
        trusted: the old store.
        identity: of this probe; "" if it has none.
        threshold: of the old store.

    Raises:
        UnknownKey: the first signature names no Ed25519 key of the old store.
        BadSignature: a signature does not fit, or one that is needed is not there.
        UnsupportedVersion: an authentic message of version 1.
        Refusal: a key that shall be kept is not there, or is none; or nobody could ever change the
            store again.
    """
    covered = rotation.covered(identity)
    old = _signers(trusted)
    # The cheapest first: a forger costs one check, and no look at the keys that he lists.
    first = _first_signer(rotation, old, covered)
    if rotation.version == 1:
        raise _outdated()
    keys = tuple(_held(key, trusted) if isinstance(key, Kept) else key for key in rotation.keys)
    _check_keys(keys, rotation.threshold)
    new = _signers(keys)
    signed = {first}
    for signature in rotation.signatures[1:]:
        signer = _signer(signature, {**old, **new}, covered)
        if signer in signed:
            raise MalformedMessage("a key has signed the change of keys twice")
        signed.add(signer)
    _check_enough("old", len(signed & old.keys()), threshold)
    _check_enough("new", len(signed & new.keys()), rotation.threshold)
    added = new.keys() - old.keys()
    if added and not signed & added:
        raise BadSignature(
            "none of the keys that come new has signed the change of keys",
            expected="a signature by one of them, which shows that somebody has it",
            remedy="write it again with groundstation rotate --new-key FILE",
        )
    return keys


def may_change_trust(keys: Sequence[TrustedKey], threshold: int = 1) -> bool:
    """Whether so many different ones of these keys can sign a rotation."""
    return len(_signers(keys)) >= threshold


def _signers(keys: Sequence[TrustedKey]) -> dict[bytes, Ed25519PublicKey]:
    """The keys that can sign, by their bytes: the same key twice is one signer."""
    return {key.public_bytes_raw(): key for key in keys if isinstance(key, Ed25519PublicKey)}


def _first_signer(rotation: Rotation, old: dict[bytes, Ed25519PublicKey], covered: bytes) -> bytes:
    first = rotation.signatures[0]
    if not any(key_id(key) == first.key_id for key in old.values()):
        raise UnknownKey(
            f"the change of keys names key {first.key_id:#04x}",
            expected="a trusted Ed25519 key; no other may change whom the probe trusts",
        )
    return _signer(first, old, covered)


def _signer(signature: Signature, keys: dict[bytes, Ed25519PublicKey], covered: bytes) -> bytes:
    for raw, key in keys.items():
        if key_id(key) == signature.key_id and fits(key, signature.signature, covered):
            return raw
    raise BadSignature(
        "a signature does not fit the change of keys and this probe",
        expected=f"one by key {signature.key_id:#04x} over exactly these bytes and the identity "
        "that probe init was told",
        remedy="send it again if it was damaged; otherwise write it again with groundstation "
        "rotate --identity",
    )


def _check_keys(keys: Sequence[TrustedKey], threshold: int) -> None:
    for key in keys:
        if isinstance(key, Ed25519PublicKey) and (flaw := flaw_of(key.public_bytes_raw())):
            raise Refusal(
                f"a key of the change of keys {flaw}",
                remedy="make another with groundstation keygen",
            )
    if not may_change_trust(keys, threshold):
        raise Refusal(
            "after this change no key could change the trusted keys any more",
            expected=f"at least {threshold} Ed25519 keys among them, as the threshold says",
            remedy="name one that is kept offline, beside those for daily use",
        )


def _check_enough(which: str, found: int, threshold: int) -> None:
    if found < threshold:
        remedy = "--new-key" if which == "new" else "--key"
        raise BadSignature(
            f"{found} keys of the {which} trust store have signed the change of keys",
            expected=f"{threshold} different Ed25519 keys of it",
            remedy=f"add signatures with groundstation rotate {remedy} FILE, or --cosign FILE",
        )


def _outdated() -> UnsupportedVersion:
    return UnsupportedVersion(
        "a change of keys of version 1, which binds no probe and no new key",
        expected="version 2",
        remedy="write it again with this version's groundstation rotate",
    )


def _held(kept: Kept, trusted: Sequence[TrustedKey]) -> TrustedKey:
    for key in trusted:
        if fingerprint(key).startswith(kept.prefix):
            return key
    raise Refusal(
        f"the key with the fingerprint {kept.prefix.hex()}... is not held here",
        expected="a key that is trusted now",
        remedy="a shared key comes on board with probe init --renew",
    )


def _encoded(key: TrustedKey) -> bytes:
    if isinstance(key, SharedKey):
        return bytes([_KEPT]) + fingerprint(key)[:KEPT_BYTES]
    if isinstance(key, Commitment):
        return bytes([_CHAIN]) + key.pack()
    return bytes([_ED25519]) + key.public_bytes_raw()


def _decoded(kind: int, raw: bytes) -> NewKey:
    try:
        if kind == _ED25519:  # not looked at before the first signature fits: that costs time
            return Ed25519PublicKey.from_public_bytes(raw)
        return Commitment.unpack(raw) if kind == _CHAIN else Kept(raw)
    except ValueError as error:
        raise MalformedMessage(f"a key that is none: {error}") from error
