"""PNG, and APNG.

Source: W3C, Portable Network Graphics (PNG) Specification, third edition (2025), 5 and 11; for
chunks of the extensions, the PNG development group's register, version 1.5.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from shared.pictures.containers.marks import xmp_beyond
from shared.pictures.containers.tiff import exif_facts
from shared.pictures.facts import Facts, NotUnderstood

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE: Final = 1 << 24
_COLOURS: Final = {0: "grey", 2: "rgb", 3: "palette", 4: "grey", 6: "rgb"}
_PIXELS: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"sRGB", b"bKGD", b"sBIT"})
_SILENT: Final = _PIXELS | {b"hIST", b"sPLT", b"oFFs"}
_TEXTS: Final = {b"tEXt": "text", b"zTXt": "text", b"iTXt": "text", b"tIME": "text"} | {
    b"caBX": "C2PA",
    b"dSIG": "signature",
}
_SRGB_GAMMA: Final = 45455
_SRGB_CHROMATICITIES: Final = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_SRGB_CODE_POINTS: Final = bytes((1, 13, 0, 1))
_NEAR: Final = 50
"""How far the numbers of files that mean sRGB are from those of sRGB, as they are rounded."""


def png_facts(data: bytes) -> Facts:
    """The facts of a PNG.

    Raises:
        NotUnderstood: a chunk is damaged or cut off, or the file goes on behind its end.
    """
    chunks = _chunks(data)
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise NotUnderstood("it does not begin with IHDR")
    width, height, bits, kind, *_ = struct.unpack(">IIBBBBB", chunks[0][1])
    by_name: dict[bytes, list[bytes]] = {}
    for name, body in chunks:
        by_name.setdefault(name, []).append(body)
    beyond, metadata = list[str](), {_TEXTS[name] for name in by_name if name in _TEXTS}
    orientation, frames, profile = 1, 1, b""
    if b"acTL" in by_name:
        frames = _animation(by_name)
    if b"eXIf" in by_name:
        orientation, more, odd = exif_facts(by_name[b"eXIf"][0])
        metadata |= set(more)
        beyond += odd
    for packet in by_name.get(b"iTXt", ()):
        if packet.startswith(b"XML:com.adobe.xmp\0"):
            metadata.add("XMP")
            beyond += xmp_beyond(_inflated_text(packet), orientation)
    if b"iCCP" in by_name:
        profile = _profile(by_name[b"iCCP"][0])
    beyond += _colour_beyond(by_name)
    if b"pHYs" in by_name and by_name[b"pHYs"][0][:4] != by_name[b"pHYs"][0][4:8]:
        beyond.append("pixels that are not square")
    known = _SILENT | set(_TEXTS) | {b"iCCP", b"eXIf", b"pHYs", b"gAMA", b"cHRM", b"cICP"}
    known |= {b"acTL", b"fcTL", b"fdAT"} if frames != 1 else set()
    beyond += [f"the chunk {name.decode('latin-1')}" for name in by_name if name not in known]
    return Facts(
        "PNG",
        width,
        height,
        bits=8 if kind == 3 else bits,
        colours=_COLOURS.get(kind, f"colour type {kind}"),
        frames=frames,
        orientation=orientation,
        profile=profile,
        metadata=tuple(sorted(metadata)),
        beyond=tuple(beyond),
    )


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    if not data.startswith(SIGNATURE):
        raise NotUnderstood("no signature of PNG")
    found, at = [], len(SIGNATURE)
    while at < len(data):
        if at + 12 > len(data):
            raise NotUnderstood("a chunk that is cut off")
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        if end > len(data):
            raise NotUnderstood("a chunk that is cut off")
        (check,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(data[at + 4 : end - 4]) != check:
            raise NotUnderstood(f"the chunk {name.decode('latin-1')}, which is damaged")
        found.append((name, data[at + 8 : end - 4]))
        at = end
        if name == b"IEND":
            if at != len(data):
                raise NotUnderstood(f"{len(data) - at} bytes behind its end")
            return found
    raise NotUnderstood("no end")


def _animation(by_name: dict[bytes, list[bytes]]) -> int:
    body = by_name[b"acTL"][0]
    told = struct.unpack(">I", body[:4])[0] if len(body) == 8 else 0
    # a picture that is not part of the animation is one more
    return max(2, int(told), len(by_name.get(b"fcTL", ())))


def _profile(body: bytes) -> bytes:
    name, _, rest = body.partition(b"\0")
    if not name or not rest or rest[0] != 0:
        raise NotUnderstood("the chunk iCCP")
    return _inflated(rest[1:])


def _inflated(data: bytes) -> bytes:
    try:
        inflater = zlib.decompressobj()
        found = inflater.decompress(data, MAX_PROFILE)
    except zlib.error as error:
        raise NotUnderstood(f"a chunk that does not unpack: {error}") from None
    if not inflater.eof:
        raise NotUnderstood("a chunk that unpacks to more than any should")
    return found


def _inflated_text(packet: bytes) -> bytes:
    keyword, _, rest = packet.partition(b"\0")
    compressed, method, *_ = rest[:2] or b"\0\0"
    del keyword, method
    pieces = rest[2:].split(b"\0", 2)
    text = pieces[2] if len(pieces) == 3 else b""
    return _inflated(text) if compressed else text


def _colour_beyond(by_name: dict[bytes, list[bytes]]) -> list[str]:
    """What the chunks about colour say, if it is not sRGB; the first of them that counts wins."""
    found = []
    for name in (b"mDCV", b"cLLI", b"mDCv", b"cLLi"):
        if name in by_name:
            found.append(f"a mastering display or light level ({name.decode()})")
            by_name = {key: value for key, value in by_name.items() if key != name}
    if b"cICP" in by_name:
        if by_name[b"cICP"][0] != _SRGB_CODE_POINTS:
            found.append(f"code points {tuple(by_name[b'cICP'][0])} (cICP), not those of sRGB")
        return found
    if b"iCCP" in by_name or b"sRGB" in by_name:
        return found
    if b"gAMA" in by_name:
        (gamma,) = _words(by_name[b"gAMA"][0], 1)
        if abs(gamma - _SRGB_GAMMA) > _NEAR:
            found.append(f"a gamma of {gamma / 100000:g}, not that of sRGB")
    if b"cHRM" in by_name:
        said = _words(by_name[b"cHRM"][0], 8)
        if any(abs(a - b) > _NEAR for a, b in zip(said, _SRGB_CHROMATICITIES, strict=True)):
            found.append("primary colours that are not those of sRGB")
    return found


def _words(body: bytes, count: int) -> tuple[int, ...]:
    if len(body) != 4 * count:
        raise NotUnderstood("a chunk about colour of another size")
    return struct.unpack(f">{count}I", body)
