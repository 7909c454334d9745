"""Which text of a changed file the patch brought in: only that may be proposed otherwise."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from functools import cached_property

from shared.lines import LineEdit, line_edits, split_lines
from shared.tree import Change, Tree, changes


@dataclass(frozen=True)
class Added:
    """A changed file and its added lines.

    Attributes:
        path: in the target.
        old: its text on board; b"" for a new file.
        new: its text as the engineer wrote it.
        edits: the canonical changes of lines.
    """

    path: str
    old: bytes
    new: bytes
    edits: tuple[LineEdit, ...]

    @classmethod
    def of(cls, path: str, old: bytes, new: bytes) -> Added:
        """Finds the added lines."""
        return cls(path, old, new, line_edits(split_lines(old), split_lines(new)))

    @cached_property
    def starts(self) -> list[int]:
        """Offset of each line of ``new``, and the end of the file."""
        places = [0]
        for line in split_lines(self.new):
            places.append(places[-1] + len(line))
        return places

    @cached_property
    def _lines(self) -> frozenset[int]:
        return frozenset(k for edit in self.edits for k in range(edit.new_start, edit.new_end))

    def holds(self, start: int, end: int) -> bool:
        """Whether all lines of ``new[start:end]`` are added ones."""
        first, last = self.line(start), self.line(max(start, end - 1))
        return all(line in self._lines for line in range(first, last + 1))

    def line(self, offset: int) -> int:
        """The line of an offset, counted from 0."""
        return max(0, min(bisect.bisect_right(self.starts, offset) - 1, len(self.starts) - 2))

    def spans(self) -> list[tuple[int, int]]:
        """Start and end of each run of added lines."""
        return [
            (self.starts[edit.new_start], self.starts[edit.new_end])
            for edit in self.edits
            if edit.new_end > edit.new_start
        ]


def added_texts(base: Tree, target: Tree) -> tuple[Added, ...]:
    """The files that a patch changes or adds, with what it brings in."""
    return tuple(
        Added.of(change.path, _old(change), change.new.data)
        for change in changes(base, target)
        if change.new is not None
        and change.new.mode.is_file
        and (change.old is None or change.old.mode.is_file)
        and change.new.data != _old(change)
    )


def _old(change: Change) -> bytes:
    return b"" if change.old is None else change.old.data
