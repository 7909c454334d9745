"""The ground's signing key: made once, kept on the ground, its other half given to the probe."""

from __future__ import annotations

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

from shared.auth.keys import (
    GroundKey,
    IntervalKey,
    SharedKey,
    SigningKey,
    blocks,
    key_id,
    profile_of,
    to_pem,
    trusted,
)
from shared.auth.profiles import Profile
from shared.auth.tesla import Chain, Disclosure
from shared.errors import InputError
from shared.files import create_file, make_folder

PRIVATE_NAME = "ground.key"
PUBLIC_NAME = "ground.pub"
SHARED_NAME = "probe.key"
"""The probe's trust file where it is secret."""


@dataclass(frozen=True)
class KeyFiles:
    """A key on disk, both halves.

    Attributes:
        private: PEM, readable by its owner alone; of Ed25519 PKCS #8 (RFC 8410).
        public: PEM; what the probe gets as its trust file, and no secret unless the key is shared.
            Of Ed25519 SubjectPublicKeyInfo.
        key_id: the byte that names the key in an envelope.
        profile: how messages of the key are authenticated.
    """

    private: Path
    public: Path
    key_id: int
    profile: Profile = Profile.ED25519

    def as_dict(self) -> dict[str, object]:
        """For ``--json`` output."""
        return {
            "private_key": str(self.private),
            "public_key": str(self.public),
            "key_id": f"{self.key_id:02x}",
            "profile": self.profile.value,
        }


def write_key_pair(folder: Path, key: GroundKey) -> KeyFiles:
    """Writes ground.key and ground.pub, and never over a file that is there.

    The second is probe.key, and secret, if the key is shared.

    Args:
        folder: made if missing.
        key: usually ``Ed25519PrivateKey.generate()``.

    Raises:
        InputError: one of the files exists, or the folder cannot be written.
    """
    shared = isinstance(key, SharedKey)
    private, public = folder / PRIVATE_NAME, folder / (SHARED_NAME if shared else PUBLIC_NAME)
    for path in (private, public):
        if path.exists() or path.is_symlink():
            raise InputError(
                f"{path} exists",
                expected="a folder without a key pair",
                remedy="choose another folder; a lost key cannot be made again",
            )
    make_folder(folder)
    create_file(private, _private_pem(key), durable=True, mode=0o600)
    try:
        mode = 0o600 if shared else 0o644
        create_file(public, _public_pem(key), durable=True, mode=mode)
    except BaseException:  # half a pair is of no use, and would stand in the way of a whole one
        private.unlink()
        raise
    return KeyFiles(private, public, key_id(trusted(key)), profile_of(key))


def load_private_key(path: Path) -> GroundKey:
    """The private key of a file that ``write_key_pair`` or openssl wrote.

    Raises:
        InputError: not readable, not PEM, encrypted, damaged, or of another algorithm.
    """
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read the key {path}: {error.strerror}",
            remedy="make one with `groundstation keygen --out DIR`",
        ) from error
    return _of_our_kinds(path, pem) or _ed25519(path, pem)


def signing_key(key: GroundKey, sent_s: float) -> SigningKey:
    """What signs a message that is sent at a time: of a chain, the key of that interval.

    Args:
        key: the ground's.
        sent_s: Unix time of the transmission, seconds.

    Raises:
        InputError: the chain has no key for that time.
    """
    if not isinstance(key, Chain):
        return key
    interval = key.commitment.schedule.interval_at(int(sent_s * 1000))
    return IntervalKey(key.commitment, key.key(interval), interval)


def disclosure(key: GroundKey, interval: int | None, now_s: float) -> Disclosure:
    """A key to be made public.

    Args:
        key: the ground's, of a chain.
        interval: whose key; None is the latest that may be disclosed.
        now_s: Unix time, seconds.

    Raises:
        InputError: the key has no chain, or its key must not be known yet.
    """
    if not isinstance(key, Chain):
        raise InputError(
            f"a key of the profile {profile_of(key).value} discloses nothing", expected="tesla"
        )
    plan, now_ms = key.commitment.schedule, int(now_s * 1000)
    if interval is None:
        latest = (now_ms - plan.start_ms) // plan.interval_ms + 1 - plan.delay
        interval = max(1, min(latest, plan.intervals))
    plan.check_disclosable(interval, now_ms)
    return Disclosure(key_id(key.commitment), key.key(interval))


def _of_our_kinds(path: Path, pem: bytes) -> GroundKey | None:
    try:
        found = [key for key in blocks(pem) if isinstance(key, SharedKey | Chain)]
    except ValueError as error:
        raise InputError(
            f"the key {path} is damaged ({error})", remedy="restore it from a copy"
        ) from error
    return found[0] if found else None


def _ed25519(path: Path, pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
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


def _private_pem(key: GroundKey) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return to_pem(key)


def _public_pem(key: GroundKey) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return to_pem(key.commitment if isinstance(key, Chain) else key)
