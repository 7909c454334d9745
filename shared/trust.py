"""Public keys: how a message names one, and the file that says which ones a probe trusts."""

from __future__ import annotations

import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from shared.digest import sha256
from shared.errors import InputError

_PUBLIC_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


def key_id(key: Ed25519PublicKey) -> int:
    """The first byte of the sha256 of the raw public key.

    A hint, not a proof: two trusted keys may share it, and then both are tried.
    """
    return sha256(key.public_bytes_raw())[0]


def load_trusted_keys(pem: bytes) -> tuple[Ed25519PublicKey, ...]:
    """The public keys of a trust file: one or more PEM blocks (RFC 7468), other text ignored.

    Raises:
        InputError: no block, a private key, or a key that is not Ed25519.
    """
    if b"PRIVATE KEY" in pem:
        raise InputError(
            "the trust file holds a private key",
            expected="public keys only",
            remedy="give the probe ground.pub and keep ground.key on the ground",
        )
    blocks = _PUBLIC_BLOCK.findall(pem)
    if not blocks:
        raise InputError(
            "the trust file holds no public key",
            expected="PEM blocks that begin with -----BEGIN PUBLIC KEY-----",
            remedy="use the ground.pub that `groundstation keygen` writes",
        )
    return tuple(_public_key(block) for block in blocks)


def _public_key(block: bytes) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(block + b"\n")
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(
            "a public key in the trust file is damaged", remedy="copy ground.pub again"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(
            "a public key in the trust file is of another algorithm",
            expected="Ed25519",
            remedy="make a key pair with `groundstation keygen`",
        )
    return key
