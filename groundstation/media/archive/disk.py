"""The file operations of cold storage, each a place where power may fail; tests hand in others."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO


class Disk:
    """The operations on the real disk.  All raise OSError."""

    def create(self, path: Path) -> BinaryIO:
        """A new file to write; an older one of the name goes."""
        return path.open("wb")

    def sync(self, path: Path) -> None:
        """Return when the file's bytes would survive a power cut, and forget them in memory.

        So what is read afterwards comes from the disk, as far as the system does what it is told.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
            with contextlib.suppress(OSError, AttributeError):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)

    def sync_folder(self, path: Path) -> None:
        """Return when the names in the folder would survive a power cut."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, path: Path) -> bytes:
        """The bytes of a file."""
        return path.read_bytes()

    def rename(self, source: Path, path: Path) -> None:
        """Rename in one step; an existing file of the new name is replaced."""
        source.replace(path)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()


def durable_new(disk: Disk, path: Path, data: bytes) -> None:
    """Writes a file so that after a crash it is wholly there or not at all."""
    draft = path.with_name(path.name + ".part")
    with disk.create(draft) as file:
        file.write(data)
    disk.sync(draft)
    disk.rename(draft, path)
    disk.sync_folder(path.parent)
