"""Building a new tree in an empty folder from the one in use.

What to make is decided from a listing (``plan``), then made (``build``).  A tree holds what git
tracks and no more, but the folder in use may hold more: ignored names, empty folders, permissions,
times, owners.  All of that is carried over, so that a patch changes what it says and nothing else.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from probe.disk.filesystem import Filesystem
from probe.disk.naming import refusing
from shared.tree import Entry, Mode, Tree, path_bytes, path_text

UNREADABLE = (errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class Listing:
    """What a folder holds, paths as in a ``Tree``.

    Attributes:
        folders: all folders below it.
        files: all regular files and links below it; sockets, devices and FIFOs are left out.
        identities: of files with several names, what tells whether two are one file.
        unreadable: folders that cannot be listed, and why.
    """

    folders: frozenset[str]
    files: frozenset[str]
    identities: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """How to build a tree, in the order of the fields.

    Attributes:
        folders: to make, parents first.
        copies: files and links to copy as they are.
        links: further names of files among the copies, by name the copy.
        writes: new contents.
    """

    folders: tuple[str, ...]
    copies: tuple[str, ...]
    writes: Mapping[str, Entry]
    links: Mapping[str, str] = field(default_factory=dict)


def plan(found: Listing, base: Tree, target: Tree) -> Plan:
    """Decide what to make so that the tree ``base``, found with other things, becomes ``target``.

    A folder that held tree entries goes with the last of them, as in git; one that held none
    stays, unless an entry of the target takes its place.
    """
    extras = {path for path in found.files if path not in base}
    unchanged = {path for path, entry in target.items() if base.get(path) == entry}
    plain = found.folders - _parents(base)
    kept = {path for path in plain if not any(above in target for above in (path, *_above(path)))}
    copies, links = _split(_ordered(unchanged | extras), found.identities)
    return Plan(
        folders=_ordered(_parents({*target, *extras, *kept}) | kept),
        copies=copies,
        writes={path: entry for path, entry in target.items() if path not in unchanged},
        links=links,
    )


def _split(
    paths: Iterable[str], identities: Mapping[str, tuple[int, int]]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The first name of each file, and the others with the first one of each."""
    first: dict[tuple[int, int], str] = {}
    copies, links = [], {}
    for path in paths:
        identity = identities.get(path)
        if identity is not None and first.setdefault(identity, path) != path:
            links[path] = first[identity]
        else:
            copies.append(path)
    return tuple(copies), links


def list_folder(folder: Path) -> Listing:
    """List a folder without following links.  Raises OSError."""
    folders, files = set(), set()
    identities: dict[str, tuple[int, int]] = {}
    unreadable: dict[str, str] = {}
    top = os.fsencode(folder)
    waiting = [b""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(top + b"/" + below if below else top) as found:
                items = list(found)
        except FileNotFoundError:
            if not below:
                raise
            continue  # it went meanwhile
        except OSError as error:
            if error.errno not in UNREADABLE or not below:
                raise
            unreadable[path_text(below)] = os.strerror(error.errno)
            continue
        for item in items:
            path = below + b"/" + item.name if below else item.name
            if item.is_dir(follow_symlinks=False):
                folders.add(path_text(path))
                waiting.append(path)
            elif item.is_symlink():
                files.add(path_text(path))
            elif item.is_file(follow_symlinks=False):
                files.add(path_text(path))
                status = item.stat(follow_symlinks=False)
                if status.st_nlink > 1:
                    identities[path_text(path)] = (status.st_dev, status.st_ino)
    return Listing(frozenset(folders), frozenset(files), identities, unreadable)


def build(
    files: Filesystem, source: Path, folder: Path, base: Tree, target: Tree
) -> tuple[str, ...]:
    """Make ``folder`` hold ``target`` and whatever else ``source`` holds beside ``base``.

    What is no part of the tree and cannot be read stays behind: it is named, and no reason to
    refuse a message.

    Returns:
        What was not carried over, in words.

    Raises:
        Unstageable: a name or a link cannot be on this filesystem, or two names are one there, or
            something that is no part of the tree lies where the target puts a file.
        OSError: the disk refuses.
    """
    listing = list_folder(source)
    wanted = plan(listing, base, target)
    notes = [f"{path} stays behind: {reason}" for path, reason in listing.unreadable.items()]
    with refusing(""):
        files.make_folder(folder, 0o700)
    for path in wanted.folders:
        with refusing(path):
            files.make_folder(place(folder, path), 0o700)
    gone = set()
    for path in wanted.copies:
        try:
            with refusing(path):
                dropped = files.copy_file(place(source, path), place(folder, path))
        except OSError as error:
            if path in base or error.errno not in (*UNREADABLE, errno.ENOENT):
                raise
            gone.add(path)
            if error.errno != errno.ENOENT:  # a log that was rotated away is no news
                notes.append(f"{path} stays behind: {os.strerror(error.errno)}")
        else:
            notes += [f"{path}: dropped {what}" for what in dropped]
    for path, first in wanted.links.items():
        if first not in gone:
            with refusing(path):
                files.link_file(place(folder, first), place(folder, path))
    for path, entry in wanted.writes.items():
        with refusing(path):
            dropped = _write(files, base.get(path), place(source, path), place(folder, path), entry)
        notes += [f"{path}: dropped {what}" for what in dropped]
    # Last and from below, since a folder may come out read-only and times change with each entry.
    for path in ("", *wanted.folders)[::-1]:
        dropped = files.copy_attributes(_folder_model(place(source, path)), place(folder, path))
        notes += [f"{path or '.'}: dropped {what}" for what in dropped]
    return tuple(notes)


def place(folder: Path, path: str) -> Path:
    """Where a tree's path lies on disk, whatever the locale's encoding is; "" is the folder."""
    return folder / os.fsdecode(path_bytes(path)) if path else folder


def permissions(mode: Mode, replaced: int | None) -> int:
    """Permission bits of new contents: those that an editor would leave.

    A program that may be executed keeps its set-id bits; what may not has no use for them.

    Args:
        mode: regular or executable.
        replaced: permission bits of the file that the contents replace, if there is one.
    """
    if replaced is None:
        return 0o755 if mode is Mode.EXECUTABLE else 0o644
    if mode is Mode.EXECUTABLE:
        return replaced | 0o100 | (replaced & 0o444) >> 2  # whoever may read may run
    return replaced & ~0o6111


def _write(
    files: Filesystem, old: Entry | None, replaced: Path, path: Path, entry: Entry
) -> tuple[str, ...]:
    status = replaced.lstat() if os.path.lexists(replaced) else None
    if entry.mode is Mode.SYMLINK:
        files.make_link(path, entry.data)
        files.copy_owner(replaced if status else _folder_model(replaced.parent), path)
        return ()
    if status is None or not stat.S_ISREG(status.st_mode):
        files.write_file(path, entry.data, permissions(entry.mode, None))
        files.copy_owner(replaced if status else _folder_model(replaced.parent), path)
        return ()
    bits = permissions(entry.mode, stat.S_IMODE(status.st_mode))
    files.write_file(path, entry.data, bits)
    same = old is not None and old.mode.is_file and old.data == entry.data
    return files.copy_attributes(replaced, path, mode=bits, new_content=not same)


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
