"""A monotonic counter of the hardware, reached by a command of the operator's.

The command (``probe init --counter-command``) is run without a shell, with one more argument:

    CMD read        prints the counter
    CMD increment   adds one, durably, and prints the new value

It prints one decimal number below 2^64 and ends with 0 within ten seconds.  The counter must be
this probe's alone: whoever else steps it makes the state folder look like an older copy.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.errors import StoreError

TIMEOUT_S = 10.0
_MOST = 2**64


class HardwareCounter(Protocol):
    """What never goes back."""

    def read(self) -> int:
        """The value now."""

    def increment(self) -> int:
        """One more; the new value."""


@dataclass(frozen=True)
class CommandCounter:
    """A counter behind a command.

    Attributes:
        command: program and arguments.
        timeout_s: longest time that it may take.
    """

    command: tuple[str, ...]
    timeout_s: float = TIMEOUT_S

    def read(self) -> int:
        """The value now.

        Raises:
            StoreError: the command cannot be run, fails, takes too long or prints something else.
        """
        return self._ask("read")

    def increment(self) -> int:
        """One more, and the new value; errors as ``read``."""
        return self._ask("increment")

    def _ask(self, what: str) -> int:
        words = (*self.command, what)
        status, out, err = _run(words, self.timeout_s)
        text = out.strip()
        if status != 0:
            raise _failed(words, f"ended with {status}: {err.strip()[-200:] or 'no word'}")
        if not text.isascii() or not text.isdecimal() or len(text) > 20 or int(text) >= _MOST:
            raise _failed(words, f"printed {text[:40]!r}")
        return int(text)


def counter_of(command: Sequence[str]) -> HardwareCounter | None:
    """The counter behind a command; None if there is no command."""
    return CommandCounter(tuple(command)) if command else None


def _run(words: Sequence[str], timeout_s: float) -> tuple[int, str, str]:
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise _failed(words, f"cannot be run: {error}") from error
    with process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)  # it and all that it started
            raise _failed(words, f"did not end within {timeout_s:g} s") from error
    return process.returncode, out, err


def _failed(words: Sequence[str], why: str) -> StoreError:
    return StoreError(
        f"the monotonic counter's command {shlex.join(words)!r} {why}",
        expected="one decimal number below 2^64 on standard output, and exit code 0",
        remedy="mend the command; or name another with probe init --renew --counter-command, "
        "'' for none",
    )
