"""Paths in patches, quoted as git quotes them.

A path with a control character, a quote, a backslash or a byte above 0x7e is written between
double quotes with C escapes (git-config: core.quotePath=true); all other paths are written bare.
"""

from __future__ import annotations

import re

_LETTERS = {
    0x07: b"a", 0x08: b"b", 0x09: b"t", 0x0A: b"n", 0x0B: b"v", 0x0C: b"f", 0x0D: b"r",
    0x22: b'"', 0x5C: b"\\",
}  # fmt: skip
_BYTES = {letter: byte for byte, letter in _LETTERS.items()}
_QUOTED = re.compile(rb'"((?:[^"\\]|\\[abtnvfr"\\]|\\[0-3][0-7][0-7])*)"')
_ESCAPE = re.compile(rb'\\([abtnvfr"\\]|[0-3][0-7][0-7])')


def quote(name: bytes) -> bytes:
    """``name`` as a patch shows it."""
    if all(0x20 <= byte < 0x7F and byte not in _LETTERS for byte in name):
        return name
    return b'"' + b"".join(_quote_byte(byte) for byte in name) + b'"'


def _quote_byte(byte: int) -> bytes:
    if byte in _LETTERS:
        return b"\\" + _LETTERS[byte]
    if 0x20 <= byte < 0x7F:
        return bytes((byte,))
    return b"\\%03o" % byte


def unquote(text: bytes) -> tuple[bytes, bytes] | None:
    """The name that ``text`` starts with in quotes, and what follows it.

    Returns:
        (name, rest), or None if ``text`` does not start with a well-formed quoted name.
    """
    match = _QUOTED.match(text)
    if match is None:
        return None
    return _ESCAPE.sub(_unquote_escape, match[1]), text[match.end() :]


def _unquote_escape(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return bytes((int(code, 8) if len(code) == 3 else _BYTES[code[0:1]],))
