"""Where hunks sit and how many lines they take: weights that both ends compute alike.

A place is the first old line that a hunk removes, or that it is inserted before.  Its weight is a
product of small factors: how near it is to the last hunk (or to the head of the file), how the
lines there look, which words they share with what earlier hunks removed and wrote.  The counts of
removed and of written lines have factors of the same kind.  Factors are powers of 2**(1/8), added
up as integers.  They were fitted by maximum likelihood to changes between releases of packages that
no benchmark patch is of (``benchmarks/fit/hunk_places.py``), and belong to the codec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.prompts.places.hunk_place_tables import TABLES
from shared.prompts.text.line_class import KINDS, Lineforms
from shared.prompts.text.line_similarity import Likeness

Ints = NDArray[np.int64]

MAX_REMOVED_LINES = 4000
MAX_WRITTEN_LINES = 4000

_OFFSET = 96  # keeps nearly every sum of a place's scores positive
_LARGEST = 223  # of a sum, so that a file's weights stay below the coder's limit
_OCTAVE = np.array([256, 279, 304, 332, 362, 395, 431, 470], dtype=np.int64)  # 256 * 2**(k/8)
_LINES_PER_FIRST_END = 1 << 12
_MIDDLE = 128  # a sum of a count's scores starts here; what is 16 octaves below is lost
_POWERS = 1 << np.arange(1, 13, dtype=np.int64)  # 2, 4, 8, ..., 4096


@dataclass
class LocusRanker:
    """Ranks the places where the next hunk of a file may start, and its line counts.

    Attributes:
        lines: the old file's lines.
    """

    lines: Sequence[bytes]
    _past: list[tuple[int, int, int]] = field(default_factory=list)
    """Of each hunk so far: start, removed lines, written lines."""

    def __post_init__(self) -> None:
        self._forms = Lineforms.of(self.lines)
        self._likeness = Likeness(self.lines)

    def starts(self, first: int) -> Ints:
        """Weights of each start line from ``first`` to the file's end, then of "no more hunks".

        Args:
            first: the first line where a hunk may start.

        Returns:
            int64 [len(lines) - first + 2]: the last but one is an append at the end.
        """
        features = self.start_features(first)
        scores = np.clip(_sum("start", features) + _OFFSET, 0, _LARGEST)
        lines = _OCTAVE[scores & 7] << (scores >> 3)
        total = int(lines.sum())
        if not self._past:
            return np.append(lines, max(1, total // _LINES_PER_FIRST_END))
        score = int(_sum("end", self.end_features(first))[0])
        no_more = total * int(_OCTAVE[score & 7]) << 16 >> 24 - (score >> 3)
        return np.append(lines, min(max(1, no_more), 1 << 60))

    def start_features(self, first: int) -> dict[str, Ints]:
        """What the weights of places are made of.

        Args:
            first: the first line where a hunk may start.

        Returns:
            Rows of the tables by their names, each int64 [len(lines) - first + 1].
        """
        forms, like = self._forms, self._likeness
        count = len(self.lines) - first + 1
        near = np.minimum(11, _octave(np.arange(1, count + 1)))
        before = np.concatenate([[0], forms.kind[:-1]])
        common = {
            "opening": forms.opening[first:],
            "length": forms.length[first:],
            "indent": np.minimum(5, (forms.indent[first:] + 3) // 4),
            "quoted": forms.quoted[first:],
        }
        if not self._past:
            kinds = {"head_here": forms.kind[first:], "head_before": before[first:]}
            return {"head_near": near, **kinds, **common}
        last = self._past[-1][0]
        seen = np.bincount([forms.kind[start] for start, _, _ in self._past], minlength=KINDS)
        alike = 1 * (forms.indent == forms.indent[last]) + 2 * (forms.kind == forms.kind[last])
        step = last - self._past[-2][0] if len(self._past) > 1 else -1
        return {
            "near": near,
            "here": forms.kind[first:],
            "before": before[first:],
            **common,
            "kind_seen": np.minimum(2, seen)[forms.kind[first:]],
            "as_last": alike[first:],
            "same_step": 1 * (np.arange(first, len(self.lines) + 1) == last + step),
            "gone": like.gone()[first:],
            "come": like.come()[first:],
            "resembling": like.resembling[first:],
            "below_resembling": like.below_resembling[first:],
        }

    def end_features(self, first: int) -> dict[str, Ints]:
        """What the weight of "no more" is made of, beside the sum of all places' weights."""
        like = self._likeness
        return {
            "hunks": np.array([min(5, len(self._past)) - 1]),
            "lines_ahead": np.minimum(11, _octave(np.array([len(self.lines) - first + 1]))),
            "gone_ahead": like.gone()[first:].max(keepdims=True),
            "resembling_ahead": like.resembling[first:].max(keepdims=True),
            "below_ahead": like.below_resembling[first:].max(keepdims=True),
        }

    def removed(self, start: int) -> Ints:
        """Weights of how many lines a hunk at ``start`` removes: int64 [most + 1].

        The most are the lines left, but no more than ``MAX_REMOVED_LINES``.
        """
        most = min(len(self.lines) - start, MAX_REMOVED_LINES)
        counts = np.arange(most + 1)
        tail = np.maximum(9, counts)
        weights = _weights_of_counts("removed", self.removed_features(start, most))
        thinner: Ints = weights * 82 // (tail * tail + 1) + 1
        return thinner

    def removed_features(self, start: int, most: int) -> dict[str, Ints]:
        """What the weights of 0 to ``most`` removed lines at ``start`` are made of.

        Returns:
            Rows of the tables by their names, each int64 [most + 1].
        """
        forms = self._forms
        counts = np.arange(most + 1)
        ends = start + counts
        some = counts > 0
        marked = self._likeness.marked()
        degree = int(marked[start]) + int(self._likeness.resembling[start] >= 4)
        last = _count_class(self._past[-1][1]) if self._past else 7
        often = np.bincount([removed for _, removed, _ in self._past], minlength=most + 1)
        brackets = np.sign(forms.brackets[ends] - forms.brackets[start])
        deeper = np.sign(forms.indent[ends] - forms.indent[start])
        all_marked = some & (np.cumsum(marked[ends]) - marked[ends] == counts)
        more_marked = (counts < most) & (marked[ends] > 0)
        return {
            "removed_last": np.minimum(9, counts) * 8 + last,
            "removed_marked": np.minimum(3, counts) * 3 + degree,
            "after_removed": forms.kind[ends] + KINDS * some,
            "last_removed": np.where(some, forms.kind[ends - some] + 1, 0),
            "deeper": np.where(some, deeper + 2, 0),
            "brackets": np.where(some, brackets + 2, 0),
            "all_marked": 1 * all_marked + 2 * more_marked,
            "removed_before": np.minimum(3, often[: most + 1]) * 2 + (counts > 1),
        }

    def written(self, start: int, removed: int) -> Ints:
        """Weights of how many lines replace the removed ones: int64 [MAX_WRITTEN_LINES + 1].

        None are a deletion, which has weight 0 where nothing is removed.
        """
        counts = np.arange(MAX_WRITTEN_LINES + 1)
        tail = np.maximum(9, counts)
        features = self.written_features(start, removed, MAX_WRITTEN_LINES)
        weights: Ints = _weights_of_counts("written", features) * 90 // (tail * (tail + 1)) + 1
        if not removed:
            weights[0] = 0
        return weights

    def written_features(self, start: int, removed: int, most: int) -> dict[str, Ints]:
        """What the weights of 0 to ``most`` written lines are made of.

        Returns:
            Rows of the tables by their names, each int64 [most + 1].
        """
        counts = np.arange(most + 1)
        last = _count_class(self._past[-1][2]) if self._past else 7
        same = [written for _, count, written in self._past if count == removed]
        often = np.bincount(np.array(same, dtype=np.int64), minlength=most + 1)[: most + 1]
        few = np.minimum(3, counts) * KINDS
        return {
            "written_removed": np.minimum(9, counts) * 7 + _count_class(removed),
            "written_last": np.minimum(6, counts) * 8 + last,
            "written_before": np.minimum(3, often) + 4 * (counts == removed),
            "written_here": few + self._forms.kind[start],
            "written_below": few + (self._forms.kind[start - 1] if start else 0),
        }

    def learn(self, start: int, end: int, written: bytes) -> None:
        """Takes note of a hunk that replaced the old lines [start, end) by this text."""
        self._likeness.learn(start, end, written)
        self._past.append((start, end - start, written.count(b"\n")))


def _count_class(count: int) -> int:
    """0, 1, 2, 3, 4, five to eight, more: 0 to 6."""
    return min(count, 4) if count < 5 else 5 if count < 9 else 6


def _octave(numbers: Ints) -> Ints:
    """int64: the bit lengths of positive numbers less one, at most 12."""
    return np.searchsorted(_POWERS, numbers, side="right").astype(np.int64)


def _sum(choice: str, features: Mapping[str, Ints]) -> Ints:
    """The sums of what the features' rows weigh, in eighths of an octave."""
    tables = TABLES[choice]
    entries = [tables[name][rows] for name, rows in features.items()]
    total: Ints = np.sum(entries, axis=0, dtype=np.int64)
    return total


def _weights_of_counts(choice: str, features: Mapping[str, Ints]) -> Ints:
    scores = np.clip(_sum(choice, features) + _MIDDLE, 0, _LARGEST)
    weights: Ints = _OCTAVE[scores & 7] << (scores >> 3)
    return weights
