"""Removing a folder and all below it, as far as that goes: what stays is named, and is no error.

Three things are never removed: what a link points to, what another filesystem holds that is mounted
below, and a file that this process cannot read.  The last cannot have been copied from there, so
it is the only one of its kind.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from probe.disk.filesystem import Filesystem

_MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Leftover:
    """Something that could not be removed.

    Attributes:
        path: where it lies.
        reason: why it stays.
    """

    path: Path
    reason: str


def remove_all(
    files: Filesystem, folder: Path, mounts: Collection[str] | None = None
) -> tuple[Leftover, ...]:
    """Remove a folder and all below it, or a file or link; nothing happens if there is none.

    Folders of one's own are opened (``u+rwx``) where their permissions would be in the way, the
    topmost included.  Nothing follows a link.

    Args:
        files: the disk.
        folder: what to remove.
        mounts: where filesystems are mounted, if that is known (``mounts_below``).

    Returns:
        What stays and why; the folders above it stay too and are not named.
    """
    if not os.path.lexists(folder):
        return ()
    left: list[Leftover] = []
    standing: set[Path] = set()
    mounts = mounts_below(folder) if mounts is None else mounts
    stack = [(folder, False)]
    while stack:
        path, emptied = stack.pop()
        if path in standing:
            continue  # what stays in it is named
        try:
            if emptied:
                files.remove_folder(path)
                continue
            status = path.lstat()
            reason = _reason_to_keep(path, status, mounts)
            if reason:
                raise PermissionError(0, reason)
            if not stat.S_ISDIR(status.st_mode):
                files.remove_file(path)
                continue
            _open(files, path, status)
            names = os.listdir(path)  # noqa: PTH208 - a Path for each would cost
            stack.append((path, True))
            stack.extend((path / name, False) for name in names)
        except FileNotFoundError:
            continue  # it went by itself
        except OSError as error:
            left.append(Leftover(path, error.strerror or str(error)))
            standing.update(path.parents)
    return tuple(left)


def mounts_below(*folders: Path) -> frozenset[str]:
    """Where other filesystems are mounted, at one of the folders or below; none if nobody tells."""
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return frozenset()
    tops = [os.fspath(folder).rstrip("/") for folder in folders]
    return frozenset(
        place
        for place in _mount_points(lines)
        if any(place == top or place.startswith(top + "/") for top in tops)
    )


def told(left: Sequence[Leftover], most: int = 3) -> str:
    """What stays, in a sentence that names the first few."""
    named = ", ".join(f"{one.path} ({one.reason})" for one in left[:most])
    more = len(left) - most
    return f"cannot be removed: {named}" + (f" and {more} more" if more > 0 else "")


def _mount_points(lines: Collection[bytes]) -> Iterator[str]:
    """The fifth field of each line of mountinfo, proc(5), where blanks are octal escapes."""
    for line in lines:
        fields = line.split()
        if len(fields) > 4:
            place = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), fields[4])
            yield os.fsdecode(place)


def _reason_to_keep(path: Path, status: os.stat_result, mounts: Collection[str]) -> str:
    if stat.S_ISDIR(status.st_mode) and os.fspath(path) in mounts:
        return "a filesystem is mounted there"
    if stat.S_ISREG(status.st_mode) and not os.access(path, os.R_OK, effective_ids=True):
        return "it cannot be read, so no copy of it was made"
    return ""


def _open(files: Filesystem, folder: Path, status: os.stat_result) -> None:
    """A read-only folder, copied as such, must not stop its owner from clearing it."""
    mode = stat.S_IMODE(status.st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU and os.geteuid() == status.st_uid:
        files.change_mode(folder, mode | stat.S_IRWXU)
