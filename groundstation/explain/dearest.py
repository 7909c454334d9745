"""What costs most: the dearest tokens, words and lines of a patch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from groundstation.explain.account import Explanation
from groundstation.explain.lines import Line

_WORD = re.compile(rb"[A-Za-z0-9_\x80-\xff]+|[^\sA-Za-z0-9_\x80-\xff]+|\s+")


@dataclass(frozen=True)
class Dear:
    """Something that costs bits.

    Attributes:
        text: its bytes.
        bits: what it costs, ideally.
        path: the file.
        line: in the new file, counted from 1.
        expected: of a token, what the model would rather have written; else b"".
    """

    text: bytes
    bits: float
    path: str
    line: int
    expected: bytes = b""


@dataclass(frozen=True)
class Dearest:
    """The dearest first, what costs nothing left out.

    Attributes:
        tokens: as the model writes them.
        words: names, runs of signs, runs of blanks; each occurrence for itself.
        lines: whole.
    """

    tokens: tuple[Dear, ...]
    words: tuple[Dear, ...]
    lines: tuple[Dear, ...]


def dearest(explanation: Explanation, most: int) -> Dearest:
    """The ``most`` dearest of each kind; equal ones in the order of the text."""
    lines = [(file.path, line) for file in explanation.files for line in file.lines]
    tokens = (
        Dear(token.spelling, token.bits, path, line.number, token.expected)
        for path, line in lines
        for token in line.tokens
    )
    words = (
        Dear(text, bits, path, line.number) for path, line in lines for text, bits in words_of(line)
    )
    whole = (Dear(line.text, line.bits, path, line.number) for path, line in lines)
    return Dearest(_first(tokens, most), _first(words, most), _first(whole, most))


def words_of(line: Line) -> Iterator[tuple[bytes, float]]:
    """The words of a line with their bits.

    A token belongs to the word in which its first byte that is no blank stands; a token of blanks
    to that of its first byte.  One that spells nothing new, and only ends what was known, belongs
    to none.
    """
    bits: dict[int, float] = {}
    words = list(_WORD.finditer(line.text))
    place = 0
    for piece in line.pieces:
        if piece.token is not None and piece.text and piece.token.line == line.number:
            blanks = len(piece.text) - len(piece.text.lstrip())
            at = place + (blanks if blanks < len(piece.text) else 0)
            word = next(k for k, found in enumerate(words) if found.start() <= at < found.end())
            bits[word] = bits.get(word, 0.0) + piece.token.bits
        place += len(piece.text)
    for word, found in enumerate(words):
        if word in bits:
            yield found[0], bits[word]


def _first(found: Iterable[Dear], most: int) -> tuple[Dear, ...]:
    costly = (each for each in found if each.bits > 0)
    return tuple(sorted(costly, key=lambda each: -each.bits)[:most])
