"""The file operations that the probe's store is built of, each a place where power may fail.

Everything that the store changes on disk goes through a ``Filesystem``.  Tests hand in one that
stops at the n-th operation and then forgets what was never synced, so that every crash point of
every command can be tried.

``exchange`` is renameat2(2) with RENAME_EXCHANGE (Linux 3.15): two folders swap their names in one
step, and a reader who looks either name up sees one tree or the other, never a mixture.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat
from functools import cache
from pathlib import Path
from typing import Any

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h


class Filesystem:
    """The operations on the real disk.  All raise OSError."""

    def make_folder(self, path: Path, mode: int) -> None:
        """Make a new folder with exactly these permission bits, whatever the umask."""
        path.mkdir()
        path.chmod(mode)

    def write_file(self, path: Path, data: bytes, mode: int) -> None:
        """Write a new file with exactly these permission bits; it must not exist yet."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)

    def copy_file(self, source: Path, path: Path) -> None:
        """Copy a regular file or a link with its permissions and times, and owner if allowed."""
        shutil.copy2(source, path, follow_symlinks=False)
        self.copy_owner(source, path)

    def make_link(self, path: Path, target: bytes) -> None:
        """Make a symbolic link."""
        path.symlink_to(os.fsdecode(target))

    def copy_folder_metadata(self, source: Path, path: Path) -> None:
        """Give a folder the permissions and times of another, and its owner if allowed."""
        self.copy_owner(source, path)
        shutil.copystat(source, path)

    def copy_owner(self, source: Path, path: Path) -> None:
        """Give what is at ``path`` the owner and group of another, if this process may."""
        wanted, found = source.lstat(), path.lstat()
        if (wanted.st_uid, wanted.st_gid) == (found.st_uid, found.st_gid):
            return
        with contextlib.suppress(PermissionError):
            os.chown(path, wanted.st_uid, wanted.st_gid, follow_symlinks=False)
            if not stat.S_ISLNK(found.st_mode):
                path.chmod(stat.S_IMODE(found.st_mode))  # chown drops the set-id bits

    def remove_file(self, path: Path) -> None:
        """Remove a file or a link."""
        path.unlink()

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()

    def sync_file(self, path: Path) -> None:
        """Return when the file's bytes and size would survive a power cut."""
        _sync(path, os.O_RDONLY)

    def sync_folder(self, path: Path) -> None:
        """Return when the names in the folder would survive a power cut."""
        _sync(path, os.O_RDONLY | os.O_DIRECTORY)

    def rename(self, source: Path, path: Path) -> None:
        """Rename in one step; an existing file of the new name is replaced."""
        source.replace(path)

    def exchange(self, one: Path, other: Path) -> None:
        """Let two existing names swap what they name, in one step.

        Raises:
            OSError: EINVAL, ENOSYS or ENOTSUP where kernel or filesystem cannot; EXDEV across
                filesystems; EBUSY for a mount point.
        """
        function = _renameat2()
        status = function(
            _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
        )
        if status != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(one), None, str(other))


def durable_write(files: Filesystem, path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a small file so that after a crash it is wholly the old or wholly the new one.

    A disk that refuses is left without a draft: many would fill what is full.
    """
    draft = path.with_name(path.name + ".new")
    if os.path.lexists(draft):
        files.remove_file(draft)
    try:
        files.write_file(draft, data, mode)
        files.sync_file(draft)
        files.rename(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            files.remove_file(draft)
        raise
    files.sync_folder(path.parent)


def durable_remove(files: Filesystem, path: Path) -> None:
    """Remove a file so that it stays removed after a crash."""
    files.remove_file(path)
    files.sync_folder(path.parent)


def remove_all(files: Filesystem, folder: Path) -> None:
    """Remove a folder and all below it; nothing happens if there is none."""
    if not os.path.lexists(folder):
        return
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            _make_writable(Path(parent, name))
    for parent, folders, names in os.walk(folder, topdown=False):
        for name in names:
            files.remove_file(Path(parent, name))
        for name in folders:
            below = Path(parent, name)
            if below.is_symlink():
                files.remove_file(below)
            else:
                files.remove_folder(below)
    files.remove_folder(folder)


def sync_all(files: Filesystem, folder: Path) -> None:
    """Make a folder and all below it durable, files before the folders that name them.

    All is written before the first sync: most filesystems then flush in a few large batches.
    """
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink():
                files.sync_file(path)
        files.sync_folder(Path(parent))


def _make_writable(folder: Path) -> None:
    """A read-only folder, copied as such, must not stop an unprivileged owner from clearing it."""
    mode = folder.lstat().st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
        folder.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def _renameat2() -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    try:
        function = library.renameat2  # glibc 2.28 and later
    except AttributeError:
        return _unsupported
    function.argtypes = (
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    )
    function.restype = ctypes.c_int
    return function


def _unsupported(*_: object) -> int:
    ctypes.set_errno(errno.ENOSYS)
    return -1
