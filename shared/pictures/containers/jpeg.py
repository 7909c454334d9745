"""JPEG, and what cameras hang on to it: MPO, gain maps, motion.

Sources: ITU-T T.81 (JPEG), annex B; ITU-T T.871 (JFIF); CIPA DC-008 (Exif) and DC-007 (MPF);
ICC.1, B.4; Adobe, XMP Specification part 3, 1.1.3.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Final

from shared.pictures.containers.marks import xmp_beyond
from shared.pictures.containers.tiff import exif_facts
from shared.pictures.facts import Facts, NotUnderstood

_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_OTHER_FRAMES: Final = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES: Final = frozenset({0xC4, 0xDB, 0xDD})
_MARK: Final = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_EXIF: Final = b"Exif\0\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_ICC: Final = b"ICC_PROFILE\0"


@dataclass
class _Found:
    """What the segments said so far."""

    frames: list[tuple[int, int, int, int]] = field(default_factory=list)
    orientation: int = 1
    profile: dict[int, bytes] = field(default_factory=dict)
    pieces: int = 0
    packets: list[bytes] = field(default_factory=list)
    metadata: set[str] = field(default_factory=set)
    beyond: list[str] = field(default_factory=list)
    adobe: int | None = None


def jpeg_facts(data: bytes) -> Facts:
    """The facts of a JPEG.

    Raises:
        NotUnderstood: a segment is cut off, or the file goes on behind its end.
    """
    if not data.startswith(b"\xff\xd8"):
        raise NotUnderstood("no start of image")
    found, at, scans = _Found(), 2, 0
    while True:
        mark = _MARK.match(data, at) if not scans else _MARK.search(data, at)
        if mark is None:
            raise NotUnderstood("no end of image")
        code, at = mark.group(1)[0], mark.end()
        if code == 0xD9:
            break
        if code in (0x01, 0xD8) or at + 2 > len(data):
            raise NotUnderstood(f"a marker {code:02x} out of place")
        size = int.from_bytes(data[at : at + 2], "big")
        if size < 2 or at + size > len(data):
            raise NotUnderstood("a segment that is cut off")
        body, at = data[at + 2 : at + size], at + size
        scans += code == 0xDA
        if code != 0xDA:
            _take(code, body, found)
    if at != len(data):
        found.beyond.append(f"{len(data) - at} bytes behind its end")
    if len(found.frames) != 1 or not scans:
        raise NotUnderstood(f"{len(found.frames)} frames, {scans} scans")
    for packet in found.packets:
        found.beyond += xmp_beyond(packet, found.orientation)
    bits, height, width, components = found.frames[0]
    return Facts(
        "JPEG",
        width,
        height,
        bits=bits,
        colours={1: "grey", 3: "ycbcr", 4: "cmyk"}.get(components, f"{components} components"),
        orientation=found.orientation,
        profile=_joined(found),
        metadata=tuple(sorted(found.metadata)),
        beyond=tuple(found.beyond),
    )


def _take(code: int, body: bytes, found: _Found) -> None:
    if code in _FRAMES or code in _OTHER_FRAMES:
        if len(body) < 6:
            raise NotUnderstood("a frame header that is cut off")
        found.frames.append(struct.unpack_from(">BHHB", body))
        if code in _OTHER_FRAMES:
            found.beyond.append(f"coding process {code - 0xC0} of JPEG")
    elif code == 0xFE:
        found.metadata.add("comment")
    elif 0xE0 <= code <= 0xEF:
        _application(code - 0xE0, body, found)
    elif code not in _TABLES:
        found.beyond.append(f"the marker {code:02x}")


def _application(number: int, body: bytes, found: _Found) -> None:
    if number == 0 and body.startswith(b"JFIF\0") and len(body) >= 12:
        if body[8:10] != body[10:12]:
            found.beyond.append("pixels that are not square")
    elif number == 0 and body.startswith(b"JFXX\0"):
        found.metadata.add("thumbnail")
    elif number == 1 and body.startswith(_EXIF):
        found.orientation, metadata, beyond = exif_facts(body[len(_EXIF) :])
        found.metadata |= set(metadata)
        found.beyond += beyond
    elif number == 1 and body.startswith(_XMP):
        found.metadata.add("XMP")
        found.packets.append(body[len(_XMP) :])
    elif number == 2 and body.startswith(_ICC) and len(body) > len(_ICC) + 2:
        place, found.pieces = body[len(_ICC)], body[len(_ICC) + 1]
        if found.profile.setdefault(place, body[len(_ICC) + 2 :]) != body[len(_ICC) + 2 :]:
            raise NotUnderstood("two profiles")
    elif number == 13 and body.startswith((b"Photoshop 3.0\0", b"Adobe_CM")):
        found.metadata.add("IPTC")
    elif number == 14 and body.startswith(b"Adobe") and len(body) >= 12:
        found.adobe = body[11]
    elif number == 12 and body.startswith(b"Ducky"):
        found.metadata.add("text")
    elif number == 11 and b"c2pa" in body:
        found.metadata.add("C2PA")
    else:
        name = body[:12].split(b"\0")[0].decode("latin-1").strip()
        found.beyond.append(f"a segment APP{number} {name!r}")


def _joined(found: _Found) -> bytes:
    if sorted(found.profile) != list(range(1, found.pieces + 1)):
        raise NotUnderstood("a profile that lacks a piece")
    return b"".join(found.profile[place] for place in sorted(found.profile))
