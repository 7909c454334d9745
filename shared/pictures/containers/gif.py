"""GIF.  Source: CompuServe, Graphics Interchange Format, version 89a (1990)."""

from __future__ import annotations

import struct
from typing import Final

from shared.pictures.facts import Facts, NotUnderstood

_LOOPS: Final = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_SQUARE: Final = (0, 49)


def gif_facts(data: bytes) -> Facts:
    """The facts of a GIF.

    Raises:
        NotUnderstood: a block is cut off, or the file goes on behind its end.
    """
    if data[:6] not in (b"GIF87a", b"GIF89a") or len(data) < 13:
        raise NotUnderstood("no head of GIF")
    width, height, packed, _, aspect = struct.unpack_from("<HHBBB", data, 6)
    at = 13 + _table(packed)
    frames, metadata = 0, set[str]()
    beyond = [] if aspect in _SQUARE else ["pixels that are not square"]
    while True:
        kind = data[at : at + 1]
        if kind == b";":
            break
        if kind == b"," and at + 10 <= len(data):
            left, top, wide, high, flags = struct.unpack_from("<HHHHB", data, at + 1)
            frames += 1
            if (left, top, wide, high) != (0, 0, width, height):
                beyond.append("a picture that does not fill its screen")
            _, at = _blocks(data, at + 10 + _table(flags) + 1)
        elif kind == b"!" and at + 2 <= len(data):
            label = data[at + 1]
            body, at = _blocks(data, at + 2)
            _extension(label, body, metadata, beyond)
        else:
            raise NotUnderstood("a block that is none, or no end")
    if at + 1 != len(data):
        beyond.append(f"{len(data) - at - 1} bytes behind its end")
    return Facts(
        "GIF",
        width,
        height,
        colours="palette",
        frames=frames,
        metadata=tuple(sorted(metadata)),
        beyond=tuple(dict.fromkeys(beyond)),
    )


def _table(packed: int) -> int:
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0


def _blocks(data: bytes, at: int) -> tuple[list[bytes], int]:
    found = list[bytes]()
    while True:
        if at >= len(data):
            raise NotUnderstood("a block that is cut off")
        size = data[at]
        if not size:
            return found, at + 1
        if len(found) < 2:  # more of them are never looked at
            found.append(data[at + 1 : at + 1 + size])
        at += 1 + size


def _extension(label: int, body: list[bytes], metadata: set[str], beyond: list[str]) -> None:
    name = body[0] if body else b""
    if label == 0xF9 or (label == 0xFF and name in _LOOPS):
        return
    if label == 0xFE:
        metadata.add("comment")
    elif label == 0xFF and name == b"XMP DataXMP":
        metadata.add("XMP")
    else:
        beyond.append(f"an extension {label:02x} {name[:11].decode('latin-1')!r}")
