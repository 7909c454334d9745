"""What kind of line a line is: its looks only, the same for Python and C.

Places and line counts of hunks are likelier or less likely by these (``loci.py``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")

_BRANCHES = (
    *(b"if ", b"if(", b"elif ", b"else", b"for ", b"while "),
    *(b"try", b"except", b"with ", b"switch", b"case "),
)
_COMMENTS = (b"# ", b"//", b"/*", b"* ", b"*/")

_OPENING = (
    *(b"import", b"from", b"self", b"def", b"class", b"return", b"if", b"elif", b"else", b"for"),
    *(b"while", b"try", b"except", b"with", b"raise", b"assert", b"async", b"await", b"static"),
    *(b"int", b"void", b"char", b"struct", b"typedef", b"const", b"unsigned", b"define"),
    *(b"ifdef", b"ifndef", b"endif", b"include", b"case", b"switch", b"break", b"goto"),
    *(b"Copyright", b"SPDX", b"__version__", b"__all__", b"__repo__", b"param", b"type"),
    *(b"returns", b"cdef", b"extern", b"PyObject", b"print", b"logger", b"yield", b"pass", b"not"),
    *(b"and", b"or", b"The", b"This", b"versionchanged", b"versionadded", b"note", b"typing"),
    *(b"Py_DECREF", b"uint8_t", b"bool", b"size_t", b"property", b"staticmethod", b"classmethod"),
    *(b"None", b"True", b"False", b"pytest", b"inline", b"enum", b"NULL", b"lambda", b"global"),
    *(b"in", b"is", b"continue", b"sizeof", b"free"),
)

KINDS = 13
OPENINGS = len(_OPENING) + 2
_OPENING_INDEX = {word: index for index, word in enumerate(_OPENING, start=2)}


def kind_of_line(line: bytes) -> int:
    """A line's kind, 0 to 12, from its first characters; the same for Python and C."""
    text = line.strip()
    if not text:
        return 0
    kinds = (
        text.startswith((b"import ", b"from ", b"#include")),
        text.startswith((b"def ", b"async def ")),
        text.startswith(b"class "),
        text.startswith(_COMMENTS) or text in (b"#", b"*"),
        b"version" in text.lower(),
        text.startswith((b'"""', b"'''")),
        not WORD.search(text),
        text.startswith((b"return", b"raise", b"break", b"continue", b"pass")),
        text.startswith(_BRANCHES),
        text.startswith(b"@"),
        text.startswith(b"#"),
        True,
    )
    return 1 + kinds.index(True)


def opening_word(line: bytes) -> int:
    """The line's first word: 0 none, 1 any other, then its index in the list of known ones."""
    word = WORD.search(line)
    return _OPENING_INDEX.get(word.group(), 1) if word else 0


def indent(line: bytes) -> int | None:
    """Columns before the text, tabs every eight columns; None of a blank line."""
    wide = line.expandtabs(8)
    return len(wide) - len(wide.lstrip()) if line.strip() else None


def open_brackets(line: bytes) -> int:
    """Opening brackets less closing ones, wherever they stand."""
    return sum(line.count(letter) for letter in (b"(", b"[", b"{")) - sum(
        line.count(letter) for letter in (b")", b"]", b"}")
    )


@dataclass(frozen=True)
class Lineforms:
    """The looks of every line of a file, and of the place after the last, which counts as blank.

    Attributes:
        kind: int64 [lines + 1], 0 to 12.
        opening: int64 [lines + 1], as ``opening_word``.
        length: int64 [lines + 1]: twelfths of the text's letters, at most 7.
        indent: int64 [lines + 1]: columns; a blank line has those of the next that is not blank.
        quoted: int64 [lines + 1]: 1 where an odd number of triple quotes stands above.
        brackets: int64 [lines + 1]: brackets left open above.
    """

    kind: Ints
    opening: Ints
    length: Ints
    indent: Ints
    quoted: Ints
    brackets: Ints

    @classmethod
    def of(cls, lines: Sequence[bytes]) -> Self:
        """The looks of these lines, each ended by a newline."""
        columns = [0]
        for line in reversed(lines):
            own = indent(line)
            columns.append(columns[-1] if own is None else own)
        every = [*lines, b""]
        quotes = np.cumsum([0, *(line.count(b'"""') for line in lines)], dtype=np.int64)
        return cls(
            kind=np.array([kind_of_line(line) for line in every]),
            opening=np.array([opening_word(line) for line in every]),
            length=np.array([min(7, len(line.strip()) // 12) for line in every]),
            indent=np.array(columns[::-1]),
            quoted=quotes & 1,
            brackets=np.cumsum([0, *(open_brackets(line) for line in lines)], dtype=np.int64),
        )
