"""Making and checking the tail of an envelope; what it covers: ``shared.message.envelope``."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.auth.keys import CheckingKey, IntervalKey, SharedKey, SigningKey
from shared.auth.mac import aes_cmac, same
from shared.auth.points import flaw_of
from shared.auth.profiles import INTERVAL_BYTES, Profile


def make_tail(key: SigningKey, covered: bytes) -> bytes:
    """Signature or MAC over some bytes; with TESLA after the interval's number."""
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(covered)
    return _mac_tail(key, covered)


def fits(key: CheckingKey, tail: bytes, covered: bytes) -> bool:
    """Whether a tail was made with this key over these bytes; of MACs in constant time.

    Nothing fits a public key that is none (``shared.auth.points``), wherever it came from.
    """
    if isinstance(key, Ed25519PublicKey):
        if flaw_of(key.public_bytes_raw()):
            return False
        try:
            key.verify(tail, covered)
        except InvalidSignature:
            return False
        return True
    return same(tail, _mac_tail(key, covered))


def interval_of(tail: bytes) -> int:
    """The interval that the tail of a TESLA envelope names."""
    return int.from_bytes(tail[:INTERVAL_BYTES], "big")


def _mac_tail(key: SharedKey | IntervalKey, covered: bytes) -> bytes:
    if isinstance(key, SharedKey):
        return aes_cmac(key.key, covered, key.profile.tag_bytes)
    number = key.interval.to_bytes(INTERVAL_BYTES, "big")
    return number + aes_cmac(key.mac_key, covered, Profile.TESLA.tag_bytes)
