"""Picture files made byte by byte or by Pillow, each with more to show than 8-bit sRGB pixels."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

U8 = NDArray[np.uint8]


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of PNG."""
    check = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)


def png(rows: list[bytes], width: int, bits: int, kind: int, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG of packed rows, with further chunks before its pixels."""
    head = struct.pack(">IIBBBBB", width, len(rows), bits, kind, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [(b"IHDR", head), *more, (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def saved(image: Any, form: str, **options: Any) -> bytes:
    """A file of Pillow."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def drawing(seed: int = 0, side: int = 40) -> U8:
    """Two flat colours and a slope, ``[side, side, 3]``: no picture of it is its mirror."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(20, 230, (2, 3))
    down, across = np.mgrid[:side, :side]
    pixels = np.where((down * 2 < across)[..., None], colours[0], colours[1])
    pixels[side // 2 :, : side // 4] = (down * 200 // side)[side // 2 :, : side // 4, None]
    return pixels.astype(np.uint8)


def srgb_profile() -> bytes:
    """The profile of sRGB itself."""
    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def exchanged_profile() -> bytes:
    """That of sRGB with red and green exchanged: what it shows is known without any library."""
    found = bytearray(srgb_profile())
    places = {}
    for number in range(struct.unpack_from(">I", found, 128)[0]):
        name, _, _ = struct.unpack_from(">4sII", found, 132 + 12 * number)
        places[name] = 136 + 12 * number
    red, green = places[b"rXYZ"], places[b"gXYZ"]
    found[red : red + 8], found[green : green + 8] = (
        found[green : green + 8],
        found[red : red + 8],
    )
    return bytes(found)


def _words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def files_that_say_more() -> Mapping[str, bytes]:
    """By name, whose suffix is that of the format."""
    pixels = drawing()
    image, other = Image.fromarray(pixels), Image.fromarray(drawing(1))
    deep = pixels[..., 0].astype(np.uint16) * 257
    side = len(pixels)
    rows = [bytes(row) for row in pixels.reshape(side, -1)]
    jpeg, plain = saved(image, "JPEG", quality=95), saved(image, "PNG")
    several: dict[str, Any] = {"save_all": True, "append_images": [other]}
    turned_by_xmp = b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>'
    wide = [(b"pHYs", _words(2000, 1000) + b"\1")]
    return {
        "grey-16.png": png([row.astype(">u2").tobytes() for row in deep], side, 16, 0),
        "rgb-16.png": png([(row.astype(">u2") * 257).tobytes() for row in pixels], side, 16, 2),
        "clear-16.png": png(
            [row.astype(">u2").tobytes() for row in deep], side, 16, 0, (b"tRNS", b"\1\1")
        ),
        "clear-rgb-16.png": png(
            [(row.astype(">u2") * 257).tobytes() for row in pixels],
            *(side, 16, 2, (b"tRNS", bytes(6))),
        ),
        "grey-16.tif": saved(Image.fromarray(deep), "TIFF"),
        "grey-16-big.tif": saved(
            Image.frombytes("I;16B", (side, side), deep.astype(">u2").tobytes()), "TIFF"
        ),
        "float.tif": saved(Image.fromarray(deep / 65535.0).convert("F"), "TIFF"),
        "whole-32.tif": saved(Image.fromarray(deep.astype(np.int32)), "TIFF"),
        "cmyk.jpg": saved(image.convert("CMYK"), "JPEG"),
        "cmyk.tif": saved(image.convert("CMYK"), "TIFF"),
        "lab.tif": saved(
            ImageCms.profileToProfile(
                image,
                *(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")),
                outputMode="LAB",
            ),
            "TIFF",
        ),
        "frames.gif": saved(image, "GIF", **several),
        "frames.png": saved(image, "PNG", **several),
        "frames.webp": saved(image, "WEBP", **several),
        "frames.avif": saved(image, "AVIF", **several),
        "pages.tif": saved(image, "TIFF", **several),
        "pictures.jpg": saved(image, "MPO", **several),
        "behind.jpg": jpeg + b"ftypmp42 and a film",
        "behind.png": plain + b"more",
        "behind.gif": saved(image, "GIF") + b"more",
        "gain-map.jpg": jpeg[:2]
        + b"\xff\xe2\0\x24urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"
        + jpeg[2:],
        "gain-map-xmp.jpg": saved(image, "JPEG", xmp=b"<x hdrgm:Version='1.0'/>"),
        "adobe-rgb.jpg": saved(image, "JPEG", exif=_adobe_rgb()),
        "pq.png": png(rows, side, 8, 2, (b"cICP", bytes((9, 16, 0, 1)))),
        "hlg.png": png(rows, side, 8, 2, (b"cICP", bytes((9, 18, 0, 1)))),
        "mastered.png": png(rows, side, 8, 2, (b"mDCV", bytes(24))),
        "gamma.png": png(rows, side, 8, 2, (b"gAMA", _words(100000))),
        "primaries.png": png(
            rows,
            *(side, 8, 2),
            (b"cHRM", _words(31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)),
        ),
        "oblong.png": png(rows, side, 8, 2, *wide),
        "stereo.png": png(rows, side, 8, 2, (b"sTER", b"\0")),
        "unknown.png": png(rows, side, 8, 2, (b"prVt", b"whatever")),
        "xmp-turned.png": png(rows, side, 8, 2, (b"iTXt", turned_by_xmp)),
        "pq.avif": _pq_avif(image),
        "deep.jxl": imagecodecs.jpegxl_encode(pixels.astype(np.uint16) * 257, lossless=True),
        "float.jxl": imagecodecs.jpegxl_encode(pixels.astype(np.float32) / 255, lossless=True),
        "frames.jxl": imagecodecs.jpegxl_encode(np.stack([pixels, drawing(1)]), lossless=True),
    }


def _adobe_rgb() -> bytes:
    """Exif as cameras write it for Adobe RGB: uncalibrated, and R03 for interoperability."""
    first = struct.pack("<HHHIII", 1, 34665, 4, 1, 26, 0)
    inner = struct.pack("<HHHIHHHHIII", 2, 40961, 3, 1, 65535, 0, 40965, 4, 1, 56, 0)
    named = struct.pack("<HHHI4sI", 1, 1, 2, 4, b"R03", 0)
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + first + inner + named


def _pq_avif(image: Any) -> bytes:
    """An AVIF whose code points say BT.2100 PQ."""
    file = bytearray(saved(image, "AVIF", quality=90))
    at = bytes(file).index(b"nclx")
    struct.pack_into(">HH", file, at + 4, 9, 16)
    return bytes(file)
