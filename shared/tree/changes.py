"""What differs between two trees, file by file, in a canonical order, with renames found.

The rules are part of the canonical patch format (docs/canonical-patch.md): whoever changes one
changes the bytes of patches.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from shared.lines import split_lines
from shared.tree.entries import Entry, Tree, path_bytes

RENAME_PERCENT = 50
"""A deleted and an added file at least this similar are one renamed file."""

MAX_RENAME_PAIRS = 1 << 16
"""With more pairs of deleted and added files than this, only identical ones are paired."""


class ChangeKind(Enum):
    """What happens to a path."""

    ADD = "add"
    DELETE = "delete"
    MODIFY = "modify"
    RENAME = "rename"


@dataclass(frozen=True)
class Change:
    """One path's difference.

    Args:
        kind: what happens.
        path: the path in the target; for DELETE the path in the baseline.
        old_path: the path in the baseline, None for ADD.
        old: the entry in the baseline, None for ADD.
        new: the entry in the target, None for DELETE.
    """

    kind: ChangeKind
    path: str
    old_path: str | None
    old: Entry | None
    new: Entry | None


def changes(base: Tree, target: Tree) -> tuple[Change, ...]:
    """All differences from ``base`` to ``target``, ordered by the bytes of ``path``.

    MODIFY covers new contents, a new mode, and a file that becomes a link or a link that becomes a
    file.  RENAME pairs a deleted with an added file: first identical contents, then the most
    similar (``similarity`` of at least ``RENAME_PERCENT``), each path used once.  Links are never
    paired: a patch that renames one does not say so, and git then sees the link still there.
    """
    deleted = {path: entry for path, entry in base.items() if path not in target}
    added = {path: entry for path, entry in target.items() if path not in base}
    found = []
    for pair in (_pair_identical, _pair_similar):
        for old_path, path in pair(_files(deleted), _files(added)):
            old, new = deleted.pop(old_path), added.pop(path)
            found.append(Change(ChangeKind.RENAME, path, old_path, old, new))
    for path, entry in deleted.items():
        found.append(Change(ChangeKind.DELETE, path, path, entry, None))
    for path, entry in added.items():
        found.append(Change(ChangeKind.ADD, path, None, None, entry))
    for path, old in base.items():
        now = target.get(path)
        if now is not None and now != old:
            found.append(Change(ChangeKind.MODIFY, path, path, old, now))
    return tuple(sorted(found, key=lambda change: path_bytes(change.path)))


def similarity(old: bytes, new: bytes) -> int:
    """How much of the larger file the two have in common, in whole percent.

    Counted are the bytes of whole lines that occur in both, each as often as in the file that has
    it less often; their order does not matter.  100 is kept for identical files.
    """
    if old == new:
        return 100
    return _line_similarity(_LineCounts.of(old), _LineCounts.of(new))


@dataclass(frozen=True)
class _LineCounts:
    """A file's lines and how often each occurs; ``size`` is the file's, in bytes."""

    size: int
    counts: Counter[bytes]

    @classmethod
    def of(cls, data: bytes) -> _LineCounts:
        return cls(len(data), Counter(split_lines(data)))


def _line_similarity(old: _LineCounts, new: _LineCounts) -> int:
    """``similarity`` of two files that are not identical."""
    smaller, larger = sorted((old, new), key=lambda lines: len(lines.counts))
    common = sum(
        len(line) * min(count, larger.counts[line])
        for line, count in smaller.counts.items()
        if line in larger.counts
    )
    return min(99, common * 100 // max(old.size, new.size))


def _files(entries: dict[str, Entry]) -> dict[str, bytes]:
    """The contents of those entries that are not links."""
    return {path: entry.data for path, entry in entries.items() if entry.mode.is_file}


def _base_name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _pair_identical(
    deleted: dict[str, bytes], added: dict[str, bytes]
) -> Iterable[tuple[str, str]]:
    """Old and new paths of equal contents; first those that kept their base name."""
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


def _pair_similar(deleted: dict[str, bytes], added: dict[str, bytes]) -> Iterable[tuple[str, str]]:
    """Old and new paths of similar files, the most similar first, each path once."""
    if len(deleted) * len(added) > MAX_RENAME_PAIRS:
        return []
    olds = {path: _LineCounts.of(data) for path, data in deleted.items()}
    news = {path: _LineCounts.of(data) for path, data in added.items()}
    ranked = []
    for path, new in news.items():
        for source, old in olds.items():
            larger = max(old.size, new.size)
            # no more can be common than the smaller file has
            if min(old.size, new.size) * 100 < RENAME_PERCENT * larger or not larger:
                continue
            percent = _line_similarity(old, new)
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
