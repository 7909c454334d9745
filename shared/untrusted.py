"""Bytes of strangers: read no further than they may go, and JSON of theirs.

Whoever parses a file turns what is wrong with it into one family of ``shared.errors``.  What is
wrong shows in many ways, of which each reader used to list those that its author thought of; here
is the one list, and the one place that reads JSON.

Sources: RFC 8259 (JSON; clause 6 has no NaN and no infinity), RFC 7493 (I-JSON: numbers that other
programs can hold).
"""

from __future__ import annotations

import json
import lzma
import math
import struct
import zlib
from pathlib import Path
from typing import Any, Final, NoReturn

PARSING_FAULTS: Final = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError),
    *(RuntimeError, struct.error, zlib.error, lzma.LZMAError),  # RecursionError is the first's kind
)
"""What code may raise that takes bytes apart which are not what it expects; not MemoryError, which
says nothing about them, and not OSError, which is the disk's."""

MAX_JSON_BYTES: Final = 1 << 24
"""Of a text; what Python makes of it takes some fifteen times as much."""
MAX_OBJECTS: Final = 1_000_000
"""Of objects and lists in a text, which take thirty times their brackets."""
_PIECE_BYTES: Final = 1 << 20
_MAX_DIGITS: Final = 20
"""Of a whole number: 64 bits and a sign."""


def read_at_most(path: Path, most_bytes: int) -> bytes:
    """Read a file that must not be larger than so many bytes.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger.
    """
    data = bytearray()
    with path.open("rb") as file:
        # in pieces: Python takes as much memory as is asked for before it reads
        while piece := file.read(min(_PIECE_BYTES, most_bytes + 1 - len(data))):
            data += piece
            if len(data) > most_bytes:
                raise ValueError(f"it has more than {most_bytes} bytes")
    return bytes(data)


def json_value(
    data: bytes, *, most_bytes: int = MAX_JSON_BYTES, most_objects: int = MAX_OBJECTS
) -> Any:
    """Parse JSON whose size, nesting and numbers are bounded before objects are made of it.

    Args:
        data: the text in UTF-8, or in another encoding that ``json`` knows by its first bytes.
        most_bytes: of the text.
        most_objects: objects and lists in it.

    Raises:
        ValueError: it is no JSON, too large, too deep, has a number that no double or no 64 bits
            hold, or NaN or an infinity.  Nothing else.
    """
    if len(data) > most_bytes:
        raise ValueError(f"it has {len(data)} bytes of JSON, more than {most_bytes}")
    # counted in the text, before Python makes an object of each
    if data.count(b"[") + data.count(b"{") > most_objects:
        raise ValueError(f"it has more than {most_objects} objects and lists")
    try:
        return json.loads(data, parse_constant=_constant, parse_float=_real, parse_int=_whole)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _whole(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"the number {text[:40]}... has {len(text)} digits")
    return int(text)
