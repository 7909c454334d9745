"""Boxes of the ISO base media file format, in which AVIF and JPEG XL lie.

Source: ISO/IEC 14496-12, 4.2.
"""

from __future__ import annotations

import struct
from typing import Final

from shared.pictures.facts import NotUnderstood

MAX_BOXES: Final = 65536


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Type and content of the boxes that follow one another.

    Raises:
        NotUnderstood: one is cut off.
    """
    found, at = list[tuple[bytes, bytes]](), 0
    while at < len(data):
        if at + 8 > len(data) or len(found) == MAX_BOXES:
            raise NotUnderstood("a box that is cut off")
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        elif size == 0:
            size = len(data) - at
        if size < head or at + size > len(data):
            raise NotUnderstood("a box that is cut off")
        found.append((name, data[at + head : at + size]))
        at += size
    return found
