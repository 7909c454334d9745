"""Where hunks sit: weights that both ends compute alike, so that likely places cost few bits.

A place is the first old line that a hunk removes, or that it is inserted before.  Its weight is
a product of small factors: how near it is to the last hunk (or to the head of the file), what kind
of line stands there and before it, whether it holds a name that earlier hunks did away with, and
how much it resembles lines that they removed.  The factors are powers of 2**(1/8), added up as
integers.  They were fitted by maximum likelihood to places in release-to-release changes of 47
packages and belong to the wire format.  Benchmark files were to be left out, but by a mistake of
paths 16 of the listed C patches were among them: the next fit must leave out whole packages.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")

# All in eighths of an octave.
_NEAR_HEAD = np.array([25, 16, 12, 8, 0, -5, -10, -18, -20, -23, -33, -39])
_NEAR_LAST = np.array([36, 24, 15, 6, -2, -13, -21, -29, -36, -46, -57, -59])
_KIND_HERE = np.array([-6, 6, 5, 2, -4, 12, -1, -9, -2, -1, -12, -4, 1])
_KIND_BEFORE = np.array([6, 0, -3, -2, -4, -9, -2, -2, -4, -6, -2, -1, -5])
_GONE = 13
_RESEMBLING = np.array([0, 8, 17, 22, 23, 31])
_OFFSET = 96  # keeps every sum positive
_OCTAVE = np.array([256, 279, 304, 332, 362, 395, 431, 470], dtype=np.int64)  # 256 * 2**(k/8)

_MORE_PER_END = (4, 4, 5, 5, 7)  # lines' weight per weight of "no more", by hunks before
_REMOVED = np.array([154, 302, 59, 31, 18, 10, 6, 5, 4], dtype=np.int64) * 64

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


@dataclass
class LocusRanker:
    """Ranks the places where the next hunk of a file may start.

    Attributes:
        lines: the old file's lines.
    """

    lines: Sequence[bytes]
    _words: list[frozenset[bytes]] = field(default_factory=list)
    _places: dict[bytes, list[int]] = field(default_factory=lambda: defaultdict(list))
    _gone: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        for place, line in enumerate(self.lines):
            found = frozenset(_WORD.findall(line))
            self._words.append(found)
            for word in found:
                self._places[word].append(place)
        # the place after the last line counts as a blank line
        here = np.array([*(kind_of_line(line) for line in self.lines), 0])
        before = np.concatenate([[0], here[:-1]])
        self._standing = _KIND_HERE[here] + _KIND_BEFORE[before]
        self._resembling = np.zeros(len(self.lines) + 1, dtype=np.int64)

    def starts(self, first: int, hunks: int) -> NDArray[np.int64]:
        """Weights of each start line from ``first`` to the file's end, then of "no more hunks".

        Args:
            first: the first line where a hunk may start.
            hunks: how many hunks came before in this file.

        Returns:
            int64 [len(lines) - first + 2]: the last but one is an append at the end.
        """
        count = len(self.lines) - first + 1
        distance = np.array([min(11, (gap + 1).bit_length() - 1) for gap in range(count)])
        near = (_NEAR_LAST if hunks else _NEAR_HEAD)[distance]
        gone = np.zeros(len(self.lines) + 1, dtype=np.int64)
        for word in self._gone:
            gone[self._places[word]] = _GONE
        score = near + (self._standing + gone + _RESEMBLING[self._resembling])[first:] + _OFFSET
        lines = _OCTAVE[score & 7] << (score >> 3)
        share = _MORE_PER_END[min(hunks, len(_MORE_PER_END)) - 1] if hunks else 1 << 12
        return np.append(lines, max(1, int(lines.sum()) // share))

    def removed(self, limit: int) -> NDArray[np.int64]:
        """Weights of how many lines a hunk removes, 0 to ``limit``: int64 [limit + 1]."""
        counts = np.arange(limit + 1, dtype=np.int64)
        weights = 64 * 160 // (counts * counts + 1) + 1
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
        common = Counter(other for word in mine for other in self._places[word])
        for other, shared in common.items():
            union = len(mine | self._words[other])
            # shares of a fifth, a third, a half, three quarters; the same line
            degree = (5 * shared >= union) + (3 * shared >= union)
            degree += (2 * shared >= union) + (4 * shared >= 3 * union)
            if self.lines[other] == self.lines[place]:
                degree = 5
            self._resembling[other] = max(self._resembling[other], degree)
