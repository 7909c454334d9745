"""What of a sweep is done: a line a chunk, so that a sweep that was killed goes on.

{"format": "linksim-journal/1", "of": digest of scenario and cargo}
{"chunk": "0:0+100", "results": [[...], ...]}
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import journal
from sims.campaign.campaign import Chunk, packed, unpacked
from sims.mission.mission import Result

FORMAT = "linksim-journal/1"


@dataclass
class Journal:
    """An open journal, for this process alone.

    Attributes:
        done: results by the names of chunks.
    """

    done: dict[str, list[Result]]
    _lines: journal.Journal

    def add(self, chunk: Chunk, results: list[Result]) -> None:
        """Appends a chunk.

        Raises:
            InputError: the file cannot be written.
        """
        self.done[chunk.name] = results
        self._lines.add({"chunk": chunk.name, "results": packed(results)})


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
    done: dict[str, list[Result]] = {}

    def begins(record: Any) -> None:
        if record != header:
            raise ValueError("another sweep")

    def take(record: Any) -> None:
        done[str(record["chunk"])] = unpacked(record["results"])

    remedy = "wait for it, or name another folder"
    with journal.open_journal(path, work="sweep", remedy=remedy) as lines:
        if not lines.resume(begins, take):
            lines.add(header)
        yield Journal(done, lines)
