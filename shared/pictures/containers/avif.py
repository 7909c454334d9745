"""AVIF: which pictures lie in it, and what is said of their samples.

Sources: AOM, AV1 Image File Format (AVIF) 1.1; AV1 in ISOBMFF, 2.3.3; ISO/IEC 23008-12 (HEIF),
6.5; ITU-T H.273 (code points).
"""

from __future__ import annotations

import struct
from typing import Final

from shared.pictures.containers.boxes import boxes
from shared.pictures.containers.marks import xmp_beyond
from shared.pictures.facts import Facts, NotUnderstood

BRANDS: Final = (b"avif", b"avis", b"mif1", b"msf1")
_TOP: Final = frozenset({b"ftyp", b"meta", b"mdat", b"free", b"skip"})
_META: Final = frozenset(
    {b"hdlr", b"pitm", b"iloc", b"iinf", b"iref", b"iprp", b"idat", b"dinf", b"free"}
)
_PROPERTIES: Final = frozenset({b"ispe", b"pixi", b"av1C", b"irot", b"imir"})
_ALPHA: Final = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"
_PRIMARIES: Final = (1, 2)
_TRANSFERS: Final = (13, 2)
"""Those of sRGB, and "unspecified", which readers take for sRGB."""


def avif_facts(data: bytes) -> Facts:
    """The facts of an AVIF; how it is turned is left to the decoder.

    Raises:
        NotUnderstood: a box is cut off, or lacks what a picture needs.
    """
    top = boxes(data)
    if not top or top[0][0] != b"ftyp":
        raise NotUnderstood("it does not begin with ftyp")
    beyond = [f"the box {_text(name)}" for name, _ in top if name not in _TOP]
    frames = 1
    if any(name == b"moov" for name, _ in top) or top[0][1][:4] == b"avis":
        frames, beyond = 2, [*beyond, "an animation"]
    meta = [body for name, body in top if name == b"meta"]
    if len(meta) != 1:
        raise NotUnderstood(f"{len(meta)} boxes of metadata")
    inner = boxes(meta[0][4:])
    beyond += [f"the box {_text(name)}" for name, _ in inner if name not in _META]
    metadata = set[str]()
    pictures = 0
    for kind in _items(dict(inner).get(b"iinf", b"")):
        if kind == b"av01":
            pictures += 1
        elif kind == b"Exif":
            metadata.add("Exif")
        elif kind == b"mime":
            metadata.add("XMP")
            beyond += xmp_beyond(data, 1)
        else:
            beyond.append(f"an item {_text(kind)}")
    width, height, bits, profile, alphas = 0, 0, 8, b"", 0
    for name, body in boxes(dict(boxes(dict(inner).get(b"iprp", b""))).get(b"ipco", b"")):
        if name == b"ispe" and len(body) == 12 and not width:
            width, height = struct.unpack_from(">II", body, 4)
        elif name == b"pixi" and len(body) > 5:
            bits = max(bits, *body[5 : 5 + body[4]])
        elif name == b"av1C" and len(body) >= 4:
            bits = max(bits, 12 if body[2] & 0x20 else 10 if body[2] & 0x40 else 8)
        elif name == b"colr":
            profile, odd = _colour(body, profile)
            beyond += odd
        elif name == b"auxC":
            alphas += body[4:] == _ALPHA
            beyond += [] if body[4:] == _ALPHA else ["an auxiliary picture that is no alpha"]
        elif name == b"pasp" and len(body) == 8 and body[:4] == body[4:]:
            continue
        elif name not in _PROPERTIES:
            beyond.append(f"the property {_text(name)}")
    if pictures != 1 + (alphas > 0):
        beyond.append(f"{pictures} pictures")
    return Facts(
        "AVIF",
        width,
        height,
        bits=bits,
        frames=frames,
        profile=profile,
        metadata=tuple(sorted(metadata)),
        beyond=tuple(dict.fromkeys(beyond)),
    )


def _items(body: bytes) -> list[bytes]:
    """The types of the items in a box iinf."""
    if len(body) < 6:
        raise NotUnderstood("no list of items")
    start = 6 if body[0] == 0 else 8
    found = []
    for name, entry in boxes(body[start:]):
        version = entry[0] if entry else 0
        at = 4 + (2 if version == 2 else 4) + 2
        if name != b"infe" or version not in (2, 3) or len(entry) < at + 4:
            raise NotUnderstood("an item of another form")
        found.append(entry[at : at + 4])
    return found


def _colour(body: bytes, profile: bytes) -> tuple[bytes, list[str]]:
    kind = body[:4]
    if kind in (b"prof", b"rICC"):
        return body[4:], []
    if kind == b"nclx" and len(body) >= 10:
        primaries, transfer, _ = struct.unpack_from(">HHH", body, 4)
        if primaries not in _PRIMARIES or transfer not in _TRANSFERS:
            return profile, [f"code points {primaries} and {transfer}, not those of sRGB"]
        return profile, []
    return profile, [f"colours described by {_text(kind)}"]


def _text(name: bytes) -> str:
    return name.decode("latin-1")
