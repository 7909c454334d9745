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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from probe.disk.attributes import copy_attributes, copy_owner
from probe.disk.copying import copy_data

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h


DRAFT = ".new"
"""Ends the names of files that are being written."""

MAX_DRAFTS = 8


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

    def copy_file(self, source: Path, path: Path) -> tuple[str, ...]:
        """Copy a regular file or a link with its attributes and its holes.

        Returns:
            What of its attributes was dropped (``copy_attributes``).
        """
        if source.is_symlink():
            path.symlink_to(source.readlink())
        else:
            copy_data(source, path)
        return copy_attributes(source, path)

    def link_file(self, source: Path, path: Path) -> None:
        """Give a file one more name."""
        os.link(source, path, follow_symlinks=False)

    def make_link(self, path: Path, target: bytes) -> None:
        """Make a symbolic link."""
        path.symlink_to(os.fsdecode(target))

    def copy_attributes(
        self, source: Path, path: Path, *, mode: int | None = None, new_content: bool = False
    ) -> tuple[str, ...]:
        """Give a file, folder or link the attributes of another (``probe.disk.attributes``)."""
        return copy_attributes(source, path, mode=mode, new_content=new_content)

    def copy_owner(self, source: Path, path: Path) -> None:
        """Give what is new at ``path`` the owner and group of another, if this process may."""
        copy_owner(source, path)

    def change_mode(self, path: Path, mode: int) -> None:
        """Change permission bits."""
        path.chmod(mode)

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

    @contextmanager
    def barrier(self, folder: Path) -> Iterator[Callable[[], None]]:
        """Open the filesystem of a folder for one sync of all that is written to it from now on.

        Yields:
            A function that returns when everything on that filesystem would survive a power cut:
            syncfs(2), one journal commit instead of an fsync for each file.  It raises OSError,
            also for what failed to be written back in the meantime (Linux 5.8).
        """
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield lambda: _sync_filesystem(descriptor)
        finally:
            os.close(descriptor)

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

    A disk that refuses is left without a draft: many would fill what is full.  A draft of old that
    cannot be removed is not in the way: the next name is taken.
    """
    draft = _draft(files, path)
    try:
        files.write_file(draft, data, mode)
        files.sync_file(draft)
        files.rename(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            files.remove_file(draft)
        raise
    files.sync_folder(path.parent)


def _draft(files: Filesystem, path: Path) -> Path:
    names = [f"{path.name}.{number}{DRAFT}" for number in range(1, MAX_DRAFTS)]
    for draft in map(path.with_name, (path.name + DRAFT, *names)):
        try:
            if os.path.lexists(draft):
                files.remove_file(draft)
        except OSError:
            continue
        return draft
    raise OSError(errno.EEXIST, f"{MAX_DRAFTS} drafts that cannot be removed", str(path))


def durable_remove(files: Filesystem, path: Path) -> None:
    """Remove a file so that it stays removed after a crash."""
    files.remove_file(path)
    files.sync_folder(path.parent)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_filesystem(descriptor: int) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if function is None:
        os.sync()
    elif function(ctypes.c_int(descriptor)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


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
