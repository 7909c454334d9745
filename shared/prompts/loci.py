"""Where hunks sit: weights that both ends compute alike, so that likely places cost few bits.

A place is the first old line that a hunk removes, or that it is inserted before.  Its weight is
a product of small factors: how near it is to the last hunk (or to the head of the file), what kind
of line stands there and before it, whether it holds a name that earlier hunks did away with, and
how much it resembles lines that they removed.  The factors are powers of 2**(1/8), added up as
integers.  They were fitted by maximum likelihood to places in changes between releases of packages
that no benchmark patch is of (``benchmarks/fit_loci.py``), and belong to the codec.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")

# All in eighths of an octave.
_NEAR_HEAD = np.array([22, 15, 18, 11, 2, 0, -5, -9, -14, -20, -13, -8])
_NEAR_LAST = np.array([37, 30, 22, 15, 7, 1, -5, -11, -21, -28, -30, -20])
_KIND_HERE = np.array([-4, 7, 3, 0, -1, 14, -14, -4, 1, 3, -5, -1, 1])
_KIND_BEFORE = np.array([5, 2, 2, 8, -2, -11, 0, 1, -2, -1, 6, -4, -3])
_GONE = 16
_RESEMBLING = np.array([0, 6, 15, 23, 28, 36])
_OFFSET = 96  # keeps every sum positive
_OCTAVE = np.array([256, 279, 304, 332, 362, 395, 431, 470], dtype=np.int64)  # 256 * 2**(k/8)

_MORE_PER_END = (4, 3, 3, 4, 3)  # lines' weight per weight of "no more", by hunks before
_REMOVED = np.array([292, 522, 78, 38, 25, 9, 7, 6, 4], dtype=np.int64) * 64

_BRANCHES = (
    *(b"if ", b"if(", b"elif ", b"else", b"for ", b"while "),
    *(b"try", b"except", b"with ", b"switch", b"case "),
)
_COMMENTS = (b"# ", b"//", b"/*", b"* ", b"*/")


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
        not _WORD.search(text),
        text.startswith((b"return", b"raise", b"break", b"continue", b"pass")),
        text.startswith(_BRANCHES),
        text.startswith(b"@"),
        text.startswith(b"#"),
        True,
    )
    return 1 + kinds.index(True)


_NEAR_ENDS = 1 << np.arange(1, len(_NEAR_HEAD), dtype=np.int64)  # 2, 4, 8, ..., 2048


@dataclass
class LocusRanker:
    """Ranks the places where the next hunk of a file may start.

    Attributes:
        lines: the old file's lines.
    """

    lines: Sequence[bytes]
    _words: list[frozenset[bytes]] = field(default_factory=list)
    _places: dict[bytes, NDArray[np.int64]] = field(default_factory=dict)
    _gone: set[bytes] = field(default_factory=set)
    _compared: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._words = [frozenset(_WORD.findall(line)) for line in self.lines]
        places: dict[bytes, list[int]] = {}
        for place, words in enumerate(self._words):
            for word in words:
                places.setdefault(word, []).append(place)
        self._places = {word: np.array(found) for word, found in places.items()}
        self._sizes = np.array([len(words) for words in self._words], dtype=np.int64)
        # the place after the last line counts as a blank line
        self._kind = np.array([*(kind_of_line(line) for line in self.lines), 0])
        self._resembling = np.zeros(len(self.lines) + 1, dtype=np.int64)

    def starts(self, first: int, hunks: int) -> NDArray[np.int64]:
        """Weights of each start line from ``first`` to the file's end, then of "no more hunks".

        Args:
            first: the first line where a hunk may start.
            hunks: how many hunks came before in this file.

        Returns:
            int64 [len(lines) - first + 2]: the last but one is an append at the end.
        """
        near, here, before, gone, resembling = self.features(first)
        score = (_NEAR_LAST if hunks else _NEAR_HEAD)[near] + _OFFSET
        score += _KIND_HERE[here] + _KIND_BEFORE[before] + _GONE * gone + _RESEMBLING[resembling]
        lines = _OCTAVE[score & 7] << (score >> 3)
        share = _MORE_PER_END[min(hunks, len(_MORE_PER_END)) - 1] if hunks else 1 << 12
        return np.append(lines, max(1, int(lines.sum()) // share))

    def features(self, first: int) -> NDArray[np.int64]:
        """What the weights of places are made of.

        Args:
            first: the first line where a hunk may start.

        Returns:
            int64 [5, len(lines) - first + 1]: of each place how far it is (0 to 11), the kind of
            the line there and of the line before, whether it names what is gone, and how much it
            resembles what was removed.
        """
        count = len(self.lines) - first + 1
        near = np.searchsorted(_NEAR_ENDS, np.arange(1, count + 1), side="right")
        before = np.concatenate([self._kind[len(self.lines) :], self._kind[:-1]])
        gone = np.zeros(len(self.lines) + 1, dtype=np.int64)
        for word in self._gone:
            gone[self._places[word]] = 1
        return np.stack(
            [near, self._kind[first:], before[first:], gone[first:], self._resembling[first:]]
        )

    def removed(self, limit: int) -> NDArray[np.int64]:
        """Weights of how many lines a hunk removes, 0 to ``limit``: int64 [limit + 1]."""
        counts = np.arange(limit + 1, dtype=np.int64)
        weights = 64 * 159 // (counts * counts + 1) + 1
        weights[: len(_REMOVED)] = _REMOVED[: limit + 1]
        return weights

    def learn(self, removed: Sequence[int], written: bytes) -> None:
        """Takes note of a hunk that removed these lines and wrote this text."""
        new = set(_WORD.findall(written))
        for place in removed:
            self._gone |= self._words[place]
            self._find_resembling(place)
        self._gone -= new

    def _find_resembling(self, place: int) -> None:
        """Marks lines by the share of words that they have in common with one that was removed."""
        mine = self._words[place]
        if not mine or self.lines[place] in self._compared:
            return
        self._compared.add(self.lines[place])
        common = np.bincount(np.concatenate([self._places[word] for word in mine]))
        others = np.flatnonzero(common)
        shared = common[others]
        union = len(mine) + self._sizes[others] - shared
        # shares of a fifth, a third, a half, three quarters; the same line
        shares = [5 * shared >= union, 3 * shared >= union]
        degree = np.sum([*shares, 2 * shared >= union, 4 * shared >= 3 * union], axis=0)
        for k in np.flatnonzero(shared == union):
            if self.lines[others[k]] == self.lines[place]:
                degree[k] = 5
        self._resembling[others] = np.maximum(self._resembling[others], degree)
