"""A software tree as a frozen value: paths, modes, contents, and one digest over all of it.

Only what git tracks is part of a tree: regular files, their executable bit, symbolic links.
Empty folders, owners, times and other permission bits are not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from types import MappingProxyType

from shared.digest import sha256
from shared.errors import InputError

SERIAL_TAG = b"rehydration-tree/1\n"
"""First bytes of the canonical serialisation: its name and version."""


class Mode(IntEnum):
    """What an entry is, in git's numbers."""

    REGULAR = 0o100644
    EXECUTABLE = 0o100755
    SYMLINK = 0o120000

    @property
    def is_file(self) -> bool:
        """Whether the entry is a regular file, executable or not."""
        return self is not Mode.SYMLINK

    @property
    def octal(self) -> str:
        """Six octal digits, as patches show them."""
        return f"{self.value:06o}"


@dataclass(frozen=True)
class Entry:
    """A file or a symbolic link.

    Args:
        mode: what it is.
        data: the file's bytes, or the link's target.

    Raises:
        InputError: a link whose target is empty or holds a NUL byte, which no file system stores.
    """

    mode: Mode
    data: bytes

    def __post_init__(self) -> None:
        if self.mode is Mode.SYMLINK and (not self.data or b"\0" in self.data):
            raise InputError(
                f"a symbolic link to {self.data!r}",
                expected="a target of one or more non-NUL bytes",
            )


@dataclass(frozen=True)
class Tree:
    """Entries by path.

    Keys are relative POSIX paths as text; bytes that are not UTF-8 are kept as surrogate escapes
    (PEP 383).  Iteration is in the order of the paths' bytes.

    Raises:
        InputError: a path that is empty, absolute, not normal (``.``, ``..``, ``//``), holds NUL or
            is not the text of its own bytes; or one entry's path is a folder of another's.
    """

    entries: Mapping[str, Entry]

    def __post_init__(self) -> None:
        for path in self.entries:
            check_path(path)
        ordered = {path: self.entries[path] for path in sorted(self.entries, key=path_bytes)}
        object.__setattr__(self, "entries", MappingProxyType(ordered))
        clash = blocked_path(ordered, ordered)
        if clash is not None:
            path, blocker = clash
            raise InputError(
                f"{path!r} lies below {blocker!r}, which is not a folder",
                expected="each path to be a file, a link or a folder",
            )

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, path: object) -> bool:
        return path in self.entries

    def __getitem__(self, path: str) -> Entry:
        return self.entries[path]

    def __hash__(self) -> int:
        return hash(self.digest)

    def get(self, path: str) -> Entry | None:
        """The entry at ``path``, or None."""
        return self.entries.get(path)

    def items(self) -> Iterable[tuple[str, Entry]]:
        """Paths and entries, in the order of the paths' bytes."""
        return self.entries.items()

    def replace(self, edits: Mapping[str, Entry | None]) -> Tree:
        """This tree with other entries at some paths; None takes an entry away.

        Raises:
            InputError: as for a new ``Tree``.
        """
        merged = dict(self.entries)
        for path, entry in edits.items():
            if entry is None:
                merged.pop(path, None)
            else:
                merged[path] = entry
        return Tree(merged)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over ``serialise``: 32 bytes that name this tree and no other."""
        return sha256(*serialise(self))


def serialise(tree: Tree) -> Iterator[bytes]:
    """The canonical serialisation, in pieces.

    Layout (integers big-endian)::

        tag    19 B  "rehydration-tree/1\\n"
        count   8 B  number of entries
        then for each entry, in ascending order of the path's bytes:
        mode    4 B  0o100644, 0o100755 or 0o120000
        size    8 B  length of the path       path   its bytes
        size    8 B  length of the contents   data   its bytes

    Each field has a fixed size or a length before it, so the layout can be read back without
    choice: two different trees never give the same bytes.
    """
    yield SERIAL_TAG
    yield struct.pack(">Q", len(tree))
    for path, entry in tree.items():
        name = path_bytes(path)
        yield struct.pack(">IQ", entry.mode, len(name))
        yield name
        yield struct.pack(">Q", len(entry.data))
        yield entry.data


def path_bytes(path: str) -> bytes:
    """The bytes a file system or a patch holds for ``path``."""
    return path.encode("utf-8", "surrogateescape")


def path_text(name: bytes) -> str:
    """The key in a ``Tree`` for the path of these bytes."""
    return name.decode("utf-8", "surrogateescape")


def check_path(path: str) -> None:
    """Refuse a path that could leave the tree or that has a second spelling.

    Raises:
        InputError: see ``Tree``.
    """
    try:
        is_text = path_text(path_bytes(path)) == path
    except UnicodeEncodeError:
        is_text = False
    if not is_text:
        raise InputError(
            f"path {path!r} is not the text of any bytes",
            expected="UTF-8, other bytes as surrogate escapes",
        )
    if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise InputError(
            f"path {path!r}", expected="a relative path without empty parts, '.', '..' or NUL"
        )


def blocked_path(paths: Iterable[str], entries: Mapping[str, Entry]) -> tuple[str, str] | None:
    """The first of ``paths`` with a folder of its own among ``entries``, and that folder."""
    for path in paths:
        cut = path.rfind("/")
        while cut >= 0:
            if path[:cut] in entries:
                return path, path[:cut]
            cut = path.rfind("/", 0, cut)
    return None
