"""Pixels as both ends name them: 8 bits a channel, rows from the top, and their digest."""

from __future__ import annotations

import struct

import numpy as np

from shared.digest import sha256
from shared.media.fixed import U8

_DOMAIN = b"rehydration-pixels/1\n"


def pixel_digest(pixels: U8) -> bytes:
    """The sha256 of size and pixels; the same for every file format that holds them losslessly.

    Args:
        pixels: ``[height, width, channels]``.

    Returns:
        32 bytes.

    Raises:
        ValueError: not three axes of bytes.
    """
    if pixels.ndim != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"no picture: {pixels.dtype} {pixels.shape}")
    height, width, channels = pixels.shape
    shape = struct.pack("<III", width, height, channels)
    return sha256(_DOMAIN, shape, np.ascontiguousarray(pixels).tobytes())
