"""Where hunks sit: weights that both ends compute alike, so that likely places cost few bits.

A locus is the pair (first line, lines removed).  The weights are small integers, fixed here and part
of the wire format's version; they were read off release-to-release patches that no benchmark uses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")


def words(text: bytes) -> frozenset[bytes]:
    """The identifiers and keywords in a piece of code."""
    return frozenset(_WORD.findall(text))


@dataclass
class LocusRanker:
    """Ranks the places where the next hunk of a file may start.

    Attributes:
        lines: the old file's lines.
        gone: words that earlier hunks removed and did not write again: a name that was renamed
            once is likely to be renamed wherever it stands.
    """

    lines: Sequence[bytes]
    gone: set[bytes] = field(default_factory=set)
    _words: list[frozenset[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._words = [words(line) for line in self.lines]

    def starts(self, first: int, fresh: bool) -> NDArray[np.int64]:
        """Weights of each start line from ``first`` to the file's end, then of "no more hunks".

        Args:
            first: the first line where a hunk may start.
            fresh: no hunk came before in this file.

        Returns:
            int64 [len(lines) - first + 2]: the last but one is an append at the end.
        """
        count = len(self.lines) - first + 1
        weights = np.full(count + 1, 16, dtype=np.int64)
        for k, line in enumerate(self.lines[first:]):
            if not line.strip():
                weights[k] = 10
            if self.gone and self._words[first + k] & self.gone:
                weights[k] = 16 * 24
        if fresh:
            weights[-1] = 1  # nothing but the form of the text changes
            return weights
        near = np.arange(count, dtype=np.int64)
        weights[:count] += (16 * 24) // (4 + near)
        weights[-1] = max(1, int(weights[:count].sum()))
        if self.gone and bool((weights[:count] >= 16 * 24).any()):
            weights[-1] = weights[-1] // 2 + 1
        return weights

    def removed(self, start: int, limit: int) -> NDArray[np.int64]:
        """Weights of how many lines a hunk that starts at ``start`` removes: int64 [limit + 1]."""
        counts = np.arange(limit + 1, dtype=np.int64)
        weights = 2400 // ((counts + 1) * (counts + 2)) + 1
        weights[0] = 1400
        if limit:
            weights[1] = 2000
        return weights

    def learn(self, removed: bytes, written: bytes) -> None:
        """Takes note of a hunk."""
        self.gone |= words(removed) - words(written)
        self.gone -= words(written)
