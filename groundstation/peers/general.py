"""General-purpose compressors, which know nothing of the old file.

They serve twice: on the new file, and on the patch.  Framing that both ends know is left out where
the library allows it (xz: no checksum; zstd: ``dictionary`` without a dictionary).
"""

from __future__ import annotations

import lzma

from shared.diff import zstd_delta as dictionary
from shared.errors import PatchError


def stored(data: bytes) -> bytes:
    """The bytes themselves, both ways."""
    return data


def compress_xz(data: bytes) -> bytes:
    """An .xz file, preset 9e, without a checksum."""
    return lzma.compress(data, check=lzma.CHECK_NONE, preset=9 | lzma.PRESET_EXTREME)


def decompress_xz(data: bytes) -> bytes:
    """What ``compress_xz`` took.

    Raises:
        PatchError: ``data`` is not an .xz file.
    """
    try:
        return lzma.decompress(data, format=lzma.FORMAT_XZ)
    except lzma.LZMAError as error:
        raise PatchError(f"not an .xz file: {error}") from error


def compress_brotli(data: bytes) -> bytes:
    """Brotli, quality 11; the shorter of its generic and text modes."""
    import brotli

    modes = (brotli.MODE_GENERIC, brotli.MODE_TEXT)
    return bytes(min((brotli.compress(data, mode=mode, quality=11) for mode in modes), key=len))


def decompress_brotli(data: bytes) -> bytes:
    """What ``compress_brotli`` took.

    Raises:
        PatchError: ``data`` is not a brotli stream.
    """
    import brotli

    try:
        return bytes(brotli.decompress(data))
    except brotli.error as error:
        raise PatchError(f"not a brotli stream: {error}") from error


def compress_zstd(data: bytes) -> bytes:
    """zstd, level 22, without the header bytes that both ends know."""
    return dictionary.encode(b"", data)


def decompress_zstd(data: bytes) -> bytes:
    """What ``compress_zstd`` took.

    Raises:
        PatchError: ``data`` does not decode.
    """
    return dictionary.decode(b"", data)
