"""Text hunks of a unified diff: read from a patch, applied to the lines of a file.

Strict both ways: a hunk holds exactly the lines its heading counts, and it applies only where its
heading says, with every line of the old file as stated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.diff.reading.cursor import Cursor, patch_error, shown
from shared.lines import split_lines

_HEADING = re.compile(rb"@@ -(\d{1,12})(?:,(\d{1,12}))? \+(\d{1,12})(?:,(\d{1,12}))? @@")

_WRONG_BASELINE = "make the patch against exactly this baseline"


@dataclass(frozen=True)
class Hunk:
    """Lines ``old`` from index ``start`` (from 0) of a file become ``new``.

    ``line_number`` is that of the heading in the patch.
    """

    line_number: int
    start: int
    old: tuple[bytes, ...]
    new: tuple[bytes, ...]


def is_hunk_heading(line: bytes) -> bool:
    """Whether ``line`` starts a text hunk."""
    return _HEADING.match(line) is not None


def read_hunks(cursor: Cursor) -> tuple[Hunk, ...]:
    """All hunks from the current line on.

    Raises:
        PatchError: no hunk there, or one with more or fewer lines than it counts.
    """
    if not is_hunk_heading(cursor.peek()):
        raise cursor.refusal(
            f"found {shown(cursor.peek())}" if cursor.peek() else "the patch ends",
            expected="'@@ -start,count +start,count @@' after the names of the file",
            remedy="get the whole patch",
        )
    hunks = []
    while cursor.peek().startswith(b"@@ "):
        hunks.append(_read_hunk(cursor))
    return tuple(hunks)


def _read_hunk(cursor: Cursor) -> Hunk:
    at = cursor.line_number
    match = _HEADING.match(cursor.peek())
    if match is None:
        raise cursor.refusal(
            f"found {shown(cursor.peek())}", expected="'@@ -start,count +start,count @@'"
        )
    cursor.take()
    start, old_count = int(match[1]), int(match[2] or 1)
    new_count = int(match[4] or 1)
    if old_count and not start:
        raise cursor.refusal("lines from line 0", expected="lines from 1 on", line_number=at)
    sides = _Sides(old_count, new_count)
    while sides.old_left or sides.new_left:
        sides.take(cursor, at)
    _refuse_more(cursor)
    if sides.old == sides.new:
        raise cursor.refusal(
            "a hunk that changes nothing",
            expected="lines that start with '-' or '+'",
            remedy="leave out git diff --word-diff and other options that change its form",
            line_number=at,
        )
    # a heading names the line before an empty range, and the first line of any other
    return Hunk(at, start - 1 if old_count else start, tuple(sides.old), tuple(sides.new))


class _Sides:
    """The old and new lines of a hunk while it is read, and how many are still to come."""

    def __init__(self, old_left: int, new_left: int) -> None:
        self.old_left, self.new_left = old_left, new_left
        self.old: list[bytes] = []
        self.new: list[bytes] = []

    def take(self, cursor: Cursor, heading: int) -> None:
        """Read one line, and the note after it if it has no newline."""
        line = cursor.peek()
        # some mailers strip the blank of an empty context line
        mark, text = (b" ", line) if line == b"\n" else (line[:1], line[1:])
        in_old, in_new = mark in (b" ", b"-"), mark in (b" ", b"+")
        if not (in_old or in_new) or in_old > self.old_left or in_new > self.new_left:
            raise cursor.refusal(
                f"found {shown(line)}" if line else "the patch ends",
                expected=f"{self.old_left} more old and {self.new_left} more new lines in the"
                f" hunk of line {heading}",
                remedy="get the whole patch, unedited",
            )
        cursor.take()
        if cursor.peek().startswith(b"\\ "):
            if in_old > (self.old_left == 1) or in_new > (self.new_left == 1):
                raise cursor.refusal(
                    "a line without newline is followed by others",
                    expected=f"it to be the last of the hunk of line {heading}",
                )
            cursor.take()
            text = text[:-1]
        if in_old:
            self.old.append(text)
            self.old_left -= 1
        if in_new:
            self.new.append(text)
            self.new_left -= 1


def _refuse_more(cursor: Cursor) -> None:
    """Refuse what looks like more lines of the hunk that was just read in full."""
    line = cursor.peek()
    if line[:1] not in (b" ", b"+", b"-", b"\\") or line in (b"-- \n", b"--\n"):
        return  # "-- " starts the signature of a mail
    if line.startswith(b"--- ") and cursor.peek(1).startswith(b"+++ "):
        return
    raise cursor.refusal(
        f"found {shown(line)}",
        expected="no more lines in this hunk, by its heading",
        remedy="get the whole patch, unedited",
    )


def apply_hunks(data: bytes, hunks: Sequence[Hunk], path: str) -> bytes:
    """The file that ``hunks`` make of ``data``.

    Args:
        data: the old file.
        hunks: in the order of the file.
        path: its name, for refusals.

    Raises:
        PatchError: a hunk does not fit at its place.
    """
    lines = split_lines(data)
    out: list[bytes] = []
    at = 0
    for hunk in hunks:
        if hunk.start < at:
            raise patch_error(
                hunk.line_number,
                path,
                f"a hunk at line {hunk.start + 1} after one that went to line {at}",
                expected="hunks in the order of the file, without overlap",
            )
        _check_old_lines(lines, hunk, path)
        _extend(out, lines[at : hunk.start], hunk, path)
        _extend(out, hunk.new, hunk, path)
        at = hunk.start + len(hunk.old)
    if hunks:
        _extend(out, lines[at:], hunks[-1], path)
    return b"".join(out) if hunks else data


def _extend(out: list[bytes], lines: Sequence[bytes], hunk: Hunk, path: str) -> None:
    """Append ``lines``; refuse to put any after a line without newline."""
    if out and lines and not out[-1].endswith(b"\n"):
        raise patch_error(
            hunk.line_number,
            path,
            f"{shown(out[-1])} has no newline but is followed by {shown(lines[0])}",
            expected="only the last line of a file to lack its newline",
            remedy=_WRONG_BASELINE,
        )
    out.extend(lines)


def _check_old_lines(lines: list[bytes], hunk: Hunk, path: str) -> None:
    """Refuse a hunk whose old lines are not what the file has at that place."""
    for index, line in enumerate(hunk.old, hunk.start):
        if index >= len(lines) or lines[index] != line:
            found = shown(lines[index]) if index < len(lines) else "the end of the file"
            raise patch_error(
                hunk.line_number,
                path,
                f"line {index + 1} of the file is {found}",
                expected=shown(line),
                remedy=_WRONG_BASELINE,
            )
    if hunk.start > len(lines):
        raise patch_error(
            hunk.line_number,
            path,
            f"the file has {len(lines)} lines",
            expected=f"at least {hunk.start}",
            remedy=_WRONG_BASELINE,
        )
