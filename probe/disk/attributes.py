"""What a file or folder has beside its bytes: owner, permissions, extended attributes, times.

The order matters: chown(2) takes set-id bits and capabilities away, so the owner comes first; a
read-only file takes no ``user.*`` attribute, so the permissions come after the attributes.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

OF_CONTENT = frozenset({"security.capability", "security.ima", "security.evm"})
"""Attributes that vouch for the very bytes of a file: capabilities(7) were given to a program that
somebody had looked at, the others are digests.  New contents do not inherit them."""

_NOT_HERE = (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENODATA, errno.EINVAL, errno.E2BIG)
"""Why an attribute may not be carried over: no right to it, or the filesystem has none such."""


def copy_attributes(
    source: Path, path: Path, *, mode: int | None = None, new_content: bool = False
) -> tuple[str, ...]:
    """Give what is at ``path`` owner, extended attributes, permissions and times of another.

    Owner and group are given as far as this process may.  A set-id bit is kept only together with
    the owner or group that it stands for, or it would run as somebody else.

    Args:
        source: whose attributes; a link's own where it is one.
        path: a file, folder or link of the same kind.
        mode: permission bits to end with; those of ``source`` where None.
        new_content: whether the bytes are others: then times and ``OF_CONTENT`` are not carried
            over.

    Returns:
        What was dropped, in words without the path; nothing that merely the owner is.

    Raises:
        OSError: the disk refuses.
    """
    wanted = source.lstat()
    found = path.lstat()
    if (found.st_uid, found.st_gid) != (wanted.st_uid, wanted.st_gid):
        _give(path, wanted.st_uid, wanted.st_gid)
        found = path.lstat()
    dropped = list(_copy_extended(source, path, new_content=new_content))
    if not stat.S_ISLNK(wanted.st_mode):
        bits = stat.S_IMODE(wanted.st_mode) if mode is None else mode
        for bit, same, name in (
            (stat.S_ISUID, found.st_uid == wanted.st_uid, "set-user-id"),
            (stat.S_ISGID, found.st_gid == wanted.st_gid, "set-group-id"),
        ):
            if bits & bit and not same and not stat.S_ISDIR(wanted.st_mode):
                bits &= ~bit
                dropped.append(f"{name}, since its owner cannot be given")
        if bits != stat.S_IMODE(found.st_mode) or dropped:
            path.chmod(bits)
    if not new_content:
        times = (wanted.st_atime_ns, wanted.st_mtime_ns)
        os.utime(path, ns=times, follow_symlinks=False)
    return tuple(dropped)


def copy_owner(source: Path, path: Path) -> None:
    """Give a new file, folder or link owner and group of another, as far as this process may."""
    wanted, found = source.lstat(), path.lstat()
    if (found.st_uid, found.st_gid) != (wanted.st_uid, wanted.st_gid):
        _give(path, wanted.st_uid, wanted.st_gid)


def _give(path: Path, user: int, group: int) -> None:
    try:
        os.chown(path, user, group, follow_symlinks=False)
    except PermissionError:
        with suppress(PermissionError):  # a group of one's own may be given without any right
            os.chown(path, -1, group, follow_symlinks=False)


def _copy_extended(source: Path, path: Path, *, new_content: bool) -> tuple[str, ...]:
    dropped = []
    try:
        names = os.listxattr(source, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NOT_HERE:
            return ()
        raise
    for name in names:
        if new_content and name in OF_CONTENT:
            dropped.append(f"{name}, since the contents changed")
            continue
        try:
            value = os.getxattr(source, name, follow_symlinks=False)
            os.setxattr(path, name, value, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            if error.errno != errno.ENODATA and not _is_label(path, name):
                dropped.append(f"{name} ({os.strerror(error.errno)})")
    return tuple(dropped)


def _is_label(path: Path, name: str) -> bool:
    """Whether a policy has given the new file such an attribute by itself, as SELinux does."""
    try:
        return name in os.listxattr(path, follow_symlinks=False)
    except OSError:
        return False
