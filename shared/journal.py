"""What long work has done so far: lines of JSON, to go on from after a kill.

The first line says what the work is; each other line is one thing that is done.  A line counts
when it is whole; what follows a damaged one is cut off and done again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from shared.errors import InputError
from shared.files import append_whole
from shared.untrusted import PARSING_FAULTS, json_value

Take = Callable[[Any], None]
"""Takes a parsed line; raises ValueError, TypeError, KeyError or AttributeError if it is no use."""

_NO_USE = (InputError, *PARSING_FAULTS)


@dataclass(frozen=True)
class Journal:
    """An open file of lines, for this process alone; see ``open_journal``."""

    path: Path
    _file: FileIO

    def resume(self, begins: Take, take: Take) -> bool:
        """Reads what is there and cuts off what follows the last line of use.

        Args:
            begins: told of the first line.
            take: told of each other line.

        Returns:
            Whether the first line was of use; if not, the file is empty now.
        """
        self._file.seek(0)
        end = 0
        for line in self._file.read().splitlines(keepends=True):
            try:
                if not line.endswith(b"\n"):
                    break
                (take if end else begins)(json_value(line))
            except _NO_USE:
                break
            end += len(line)
        self._file.truncate(end)
        return end > 0

    def add(self, record: object, *, sync: bool = False) -> None:
        """Appends a line; a kill loses none, a power cut none up to the last ``sync``.

        Raises:
            InputError: the file cannot be written.
        """
        try:
            append_whole(self._file, json.dumps(record).encode() + b"\n", durable=sync)
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror}") from error


@contextmanager
def open_journal(path: Path, *, work: str, remedy: str) -> Iterator[Journal]:
    """Opens or creates a file of lines, and forces it to the disk at the end.

    Args:
        path: the file.
        work: what this is a journal of, for the error: "search".
        remedy: what to do if another process has it.

    Raises:
        InputError: another process has it, or it cannot be written.
    """
    try:
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"another {work} is writing {path}", remedy=remedy) from error
        try:
            yield Journal(path, file)
        finally:
            with contextlib.suppress(OSError):  # what is lost here is done again
                os.fsync(file.fileno())
