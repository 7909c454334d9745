"""A bundle: generator, records and names in one file, and a page that draws from it.

    "RHMB" | version (1) | 0 (3) | size of the header (4, little endian) | header, by zlib
    | generator's file | records | sha256 of all before (32)

The generator is written anew with zlib, since browsers have nothing else.  The header is JSON:
format, family, notes, the digest of the generator as it is known elsewhere, sizes, and the names
of the records in their order.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.digest import sha256
from shared.errors import InputError, Refusal
from shared.media.container import Coder
from shared.media.generator import Loaded, read_generator, write_generator
from shared.media.kinds.diffusion import Diffusion
from shared.media.message import Record, decode_record, encode_record, regenerate_record
from shared.media.render import Renderer
from shared.untrusted import PARSING_FAULTS, json_value

FORMAT: Final = "rehydration-bundle/1"
MAGIC: Final = b"RHMB"
VERSION: Final = 1
_HEAD: Final = struct.Struct("<4sB3xI")
_DIGEST_BYTES: Final = 32
MAX_HEADER_BYTES: Final = 1 << 24
"""Of its JSON: what Python makes of that takes some fifteen times as much."""
_VIEWER: Final = Path(__file__).parents[1] / "viewer"


@dataclass(frozen=True, eq=False)
class Bundle:
    """What a bundle holds.

    Attributes:
        family: its name.
        generator: draws the prompts; its file is the one in the bundle.
        known_as: digest of the generator's file elsewhere, 32 bytes.
        records: by name.
    """

    family: str
    generator: Loaded
    known_as: bytes
    records: Mapping[str, Record]


def write_bundle(loaded: Loaded, records: Mapping[str, Record]) -> bytes:
    """The bundle of a generator and its records.

    Every prompt is drawn with the generator as it lies in the bundle.

    Raises:
        InputError: the page cannot draw with generators of this kind.
        Refusal: a record does not give the pixels that it names.
    """
    if isinstance(loaded.generator, Diffusion):
        raise InputError(
            "a generator of the kind diffusion cannot be bundled: the page does not draw it",
            expected="a generator that `media train` wrote",
            remedy="learn the family with `media train`, or archive it with `media archive`",
        )
    file = write_generator(loaded.generator, Coder.DEFLATE)
    renderer = Renderer(read_generator(file).generator)
    for record in records.values():
        if not record.image:
            regenerate_record(record, renderer)
    encoded = {name: encode_record(record) for name, record in records.items()}
    header = {
        "format": FORMAT,
        "family": loaded.generator.name,
        "notes": dict(loaded.generator.notes),
        "generator": loaded.digest.hex(),
        "generator_bytes": len(file),
        "pictures": [[name, len(data)] for name, data in encoded.items()],
    }
    # names of files may be no UTF-8: Python's escape of such a byte is JSON's, too
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False)
    packed = zlib.compress(text.encode("utf-8", "backslashreplace"), 9)
    head = _HEAD.pack(MAGIC, VERSION, len(packed))
    body = b"".join((head, packed, file, *encoded.values()))
    return body + sha256(body)


def read_bundle(data: bytes) -> Bundle:
    """The bundle in a file.

    Raises:
        InputError: it is none, or damaged.
        PinError: the generator in it is none.
    """
    if data[:4] != MAGIC or len(data) < _HEAD.size + _DIGEST_BYTES:
        raise _no_bundle("it does not begin with RHMB")
    body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if sha256(body) != digest:
        raise _no_bundle("its digest is another: it is damaged")
    _, version, size = _HEAD.unpack_from(body)
    if version != VERSION:
        raise _no_bundle(f"it has version {version}")
    start = _HEAD.size + size
    try:
        header = json_value(_inflated(body[_HEAD.size : start]), most_bytes=MAX_HEADER_BYTES)
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']!r}")
        end = start + int(header["generator_bytes"])
        generator, records = read_generator(body[start:end]), {}
        for name, length in header["pictures"]:
            if type(name) is not str or type(length) is not int or length < 1 or name in records:
                raise ValueError(f"its picture {name!r} of {length!r} bytes")
            records[name] = decode_record(body[end : end + length])
            end += length
        if end != len(body):
            raise ValueError("it has other parts than it says")
        known_as = bytes.fromhex(header["generator"])
        return Bundle(str(header["family"]), generator, known_as, records)
    except (Refusal, *PARSING_FAULTS) as error:
        raise _no_bundle(error.found if isinstance(error, Refusal) else str(error)) from None


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    text = inflater.decompress(data, MAX_HEADER_BYTES)
    if not inflater.eof or inflater.unused_data:
        raise ValueError(f"its header has more than {MAX_HEADER_BYTES} bytes, or bytes follow it")
    return text


def viewer_page(bundle: bytes = b"") -> str:
    """A page that draws from a bundle: the one inside it, or others that are opened in it."""
    page = (_VIEWER / "viewer.html").read_text("utf-8")
    for name in ("rehydrate", "viewer"):
        script = (_VIEWER / f"{name}.js").read_text("utf-8")
        page = page.replace("{{" + name + "}}", script)
    return page.replace("{{bundle}}", base64.b64encode(bundle).decode("ascii"))


def _no_bundle(why: str) -> InputError:
    return InputError(
        f"this is no bundle: {why}",
        expected="a file that `media bundle` wrote",
        remedy="make it again",
    )
