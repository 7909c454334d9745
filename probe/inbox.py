"""What has been received and not dealt with, on disk: it outlives a restart.

    STATE/inbox/
      lock             held by the one listener
      N.message        a whole message that waits, N counts from 1
      N.M.K.F.segment  a segment: MAP, number of its frame or "-", sequence flags

Every file is written durably before what it holds counts as received.  A disk that refuses is no
reason to lose a message that is in memory: the caller goes on without.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from probe.assembly import Kept
from probe.filesystem import Filesystem, durable_remove, durable_write
from probe.store import storing
from probe.units import Piece
from shared.ccsds.segmentation import Segment, SequenceFlags
from shared.errors import StoreError

MESSAGE, SEGMENT, DRAFT = ".message", ".segment", ".new"
MOST_FILE_BYTES = 1 << 30
"""A larger file is none of this program's."""

_MESSAGE_NAME = re.compile(r"(?a:(?P<order>\d{1,18}))\.message")
_SEGMENT_NAME = re.compile(
    r"(?a:(?P<order>\d{1,18})\.(?P<map_id>\d{1,2})\.(?P<number>-|\d{1,3})\.(?P<flags>[0-3]))"
    r"\.segment"
)


@dataclass(frozen=True)
class Waiting:
    """A message that waits.

    Attributes:
        order: its place in the order of arrival.
        data: its bytes.
        stored: whether it was on disk when it was handed on; says nothing of what it is.
    """

    order: int
    data: bytes
    stored: bool = field(default=True, compare=False)


class Inbox:
    """The files of one inbox.  Made by ``open_inbox``.  All methods raise StoreError."""

    def __init__(self, folder: Path, files: Filesystem) -> None:
        self.folder = folder
        self.files = files

    def put_message(self, waiting: Waiting) -> None:
        """Put a message away."""
        self._write(self._message(waiting.order), waiting.data)

    def put_segment(self, kept: Kept) -> None:
        """Put a segment away."""
        self._write(self._segment(kept), kept.piece.segment.data)

    def drop_message(self, waiting: Waiting) -> None:
        """The message was dealt with."""
        self._remove(self._message(waiting.order))

    def drop_segment(self, kept: Kept) -> None:
        """The segment has become part of a message, or is given up."""
        self._remove(self._segment(kept))

    def messages(self) -> list[Waiting]:
        """Those put away, oldest first; what is no message is passed over."""
        found = []
        for name, data in self._read(_MESSAGE_NAME):
            found.append(Waiting(int(name["order"]), data))
        return sorted(found, key=lambda waiting: waiting.order)

    def segments(self) -> list[Kept]:
        """Those put away, oldest first; what is no segment is passed over."""
        found = []
        for name, data in self._read(_SEGMENT_NAME):
            flags = SequenceFlags(int(name["flags"]))
            segment = Segment(flags, int(name["map_id"]), data)
            number = None if name["number"] == "-" else int(name["number"])
            found.append(Kept(int(name["order"]), Piece(segment, number)))
        return sorted(found, key=lambda kept: kept.order)

    def clear_drafts(self) -> None:
        """Remove what a crash left half written; what does not go is passed over."""
        with storing("clear the inbox"):
            drafts = [path for path in self.folder.iterdir() if path.name.endswith(DRAFT)]
        for path in drafts:
            with contextlib.suppress(OSError):
                durable_remove(self.files, path)

    def _message(self, order: int) -> Path:
        return self.folder / f"{order}{MESSAGE}"

    def _segment(self, kept: Kept) -> Path:
        piece = kept.piece
        number = "-" if piece.number is None else piece.number
        name = f"{kept.order}.{piece.segment.map_id}.{number}.{piece.segment.flags.value}"
        return self.folder / f"{name}{SEGMENT}"

    def _read(self, form: re.Pattern[str]) -> Iterator[tuple[re.Match[str], bytes]]:
        """Files that this program may have written, by their names, and what they hold."""
        with storing("list the inbox"):
            paths = list(self.folder.iterdir())
        for path in paths:
            name = form.fullmatch(path.name)
            data = plain_bytes(path) if name else None
            if name and data is not None:
                yield name, data

    def _write(self, path: Path, data: bytes) -> None:
        with storing("put what came into the inbox"):
            durable_write(self.files, path, data)

    def _remove(self, path: Path) -> None:
        with storing("clear the inbox"), contextlib.suppress(FileNotFoundError):
            durable_remove(self.files, path)


def plain_bytes(path: Path) -> bytes | None:
    """What a file holds; None if it cannot be read, or is a folder, a link, a pipe or a device.

    An inbox may have got files that are not this program's.  They stay, and are in nobody's way:
    a pipe that nobody writes to would keep a reader waiting for ever.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            fits = stat.S_ISREG(found.st_mode) and found.st_size <= MOST_FILE_BYTES
            return file.read() if fits else None
    except OSError:
        return None


@contextmanager
def open_inbox(state: Path, files: Filesystem) -> Iterator[Inbox]:
    """Lock the inbox of a state folder and clear what a crash left half written.

    Raises:
        StoreError: there is no state folder, or another listener has the inbox.
    """
    folder = state / "inbox"
    with storing("open the inbox"):
        if not folder.exists():
            files.make_folder(folder, 0o700)
            files.sync_folder(state)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(
                "another probe is listening for this state folder", expected="one listener"
            ) from error
        inbox = Inbox(folder, files)
        inbox.clear_drafts()
        yield inbox
    finally:
        os.close(descriptor)
