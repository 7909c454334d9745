"""Which lines of a file are like what its hunks removed and wrote so far, by their words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.prompts.text.line_class import WORD

Ints = NDArray[np.int64]

_RARE = ((2, 5), (4, 4), (8, 3), (24, 2))  # a word of so many lines at most, and its degree


@dataclass
class Likeness:
    """What each line, and the place after the last, has in common with the hunks so far.

    Attributes:
        lines: the old file's lines.
        resembling: int64 [lines + 1], 0 to 5: by the words shared with a removed line.
        below_resembling: the same for the line above and the lines above hunks.
    """

    lines: Sequence[bytes]
    _gone: set[bytes] = field(default_factory=set)
    _come: set[bytes] = field(default_factory=set)
    _compared: set[tuple[bytes, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._words = [frozenset(WORD.findall(line)) for line in self.lines]
        self._sizes = np.array([len(words) for words in self._words], dtype=np.int64)
        self._places = _index(self._words)
        self.resembling, self.below_resembling = np.zeros((2, len(self.lines) + 1), dtype=np.int64)

    def gone(self) -> Ints:
        """int64 [lines + 1], 0 to 5: names what was removed and not written; 5 a rare word."""
        return self._rarest(self._gone)

    def come(self) -> Ints:
        """int64 [lines + 1], 0 to 5: names what a hunk wrote that it had not removed."""
        return self._rarest(self._come)

    def marked(self) -> Ints:
        """int64 [lines + 1]: 1 where a line names what is gone, or shares half of a removed one."""
        return 1 * ((self.gone() > 0) | (self.resembling >= 3))

    def _rarest(self, words: Iterable[bytes]) -> Ints:
        degrees = np.zeros(len(self.lines) + 1, dtype=np.int64)
        for word in words:
            if word in self._places:
                places = self._places[word]
                degree = next((d for most, d in _RARE if len(places) <= most), 1)
                degrees[places] = np.maximum(degrees[places], degree)
        return degrees

    def learn(self, start: int, end: int, written: bytes) -> None:
        """Takes note of a hunk that replaced the old lines [start, end) by this text."""
        new = set(WORD.findall(written))
        old: set[bytes] = set()
        for place in range(start, end):
            old |= self._words[place]
            self._find_resembling(place, self.resembling, 0)
        if start:
            self._find_resembling(start - 1, self.below_resembling, 1)
        self._gone = (self._gone | old) - new
        self._come |= new - old

    def _find_resembling(self, place: int, degrees: Ints, shift: int) -> None:
        """Marks the lines ``shift`` below those that share words with the line at ``place``."""
        mine = self._words[place]
        if not mine or (self.lines[place], shift) in self._compared:
            return
        self._compared.add((self.lines[place], shift))
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
        degrees[others + shift] = np.maximum(degrees[others + shift], degree)


def _index(groups: Iterable[Iterable[bytes]]) -> dict[bytes, Ints]:
    """The numbers of the groups that hold each item."""
    places: dict[bytes, list[int]] = {}
    for place, items in enumerate(groups):
        for item in items:
            places.setdefault(item, []).append(place)
    return {item: np.array(found) for item, found in places.items()}
