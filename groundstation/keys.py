"""The ground's signing key: made once, kept on the ground, its public half given to the probe."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from shared.errors import InputError
from shared.trust import key_id

PRIVATE_NAME = "ground.key"
PUBLIC_NAME = "ground.pub"


@dataclass(frozen=True)
class KeyFiles:
    """A key pair on disk.

    Attributes:
        private: PEM, PKCS #8 (RFC 8410), readable by its owner alone.
        public: PEM, SubjectPublicKeyInfo; what the probe gets as its trust file.
        key_id: the byte that names the key in an envelope.
    """

    private: Path
    public: Path
    key_id: int

    def as_dict(self) -> dict[str, object]:
        """For ``--json`` output."""
        return {
            "private_key": str(self.private),
            "public_key": str(self.public),
            "key_id": f"{self.key_id:02x}",
        }


def write_key_pair(folder: Path, key: Ed25519PrivateKey) -> KeyFiles:
    """Writes ground.key and ground.pub, and never over a file that is there.

    Args:
        folder: made if missing.
        key: usually ``Ed25519PrivateKey.generate()``.

    Raises:
        InputError: one of the files exists, or the folder cannot be written.
    """
    private, public = folder / PRIVATE_NAME, folder / PUBLIC_NAME
    for path in (private, public):
        if path.exists() or path.is_symlink():
            raise InputError(
                f"{path} exists",
                expected="a folder without a key pair",
                remedy="choose another folder; a lost key cannot be made again",
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _create(private, 0o600, _private_pem(key))
        _create(public, 0o644, _public_pem(key))
    except OSError as error:
        raise InputError(
            f"cannot write a key pair into {folder}: {error.strerror}",
            remedy="choose a folder that you may write",
        ) from error
    return KeyFiles(private, public, key_id(key.public_key()))


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """The private key of a file that ``write_key_pair`` or openssl wrote.

    Raises:
        InputError: not readable, not PEM, encrypted, or of another algorithm.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise InputError(
            f"cannot read the key {path}: {error.strerror}",
            remedy="make one with `groundstation keygen --out DIR`",
        ) from error
    except TypeError as error:
        raise InputError(
            f"the key {path} is encrypted",
            expected="an unencrypted PEM file that only its owner can read",
            remedy="decrypt it with `openssl pkey`",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"{path} is not a private key in PEM",
            remedy="name the ground.key that `groundstation keygen` wrote",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(
            f"the key {path} is of another algorithm",
            expected="Ed25519",
            remedy="make one with `groundstation keygen --out DIR`",
        )
    return key


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _create(path: Path, mode: int, data: bytes) -> None:
    # O_EXCL: also a file that appeared a moment ago is not overwritten, and no link is followed
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask is
        file.write(data)
