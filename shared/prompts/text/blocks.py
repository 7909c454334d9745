"""Where definitions start and end, found by looks alone: no parser, the same for every language.

Both ends need to agree on which lines of the onboard tree are likely to be shown to the model, and
the probe has no parser.  So a definition is a line that starts like one, and goes on while lines
are deeper, blank, or inside brackets.  A wrong guess costs some bits and nothing else.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from shared.prompts.text.line_class import WORD, indent, open_brackets
from shared.prompts.text.line_endings import TextForm

MAX_BLOCK_LINES = 200
"""An excerpt has no more lines."""

KEYWORDS = (
    *(b"def ", b"async def ", b"class ", b"cdef ", b"cpdef ", b"fn ", b"pub ", b"impl ", b"func "),
    *(b"struct ", b"enum ", b"union ", b"typedef ", b"namespace ", b"template", b"#define ", b"@"),
)
"""A line that starts so starts a definition, at any indent."""

_CLOSERS = (b"}", b")", b"]", b"{")
_ANNOUNCERS = (b"@", b"template")  # the definition itself follows
_PAUSES = (b"}", b"*/", b"//", b"#", b"@")
_KEPT_TEXTS = 1024
HEADER_COUNTS = 3
"""A word of a definition's first line counts so often: it is what others call it by."""


@dataclass(frozen=True)
class Block:
    """A definition, as far as looks tell.

    Attributes:
        start: its first line, counted from 0.
        end: the line after its last one; at most ``MAX_BLOCK_LINES`` below ``start``.
        words: how often each word stands in it.
        size: the sum of these.
    """

    start: int
    end: int
    words: Mapping[bytes, int]
    size: int


@functools.lru_cache(maxsize=_KEPT_TEXTS)
def text_lines(data: bytes) -> tuple[bytes, ...] | None:
    """A file's lines as the model sees them; None where it is no text in UTF-8, or empty."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return tuple(TextForm.of(data).normalise(data)) or None


@functools.lru_cache(maxsize=_KEPT_TEXTS)
def words_of_text(data: bytes) -> frozenset[bytes]:
    """The words of a file."""
    return frozenset(WORD.findall(data))


@functools.lru_cache(maxsize=_KEPT_TEXTS)
def blocks(data: bytes) -> tuple[Block, ...]:
    """The definitions of a text, in order of their first lines; they may lie in each other."""
    lines = text_lines(data) or ()
    found: list[Block] = []
    before = b""
    for start, line in enumerate(lines):
        if _starts(line, before):
            end = block_end(lines, start)
            words = Counter(WORD.findall(b"".join(lines[start:end])))
            for word in WORD.findall(_header(lines, start, end)):
                words[word] += HEADER_COUNTS - 1
            found.append(Block(start, end, words, words.total()))
        before = line
    return tuple(found)


def block_end(lines: tuple[bytes, ...], start: int) -> int:
    """The line after the block that a line starts, blank lines at its end left out."""
    own = indent(lines[start]) or 0
    most = min(len(lines), start + MAX_BLOCK_LINES)
    depth = max(0, open_brackets(lines[start]))
    announced = lines[start].strip().startswith(_ANNOUNCERS)
    deeper = False
    end = start + 1
    for place in range(start + 1, most):
        text = lines[place].strip()
        if not text:
            continue
        columns = indent(lines[place]) or 0
        if columns > own:
            deeper = True
        elif announced:
            announced = text.startswith((*_ANNOUNCERS, *_CLOSERS))
        elif text.startswith(KEYWORDS) and not (depth and text.startswith(b"#")):
            break
        elif not depth and not text.startswith(_CLOSERS):
            apart = place > end
            if columns < own or deeper or apart:
                break
        depth = max(0, depth + open_brackets(lines[place]))
        end = place + 1
    return end


def _starts(line: bytes, before: bytes) -> bool:
    text, above = line.strip(), before.strip()
    if above.startswith(_ANNOUNCERS):
        return False  # it belongs to what is above
    if text.startswith(KEYWORDS):
        return True
    return WORD.match(line) is not None and (not above or above.startswith(_PAUSES))


def _header(lines: tuple[bytes, ...], start: int, end: int) -> bytes:
    """The first line that is no decorator or the like."""
    for line in lines[start:end]:
        if not line.strip().startswith(_ANNOUNCERS):
            return line
    return lines[start]
