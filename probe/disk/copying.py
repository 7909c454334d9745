"""Copying the bytes of a file as they lie on disk: shared where the filesystem can, holes kept."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)
_AT_ONCE_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 20
_CANNOT = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.EBADF)


def copy_data(source: Path, path: Path) -> None:
    """Make a new file with the bytes of another, at most as many as it has now.

    The bound holds for a log that grows while it is copied.  The new file has permissions 0600.

    Raises:
        OSError: the disk refuses; EINVAL where ``source`` is not a regular file.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    old = os.open(source, flags)
    try:
        status = os.fstat(old)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(source))
        new = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _copy(old, new, status)
        finally:
            os.close(new)
    finally:
        os.close(old)


def _copy(old: int, new: int, status: os.stat_result) -> None:
    size = status.st_size
    sparse = status.st_blocks * 512 < size
    if size <= _AT_ONCE_BYTES and not sparse:
        _write(new, os.read(old, size))
        return
    if _clone(old, new):
        return
    place = 0
    while place < size:
        try:
            start = os.lseek(old, place, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # a hole up to the end
        place = min(os.lseek(old, start, os.SEEK_HOLE), size)
        _copy_range(old, new, start, place)
    os.ftruncate(new, size)


def _clone(old: int, new: int) -> bool:
    try:
        fcntl.ioctl(new, _FICLONE, old)
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True


def _copy_range(old: int, new: int, start: int, end: int) -> None:
    while start < end:
        try:
            count = os.copy_file_range(old, new, min(end - start, _CHUNK_BYTES << 6), start, start)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            data = os.pread(old, min(end - start, _CHUNK_BYTES), start)
            os.lseek(new, start, os.SEEK_SET)
            _write(new, data)
            count = len(data)
        if count == 0:  # the file has become shorter
            return
        start += count


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
