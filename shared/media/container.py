"""The file of a generator: a JSON header and arrays, compressed as one, named by one digest.

    "RHMG" | version (1 byte) | coder (1 byte) | size of the body (4 bytes, little endian) | body

The body, once decompressed: size of the header (4 bytes, little endian), the header as canonical
JSON, then the arrays in the order of ``header["arrays"]``, little endian and row-major, without
gaps.  LZMA is the smaller coder; deflate is for readers that have nothing else, such as web pages.
Nothing in a file is trusted: every size is bounded before memory is taken.

Sources: RFC 1950 (zlib); the .xz specification 1.1 for LZMA2, here as a raw stream.
"""

from __future__ import annotations

import json
import lzma
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.digest import sha256
from shared.errors import PinError
from shared.untrusted import json_value

MAGIC: Final = b"RHMG"
VERSION: Final = 1
MAX_BODY_BYTES: Final = 1 << 28
"""A damaged or hostile size must not take all memory."""
MAX_HEADER_BYTES: Final = 1 << 22
"""What Python makes of JSON takes some fifteen times as much."""

_HEAD = struct.Struct("<4sBBI")
_SIZE = struct.Struct("<I")
_DTYPES: Final = {"i1": "|i1", "u1": "|u1", "i2": "<i2", "i4": "<i4"}
_REMEDY = "fetch the generator again, or train it again"


class Coder(IntEnum):
    """How a body is compressed; the value is the byte in the file."""

    LZMA = 0
    DEFLATE = 1


@dataclass(frozen=True, eq=False)
class Container:
    """What a file holds.

    Attributes:
        header: the JSON object, without ``arrays``.
        arrays: by name; int8, uint8, int16 or int32.
    """

    header: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


def generator_digest(data: bytes) -> bytes:
    """The name of a generator: the sha256 of its file."""
    return sha256(data)


def pack(container: Container, coder: Coder = Coder.LZMA) -> bytes:
    """The bytes of a file; the same for the same contents and library releases."""
    specs, parts = [], []
    for name, array in container.arrays.items():
        code = array.dtype.kind + str(array.dtype.itemsize)
        specs.append([name, code, list(array.shape)])
        parts.append(np.ascontiguousarray(array, _DTYPES[code]).tobytes())
    text = _canonical({**container.header, "arrays": specs})
    body = _SIZE.pack(len(text)) + text + b"".join(parts)
    return _HEAD.pack(MAGIC, VERSION, coder, len(body)) + _compressed(body, coder)


def unpack(data: bytes) -> Container:
    """The contents of a file.

    Raises:
        PinError: not such a file, of another version, or damaged.
    """
    if len(data) < _HEAD.size or data[:4] != MAGIC:
        raise _damaged("these bytes are no generator", "a file that begins with RHMG")
    _, version, coder, size = _HEAD.unpack_from(data)
    if version != VERSION:
        raise _damaged(f"the generator has version {version}", f"version {VERSION}")
    if coder not in set(Coder):
        raise _damaged(f"the generator names coder {coder}", "0 (LZMA) or 1 (deflate)")
    if not _SIZE.size <= size <= MAX_BODY_BYTES:
        raise _damaged(f"the generator claims {size} bytes", f"at most {MAX_BODY_BYTES}")
    body = _decompressed(data[_HEAD.size :], Coder(coder), size)
    header, start = _header(body)
    return _arrays(header, body, start)


def _header(body: bytes) -> tuple[dict[str, Any], int]:
    (size,) = _SIZE.unpack_from(body)
    if size > MAX_HEADER_BYTES:
        raise _damaged(f"the generator's header has {size} bytes", f"at most {MAX_HEADER_BYTES}")
    text = body[_SIZE.size : _SIZE.size + size]
    try:
        header = json_value(text, most_bytes=MAX_HEADER_BYTES)
    except ValueError:
        raise _damaged("the generator's header is no JSON") from None
    if not isinstance(header, dict) or _canonical(header) != text:
        raise _damaged("the generator's header is not in its one form", "canonical JSON")
    return header, _SIZE.size + size


def _arrays(header: dict[str, Any], body: bytes, start: int) -> Container:
    arrays: dict[str, NDArray[Any]] = {}
    specs = header.pop("arrays", None)
    if not isinstance(specs, list):
        raise _damaged("the generator lists no arrays")
    for spec in specs:
        name, dtype, shape = _spec(spec)
        size = dtype.itemsize * math.prod(shape)
        if name in arrays or start + size > len(body):
            raise _damaged(f"the array {name!r} does not fit the generator")
        arrays[name] = np.frombuffer(body, dtype, math.prod(shape), start).reshape(shape)
        start += size
    if start != len(body):
        raise _damaged(f"{len(body) - start} bytes follow the last array", "none")
    return Container(header, arrays)


def _spec(spec: object) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
    if isinstance(spec, list) and len(spec) == 3:
        name, code, shape = spec
        if (
            isinstance(name, str)
            and isinstance(code, str)
            and code in _DTYPES
            and isinstance(shape, list)
        ):
            sizes = [size for size in shape if type(size) is int and 0 <= size <= MAX_BODY_BYTES]
            if len(sizes) == len(shape) and math.prod(sizes) <= MAX_BODY_BYTES:
                return name, np.dtype(_DTYPES[code]), tuple(sizes)
    raise _damaged("the generator's list of arrays is malformed")


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _filters(dictionary: int) -> list[dict[str, int]]:
    # bytes without a period, whose neighbour tells much: 1 % smaller than the defaults
    return [{"id": lzma.FILTER_LZMA2, "dict_size": dictionary, "lc": 4, "lp": 0, "pb": 0}]


def _dictionary(size: int) -> int:
    return min(max(1 << (size - 1).bit_length(), 1 << 12), 1 << 26)


def _compressed(body: bytes, coder: Coder) -> bytes:
    if coder is Coder.DEFLATE:
        return zlib.compress(body, 9)
    filters = [dict(_filters(_dictionary(len(body)))[0], preset=9 | lzma.PRESET_EXTREME)]
    return lzma.compress(body, lzma.FORMAT_RAW, filters=filters)


def _decompressed(data: bytes, coder: Coder, size: int) -> bytes:
    try:
        if coder is Coder.DEFLATE:
            inflater = zlib.decompressobj()
            body = inflater.decompress(data, size)
            rest = inflater.unconsumed_tail + inflater.unused_data
            whole = inflater.eof and not rest
        else:
            unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_filters(_dictionary(size)))
            body = unpacker.decompress(data, size)
            while len(body) < size and not unpacker.eof and not unpacker.needs_input:
                more = unpacker.decompress(b"", size - len(body))
                if not more:
                    break
                body += more
            if not unpacker.eof:
                unpacker.decompress(b"", 1)
            whole = unpacker.eof and not unpacker.unused_data
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise _damaged(f"the generator does not decompress: {error}") from None
    if len(body) != size:
        raise _damaged(f"the generator has {len(body)} bytes", f"{size}, as its head says")
    if not whole:
        raise _damaged("the generator is cut short, or bytes follow its end")
    return body


def _damaged(found: str, expected: str | None = None) -> PinError:
    return PinError(found, expected=expected, remedy=_REMEDY)
