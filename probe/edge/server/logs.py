"""What a server writes about strangers: a few lines of each kind a minute, each of bounded length.

A request that is no HTTP is a line of the log.  Whoever sends a million of them must not fill a
disk.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Final

LINES: Final = 5
"""Of one kind in a window; a kind is a place in the code."""
WINDOW_S: Final = 60.0
CHARACTERS: Final = 4096
"""Of one record, its traceback included."""


class Sparing(logging.Filter):
    """Lets the first records of each kind through, then counts.

    The first one of the next window says how many were left out before it.

    Args:
        clock: seconds that never go back.
        lines: of a kind in a window.
        window_s: its length.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        lines: int = LINES,
        window_s: float = WINDOW_S,
    ) -> None:
        super().__init__()
        self._clock, self._lines, self._window_s = clock, lines, window_s
        self._seen: dict[tuple[str, str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        kind = (record.name, record.pathname, record.lineno)
        began, count = self._seen.get(kind, (self._clock(), 0))
        if self._clock() - began >= self._window_s:
            left_out = count - self._lines
            began, count = self._clock(), 0
            if left_out > 0:
                record.msg = f"{record.getMessage().rstrip()} ({left_out} more like it before)"
                record.args = ()
        self._seen[kind] = (began, count + 1)
        return count < self._lines


class Short(logging.Formatter):
    """Records of bounded length."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record; of a long one the beginning and the end, where the cause stands."""
        text = super().format(record)
        if len(text) <= CHARACTERS:
            return text
        half = CHARACTERS // 2
        return f"{text[:half]}\n... {len(text) - 2 * half} characters ...\n{text[-half:]}"


def log_sparingly() -> None:
    """Sends warnings and errors of every library to standard error, sparingly."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Short("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(Sparing())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
