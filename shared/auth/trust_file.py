"""The file that says which keys a probe trusts, and thereby which profile each may use."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from shared.auth.keys import SharedKey, TrustedKey, blocks, ed25519_public, key_id, profile_of
from shared.auth.tesla import Chain, Commitment
from shared.errors import InputError

__all__ = ["check_apart", "key_id", "load_trusted_keys"]

_BEGINNING = re.compile(rb"-----BEGIN ([^\r\n]*?)-----")
_KNOWN = re.compile(rb"PUBLIC KEY|REHYDRATION .*")
_PUBLIC_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


def load_trusted_keys(pem: bytes) -> tuple[TrustedKey, ...]:
    """The keys of a trust file: one or more PEM blocks (RFC 7468), other text ignored.

    Raises:
        InputError: no block, a private key, a damaged one, one of an unknown algorithm, or two
            that one message could mean under different profiles.
    """
    others = _other_blocks(pem)
    if b"PRIVATE KEY" in pem or any(isinstance(key, Chain) for key in others):
        raise InputError(
            "the trust file holds a private key",
            expected="public keys only",
            remedy="give the probe ground.pub and keep ground.key on the ground",
        )
    _check_blocks(pem)
    keys: list[TrustedKey] = [_public_key(block) for block in _PUBLIC_BLOCK.findall(pem)]
    keys += [key for key in others if not isinstance(key, Chain)]
    if not keys:
        raise InputError(
            "the trust file holds no public key",
            expected="PEM blocks that begin with -----BEGIN PUBLIC KEY-----, or those of "
            "`groundstation keygen --profile`",
            remedy="use the ground.pub that `groundstation keygen` writes",
        )
    check_apart(keys)
    return tuple(keys)


def _check_blocks(pem: bytes) -> None:
    """That no block of the file would be passed over: each was meant to be trusted."""
    labels = _BEGINNING.findall(pem)
    for label in labels:
        if not _KNOWN.fullmatch(label):
            raise InputError(
                f"the trust file holds a block {label[:40].decode('ascii', 'replace')!r}",
                expected="PUBLIC KEY, or what `groundstation keygen --profile` writes",
                remedy="write it as a public key: openssl pkey -pubin -in FILE",
            )
    if labels.count(b"PUBLIC KEY") != len(_PUBLIC_BLOCK.findall(pem)):
        raise InputError(
            "a public key in the trust file is cut short",
            expected="-----END PUBLIC KEY----- after each that begins",
            remedy="copy ground.pub again",
        )


def check_apart(keys: Sequence[TrustedKey]) -> None:
    """One profile for each key id and for each secret, so that a message has one reading.

    Raises:
        InputError: two keys that one message could mean.
    """
    profiles: dict[object, object] = {}
    for key in keys:
        names: list[object] = [key_id(key)]
        if isinstance(key, SharedKey):
            names.append(key.key)
        for name in names:
            chain = isinstance(key, Commitment) and name in profiles  # held under one or the other
            if profiles.setdefault(name, profile_of(key)) is not profile_of(key) or chain:
                raise InputError(
                    f"a message with key id {key_id(key):#04x} could mean two keys",
                    expected="one profile for each key id and each secret, one chain for each id",
                    remedy="make another key with `groundstation keygen`",
                )


def _other_blocks(pem: bytes) -> tuple[SharedKey | Commitment | Chain, ...]:
    try:
        return blocks(pem)
    except ValueError as error:
        raise InputError(
            f"a key in the trust file is damaged ({error})", remedy="copy the file again"
        ) from error


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
    try:
        return ed25519_public(key.public_bytes_raw())
    except ValueError as error:
        raise InputError(
            f"a public key in the trust file is none: {error}",
            expected="a key that a key generator made",
            remedy="make a key pair with `groundstation keygen`, and ask where this one came from",
        ) from error
