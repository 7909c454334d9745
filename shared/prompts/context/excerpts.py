"""Excerpts of the onboard tree that the model reads before it writes a file.

An excerpt is named by its file's rank, its first line and its number of lines; definitions that
share words with the lines around the change are the likeliest, and their lexical end is the
likeliest end.  Every value that can be read names some lines: there is nothing to be malformed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.errors import RegenerationError
from shared.prompts.text.blocks import MAX_BLOCK_LINES, block_end, text_lines
from shared.prompts.text.file_similarity import Query, rank_blocks, rank_files
from shared.seeds.decisions import Decisions
from shared.tree import Tree

MAX_REFERENCES = 4
"""Excerpts before one file."""

LABEL = "references"

_RANKED = 1 << 24  # what the first of a ranked list weighs, times two
_OTHERS = 1 << 20  # what all lines that start no definition weigh together, about
_LENGTH = 1 << 12
_WHOLE = 3 << 14  # what the lexical end weighs beside all other ends, about three to one


@dataclass(frozen=True)
class Reference:
    """Lines [start, start + lines) of a file on board.

    Attributes:
        path: in the baseline.
        start: the first line, counted from 0.
        lines: how many, 1 to ``MAX_BLOCK_LINES``.
    """

    path: str
    start: int
    lines: int


@dataclass(frozen=True)
class Site:
    """What both ends know of a change before its first line is written.

    Attributes:
        baseline: the tree on board.
        path: of the file.
        old_path: its path on board; None of a new file.
        shown: old lines that the first window shows.
        query: words of these.
    """

    baseline: Tree
    path: str
    old_path: str | None
    shown: range
    query: Query

    def files(self) -> list[str]:
        """The files that an excerpt may come from, likeliest first."""
        outside = False
        if self.old_path is not None:
            outside = len(self.shown) < len(self._lines(self.old_path))
        return rank_files(self.baseline, self.path, self.old_path, outside, self.query)

    def starts(self, path: str) -> NDArray[np.int64]:
        """int64 [lines]: how likely an excerpt of a file starts at each line."""
        lines = len(self._lines(path))
        hidden = self.shown if path == self.old_path else range(0)
        likely = np.full(lines, max(1, _OTHERS // lines), dtype=np.int64)
        ranked = rank_blocks(self.baseline[path].data, hidden, self.query)
        for rank, block in enumerate(ranked):
            likely[block.start] = ranked_weight(rank)
        return likely

    def lengths(self, path: str, start: int) -> NDArray[np.int64]:
        """int64 [most]: how likely an excerpt from this line has 1, 2, ... lines."""
        lines = self._lines(path)
        counts = np.arange(1, min(len(lines) - start, MAX_BLOCK_LINES) + 1)
        likely = _LENGTH // (counts + 4) + 1
        likely[block_end(lines, start) - start - 1] += _WHOLE
        return likely

    def text(self, reference: Reference) -> Sequence[bytes]:
        """The lines of an excerpt."""
        return self._lines(reference.path)[reference.start : reference.start + reference.lines]

    def can_name(self, reference: Reference, files: Sequence[str]) -> bool:
        """Whether there is such an excerpt."""
        if reference.path not in files or reference.start < 0:
            return False
        left = len(self._lines(reference.path)) - reference.start
        return 1 <= reference.lines <= min(left, MAX_BLOCK_LINES)

    def _lines(self, path: str) -> tuple[bytes, ...]:
        return text_lines(self.baseline[path].data) or ()


def ranked_weight(rank: int) -> int:
    """The weight of a rank, from 0: a half of the whole, a sixth, a twelfth, ..., at least 1."""
    return max(1, _RANKED // ((rank + 1) * (rank + 2)))


def transcribe_reference(
    decisions: Decisions, site: Site, files: Sequence[str], wanted: Reference | None
) -> Reference:
    """Writes or reads one excerpt.

    Args:
        decisions: takes what is wanted, or yields what was.
        site: of the change.
        files: ``site.files()``, not empty.
        wanted: the excerpt; None on the probe.

    Raises:
        RegenerationError: on the ground, the excerpt wanted cannot be named.
    """
    if wanted is not None and not site.can_name(wanted, files):
        raise RegenerationError(
            f"{wanted.lines} lines of {wanted.path!r} from {wanted.start} on cannot be shown",
            expected=f"1 to {MAX_BLOCK_LINES} lines of one of {len(files)} texts on board",
        )
    likely = np.array([ranked_weight(rank) for rank in range(len(files))], dtype=np.int64)
    rank = None if wanted is None else files.index(wanted.path)
    path = files[decisions.prompt(likely, rank, LABEL)]
    start = decisions.prompt(site.starts(path), None if wanted is None else wanted.start, LABEL)
    count = None if wanted is None else wanted.lines - 1
    return Reference(path, start, 1 + decisions.prompt(site.lengths(path, start), count, LABEL))
