"""Files that last: each is there whole or not at all, whatever happens while it is written.

A new file is written as a draft in the folder of its final name, on the disk if the caller wants
that, and then takes the name in one step (rename(2)).  A disk that fills up, a limit, Ctrl-C or a
kill leave what was there before; all but a kill also take the draft away.

What was at the name decides the rest, as with a file that is opened for writing:

- a symbolic link stays, and the file that it leads to is replaced;
- permission bits stay, and the owner where this process may give files away, unless the caller
  names the bits; a new file gets what the umask leaves;
- a file that may not be written is not replaced, although its folder would allow that;
- a pipe, a terminal, a device, or what is standard output already is written as it comes: such a
  name is not a place that could be taken.

Other hard links to the old file keep the old contents.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from shared.errors import InputError

DRAFT_PREFIX, DRAFT_SUFFIX = ".rehydration-", ".part"
"""Around the name of a draft, which only a kill can leave behind."""

_PLAIN = 0o666  # what the umask leaves of it, as with open(2)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_UNLINKABLE = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES}
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}


def readable(text: str) -> bytes:
    """Encode a text for people in UTF-8; bytes of file names that are none are escaped."""
    return text.encode("utf-8", "backslashreplace")


def replace_file(path: Path, data: bytes, *, durable: bool, mode: int | None = None) -> None:
    """Write a file, or put another in its place.

    Args:
        path: its name; the folder must be there.
        data: all that it shall hold.
        durable: return only when it would survive a power cut.
        mode: its permission bits, whatever the umask; None keeps those of the old file.

    Raises:
        InputError: it cannot be written; what was there is as before.
    """
    with staged_file(path, data, durable=durable, mode=mode):
        pass


@contextmanager
def staged_file(
    path: Path, data: bytes, *, durable: bool, mode: int | None = None
) -> Iterator[None]:
    """Write a draft, run the body, and only then let the draft take the name.

    So what must not happen without the file (a counter that is used up) is done when nothing but
    a rename can fail any more.  If the body raises, the draft is gone and the old file stays.
    Into a stream the bytes go after the body.

    Args:
        path, data, durable, mode: as ``replace_file``.

    Raises:
        InputError: the draft cannot be written (the body does not run), or cannot be renamed.
    """
    if is_stream(path):  # what has gone through a pipe cannot be taken back
        yield
        with replacing(path, durable=durable, mode=mode) as file:
            file.write(data)
        return
    with replacing(path, durable=durable, mode=mode) as file:
        file.write(data)
        file.flush()
        if durable:
            _sync(file.fileno())
        yield


@contextmanager
def replacing(path: Path, *, durable: bool, mode: int | None = None) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when the body has ended without an exception.

    Args:
        path, durable, mode: as ``replace_file``.

    Raises:
        InputError: an operation on the file failed, in the body or at its end.
    """
    try:
        place = _place(path)
        if place is None:
            with path.open("wb") as stream:
                yield stream
            return
        with _draft(place, durable=durable, mode=mode) as file:
            yield file
    except OSError as error:
        raise _cannot_write(path, error) from error


def create_file(path: Path, data: bytes, *, durable: bool, mode: int) -> None:
    """Write a file where there is none: no file is replaced and no link is followed.

    Args:
        path, data, durable: as ``replace_file``.
        mode: its permission bits, whatever the umask; the draft never has more.

    Raises:
        InputError: the name is taken, or the file cannot be written.
    """
    try:
        with _written(path.parent, data, durable=durable, mode=mode) as draft:
            try:
                os.link(draft, path, follow_symlinks=False)  # unlike a rename, never over a file
            except OSError as error:
                if error.errno not in _UNLINKABLE:
                    raise
                _create_in_place(path, data, durable=durable, mode=mode)
        if durable:
            sync_folder(path.parent)
    except FileExistsError as error:
        raise InputError(
            f"{path} exists", expected="a name that is free", remedy="choose another name"
        ) from error
    except OSError as error:
        raise _cannot_write(path, error) from error


def append_whole(file: FileIO, data: bytes, *, durable: bool) -> None:
    """Append to an open file: all the bytes, or none that stay.

    Args:
        file: opened to append, without a buffer.
        data: what to append.
        durable: return only when it would survive a power cut.

    Raises:
        OSError: the disk refuses; the file is as long as before.
    """
    end = os.fstat(file.fileno()).st_size
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(file.fileno(), left) :]
        if durable:
            _sync(file.fileno())
    except BaseException:  # an interrupt too: half a line is worse than none
        with contextlib.suppress(OSError):
            os.ftruncate(file.fileno(), end)
        raise


def check_writable(path: Path) -> None:
    """Refuse at once what could not be written after long work: a draft is tried in the folder.

    Raises:
        InputError: there is no such folder, it takes no file, or the name is a folder's or that
            of a file that may not be written.
    """
    try:
        place = _place(path)
        if place is None:
            if not os.access(path, os.W_OK, effective_ids=True):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        with _written(place.parent, b"", durable=False, mode=None):
            pass
    except OSError as error:
        raise _cannot_write(path, error) from error


def check_free(path: Path, *, force: bool) -> None:
    """Refuse to write over a file unless told to, besides what ``check_writable`` refuses.

    A pipe, a terminal or a device may always be written, and so may an empty file: nothing is
    lost.

    Args:
        path: the name.
        force: whether a file there may be replaced.

    Raises:
        InputError: see above.
    """
    check_writable(path)
    if not force and not is_stream(path) and path.exists() and path.stat().st_size:
        raise InputError(
            f"{path} exists",
            expected="a name that is free",
            remedy="name another file with --out, or pass --force to replace this one",
        )


def is_stream(path: Path) -> bool:
    """Whether bytes for this name can only be written as they come: a pipe, a device.

    Raises:
        InputError: the name is a folder's, or cannot be looked at.
    """
    try:
        return _place(path) is None
    except OSError as error:
        raise _cannot_write(path, error) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def clear_drafts(folder: Path) -> None:
    """Remove what a kill left, from a folder in which no other process writes just now."""
    for draft in folder.glob(f"{DRAFT_PREFIX}*{DRAFT_SUFFIX}"):
        with contextlib.suppress(OSError):
            draft.unlink()


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder would survive a power cut.

    Raises:
        OSError: the disk failed; a file system that does not know the operation is no failure.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _place(path: Path) -> Path | None:
    """The name to be taken, links followed; None where bytes can only be written as they come."""
    place = Path(os.path.realpath(path)) if path.is_symlink() else path
    if place.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    try:
        found = path.stat()
    except FileNotFoundError:
        return place
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode) or _is_standard(found):
        return None
    if not os.access(place, os.W_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return place


def _is_standard(found: os.stat_result) -> bool:
    """Whether a file is what our standard output or error goes to: ``--out /dev/stdout > FILE``."""
    for stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if stream is not None and os.path.samestat(found, os.fstat(stream.fileno())):
                return True
    return False


@contextmanager
def _draft(place: Path, *, durable: bool, mode: int | None) -> Iterator[BinaryIO]:
    """A file that is renamed to ``place`` at the end of the body; gone if the body raises."""
    descriptor, name = tempfile.mkstemp(DRAFT_SUFFIX, DRAFT_PREFIX, place.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            _give_attributes(file.fileno(), place, mode)
            if durable:
                _sync(file.fileno())
        draft.replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    if durable:
        sync_folder(place.parent)


@contextmanager
def _written(folder: Path, data: bytes, *, durable: bool, mode: int | None) -> Iterator[Path]:
    """A draft with these bytes, which is gone after the body whatever becomes of it."""
    descriptor, name = tempfile.mkstemp(DRAFT_SUFFIX, DRAFT_PREFIX, folder)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            if durable:
                _sync(file.fileno())
        yield draft
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _create_in_place(path: Path, data: bytes, *, durable: bool, mode: int) -> None:
    """For file systems without hard links: the name is taken first, and given back on failure."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if durable:
                _sync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _give_attributes(descriptor: int, place: Path, mode: int | None) -> None:
    """Owner and permission bits of what is to be replaced, or those that were asked for."""
    try:
        old = place.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, _PLAIN & ~_umask() if mode is None else mode)
        return
    fresh = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (fresh.st_uid, fresh.st_gid):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) if mode is None else mode)


def _umask() -> int:
    """The umask, read without changing it for other threads (Linux 4.7), else by setting it."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    current = os.umask(0o077)
    os.umask(current)
    return current


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def _cannot_write(path: Path, error: OSError) -> InputError:
    """What a failed operation means to the user."""
    why = error.strerror or str(error)
    if error.errno in _FULL:
        return InputError(
            f"cannot write {path}: {why}", remedy="make room there, or name a file on another disk"
        )
    if error.errno == errno.EISDIR:
        return InputError(
            f"cannot write {path}: it is a folder", remedy="name a file, in that folder or another"
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return InputError(
            f"cannot write {path}: there is no such folder",
            expected="a file in a folder that is there",
            remedy="make the folder first, or name a file in another",
        )
    return InputError(
        f"cannot write {path}: {why}", remedy="name a file in a folder that you may write"
    )
