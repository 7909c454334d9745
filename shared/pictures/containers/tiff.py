"""TIFF, and Exif, which is one inside of another file.

Sources: Adobe, TIFF Revision 6.0 (1992); Adobe Photoshop TIFF Technical Notes (2002); the BigTIFF
design (libtiff); CIPA DC-008 (Exif 2.32), 4.6.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.pictures.containers.marks import orientation_of, xmp_beyond
from shared.pictures.facts import Facts, NotUnderstood

MAX_PAGES: Final = 4096
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES_LARGE: Final = _SIZES | {16: 8, 17: 8, 18: 8}
_NUMBERS: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}

_LAYOUT: Final = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281}
    | {282, 283, 284, 286, 287, 288, 289, 292, 293, 296, 317, 320, 322, 323, 324, 325, 338, 339}
    | {347, 512, 513, 514, 515, 519, 520, 521, 529, 530, 531, 532, 34675}
)
"""How samples lie in the file: all of it a decoder's business."""
_TEXTS: Final = {
    **dict.fromkeys((269, 270, 271, 272, 285, 297, 305, 306, 315, 316, 32781, 33432), "text"),
    **dict.fromkeys((700,), "XMP"),
    **dict.fromkeys((34665, 34853, 40965, 50341), "Exif"),
    **dict.fromkeys((33723, 34377), "IPTC"),
    **dict.fromkeys((33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113), "GeoTIFF"),
}
_COLOURS: Final = {0: "grey", 1: "grey", 2: "rgb", 3: "palette", 5: "cmyk", 6: "ycbcr", 8: "lab"}
_EXIF_PLAIN: Final = frozenset({274, 282, 283, 296, 531, 34665})
"""Of a picture's Exif, what says nothing about it that its pixels do not."""
_EXIF_PLAIN_INNER: Final = frozenset({36864, 37121, 40960, 40961, 40962, 40963, 40965})
_EXIF, _INTEROPERABILITY, _COLOUR_SPACE, _GAMMA = 34665, 40965, 40961, 42240


@dataclass(frozen=True)
class Field:
    """An entry of a directory.

    Attributes:
        kind: its type, as TIFF counts them.
        count: of values.
        raw: their bytes.
        order: ``<`` or ``>``.
    """

    kind: int
    count: int
    raw: bytes
    order: str

    def numbers(self) -> tuple[int, ...]:
        """Its values, which have to be whole and without sign.

        Raises:
            NotUnderstood: they are not.
        """
        if self.kind not in _NUMBERS:
            raise NotUnderstood(f"a number of type {self.kind}")
        return struct.unpack(f"{self.order}{self.count}{_NUMBERS[self.kind]}", self.raw)


Directory = Mapping[int, Field]


def directories(data: bytes) -> list[Directory]:
    """The directories that follow one another in a file.

    Raises:
        NotUnderstood: it is no TIFF, ends too early or goes in a circle.
    """
    order, large = _head(data)
    at = _number(data, 8 if large else 4, "Q" if large else "I", order)
    found: list[Directory] = []
    seen = set()
    while at:
        if at in seen or len(found) == MAX_PAGES:
            raise NotUnderstood("directories without end")
        seen.add(at)
        directory, at = directory_at(data, at)
        found.append(directory)
    if not found:
        raise NotUnderstood("no directory")
    return found


def directory_at(data: bytes, at: int) -> tuple[Directory, int]:
    """The directory at a place, and where the next one is; 0 for the last.

    Raises:
        NotUnderstood: it is cut off, or has a type that TIFF has not.
    """
    order, large = _head(data)
    sizes, word, width = (_SIZES_LARGE, "Q", 8) if large else (_SIZES, "I", 4)
    count = _number(data, at, "Q" if large else "H", order)
    at += 8 if large else 2
    entry = 4 + 2 * width
    if at + count * entry + width > len(data) + width:
        raise NotUnderstood("a directory that is cut off")
    found = {}
    for place in range(at, at + count * entry, entry):
        tag, kind = struct.unpack_from(order + "HH", data, place)
        values = _number(data, place + 4, word, order)
        if kind not in sizes:
            raise NotUnderstood(f"tag {tag} of type {kind}")
        size = values * sizes[kind]
        start = place + 4 + width
        if size > width:
            start = _number(data, start, word, order)
        if start + size > len(data):
            raise NotUnderstood(f"tag {tag} beyond the end")
        found[tag] = Field(kind, values, data[start : start + size], order)
    end = at + count * entry
    return found, _number(data, end, word, order) if end + width <= len(data) else 0


def tiff_facts(data: bytes) -> Facts:
    """The facts of a TIFF.

    Raises:
        NotUnderstood: as of ``directories``.
    """
    pages = directories(data)
    first = pages[0]
    beyond = [f"the tag {tag}" for tag in first if tag not in _LAYOUT and tag not in _TEXTS]
    photometric = _one(first, 262, 1)
    colours = _COLOURS.get(photometric, f"photometric {photometric}")
    bits = max(first[258].numbers()) if 258 in first else 1
    if any(form != 1 for form in _numbers(first, 339)):
        beyond.append("samples that are no whole numbers without sign")
    if _one(first, 254, 0) or _one(first, 255, 1) != 1:
        beyond.append("a part of another picture")
    extra = _numbers(first, 338)
    if extra not in ((), (1,), (2,)):
        beyond.append(f"further samples of the kinds {', '.join(map(str, extra))}")
    expected = {"grey": 1, "palette": 1, "cmyk": 4}.get(colours, 3) + len(extra)
    if _one(first, 277, 1) != expected:
        beyond.append(f"{_one(first, 277, 1)} samples a pixel")
    if _uneven(first):
        beyond.append("pixels that are not square")
    metadata = {_TEXTS[tag] for tag in first if tag in _TEXTS}
    if 700 in first:
        beyond += xmp_beyond(first[700].raw, _one(first, 274, 1))
    return Facts(
        "TIFF",
        _one(first, 256, 0),
        _one(first, 257, 0),
        bits=bits,
        colours=colours,
        frames=len(pages),
        orientation=orientation_of(_one(first, 274, 1)),
        inverted=photometric == 0,
        profile=first[34675].raw if 34675 in first else b"",
        metadata=tuple(sorted(metadata)),
        beyond=tuple(beyond),
    )


def exif_facts(data: bytes) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """Orientation, kinds of metadata and what is beyond pixels, of a picture's Exif.

    Args:
        data: from the byte order on, without ``Exif`` before it.

    Raises:
        NotUnderstood: as of ``directories``.
    """
    first, *more = directories(data)
    telling = bool(more) or any(tag not in _EXIF_PLAIN for tag in first)
    beyond = []
    if _EXIF in first:
        inner, _ = directory_at(data, first[_EXIF].numbers()[0])
        telling |= any(tag not in _EXIF_PLAIN_INNER for tag in inner)
        if _COLOUR_SPACE in inner and inner[_COLOUR_SPACE].numbers() != (1,):
            if _INTEROPERABILITY in inner:
                named, _ = directory_at(data, inner[_INTEROPERABILITY].numbers()[0])
                if 1 in named and named[1].raw[:3] == b"R03":
                    beyond.append("Adobe RGB, by its Exif")
            if _GAMMA in inner:
                beyond.append("a gamma, by its Exif")
    turned = orientation_of(_one(first, 274, 1))
    return turned, ("Exif",) if telling else (), tuple(beyond)


def _head(data: bytes) -> tuple[str, bool]:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        raise NotUnderstood("no byte order of TIFF")
    version = _number(data, 2, "H", order)
    if version == 42:
        return order, False
    if version == 43 and len(data) >= 16 and data[4:8] == struct.pack(order + "HH", 8, 0):
        return order, True
    raise NotUnderstood(f"version {version} of TIFF")


def _number(data: bytes, at: int, form: str, order: str) -> int:
    try:
        return int(struct.unpack_from(order + form, data, at)[0])
    except struct.error:
        raise NotUnderstood("it ends too early") from None


def _numbers(directory: Directory, tag: int) -> tuple[int, ...]:
    return directory[tag].numbers() if tag in directory else ()


def _one(directory: Directory, tag: int, otherwise: int) -> int:
    values = _numbers(directory, tag)
    return values[0] if values else otherwise


def _uneven(directory: Directory) -> bool:
    if not {282, 283} <= set(directory):
        return False
    across, down = directory[282], directory[283]
    if (across.kind, down.kind) != (5, 5) or len(across.raw) != 8 or len(down.raw) != 8:
        return True
    a, b = struct.unpack(across.order + "II", across.raw)
    c, d = struct.unpack(down.order + "II", down.raw)
    return bool(a * d != c * b)
