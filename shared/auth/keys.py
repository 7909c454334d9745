"""Keys as values, as text for records, and as PEM blocks for files.

A key has one profile for good; it is part of what the key id is made of.
"""

from __future__ import annotations

import base64
import binascii
import re
import textwrap
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.auth.points import flaw_of
from shared.auth.profiles import CHAIN_KEY_BYTES, Profile
from shared.auth.tesla import Chain, ChainKey, Commitment, make_chain
from shared.digest import sha256

SHARED_KEY_BYTES = 32


@dataclass(frozen=True)
class SharedKey:
    """An AES-256 key that both ends hold: whoever has either can forge.

    Attributes:
        profile: CMAC16 or CMAC8.
        key: 32 bytes.

    Raises:
        ValueError: another profile, or another size.
    """

    profile: Profile
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.profile not in (Profile.CMAC16, Profile.CMAC8):
            raise ValueError(f"{self.profile.value} has no shared key")
        if len(self.key) != SHARED_KEY_BYTES:
            raise ValueError(f"a shared key of {len(self.key)} bytes, not {SHARED_KEY_BYTES}")


@dataclass(frozen=True)
class IntervalKey:
    """What tags of one interval are made and checked with.

    Attributes:
        commitment: of the chain.
        known: a key of the chain for this interval or a later one.
        interval: from 1.
    """

    commitment: Commitment
    known: ChainKey
    interval: int

    @property
    def mac_key(self) -> bytes:
        """16 bytes."""
        return self.commitment.mac_key(self.interval, self.known)


TrustedKey = Ed25519PublicKey | SharedKey | Commitment
"""What a probe's trust store holds."""
GroundKey = Ed25519PrivateKey | SharedKey | Chain
"""What the ground keeps."""
SigningKey = Ed25519PrivateKey | SharedKey | IntervalKey
"""What makes a tag."""
CheckingKey = Ed25519PublicKey | SharedKey | IntervalKey
"""What checks one."""


def ed25519_public(raw: bytes) -> Ed25519PublicKey:
    """The public key that these 32 bytes are; all that are read anywhere are made here.

    Raises:
        ValueError: they are no key that anybody can have made (``shared.auth.points``).
    """
    flaw = flaw_of(raw)
    if flaw:
        raise ValueError(f"the key {raw[:32].hex()} {flaw}")
    return Ed25519PublicKey.from_public_bytes(raw)


def profile_of(key: TrustedKey | GroundKey | SigningKey) -> Profile:
    """The one profile of a key."""
    if isinstance(key, SharedKey):
        return key.profile
    return Profile.TESLA if isinstance(key, Commitment | Chain | IntervalKey) else Profile.ED25519


def trusted(key: GroundKey | SigningKey) -> TrustedKey:
    """What the probe must hold to check a key's messages."""
    if isinstance(key, Ed25519PrivateKey):
        return key.public_key()
    return key.commitment if isinstance(key, Chain | IntervalKey) else key


def fingerprint(key: TrustedKey) -> bytes:
    """32 bytes that stand for a key: the sha256 of what it is."""
    if isinstance(key, Ed25519PublicKey):
        return sha256(key.public_bytes_raw())
    return sha256(profile_of(key).domain, _raw(key))


def key_id(key: TrustedKey) -> int:
    """The byte that names a key in an envelope: the first of its fingerprint.

    A hint, not a proof: two trusted keys may share it, and then both are tried.
    """
    return fingerprint(key)[0]


def _raw(key: TrustedKey) -> bytes:
    if isinstance(key, Ed25519PublicKey):
        return key.public_bytes_raw()
    return key.key if isinstance(key, SharedKey) else key.pack()


# --- text of records ---------------------------------------------------------------------------


def to_text(key: TrustedKey) -> str:
    """A trusted key for the probe's records: hex, after its profile and a colon.

    Ed25519 keys have no prefix: so they were written before there were other kinds.
    """
    profile = profile_of(key)
    prefix = "" if profile is Profile.ED25519 else f"{profile.value}:"
    return prefix + _raw(key).hex()


def from_text(text: str) -> TrustedKey:
    """The key that ``to_text`` wrote.

    Raises:
        ValueError: it wrote no such text.
    """
    prefix, colon, digits = text.rpartition(":")
    return _from_raw(Profile(prefix) if colon else Profile.ED25519, bytes.fromhex(digits))


def _from_raw(profile: Profile, raw: bytes) -> TrustedKey:
    if profile is Profile.ED25519:
        return ed25519_public(raw)
    return Commitment.unpack(raw) if profile is Profile.TESLA else SharedKey(profile, raw)


# --- PEM (RFC 7468) of the kinds that have no standard form ---------------------------------------

_BLOCK = re.compile(
    rb"-----BEGIN REHYDRATION (CMAC16|CMAC8|TESLA|TESLA SECRET) KEY-----\s"
    rb"([A-Za-z0-9+/=\s]+?)-----END REHYDRATION \1 KEY-----"
)


def to_pem(key: SharedKey | Commitment | Chain) -> bytes:
    """A block; that of a chain and of a shared key is secret."""
    if isinstance(key, Chain):
        return _pem("TESLA SECRET", key.commitment.pack() + key.last.key)
    return _pem(profile_of(key).value.upper(), _raw(key))


def blocks(pem: bytes) -> tuple[SharedKey | Commitment | Chain, ...]:
    """The keys in a text, other text ignored.

    Raises:
        ValueError: a block is damaged.
    """
    found = _BLOCK.findall(pem)
    if len(found) != pem.count(b"-----BEGIN REHYDRATION "):
        raise ValueError("a block is cut short, or of a kind that is not known here")
    return tuple(_from_block(label.decode("ascii"), body) for label, body in found)


def _from_block(label: str, body: bytes) -> SharedKey | Commitment | Chain:
    try:
        raw = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"a {label} block is not base64") from error
    if label == "TESLA SECRET":
        public, seed = raw[:-CHAIN_KEY_BYTES], raw[-CHAIN_KEY_BYTES:]
        commitment = Commitment.unpack(public)
        chain = make_chain(commitment.schedule, commitment.salt, seed)
        if chain.commitment != commitment:
            raise ValueError("the secret of a chain does not lead to its root")
        return chain
    key = _from_raw(Profile(label.lower()), raw)
    if isinstance(key, Ed25519PublicKey):  # no label says so
        raise ValueError(label)
    return key


def _pem(label: str, raw: bytes) -> bytes:
    lines = textwrap.wrap(base64.b64encode(raw).decode("ascii"), 64)
    return "\n".join(
        [
            f"-----BEGIN REHYDRATION {label} KEY-----",
            *lines,
            f"-----END REHYDRATION {label} KEY-----",
            "",
        ]
    ).encode("ascii")
