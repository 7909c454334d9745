"""WebP.  Source: RFC 9649."""

from __future__ import annotations

import struct
from typing import Final

from shared.pictures.containers.marks import xmp_beyond
from shared.pictures.containers.tiff import exif_facts
from shared.pictures.facts import Facts, NotUnderstood

_KNOWN: Final = frozenset(
    {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"ANIM", b"ANMF", b"EXIF", b"XMP "}
)


def webp_facts(data: bytes) -> Facts:
    """The facts of a WebP.

    Raises:
        NotUnderstood: a chunk is cut off, or the file goes on behind its end.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise NotUnderstood("no head of WebP")
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 != len(data):
        raise NotUnderstood(f"{len(data)} bytes, where its head says {size + 8}")
    chunks, at = list[tuple[bytes, bytes]](), 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > len(data):
            raise NotUnderstood("a chunk that is cut off")
        chunks.append((name, data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    if at != len(data) or not chunks:
        raise NotUnderstood("a chunk that is cut off")
    named = dict(reversed(chunks))  # the first of a name counts
    frames = sum(name == b"ANMF" for name, _ in chunks)
    beyond = [f"the chunk {name.decode('latin-1')}" for name, _ in chunks if name not in _KNOWN]
    metadata, orientation = set[str](), 1
    if b"EXIF" in named:
        exif = named[b"EXIF"].removeprefix(b"Exif\0\0")
        orientation, more, odd = exif_facts(exif)
        metadata |= set(more)
        beyond += odd
    if b"XMP " in named:
        metadata.add("XMP")
        beyond += xmp_beyond(named[b"XMP "], orientation)
    if frames or b"ANIM" in named:  # one frame of an animation has a place and a background
        beyond.append("an animation")
    width, height = _size(*chunks[0])
    return Facts(
        "WEBP",
        width,
        height,
        frames=max(1, frames),
        orientation=orientation,
        profile=named.get(b"ICCP", b""),
        metadata=tuple(sorted(metadata)),
        beyond=tuple(beyond),
    )


def _size(name: bytes, body: bytes) -> tuple[int, int]:
    """Width and height, by the chunk that is first."""
    if name == b"VP8X" and len(body) >= 10:
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if name == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name == b"VP8 " and len(body) >= 10 and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    raise NotUnderstood(f"it begins with the chunk {name.decode('latin-1')}")
