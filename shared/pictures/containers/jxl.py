"""JPEG XL: the head of its codestream, and the boxes around it.

Sources: ISO/IEC 18181-1 (2024), D (headers) and B (variable numbers); ISO/IEC 18181-2 (boxes).
"""

from __future__ import annotations

from typing import Final

from shared.pictures.containers.boxes import boxes
from shared.pictures.containers.tiff import exif_facts
from shared.pictures.facts import Facts, NotUnderstood

CODESTREAM: Final = b"\xff\x0a"
CONTAINER: Final = b"\0\0\0\x0cJXL \r\n\x87\n"
_SILENT: Final = frozenset({b"JXL ", b"ftyp", b"jxlc", b"jxlp", b"jxll", b"jxli", b"jbrd"})
_TEXTS: Final = {b"Exif": "Exif", b"xml ": "XMP", b"brob": "compressed metadata", b"jumb": "C2PA"}
_SIDES: Final = ((9, 1), (13, 1), (18, 1), (30, 1))
_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_ENUM: Final = ((0, 0), (0, 1), (4, 2), (6, 18))
_D65, _PRIMARIES_SRGB, _TRANSFER_SRGB = 1, 1, 13


class _Bits:
    """Bits of a codestream, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise NotUnderstood("a head that is cut off")
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value

    def number(self, ways: tuple[tuple[int, int], ...]) -> int:
        """One of four ways, of so many bits and with so much added (B.2.1, U32)."""
        bits, added = ways[self.take(2)]
        return self.take(bits) + added


def jxl_facts(data: bytes) -> Facts:
    """The facts of a JPEG XL; how it is turned is left to the decoder.

    Raises:
        NotUnderstood: its head is cut off.
    """
    beyond, metadata, stream = list[str](), set[str](), data
    if data.startswith(CONTAINER):
        parts = boxes(data)
        whole = [body for name, body in parts if name == b"jxlc"]
        pieces = [body[4:] for name, body in parts if name == b"jxlp"]
        stream = b"".join(whole or pieces)
        for name, body in parts:
            if name in _TEXTS:
                metadata.add(_TEXTS[name])
                if name == b"Exif" and exif_facts(body[4:])[0] != 1:
                    beyond.append("Exif with an orientation, which its codestream should have")
            elif name not in _SILENT:
                beyond.append(f"the box {name.decode('latin-1')}")
    if not stream.startswith(CODESTREAM):
        raise NotUnderstood("no codestream")
    bits = _Bits(stream[2:130])
    width, height = _size(bits)
    depth, odd = _metadata(bits)
    return Facts(
        "JPEG XL",
        width,
        height,
        bits=depth,
        metadata=tuple(sorted(metadata)),
        beyond=(*beyond, *odd),
    )


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)
    height = 8 * (bits.take(5) + 1) if small else bits.number(_SIDES)
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio - 1]
        return height * across // down, height
    return 8 * (bits.take(5) + 1) if small else bits.number(_SIDES), height


def _metadata(bits: _Bits) -> tuple[int, list[str]]:
    """Bits of a sample, and what is beyond 8-bit sRGB; the first that is not known ends it."""
    if bits.take(1):  # all as usual
        return 8, []
    if bits.take(1):
        bits.take(3)  # orientation: decoders turn the picture
        if bits.take(1):
            return 8, ["a size of its own to be shown at"]
        if bits.take(1):
            return 8, ["a preview"]
        if bits.take(1):
            return 8, ["an animation"]
    if bits.take(1):
        return 8, ["samples that are no whole numbers"]
    depth = bits.number(((0, 8), (0, 10), (0, 12), (6, 1)))
    bits.take(1)
    extra = bits.number(((0, 0), (0, 1), (4, 2), (12, 1)))
    if extra > 1:
        return depth, [f"{extra} further channels"]
    if extra and not bits.take(1):
        return depth, ["a further channel that is no 8-bit alpha"]
    bits.take(1)  # how samples are coded
    if bits.take(1):
        return depth, []
    if bits.take(1):
        return depth, ["a colour profile in its codestream"]
    return depth, _encoding(bits)


def _encoding(bits: _Bits) -> list[str]:
    space = bits.number(_ENUM)
    if space > 1:
        return [f"the colour space {space}"]
    white = bits.number(_ENUM)
    primaries = _PRIMARIES_SRGB if space else bits.number(_ENUM)
    if (white, primaries) != (_D65, _PRIMARIES_SRGB):
        return ["primary colours that are not those of sRGB"]
    if bits.take(1):
        return ["a gamma"]
    transfer = bits.number(_ENUM)
    return [] if transfer == _TRANSFER_SRGB else [f"the transfer function {transfer}"]
