"""Where in the new text each token stands: from what was written to lines, pieces and bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from groundstation.explain.attribution import HUNKS, FileTold, HunkTold, Writing
from groundstation.replay.record import Decided
from shared.errors import RegenerationError
from shared.lines import split_lines
from shared.prompts.language_model.vocabulary import Vocabulary
from shared.prompts.text.line_endings import TextForm
from shared.tree import Change

AROUND = 3
"""Unchanged lines told above and below a hunk."""


@dataclass(frozen=True)
class Token:
    """A token of the new text.

    Attributes:
        spelling: its bytes; those before ``text`` were known already (the seam).
        text: those of its bytes that stand in the new text, in one line or several.
        expected: what the model would rather have written.
        bits: what it costs, ideally.
        line: the line in which its first byte stands, counted from 1.
        column: of that byte in the line, in bytes counted from 0.
    """

    spelling: bytes
    text: bytes
    expected: bytes
    bits: float
    line: int
    column: int


@dataclass(frozen=True)
class Piece:
    """A part of a line.

    Attributes:
        text: its bytes; b"" for a token that spells nothing but what was known.
        token: who wrote it; None where it was kept from the old line.
    """

    text: bytes
    token: Token | None


@dataclass(frozen=True)
class Line:
    """A line of the new text that a hunk holds.

    Attributes:
        number: in the new file, counted from 1.
        pieces: joined they are the line, newline included.
        bits: of the tokens that begin in it.
    """

    number: int
    pieces: tuple[Piece, ...]
    bits: float

    @property
    def text(self) -> bytes:
        """The line, newline included."""
        return b"".join(piece.text for piece in self.pieces)

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens whose bits are the line's."""
        own = (piece.token for piece in self.pieces)
        return tuple(token for token in own if token is not None and token.line == self.number)


@dataclass(frozen=True)
class HunkCost:
    """A changed place.

    Attributes:
        old_line: the first old line, counted from 1.
        new_line: the first new line, counted from 1.
        gone: the old lines that it removes.
        lines: the new lines in their place.
        above: unchanged lines before it.
        below: unchanged lines after it.
        shown: what the model was given since it wrote last, or since it began to read.
        bits_of: by label; "" for the tokens of the text.
    """

    old_line: int
    new_line: int
    gone: tuple[bytes, ...]
    lines: tuple[Line, ...]
    above: tuple[bytes, ...]
    below: tuple[bytes, ...]
    shown: bytes
    bits_of: tuple[tuple[str, float], ...]

    @property
    def bits(self) -> float:
        """All of it."""
        return sum(bits for _, bits in self.bits_of)


def by_label(decided: Sequence[Decided]) -> tuple[tuple[str, float], ...]:
    """Bits by label, in the order of their first decision; "" for the tokens of the text."""
    found: dict[str, float] = {}
    for one in decided:
        label = one.label or ("" if one.is_token else "other")
        found[label] = found.get(label, 0.0) + one.bits
    return tuple(found.items())


def hunks_of(
    told: FileTold, change: Change, decided: Sequence[Decided], vocabulary: Vocabulary
) -> tuple[HunkCost, ...]:
    """The hunks of one change with the lines that they write.

    Args:
        told: the change as its decisions tell it.
        change: the same as the trees tell it.
        decided: all decisions of the message.
        vocabulary: spells tokens.

    Raises:
        RegenerationError: what was written is not what stands in the new file: a defect.
    """
    old = _lines(None if change.old is None else change.old.data)
    new = _lines(None if change.new is None else change.new.data)
    if told.writing is not None:
        whole = tuple(_located(told.writing, new, 0, decided, vocabulary))
        tokens = by_label(decided[told.writing.first : told.writing.last])
        return (HunkCost(1, 1, (), whole, (), (), told.writing.shown, tokens),)
    costs: list[HunkCost] = []
    shift = told_to = 0
    starts = [len(old) + 2 - hunk.from_end for hunk in told.hunks]
    for hunk, start, following in zip(told.hunks, starts, [*starts[1:], len(old)], strict=False):
        first, end = start + shift, start + hunk.removed
        written = _written(hunk, decided)
        lines = [
            Line(first + k + 1, (Piece(text, None),), 0.0)
            for k, text in enumerate(new[first : first + written])
        ]
        if hunk.writing is not None:
            lines = _located(hunk.writing, new[first : first + written], first, decided, vocabulary)
        above = range(max(told_to, start - AROUND), start)
        told_to = min(following, end + AROUND)
        costs.append(
            HunkCost(
                old_line=start + 1,
                new_line=first + 1,
                gone=tuple(old[start:end]),
                lines=tuple(lines),
                above=tuple(old[above.start : above.stop]),
                below=tuple(old[end:told_to]),
                shown=b"" if hunk.writing is None else hunk.writing.shown,
                bits_of=by_label([decided[k] for k in hunk.decided]),
            )
        )
        shift += written - hunk.removed
    return tuple(costs)


def _lines(data: bytes | None) -> list[bytes]:
    """Lines as the model sees them."""
    return [] if data is None else TextForm.of(data).normalise(data)


def _written(hunk: HunkTold, decided: Sequence[Decided]) -> int:
    """How many lines a hunk writes."""
    if hunk.writing is not None:
        return hunk.writing.span.lines or 1
    # a deletion is said at once; a line of which a middle part goes takes more to say
    return int(sum(decided[k].label == HUNKS for k in hunk.decided) > 1)


def _located(
    writing: Writing,
    new: Sequence[bytes],
    before: int,
    decided: Sequence[Decided],
    vocabulary: Vocabulary,
) -> list[Line]:
    """The tokens of a span, laid over the lines that it wrote.

    Args:
        writing: the span.
        new: the new lines that it is in.
        before: how many lines of the new file come before them.
        decided: all decisions of the message.
        vocabulary: spells tokens.
    """
    rows = _rows(writing, new)
    tokens: list[tuple[int, int, Token]] = []
    place = -writing.seam
    for one in decided[writing.first : writing.last]:
        spelling = vocabulary.spelling[one.index]
        start, end = place, place + len(spelling)
        place = end
        row = max((k for k, (begin, *_) in enumerate(rows) if begin <= max(start, 0)), default=0)
        begin, kept, mark, _ = rows[row]
        text = b"".join(_overlap(start, end, each) for each in rows)
        column = kept + max(0, max(start, 0) - begin - mark)
        expected = vocabulary.spelling[one.expected]
        found = Token(spelling, text, expected, one.bits, before + row + 1, column)
        tokens.append((start, end, found))
    lines = []
    for number, (row_of, line) in enumerate(zip(rows, new, strict=True), before + 1):
        _, kept, _, text = row_of
        pieces = [Piece(line[:kept], None)] if kept else []
        for start, end, token in tokens:
            part = _overlap(start, end, row_of)
            if part or token.line == number:
                pieces.append(Piece(part, token))
        if tail := line[kept + len(text) :]:
            pieces.append(Piece(tail, None))
        bits = sum(token.bits for *_, token in tokens if token.line == number)
        lines.append(Line(number, tuple(pieces), bits))
    return lines


_Row = tuple[int, int, int, bytes]
"""Of a line: where its written part begins in the span, how many bytes of the line are kept before
that, how many bytes of it are the mark of a prompt's shape, and the written part without the mark.
"""


def _rows(writing: Writing, new: Sequence[bytes]) -> list[_Row]:
    """How a span's text lies in lines.

    Raises:
        RegenerationError: it does not.
    """
    if writing.span.tokens:
        tail = writing.text + writing.span.resume
        if len(new) == 1 and new[0].endswith(tail):
            return [(0, len(new[0]) - len(tail), 0, writing.text)]
        raise _elsewhere()
    rows: list[_Row] = []
    place = 0
    written = split_lines(writing.text)
    if len(written) != len(new):
        raise _elsewhere()
    for line, there in zip(written, new, strict=True):
        if not line.endswith(there):
            raise _elsewhere()
        rows.append((place, 0, len(line) - len(there), there))
        place += len(line)
    return rows


def _overlap(start: int, end: int, row: _Row) -> bytes:
    """What bytes [start, end) of a span are of a line's written part."""
    begin, _, mark, text = row
    first = begin + mark
    return text[max(0, start - first) : max(0, end - first)]


def _elsewhere() -> RegenerationError:
    return RegenerationError(
        "a text that the model wrote is not found where its decisions put it",
        expected="the lines of the regenerated file",
        remedy="report a defect of this program; the message itself may be good",
    )
