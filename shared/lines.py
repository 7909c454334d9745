"""A file as lines, and the shortest list of edits between two such lists.

The edits decide the bytes of a patch (docs/canonical-patch.md), so every choice among equally
short lists is fixed here: nothing is left to a library or to the version of the language.

Source: E. W. Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1, 1986,
figure 2 (the greedy algorithm, forward).
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

MAX_WORK = 1 << 23
"""Steps of the search after which the rest is taken as replaced whole (a few seconds)."""

_BLANK = b" \t\r\n\f\v"

_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


@dataclass(frozen=True)
class LineEdit:
    """``old[old_start:old_end]`` becomes ``new[new_start:new_end]``; lines are counted from 0."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


def split_lines(data: bytes) -> list[bytes]:
    """The lines of ``data``, each with its newline; the last one may lack it.

    Only ``\\n`` ends a line, so a carriage return is part of its line and
    ``b"".join(split_lines(data)) == data``.
    """
    return _LINE.findall(data)


def line_edits(old: Sequence[bytes], new: Sequence[bytes]) -> tuple[LineEdit, ...]:
    """The edits that turn ``old`` into ``new``, in order, with at least one line between two.

    As few lines as possible are deleted and inserted, unless the search needs more than
    ``MAX_WORK`` steps; then everything between the common beginning and end is replaced.  An edit
    that only inserts or only deletes and could as well sit elsewhere is moved by ``_settle``.
    """
    start = 0
    shorter = min(len(old), len(new))
    while start < shorter and old[start] == new[start]:
        start += 1
    end = 0
    while end < shorter - start and old[-1 - end] == new[-1 - end]:
        end += 1
    kept = _kept_pairs(old[start : len(old) - end], new[start : len(new) - end])
    edits = []
    i = j = start
    for a, b in [*((a + start, b + start) for a, b in kept), (len(old) - end, len(new) - end)]:
        if a > i or b > j:
            edits.append(LineEdit(i, a, j, b))
        i, j = a + 1, b + 1
    return _settle(old, new, edits)


def _kept_pairs(old: Sequence[bytes], new: Sequence[bytes]) -> list[tuple[int, int]]:
    """Indices of the lines that stay: a longest common subsequence, or nothing beyond the cap."""
    numbers = {line: number for number, line in enumerate(dict.fromkeys(old))}
    shared = {numbers[line] for line in set(new) if line in numbers}
    # a line that the other side lacks is never kept, so the search need not see it
    a = [(i, numbers[line]) for i, line in enumerate(old) if numbers[line] in shared]
    b = [(j, numbers[line]) for j, line in enumerate(new) if line in numbers]
    matches = _myers([number for _, number in a], [number for _, number in b])
    return [(a[x][0], b[y][0]) for x, y in matches]


def _myers(a: list[int], b: list[int]) -> list[tuple[int, int]]:
    """Index pairs of a longest common subsequence; empty beyond ``MAX_WORK``."""
    if not a or not b:
        return []
    n, m = len(a), len(b)
    # reach[k]: the furthest x on diagonal k = x - y; k runs negative, which lists index from the
    # end, so the list holds all diagonals that n + m edits can touch, and two more
    reach = [0] * (2 * (n + m) + 3)
    rounds: list[array[int]] = []
    work = 0
    for d in range(n + m + 1):
        for k in range(-d, d + 1, 2):
            down = k == -d or (k != d and reach[k - 1] < reach[k + 1])
            x = reach[k + 1] if down else reach[k - 1] + 1
            y = x - k
            first = x
            while x < n and y < m and a[x] == b[y]:
                x += 1
                y += 1
            work += x - first + 1
            reach[k] = x
            if x >= n and y >= m:
                return _trace_back(rounds, n, m)
        rounds.append(array("q", [reach[k] for k in range(-d, d + 1, 2)]))
        if work > MAX_WORK:
            return []
    return []  # not reached: n + m edits always suffice


def _trace_back(rounds: list[array[int]], n: int, m: int) -> list[tuple[int, int]]:
    """The kept pairs on the path that ended at (n, m) after ``len(rounds)`` edits."""
    pairs = []
    x, y = n, m
    for d in range(len(rounds), 0, -1):
        before = rounds[d - 1]  # diagonals -(d-1), -(d-3), ..., d-1
        k = x - y
        index = (k + d) // 2  # of diagonal k + 1
        down = k == -d or (k != d and before[index - 1] < before[index])
        from_x = before[index] if down else before[index - 1]
        from_y = from_x - (k + 1 if down else k - 1)
        edge = from_x if down else from_x + 1
        while x > edge:
            x -= 1
            y -= 1
            pairs.append((x, y))
        x, y = from_x, from_y
    while x > 0:
        x -= 1
        pairs.append((x, x))
    pairs.reverse()
    return pairs


def _settle(
    old: Sequence[bytes], new: Sequence[bytes], edits: Sequence[LineEdit]
) -> tuple[LineEdit, ...]:
    """Move each pure insertion or deletion to where a reader expects it, from first to last.

    A block of lines inserted (or deleted) can slide by one line wherever the line before it equals
    its last one, or the line after it its first.  If it can slide up until it touches the edit
    before it, the two become one edit, and that is settled in its place.  Else it goes to its
    ``_best_place``, of those that leave a line between it and the next edit.
    """
    settled: list[LineEdit] = []
    coming = list(reversed(edits))
    while coming:
        edit = coming.pop()
        if edit.old_start == edit.old_end:
            lines, start, end = new, edit.new_start, edit.new_end
        elif edit.new_start == edit.new_end:
            lines, start, end = old, edit.old_start, edit.old_end
        else:
            settled.append(edit)
            continue
        # lines that stay: before it, and after it without the last one before the next edit
        above = edit.old_start - (settled[-1].old_end if settled else 0)
        below = (coming[-1].old_start - 1 if coming else len(old)) - edit.old_end
        up = down = 0
        while up < above and lines[start - up - 1] == lines[end - up - 1]:
            up += 1
        while down < below and lines[start + down] == lines[end + down]:
            down += 1
        if settled and up == above:
            coming.append(_joined(settled.pop(), _moved(edit, -up)))
        else:
            place = _best_place(lines, range(start - up, start + down + 1), end - start)
            settled.append(_moved(edit, place - start))
    return tuple(settled)


def _moved(edit: LineEdit, by: int) -> LineEdit:
    return LineEdit(edit.old_start + by, edit.old_end + by, edit.new_start + by, edit.new_end + by)


def _joined(first: LineEdit, second: LineEdit) -> LineEdit:
    return LineEdit(first.old_start, second.old_end, first.new_start, second.new_end)


def _best_place(lines: Sequence[bytes], places: range, size: int) -> int:
    """Where a block of ``size`` lines that may start at any of ``places`` is expected to start.

    First, its first line that is not blank should be indented little (a block that is all blank
    counts as indented most); then, it should follow a blank line or start the file; then, it
    should be far down.  So blocks begin with their heading, decorators and comments included.
    """
    best, least = places[-1], (sys.maxsize, True)
    heading = places[-1] + size  # the first line from a place on that is not blank
    for start in range(places[-1] + size - 1, places[0] - 1, -1):
        if lines[start].strip(_BLANK):
            heading = start
        if start not in places:
            continue
        text = lines[heading] if heading < start + size else b""
        indent = len(text) - len(text.lstrip(_BLANK)) if text else sys.maxsize
        follows_text = start > 0 and bool(lines[start - 1].strip(_BLANK))
        if (indent, follows_text) < least:
            best, least = start, (indent, follows_text)
    return best
