"""What several containers carry in one form: orientations, XMP, densities."""

from __future__ import annotations

import re
from typing import Final

from shared.pictures.facts import NotUnderstood

_MORE_PICTURES: Final = (b"hdrgm", b"HDRGainMap", b"Container:Directory", b"GDepth", b"GImage")
"""Names in XMP of pictures beside the picture: gain maps, motion, depth."""
_TURNED: Final = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([0-9])")


def orientation_of(value: int) -> int:
    """An orientation, 1 to 8.

    Raises:
        NotUnderstood: any other number.
    """
    if 1 <= value <= 8:
        return value
    raise NotUnderstood(f"orientation {value}")


def xmp_beyond(packet: bytes, orientation: int) -> tuple[str, ...]:
    """What an XMP packet says that pixels do not.

    Args:
        packet: its bytes.
        orientation: what the file itself says.

    Source: ISO 16684-1 (XMP); the gain maps of Adobe, Apple and Google; Google's dynamic depth.
    """
    found = [f"XMP with {name.decode()}" for name in _MORE_PICTURES if name in packet]
    turned = _TURNED.search(packet)
    if turned and int(turned.group(1)) != orientation:
        found.append(f"XMP with orientation {int(turned.group(1))}, the file has {orientation}")
    return tuple(found)
