"""Git's binary hunks: contents that are not text, as base 85 lines of a zlib stream.

Writing uses stored (uncompressed) deflate blocks built here, so that the bytes never depend on the
version of a compressor.  Sources: git's documentation of ``diff --binary`` and pack deltas
(gitformat-pack, "Deltified representation"); RFC 1950 (zlib), RFC 1951 clause 3.2.4 (stored).
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator

STORED_BLOCK_BYTES = 0xFFFF
"""Most bytes that one stored deflate block holds."""

LINE_BYTES = 52
"""Bytes that one base 85 line stands for."""


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
