"""Building a new tree in an empty folder from the one in use.

What to make is decided from a listing (``plan``), then made (``build``).  A tree holds what git
tracks and no more, but the folder in use may hold more: ignored names, empty folders, permissions,
times, owners.  All of that is carried over, so that a patch changes what it says and nothing else.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from probe.filesystem import Filesystem
from shared.tree import Entry, Mode, Tree, path_bytes, path_text


@dataclass(frozen=True)
class Listing:
    """What a folder holds, paths as in a ``Tree``.

    Attributes:
        folders: all folders below it.
        files: all regular files and links below it; sockets, devices and FIFOs are left out.
    """

    folders: frozenset[str]
    files: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """How to build a tree, in the order of the fields.

    Attributes:
        folders: to make, parents first.
        copies: files and links to copy as they are.
        writes: new contents.
    """

    folders: tuple[str, ...]
    copies: tuple[str, ...]
    writes: Mapping[str, Entry]


def plan(found: Listing, base: Tree, target: Tree) -> Plan:
    """Decide what to make so that the tree ``base``, found with other things, becomes ``target``.

    A folder that held tree entries goes with the last of them, as in git; one that held none
    stays, unless an entry of the target takes its place.
    """
    extras = {path for path in found.files if path not in base}
    unchanged = {path for path, entry in target.items() if base.get(path) == entry}
    plain = found.folders - _parents(base)
    kept = {path for path in plain if not any(above in target for above in (path, *_above(path)))}
    return Plan(
        folders=_ordered(_parents({*target, *extras, *kept}) | kept),
        copies=_ordered(unchanged | extras),
        writes={path: entry for path, entry in target.items() if path not in unchanged},
    )


def list_folder(folder: Path) -> Listing:
    """List a folder without following links.  Raises OSError."""
    folders, files = set(), set()
    for parent, below, names in os.walk(folder, onerror=_raise):
        for name in (*below, *names):
            path = Path(parent, name)
            relative = path_text(os.fsencode(path.relative_to(folder)))
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                folders.add(relative)
            elif stat.S_ISREG(mode) or stat.S_ISLNK(mode):
                files.add(relative)
    return Listing(frozenset(folders), frozenset(files))


def build(files: Filesystem, source: Path, folder: Path, base: Tree, target: Tree) -> None:
    """Make ``folder`` hold ``target`` and whatever else ``source`` holds beside ``base``.

    Raises:
        OSError: the disk refuses, or something that is no part of the tree lies where the target
            puts a file.
    """
    wanted = plan(list_folder(source), base, target)
    files.make_folder(folder, 0o700)
    for path in wanted.folders:
        files.make_folder(place(folder, path), 0o700)
    for path in wanted.copies:
        files.copy_file(place(source, path), place(folder, path))
    for path, entry in wanted.writes.items():
        _write(files, place(source, path), place(folder, path), entry)
    # Last and from below, since a folder may come out read-only and times change with each entry.
    for path in ("", *wanted.folders)[::-1]:
        files.copy_folder_metadata(_folder_model(place(source, path)), place(folder, path))


def place(folder: Path, path: str) -> Path:
    """Where a tree's path lies on disk, whatever the locale's encoding is; "" is the folder."""
    return folder / os.fsdecode(path_bytes(path)) if path else folder


def permissions(mode: Mode, replaced: int | None) -> int:
    """Permission bits of new contents.

    Args:
        mode: regular or executable.
        replaced: permission bits of the file that the contents replace, if there is one.
    """
    if replaced is None:
        return 0o755 if mode is Mode.EXECUTABLE else 0o644
    if mode is Mode.EXECUTABLE:
        return replaced | 0o100 | (replaced & 0o444) >> 2  # whoever may read may run
    return replaced & ~0o111


def _write(files: Filesystem, replaced: Path, path: Path, entry: Entry) -> None:
    old = replaced.lstat() if os.path.lexists(replaced) else None
    if entry.mode is Mode.SYMLINK:
        files.make_link(path, entry.data)
    else:
        regular = old is not None and stat.S_ISREG(old.st_mode)
        bits = stat.S_IMODE(old.st_mode) & 0o777 if old is not None and regular else None
        files.write_file(path, entry.data, permissions(entry.mode, bits))
    files.copy_owner(replaced if old is not None else _folder_model(replaced.parent), path)


def _folder_model(folder: Path) -> Path:
    """The folder itself, or where there is none the nearest folder above."""
    while folder.is_symlink() or not folder.is_dir():
        folder = folder.parent
    return folder


def _above(path: str) -> list[str]:
    """The folders a path lies in, nearest first."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]


def _parents(paths: Iterable[str]) -> set[str]:
    return {above for path in paths for above in _above(path)}


def _ordered(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(paths, key=path_bytes))


def _raise(error: OSError) -> None:
    raise error
