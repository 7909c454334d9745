"""What of a sweep is done: a line a chunk, so that a sweep that was killed goes on.

{"format": "linksim-journal/1", "of": digest of scenario and cargo}
{"chunk": "0:0+100", "results": [[...], ...]}
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from shared.errors import InputError
from sims.campaign import Chunk, packed, unpacked
from sims.mission import Result

FORMAT = "linksim-journal/1"


@dataclass
class Journal:
    """An open journal, for this process alone.

    Attributes:
        path: the file.
        done: results by the names of chunks.
    """

    path: Path
    done: dict[str, list[Result]]
    _file: IO[bytes]

    def add(self, chunk: Chunk, results: list[Result]) -> None:
        """Appends a chunk.

        Raises:
            InputError: the file cannot be written.
        """
        self.done[chunk.name] = results
        _append(self.path, self._file, {"chunk": chunk.name, "results": packed(results)})


@contextmanager
def open_journal(path: Path, of: str) -> Iterator[Journal]:
    """Opens or begins a journal; one of another sweep, and what follows damage, is begun anew.

    Args:
        path: the file.
        of: digest of the sweep.

    Raises:
        InputError: another process has it, or it cannot be written.
    """
    header = {"format": FORMAT, "of": of}
    try:
        file = path.open("a+b")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another sweep is writing {path}", remedy="wait for it, or name another folder"
            ) from error
        file.seek(0)
        done, end = _read(file.read(), header)
        file.truncate(end)
        if not end:
            _append(path, file, header)
        yield Journal(path, done, file)


def _read(data: bytes, header: dict[str, str]) -> tuple[dict[str, list[Result]], int]:
    """Results, and where the last sound line ends."""
    done: dict[str, list[Result]] = {}
    end = 0
    for line in data.splitlines(keepends=True):
        try:
            record: Any = json.loads(line) if line.endswith(b"\n") else None
            if not end:
                if record != header:
                    break
            else:
                done[str(record["chunk"])] = unpacked(record["results"])
        except (ValueError, TypeError, KeyError, InputError):
            break
        end += len(line)
    return done, end


def _append(path: Path, file: IO[bytes], record: object) -> None:
    try:
        file.write(json.dumps(record).encode() + b"\n")
        file.flush()
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
