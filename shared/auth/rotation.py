"""A message that changes whom the probe trusts: the new trust store, signed by a key of the old.

    key id (1) | head (1) | counter (1 to 4) | keys | Ed25519 signature (64)

The head is the size of the counter, less one; the first bits are those of wire version 0, so no
envelope looks like this.  Each key is a byte and

    0   an Ed25519 public key, 32 bytes
    1   a chain's commitment, 52 bytes
    2   the first 8 bytes of the fingerprint of a key that the probe holds already and keeps

A shared key is a secret and does not travel: it can only be kept.  Only an Ed25519 key may sign
this, since whoever reads a probe out has its shared keys.  The signature covers
``DOMAIN | key id | head | counter | keys``; it is bound to no model and no tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.auth.keys import SharedKey, TrustedKey, fingerprint, key_id
from shared.auth.points import flaw_of
from shared.auth.profiles import KEY_ID_BYTES, Profile
from shared.auth.tags import fits
from shared.auth.tesla import COMMITMENT_BYTES, Commitment
from shared.errors import BadSignature, MalformedMessage, Refusal, UnknownKey

DOMAIN = b"rehydration-uplink/trust/1\n"
KEPT_BYTES = 8
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
class Rotation:
    """A new trust store, as it was read; nothing is verified yet.

    Attributes:
        key_id: names the key that is said to have signed.
        counter: as that of messages, and counted with them.
        keys: the store from now on.
        covered: what the signature is over.
        signature: 64 bytes.
    """

    key_id: int
    counter: int
    keys: tuple[NewKey, ...]
    covered: bytes
    signature: bytes


def encode_rotation(keys: Sequence[TrustedKey], counter: int, key: Ed25519PrivateKey) -> bytes:
    """The signed message; shared keys in it are kept, not sent.

    Args:
        keys: the trust store from then on.
        counter: in [0, 2**32), above that of every message before.
        key: of the old store.
    """
    size = max(1, (counter.bit_length() + 7) // 8)
    head = bytes([key_id(key.public_key()), size - 1]) + counter.to_bytes(size, "big")
    body = head + b"".join(map(_encoded, keys))
    return body + key.sign(DOMAIN + body)


def decode_rotation(data: bytes) -> Rotation:
    """The rotation that these bytes are.

    Raises:
        MalformedMessage: they are none, or not in the one encoding.
    """
    body, signature = data[:-_SIGNATURE_BYTES], data[-_SIGNATURE_BYTES:]
    if len(body) < KEY_ID_BYTES + 2 or body[1] > 3:
        raise MalformedMessage("this is no change of trusted keys")
    start = KEY_ID_BYTES + 1 + body[1] + 1
    counter = body[KEY_ID_BYTES + 1 : start]
    if len(body) <= start or (len(counter) > 1 and not counter[0]):
        raise MalformedMessage("a change of trusted keys that ends early, or has a long counter")
    keys = []
    rest = body[start:]
    while rest:
        size = 1 + _SIZES.get(rest[0], len(rest))
        if len(rest) < size or rest[0] not in _SIZES:
            raise MalformedMessage("a change of trusted keys ends inside a key, or has one unknown")
        keys.append(_decoded(rest[0], rest[1:size]))
        rest = rest[size:]
    return Rotation(data[0], int.from_bytes(counter, "big"), tuple(keys), DOMAIN + body, signature)


def check_rotation(rotation: Rotation, trusted: Sequence[TrustedKey]) -> tuple[TrustedKey, ...]:
    """The new trust store, if one of the old store's Ed25519 keys signed it.

    Raises:
        UnknownKey: no such key has the id.
        BadSignature: it did not sign this.
        Refusal: a key that shall be kept is not there, or no key could ever change them again.
    """
    named = [key for key in trusted if key_id(key) == rotation.key_id]
    signers = [key for key in named if isinstance(key, Ed25519PublicKey)]
    if not signers:
        raise UnknownKey(
            f"the change of keys names key {rotation.key_id:#04x}",
            expected="a trusted Ed25519 key; no other may change whom the probe trusts",
        )
    if not any(fits(key, rotation.signature, rotation.covered) for key in signers):
        raise BadSignature(
            "the signature does not fit the change of keys",
            expected=f"one by key {rotation.key_id:#04x} over exactly these bytes",
            remedy="send it again if it was damaged",
        )
    keys = tuple(_held(key, trusted) if isinstance(key, Kept) else key for key in rotation.keys)
    for key in keys:
        if isinstance(key, Ed25519PublicKey) and (flaw := flaw_of(key.public_bytes_raw())):
            raise Refusal(f"a key of the change of keys {flaw}", remedy="make another key pair")
    if not may_change_trust(keys):
        raise Refusal(
            "after this change no key could change the trusted keys any more",
            expected="at least one Ed25519 key among them",
            remedy="name one that is kept offline, beside those for daily use",
        )
    return keys


def may_change_trust(keys: Sequence[TrustedKey]) -> bool:
    """Whether one of these keys can sign a rotation."""
    return any(isinstance(key, Ed25519PublicKey) for key in keys)


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
        if kind == _ED25519:
            return Ed25519PublicKey.from_public_bytes(raw)
        return Commitment.unpack(raw) if kind == _CHAIN else Kept(raw)
    except ValueError as error:
        raise MalformedMessage(f"a key that is none: {error}") from error
