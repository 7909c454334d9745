"""Digests of byte strings: the names by which both ends know bytes they hold.

SHA-256 (FIPS 180-4) wherever trust hangs on it.  Git's SHA-1 object names appear only where the
patch format asks for them (index lines of binary patches); nothing here trusts them.
"""

from __future__ import annotations

import hashlib

from shared.errors import InputError

DIGEST_BYTES = 32
"""Length of a SHA-256 digest."""

GIT_NULL_ID = "0" * 40
"""The name that git's index lines give to a file that is not there."""


def sha256(*parts: bytes) -> bytes:
    """The SHA-256 digest of the concatenation of ``parts``.

    Concatenation hides where one part ends: whoever needs that bound must put lengths in.

    Returns:
        32 bytes.
    """
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return state.digest()


def to_hex(digest: bytes, *, characters: int | None = None) -> str:
    """Lower-case hexadecimal, or its first ``characters`` for people to compare."""
    return digest.hex()[:characters]


def from_hex(text: str, *, size: int = DIGEST_BYTES) -> bytes:
    """The digest that ``to_hex`` wrote.

    Args:
        text: hexadecimal digits, either case, nothing else.
        size: number of bytes that must come out.

    Raises:
        InputError: not ``2 * size`` hexadecimal digits.
    """
    # bytes.fromhex alone would accept white space between the digits
    if len(text) != 2 * size or not text.isascii() or not text.isalnum():
        raise InputError(
            f"not a digest: {text!r}",
            expected=f"{2 * size} hexadecimal digits",
            remedy="copy the whole digest",
        )
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InputError(
            f"not a digest: {text!r}", expected=f"{2 * size} hexadecimal digits"
        ) from None


def git_blob_id(data: bytes, *, algorithm: str = "sha1") -> str:
    """Git's name for a file of these bytes: a digest of ``"blob <size>\\0"`` and the bytes.

    Args:
        data: the file.
        algorithm: the repository's object format, ``sha1`` or ``sha256``.

    Returns:
        40 or 64 lower-case hexadecimal digits.
    """
    state = hashlib.new(algorithm, b"blob %d\0" % len(data), usedforsecurity=False)
    state.update(data)
    return state.hexdigest()
