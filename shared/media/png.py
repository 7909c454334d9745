"""PNG files of pixels, with nothing but zlib: for a probe that has no image library.

Source: W3C, Portable Network Graphics (PNG) Specification, third edition: chunks (5), filters (9),
the heuristic that chooses a filter for each row (12.7: least sum of absolute differences).
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.media.fixed import U8

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_LEVEL: Final = 6
"""Of zlib; 9 takes ten times as long for a twentieth less."""
_COLOUR_TYPES: Final = {1: 0, 3: 2, 4: 6}
"""By channels: grey, colours, colours with alpha."""


def write_png(pixels: U8) -> bytes:
    """A PNG of 8 bits a channel.

    Args:
        pixels: ``[height, width, 1, 3 or 4]``.

    Raises:
        ValueError: another number of channels, or no pixels.
    """
    height, width, channels = pixels.shape
    if channels not in _COLOUR_TYPES or not pixels.size:
        raise ValueError(f"no picture of shape {pixels.shape}")
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    body = zlib.compress(_filtered(pixels).tobytes(), _LEVEL)
    chunks = (_chunk(b"IHDR", head), _chunk(b"IDAT", body), _chunk(b"IEND", b""))
    return _SIGNATURE + b"".join(chunks)


def _filtered(pixels: U8) -> U8:
    """Rows with the number of their filter before them, ``[height, 1 + width * channels]``."""
    height, _, channels = pixels.shape
    here = pixels.reshape(height, -1).astype(np.int16)
    left, up = np.zeros_like(here), np.zeros_like(here)
    left[:, channels:] = here[:, :-channels]
    up[1:] = here[:-1]
    corner = np.zeros_like(here)
    corner[1:, channels:] = here[:-1, :-channels]
    guesses = np.stack([np.zeros_like(here), left, up, (left + up) // 2, _paeth(left, up, corner)])
    rest = (here - guesses).astype(np.uint8)  # modulo 256
    costs = np.abs(rest.view(np.int8).astype(np.int32)).sum(axis=2)
    best = costs.argmin(axis=0)
    rows: U8 = rest[best, np.arange(height)]
    return np.concatenate([best[:, None].astype(np.uint8), rows], axis=1)


def _paeth(
    left: NDArray[np.int16], up: NDArray[np.int16], corner: NDArray[np.int16]
) -> NDArray[np.int16]:
    aim = left + up - corner
    to_left, to_up, to_corner = abs(aim - left), abs(aim - up), abs(aim - corner)
    nearest = np.where(to_up <= to_corner, up, corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)


def _chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)
