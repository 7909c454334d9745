"""PPMd primed with the old file: hunk positions and added lines, as bytes that decode.

PPMd (variant H with the 7-Zip range coder, order 6) learns the old file first and then codes the
added lines.  Published figures for this peer are the *difference* of two encoded sizes, which
leaves out termination and was not decoded.  Here the message is real.  A range coder's output is
a number: coding ``old`` leaves the interval from ``E(old)`` to ``E(old, end mark)`` (the end mark
is the escape above all symbols), and coding ``old + text`` leaves a part of it.  Both ends can
compute the first two, so only the position inside, relative to them, has to be sent, in the same
exact interval code as the hunk positions.  The decoder adds it back to ``E(old)``, gives that to
PPMd, throws the old file away and reads lines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from groundstation.peers.container import varint
from groundstation.peers.nested import Nest, Unnest
from shared.errors import PatchError
from shared.lines import line_edits, split_lines

ORDER = 6
MEMORY_BYTES = 16 << 20
CHUNK_BYTES = 512
MOST_LINES = 1 << 24
MOST_TEXT_BYTES = 1 << 26
CROWD = 16
"""Hunks still to come beyond this number do not sharpen the next one's position any more."""


@dataclass(frozen=True)
class Hunk:
    """``gap`` lines after the last hunk, ``deleted`` lines go and ``added`` lines come."""

    gap: int
    deleted: int
    added: int


def encode(old: bytes, new: bytes) -> bytes:
    """The payload that turns ``old`` into ``new``; ``b""`` is the shortest there is.

    Raises:
        PatchError: more text or lines than ``decode`` takes.
    """
    before, after = split_lines(old), split_lines(new)
    hunks, text = _hunks(before, after)
    if len(text) > MOST_TEXT_BYTES - CHUNK_BYTES or max(len(before), len(after)) > MOST_LINES:
        raise PatchError(
            f"{len(text)} bytes of new text, {max(len(before), len(after))} lines",
            expected=f"at most {MOST_TEXT_BYTES - CHUNK_BYTES} bytes and {MOST_LINES} lines",
        )
    nest = Nest()
    _put_hunks(nest, hunks, len(before))
    if _may_end_open(hunks, len(before)):
        is_open = not after[-1].endswith(b"\n")
        nest.narrow(*_OPEN_END[is_open], 16)
        text += b"\n" if is_open else b""
    if text:
        low, high = _fraction(_ppmd(old)), _fraction(_ppmd(old, end_mark=True))
        start, end = _fraction(_ppmd(old + text)), _fraction(_ppmd(old + text, end_mark=True))
        whole = max(part[1] for part in (low, high, start, end))
        base, top, first, last = (number * (whole // of) for number, of in (low, high, start, end))
        nest.narrow(first - base, last - first, top - base)
    return nest.finish()


def decode(old: bytes, payload: bytes) -> bytes:
    """The new file.

    Raises:
        PatchError: ``payload`` does not decode with this old file.
    """
    before = split_lines(old)
    unnest = Unnest(payload)
    hunks = _take_hunks(unnest, len(before))
    is_open = False
    if _may_end_open(hunks, len(before)):
        is_open = unnest.slot(16) >= _OPEN_END[True][0]
        unnest.enter(*_OPEN_END[is_open], 16)
    needed = sum(hunk.added for hunk in hunks)
    lines = _take_text(old, unnest.fraction(), needed, len(payload)) if needed else []
    result, position, taken = [], 0, 0
    for hunk in hunks:
        result += before[position : position + hunk.gap] + lines[taken : taken + hunk.added]
        position += hunk.gap + hunk.deleted
        taken += hunk.added
    text = b"".join(result + before[position:])
    return text[:-1] if is_open else text


def difference_bytes(old: bytes, new: bytes) -> int:
    """The figure in the convention of published numbers: positions in the text, sizes subtracted.

    Each hunk is three variable-length numbers (gap, deleted, added) and its added lines, all coded
    by PPMd after the old file; no termination, not decodable by itself.
    """
    hunks, _ = _hunks(split_lines(old), split_lines(new))
    after, payload, line = split_lines(new), bytearray(varint(len(hunks))), 0
    for hunk in hunks:
        payload += varint(hunk.gap) + varint(hunk.deleted) + varint(hunk.added)
        line += hunk.gap
        payload += b"".join(after[line : line + hunk.added])
        line += hunk.added
    return len(_ppmd(old + bytes(payload))) - len(_ppmd(old))


# --- positions --------------------------------------------------------------------------------

_OPEN_END = {False: (0, 15), True: (15, 1)}


def _hunks(before: Sequence[bytes], after: Sequence[bytes]) -> tuple[list[Hunk], bytes]:
    hunks, text, position = [], b"", 0
    for edit in line_edits(before, after):
        hunks.append(
            Hunk(
                edit.old_start - position,
                edit.old_end - edit.old_start,
                edit.new_end - edit.new_start,
            )
        )
        text += b"".join(after[edit.new_start : edit.new_end])
        position = edit.old_end
    return hunks, text


def _may_end_open(hunks: Sequence[Hunk], lines: int) -> bool:
    """Whether the new file ends in added lines, the last of which may lack its line end."""
    used = sum(hunk.gap + hunk.deleted for hunk in hunks)
    return bool(hunks) and hunks[-1].added > 0 and used == lines


def _gap_shares(gap: int, room: int, left: int) -> tuple[int, int, int]:
    """Start, share and total of a gap when ``left`` hunks are spread evenly over ``room`` lines.

    With every set of places equally likely, ``C(room - gap + left, left)`` of the
    ``C(room + left, left)`` sets leave a gap of at least ``gap``.
    """
    total = math.comb(room + left, left)
    least = math.comb(room - gap + left, left)
    return total - least, math.comb(room - gap + left - 1, left - 1), total


def _put_hunks(nest: Nest, hunks: Sequence[Hunk], lines: int) -> None:
    nest.put_universal(len(hunks) + 1)
    room = lines
    for index, hunk in enumerate(hunks):
        least = 1 if index else 0
        nest.narrow(*_gap_shares(hunk.gap - least, room - least, min(CROWD, len(hunks) - index)))
        room -= hunk.gap
        _put_counts(nest, hunk)
        room -= hunk.deleted


def _take_hunks(unnest: Unnest, lines: int) -> list[Hunk]:
    count = unnest.take_universal(lines + 2) - 1
    hunks, room = [], lines
    for index in range(count):
        least = 1 if index else 0
        if room < least:
            raise PatchError("more hunks in the payload than the old file has room for")
        gap = least + _take_gap(unnest, room - least, min(CROWD, count - index))
        room -= gap
        deleted, added = _take_counts(unnest)
        room -= deleted
        if room < 0:
            raise PatchError("a hunk in the payload reaches beyond the end of the old file")
        hunks.append(Hunk(gap, deleted, added))
    return hunks


def _take_gap(unnest: Unnest, room: int, left: int) -> int:
    slot = unnest.slot(math.comb(room + left, left))
    low, high = 0, room
    while low < high:
        middle = (low + high + 1) // 2
        if _gap_shares(middle, room, left)[0] <= slot:
            low = middle
        else:
            high = middle - 1
    unnest.enter(*_gap_shares(low, room, left))
    return low


# Sixteenths, from the hunks of other releases than those the figures are reported on.
_DELETED = {"none": (0, 4), "one": (4, 8), "more": (12, 4)}
_ADDED = {"same": (0, 9), "none": (9, 2), "other": (11, 5)}


def _put_counts(nest: Nest, hunk: Hunk) -> None:
    nest.narrow(*_DELETED[("none", "one", "more")[min(hunk.deleted, 2)]], 16)
    if hunk.deleted > 1:
        nest.put_universal(hunk.deleted - 1)
    if hunk.deleted == 0:
        nest.put_universal(hunk.added)
        return
    kind = "same" if hunk.added == hunk.deleted else "other" if hunk.added else "none"
    nest.narrow(*_ADDED[kind], 16)
    if kind == "other":
        nest.put_universal(hunk.added)


def _take_counts(unnest: Unnest) -> tuple[int, int]:
    kind = _take_kind(unnest, _DELETED)
    deleted = {"none": 0, "one": 1}.get(kind, -1)
    if deleted < 0:
        deleted = unnest.take_universal(MOST_LINES) + 1
    if deleted == 0:
        return 0, unnest.take_universal(MOST_LINES)
    kind = _take_kind(unnest, _ADDED)
    added = {"same": deleted, "none": 0}.get(kind, -1)
    return deleted, added if added >= 0 else unnest.take_universal(MOST_LINES)


def _take_kind(unnest: Unnest, shares: dict[str, tuple[int, int]]) -> str:
    slot = unnest.slot(16)
    kind = next(kind for kind, (start, share) in shares.items() if slot < start + share)
    unnest.enter(*shares[kind], 16)
    return kind


# --- text -------------------------------------------------------------------------------------


def _ppmd(data: bytes, *, end_mark: bool = False) -> bytes:
    import pyppmd

    encoder = pyppmd.Ppmd7Encoder(ORDER, MEMORY_BYTES)
    return bytes(encoder.encode(data) + encoder.flush(endmark=end_mark))


def _fraction(coded: bytes) -> tuple[int, int]:
    """A range coder's output as a fraction: numerator and denominator."""
    return int.from_bytes(coded, "big"), 1 << (8 * len(coded))


def _take_text(old: bytes, place: tuple[int, int], lines: int, payload_bytes: int) -> list[bytes]:
    """The first ``lines`` lines that PPMd reads after the old file.

    Args:
        old: the old file.
        place: where in the interval that ``old`` leaves, as numerator and denominator.
        lines: how many lines to read.
        payload_bytes: size of the payload, which bounds the precision that its number needs.

    Raises:
        PatchError: the payload does not lead to as many lines.
    """
    (low, low_whole), (high, high_whole) = (
        _fraction(_ppmd(old)),
        _fraction(_ppmd(old, end_mark=True)),
    )
    whole = max(low_whole, high_whole)
    low, high = low * (whole // low_whole), high * (whole // high_whole)
    size = (whole.bit_length() - 1) // 8 + 2 * payload_bytes + 64
    number = ((low * place[1] + (high - low) * place[0]) << (8 * size)) // (whole * place[1])
    reader = _Reader(old, number.to_bytes(size, "big"))
    text = b""
    while text.count(b"\n") < lines:
        try:
            chunk = reader.read(CHUNK_BYTES)
        except ValueError:
            # It may be what follows the text that is none: a text ends within a chunk, and behind
            # it stands whatever the number goes on with.  A reader that failed is of no use.
            reader = _Reader(old, number.to_bytes(size, "big"))
            chunk = _singly(reader, len(text), lines - text.count(b"\n"))
        text += chunk
        ended = reader.ended and text.count(b"\n") < lines
        if not chunk or ended or len(text) > MOST_TEXT_BYTES:
            raise PatchError(f"the text in the payload ends before its {lines} lines are complete")
    return [line + b"\n" for line in text.split(b"\n")[:lines]]


class _Reader:
    """PPMd that has read the old file, and goes on from there.

    Args:
        old: the old file.
        number: that codes it and what follows, as bytes.

    Raises:
        PatchError: the number does not code the old file.
    """

    def __init__(self, old: bytes, number: bytes) -> None:
        import pyppmd

        self._decoder = pyppmd.Ppmd7Decoder(ORDER, MEMORY_BYTES)
        self._ended = False
        # Behind the number goes what is less than one of its last unit, which its interval has room
        # for, and enough of it for one more chunk.  Not zeros: the library takes a remainder of
        # nought for the end mark, wherever in the text the number's own digits end.
        self._padding = b"\x55" * (4 * CHUNK_BYTES)
        try:
            again = self._decoder.decode(number + self._padding, len(old))
        except ValueError as error:
            raise PatchError(f"the payload is no number that PPMd can read: {error}") from error
        if again != old:
            raise PatchError("the payload does not continue this old file")

    @property
    def ended(self) -> bool:
        """Whether the end mark came; beyond it the library reads memory that is not its own."""
        return self._ended

    def read(self, size: int) -> bytes:
        """So many more bytes; fewer at the end.

        Raises:
            ValueError: that is no text.
        """
        found = bytes(self._decoder.decode(self._padding, size))
        self._ended = bool(self._decoder.eof) and len(found) < size
        return found


def _singly(reader: _Reader, skip: int, lines: int) -> bytes:
    """The next lines, and not a byte more.

    Args:
        reader: that has read the old file.
        skip: bytes of the text before them.
        lines: how many.

    Raises:
        PatchError: there is no text of so many lines.
    """
    found = bytearray()
    try:
        while skip > 0 and (passed := reader.read(min(skip, CHUNK_BYTES))):
            skip -= len(passed)
        while lines > 0 and not reader.ended and (byte := reader.read(1)):
            found += byte
            lines -= byte == b"\n"
    except ValueError as error:
        raise PatchError(f"the payload is no text that PPMd wrote: {error}") from error
    return bytes(found)
