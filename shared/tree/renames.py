"""Which deleted and which added file are one renamed file.

The rules are part of the canonical patch format (docs/canonical-patch.md, section 2); how they are
counted is not.  Lines are counted file by file, never pair by pair: a folder of files replaced by
others of the same size costs what reading their lines costs.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.lines import split_lines
from shared.tree.entries import path_bytes

RENAME_PERCENT = 50
"""A deleted and an added file at least this similar are one renamed file."""

MAX_RENAME_PAIRS = 1 << 16
"""With more pairs of deleted and added files than this, only identical ones are paired."""

_FEW_PAIRS = 16
"""A line in so few pairs of files is counted pair by pair, others many at once."""

_STEPS_AT_ONCE = 1 << 12
"""Columns of a product of matrices: bounds its memory."""


def similarity(old: bytes, new: bytes) -> int:
    """Tell how much of the larger file the two have in common, in whole percent.

    Counted are the bytes of whole lines that occur in both, each as often as in the file that has
    it less often; their order does not matter.  100 is kept for identical files.
    """
    if old == new:
        return 100
    return _percent(int(_common_bytes([old], [new])[0, 0]), len(old), len(new))


def pair_identical(
    deleted: Mapping[str, bytes], added: Mapping[str, bytes]
) -> Iterable[tuple[str, str]]:
    """Give old and new paths of equal contents; first those that kept their base name."""
    pairs: dict[str, str] = {}
    for same_name in (True, False):
        taken = set(pairs.values())
        free: dict[tuple[bytes, str], deque[str]] = {}
        for source, data in deleted.items():
            if source not in taken:
                key = (data, _base_name(source) if same_name else "")
                free.setdefault(key, deque()).append(source)
        for path, data in added.items():
            sources = free.get((data, _base_name(path) if same_name else ""))
            if sources and path not in pairs:
                pairs[path] = sources.popleft()
    return [(source, path) for path, source in pairs.items()]


def pair_similar(
    deleted: Mapping[str, bytes], added: Mapping[str, bytes]
) -> Iterable[tuple[str, str]]:
    """Give old and new paths of similar files, the most similar first, each path once."""
    if len(deleted) * len(added) > MAX_RENAME_PAIRS:
        return []
    olds, news = _of_like_size(deleted, added), _of_like_size(added, deleted)
    common = _common_bytes([deleted[path] for path in olds], [added[path] for path in news])
    ranked = []
    for row, column in np.argwhere(common).tolist():
        source, path = olds[row], news[column]
        sizes = len(deleted[source]), len(added[path])
        percent = _percent(int(common[row, column]), *sizes)
        if percent >= RENAME_PERCENT:
            renamed = _base_name(source) != _base_name(path)
            key = (-percent, renamed, path_bytes(path), path_bytes(source))
            ranked.append((key, source, path))
    pairs: dict[str, str] = {}
    taken: set[str] = set()
    for _, source, path in sorted(ranked):
        if source not in taken and path not in pairs:
            taken.add(source)
            pairs[path] = source
    return [(source, path) for path, source in pairs.items()]


def _of_like_size(files: Mapping[str, bytes], others: Mapping[str, bytes]) -> list[str]:
    """The paths of ``files`` that one of ``others`` may be similar to, by its size alone."""
    sizes = np.sort(np.array([len(data) for data in others.values()], dtype=np.int64))
    found = []
    for path, data in files.items():
        # no more can be common than the smaller file has
        least, most = len(data) * RENAME_PERCENT / 100, len(data) * 100 / RENAME_PERCENT
        if data and np.searchsorted(sizes, least) < np.searchsorted(sizes, most, side="right"):
            found.append(path)
    return found


def _common_bytes(olds: Sequence[bytes], news: Sequence[bytes]) -> NDArray[np.int64]:
    """Bytes of lines that each of ``olds`` and each of ``news`` have in common, [old, new].

    Every line is looked at once for each file that has it, and then once for each pair of files
    that both have it: as part of a product of matrices where the pairs are many, so that no input
    makes it slow.
    """
    places = _places(olds)
    shared = _places(news, only=places)
    common = np.zeros((len(olds), len(news)), dtype=np.int64)
    few: Counter[tuple[int, int]] = Counter()
    steps: list[_Step] = []
    for line, columns in shared.items():
        rows = places[line]
        if len(rows) * len(columns) <= _FEW_PAIRS:
            for row, times in rows:
                for column, others in columns:
                    few[row, column] += len(line) * min(times, others)
        else:
            steps += _steps(len(line), rows, columns)
            if len(steps) >= _STEPS_AT_ONCE:
                common += _product(steps, common.shape)
                steps = []
    common += _product(steps, common.shape)
    for (row, column), size in few.items():
        common[row, column] += size
    return common


_Step = tuple[int, list[int], list[int]]
"""Bytes, and the old and the new files of which each pair has them in common."""


def _steps(size: int, rows: list[tuple[int, int]], columns: list[tuple[int, int]]) -> list[_Step]:
    """A line of ``size`` bytes as sums: what all have in common that have it once, twice, ..."""
    found = []
    below = 0
    for level in sorted({times for _, times in (*rows, *columns)}):
        left = [row for row, times in rows if times >= level]
        right = [column for column, times in columns if times >= level]
        found.append((size * (level - below), left, right))
        below = level
    return found


def _product(steps: Sequence[_Step], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The sum of ``steps`` for each pair: integers below 2**53, exact in any order."""
    left, right = (np.zeros((count, len(steps))) for count in shape)
    for number, (size, rows, columns) in enumerate(steps):
        left[rows, number] = size
        right[columns, number] = 1.0
    return (left @ right.T).astype(np.int64)


def _places(
    files: Sequence[bytes], only: Mapping[bytes, object] | None = None
) -> dict[bytes, list[tuple[int, int]]]:
    """For each line (of ``only``, if given) the files that have it, and how often each does."""
    found: dict[bytes, list[tuple[int, int]]] = {}
    for number, data in enumerate(files):
        for line, count in Counter(split_lines(data)).items():
            if only is None or line in only:
                found.setdefault(line, []).append((number, count))
    return found


def _percent(common: int, *sizes: int) -> int:
    """Common bytes in percent of the larger of two files that are not identical."""
    return min(99, common * 100 // max(sizes))


def _base_name(path: str) -> str:
    return path.rsplit("/", 1)[-1]
