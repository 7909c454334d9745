"""What differs between two trees, file by file, in a canonical order, with renames found.

The rules are part of the canonical patch format (docs/canonical-patch.md): whoever changes one
changes the bytes of patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from shared.tree.entries import Entry, Tree, path_bytes
from shared.tree.renames import pair_identical, pair_similar


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
    for pair in (pair_identical, pair_similar):
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


def _files(entries: dict[str, Entry]) -> dict[str, bytes]:
    """The contents of those entries that are not links."""
    return {path: entry.data for path, entry in entries.items() if entry.mode.is_file}
