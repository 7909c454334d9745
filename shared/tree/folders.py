"""Trees on disk: read a folder into a ``Tree``, write a ``Tree`` into a new folder.

Links are read as links and never followed, so what is read lies inside the folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from shared.errors import InputError, words_of
from shared.tree.entries import Entry, Mode, Tree, path_bytes, path_text


def read_tree(folder: Path, *, ignore: Collection[str] = (".git",)) -> Tree:
    """All files and links below ``folder``.

    Args:
        folder: an existing folder (may itself be reached through a link).
        ignore: names left out at any depth, be they files or folders.

    Raises:
        InputError: no such folder, something unreadable, or a socket, device or FIFO inside.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", expected="the folder of a software tree")
    skipped = {path_bytes(name) for name in ignore}
    return Tree(
        {path_text(name): entry for name, entry in _walk(os.fsencode(folder), b"", skipped)}
    )


def write_tree(tree: Tree, folder: Path) -> None:
    """Write ``tree`` into a folder that does not exist yet or is empty.

    Plain writes for tools and tests: nothing is flushed to the medium, and a failure leaves what
    was written so far.  Permissions follow the process's umask.

    Raises:
        InputError: ``folder`` is a file or has something in it, or the medium refuses.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"{folder} is not a folder", expected="a new or empty folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(
                f"{folder} is not empty",
                expected="a new or empty folder",
                remedy="name another folder",
            )
        root = os.fsencode(folder)
        for path, entry in tree.items():
            _write_entry(os.path.join(root, path_bytes(path)), entry)  # noqa: PTH118 - bytes paths
    except OSError as error:
        raise InputError(f"cannot write the tree into {folder}: {words_of(error)}") from error


def _walk(root: bytes, below: bytes, skipped: Collection[bytes]) -> Iterator[tuple[bytes, Entry]]:
    """Relative path and entry of everything under ``root``/``below``, any order.

    Paths are bytes throughout, so the locale's encoding has no say in what is read.
    """
    here = root + b"/" + below if below else root
    try:
        with os.scandir(here) as found:
            items = sorted(found, key=lambda item: item.name)
        for item in items:
            if item.name in skipped:
                continue
            path = below + b"/" + item.name if below else item.name
            if item.is_dir(follow_symlinks=False):
                yield from _walk(root, path, skipped)
            else:
                yield path, _read_entry(item.path)
    except OSError as error:
        raise InputError(f"cannot read {os.fsdecode(here)}: {words_of(error)}") from error


def _read_entry(path: bytes) -> Entry:
    """The file or link at ``path``."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return Entry(Mode.SYMLINK, os.readlink(path))  # noqa: PTH115 - bytes paths
    if not stat.S_ISREG(status.st_mode):
        raise InputError(
            f"{os.fsdecode(path)} is neither a file, a folder nor a link",
            expected="no sockets, devices or FIFOs in a software tree",
            remedy="remove it or name it in ignore",
        )
    # O_NOFOLLOW: the file may have become a link since lstat
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        data = file.read()
    executable = bool(status.st_mode & stat.S_IXUSR)
    return Entry(Mode.EXECUTABLE if executable else Mode.REGULAR, data)


def _write_entry(path: bytes, entry: Entry) -> None:
    """Make the file or link at ``path``, and the folders above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - bytes paths
    if entry.mode is Mode.SYMLINK:
        os.symlink(entry.data, path)  # noqa: PTH211 - bytes paths
        return
    permissions = 0o777 if entry.mode is Mode.EXECUTABLE else 0o666
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, permissions), "wb") as file:
        file.write(entry.data)
