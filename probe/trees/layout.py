"""Where the spare slots can lie: found out by trying, not from a table of filesystems."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from probe.disk.clearing import remove_all
from probe.disk.filesystem import Filesystem
from probe.state.records import Swap
from probe.state.store import storing
from shared.errors import InputError

_NO_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_TRIALS = 8


def lay_out(files: Filesystem, root: Path, state: Path) -> tuple[Path, Swap]:
    """Make the folder of the slots and find out how trees can change places there.

    The slots go into the state folder if that is on the filesystem of the root, else beside the
    root.

    Raises:
        InputError: the root cannot be moved at all.
    """
    reason = ""
    for folder in (state / "slots", root.parent / f".{root.name}.slots"):
        with storing("make the folder of the spare slots"):
            made = not folder.exists()
            if made:
                files.make_folder(folder, 0o700)
            files.sync_folder(folder.parent)
        try:
            return folder, _trial(files, root, folder)
        except OSError as error:
            reason = error.strerror or str(error)
        if made:
            with storing("remove the unused folder of the spare slots"):
                files.remove_folder(folder)
    raise InputError(
        f"{root} cannot be renamed, so no other tree can take its place: {reason}",
        expected="a folder that is not immutable, its parent writable and on one filesystem",
        remedy="run as the owner of the parent folder; chattr -i where lsattr shows an i",
    )


def _trial(files: Filesystem, root: Path, folder: Path) -> Swap:
    """How a folder beside the root and one among the slots can swap.  Raises OSError."""
    one, other = _free(files, root.parent, f".{root.name}.trial"), _free(files, folder, "trial")
    try:
        for path in (one, other):
            files.make_folder(path, 0o700)
        swap = _swap(files, one, other)
        for path in (one, other):
            if os.path.lexists(path):
                remove_all(files, path)
            files.make_folder(path, 0o700)
            files.write_file(path / "full", b"", 0o600)
        if not any(_would_move(files, root, path) for path in (other, one)):
            raise PermissionError(errno.EPERM, "it may not be moved, whatever its parent folder")
        return swap
    finally:
        with suppress(OSError):
            remove_all(files, one)
            remove_all(files, other)


def _swap(files: Filesystem, one: Path, other: Path) -> Swap:
    try:
        files.exchange(one, other)
    except OSError as error:
        if error.errno not in _NO_EXCHANGE:
            raise
        files.remove_folder(other)
        files.rename(one, other)
        return Swap.RENAMES
    return Swap.EXCHANGE


def _would_move(files: Filesystem, root: Path, full: Path) -> bool:
    """Whether the root itself, with its own owner, permissions and flags, may be moved.

    It is renamed onto a folder that is not empty.  The kernel checks every right first, and then
    the filesystem refuses (rename(2), ENOTEMPTY): all is tried and nothing happens.
    """
    try:
        files.rename(root, full)
    except OSError as error:
        return error.errno in (errno.ENOTEMPTY, errno.EEXIST)
    files.rename(full, root)  # no filesystem should do this
    return True


def _free(files: Filesystem, folder: Path, name: str) -> Path:
    """A name in a folder that nothing has, after what a crash left there is removed."""
    for number in range(1, _TRIALS + 1):
        path = folder / (name if number == 1 else f"{name}-{number}")
        remove_all(files, path)
        if not os.path.lexists(path):
            return path
    raise OSError(errno.EEXIST, f"{_TRIALS} left-over trials that cannot be removed", str(folder))
