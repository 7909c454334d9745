"""Git's binary hunks: contents that are not text, as base 85 lines of a zlib stream.

Writing uses stored (uncompressed) deflate blocks built here, so that the bytes never depend on the
version of a compressor.  Sources: git's documentation of ``diff --binary`` and pack deltas
(gitformat-pack, "Deltified representation"); RFC 1950 (zlib), RFC 1951 clause 3.2.4 (stored).
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from shared.diff.reading.cursor import Cursor, shown

STORED_BLOCK_BYTES = 0xFFFF
"""Most bytes that one stored deflate block holds."""

LINE_BYTES = 52
"""Bytes that one base 85 line stands for."""

_HEADING = re.compile(rb"(literal|delta) (\d{1,12})\n")


@dataclass(frozen=True)
class BinaryHunk:
    """New contents (``is_delta`` false) or a delta that makes them of the old ones."""

    line_number: int
    is_delta: bool
    data: bytes


def stored_zlib(data: bytes) -> bytes:
    """A zlib stream that holds ``data`` uncompressed; the same bytes everywhere."""
    starts = range(0, len(data), STORED_BLOCK_BYTES) or range(1)
    parts = [b"\x78\x01"]
    for start in starts:
        block = data[start : start + STORED_BLOCK_BYTES]
        size = len(block)
        final = start + STORED_BLOCK_BYTES >= len(data)
        parts.append(bytes((final,)) + size.to_bytes(2, "little"))
        parts.append((size ^ 0xFFFF).to_bytes(2, "little") + block)
    parts.append(zlib.adler32(data).to_bytes(4, "big"))
    return b"".join(parts)


def literal_hunk(data: bytes) -> bytes:
    """A ``literal`` hunk: its heading, its lines, and the empty line that ends it."""
    return b"literal %d\n" % len(data) + b"".join(_encode_lines(stored_zlib(data))) + b"\n"


def _encode_lines(stream: bytes) -> Iterator[bytes]:
    """Lines of a letter for the length (A-Z 1 to 26, a-z 27 to 52) and the bytes in base 85."""
    for start in range(0, len(stream), LINE_BYTES):
        chunk = stream[start : start + LINE_BYTES]
        size = len(chunk)
        letter = size + 64 if size <= 26 else size + 70
        padded = chunk + bytes(-size % 4)
        yield bytes((letter,)) + base64.b85encode(padded) + b"\n"


def read_binary_hunk(cursor: Cursor) -> BinaryHunk:
    """The hunk for the new contents; the one for the way back, if any, is read and dropped.

    Raises:
        PatchError: not a binary hunk, or a damaged one.
    """
    hunk = _read_one(cursor)
    if _HEADING.match(cursor.peek()):
        _read_one(cursor)
    return hunk


def _read_one(cursor: Cursor) -> BinaryHunk:
    at = cursor.line_number
    match = _HEADING.match(cursor.peek())
    if match is None:
        raise cursor.refusal(
            f"found {shown(cursor.peek())}" if cursor.peek() else "the patch ends",
            expected="'literal SIZE' or 'delta SIZE'",
        )
    cursor.take()
    parts = []
    while cursor.peek() != b"\n":
        parts.append(_decode_line(cursor))
    cursor.take()
    stream = b"".join(parts)
    size = int(match[2])
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(stream, size + 1)
    except zlib.error as error:
        raise cursor.refusal(
            f"damaged binary data ({error})",
            expected="a zlib stream",
            remedy="get the whole patch, unedited",
            line_number=at,
        ) from error
    if len(data) != size or not inflater.eof or inflater.unused_data:
        raise cursor.refusal(
            f"binary data of another size than {size} bytes",
            expected="exactly as many bytes as the heading says",
            line_number=at,
        )
    return BinaryHunk(at, match[1] == b"delta", data)


def _decode_line(cursor: Cursor) -> bytes:
    """The bytes that the current base 85 line stands for."""
    line = cursor.peek()
    letter = line[:1]
    size = line[0] - 64 if b"A" <= letter <= b"Z" else line[0] - 70 if b"a" <= letter <= b"z" else 0
    digits = line[1:-1]
    try:
        data = base64.b85decode(digits) if size and len(digits) == (size + 3) // 4 * 5 else b""
    except ValueError:
        data = b""
    if not data or any(data[size:]):  # git pads with zero bytes
        raise cursor.refusal(
            f"found {shown(line)}" if line else "the patch ends",
            expected="a line of base 85, or the empty line after the last one",
            remedy="get the whole patch, unedited",
        )
    cursor.take()
    return data[:size]


def apply_delta(source: bytes, delta: bytes) -> bytes:
    """The bytes that a pack delta makes of ``source``.

    A delta is the sizes of source and result, then instructions: with the top bit set, copy from
    the source (bits 0 to 3 say which offset bytes follow, bits 4 to 6 which size bytes; size 0
    means 65536); otherwise insert the next 1 to 127 bytes.

    Raises:
        ValueError: the delta is damaged or made for another source.
    """
    source_size, at = _delta_size(delta, 0)
    result_size, at = _delta_size(delta, at)
    if source_size != len(source):
        raise ValueError(f"made for {source_size} bytes, not for {len(source)}")
    parts = []
    while at < len(delta):
        code = delta[at]
        at += 1
        if code & 0x80:
            numbers = []
            for bits in (range(4), range(4, 7)):
                number = 0
                for place, bit in enumerate(bits):
                    if code >> bit & 1:
                        number |= delta[at : at + 1].ljust(1, b"\0")[0] << 8 * place
                        at += 1
                numbers.append(number)
            offset, size = numbers[0], numbers[1] or 0x10000
            if at > len(delta) or offset + size > len(source):
                raise ValueError("it copies from beyond the end")
            parts.append(source[offset : offset + size])
        else:
            if not code or at + code > len(delta):
                raise ValueError("it inserts bytes that it does not have")
            parts.append(delta[at : at + code])
            at += code
    result = b"".join(parts)
    if len(result) != result_size:
        raise ValueError(f"it gives {len(result)} bytes instead of {result_size}")
    return result


def _delta_size(delta: bytes, at: int) -> tuple[int, int]:
    """A size, seven bits a byte, low bits first, top bit set on all but the last; and its end."""
    size = shift = 0
    while at < len(delta):
        size |= (delta[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not delta[at - 1] & 0x80:
            return size, at
    raise ValueError("it ends within its sizes")
