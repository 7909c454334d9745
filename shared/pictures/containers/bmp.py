"""BMP.  Source: Microsoft, Bitmap Header Types (Win32 documentation)."""

from __future__ import annotations

import struct
from typing import Final

from shared.pictures.facts import Facts, NotUnderstood

_HEADERS: Final = frozenset({12, 40, 52, 56, 108, 124})
_SRGB: Final = (b"BGRs", b" niW")
_DEPTHS: Final = frozenset({1, 4, 8, 24})


def bmp_facts(data: bytes) -> Facts:
    """The facts of a BMP.

    Raises:
        NotUnderstood: it is cut off, or has a header that is not known.
    """
    if data[:2] != b"BM" or len(data) < 54:
        raise NotUnderstood("no head of BMP")
    (size,) = struct.unpack_from("<I", data, 14)
    if size not in _HEADERS or len(data) < 14 + size:
        raise NotUnderstood(f"a header of {size} bytes")
    beyond = []
    if size == 12:
        width, height, _, depth = struct.unpack_from("<HHHH", data, 18)
    else:
        width, height, _, depth = struct.unpack_from("<iiHH", data, 18)
        across, down = struct.unpack_from("<ii", data, 38)
        if across != down and across and down:
            beyond.append("pixels that are not square")
    if depth not in _DEPTHS:  # 16: which bits are which; 32: whether the fourth byte is alpha
        beyond.append(f"{depth} bits a pixel")
    if size >= 108 and data[70:74] not in _SRGB:
        beyond.append("a colour space of its own")
    (told,) = struct.unpack_from("<I", data, 2)
    if told not in (0, len(data)):
        beyond.append(f"{len(data)} bytes, where its head says {told}")
    return Facts("BMP", width, abs(height), beyond=tuple(beyond))
