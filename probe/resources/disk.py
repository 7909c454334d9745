"""Disk that the probe takes: counted before a tree is staged, so that a full disk costs nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from shared.errors import BudgetExceeded
from shared.tree import Tree

BLOCK_BYTES = 4096
"""What a file takes at least, and the unit it grows by; a folder or a link takes one."""


class NoRoom(BudgetExceeded):
    """Disk or quota has no room for the message's tree now."""


def taken_bytes(folder: Path) -> int:
    """What a folder and all below it take, by the blocks on disk; 0 if there is none.

    A hole takes nothing, a file of several names is one file, and everything takes a block at
    least.  What goes while it is counted takes nothing: a listener clears its inbox beside this.
    What may not be looked into counts as its folder.

    Raises:
        OSError: the disk refuses.
    """
    if not os.path.lexists(folder):
        return 0
    total = BLOCK_BYTES
    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder):
        total += BLOCK_BYTES * len(folders)
        for name in names:
            try:
                status = os.lstat(f"{parent}/{name}")
            except (FileNotFoundError, PermissionError):
                continue
            if status.st_nlink > 1:
                identity = (status.st_dev, status.st_ino)
                if identity in seen:
                    continue
                seen.add(identity)
            regular = stat.S_ISREG(status.st_mode)
            total += blocks(status.st_blocks * 512 if regular else 1)
    return total


def blocks(size_bytes: int) -> int:
    """A size in whole blocks, bytes; one block at least."""
    return max(1, -(-size_bytes // BLOCK_BYTES)) * BLOCK_BYTES


def staged_bytes(root_bytes: int, base: Tree, target: Tree) -> int:
    """What a staged tree takes at most: what the root takes, the changed files counted anew.

    Args:
        root_bytes: what the root takes with ignored names.
        base: the tree in the root.
        target: the tree to stage.
    """
    changed = [path for path, entry in target.items() if base.get(path) != entry]
    folders = sum(path.count("/") for path in changed if path not in base)
    new = sum(blocks(len(target[path].data)) for path in changed)
    old = sum(blocks(len(base[path].data)) for path in base if base[path] != target.get(path))
    return max(root_bytes - old, 0) + new + folders * BLOCK_BYTES


def check_room(needed_bytes: int, *, taken: int, quota: int, free: int) -> None:
    """Refuse a tree for which there is no room.

    Args:
        needed_bytes: of the staged tree.
        taken: what root, slots and state take now, bytes.
        quota: what they may take; 0 for no quota.
        free: what the filesystem has left, bytes.

    Raises:
        NoRoom: quota or disk has none; later it may.
    """
    if quota and taken + needed_bytes > quota:
        raise NoRoom(
            f"the new tree needs {needed_bytes} bytes of disk beside {taken}",
            expected=f"at most {quota} in all",
            remedy="make room with probe gc, or allow more with probe init --renew --max-disk",
        )
    if needed_bytes > free:
        raise NoRoom(
            f"the new tree needs {needed_bytes} bytes, and the disk has {free} left",
            expected="room for one more tree",
            remedy="make room on the disk, for instance with probe gc",
        )


def free_bytes(folder: Path) -> int:
    """What this user may still write to the filesystem of a folder.  Raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
