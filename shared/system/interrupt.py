"""Ctrl-C ends a command at any moment with exit code 130, and never with a traceback.

Outside a command, that is while modules are imported, options are read and the interpreter ends,
nothing is at work that could be lost: the process ends at once.  Inside, ``KeyboardInterrupt`` is
raised as usual, so that what is at work can clear up or keep what is done.  Where it is raised in
code that cannot pass it on (a callback of C, a ``__del__``), the process ends at once.

This module imports nothing of ours and nothing heavy: it is what every program begins with.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from types import FrameType, TracebackType
from typing import Any, NoReturn

EXIT_CODE = 130
"""As a shell has it: 128 and the number of the signal."""


def run_program(load: Callable[[], Callable[[], object]]) -> None:
    """Loads a program and runs it; does not return after Ctrl-C.

    Args:
        load: imports the program and returns what runs it.
    """
    # a program that was started with Ctrl-C ignored (nohup, a shell's background) goes on so
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_now)
    guard_module()
    if isinstance(sys.stdout, TextIOWrapper):  # names of files may be no UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        load()()
    except KeyboardInterrupt:
        end()
    except SystemExit as ending:
        if ending.code == EXIT_CODE:
            end()  # and wait for no thread or worker: they end with this process
        raise


def guard_module() -> None:
    """For programs that are run as a module: an interrupt that nobody took ends quietly."""
    sys.excepthook = _quiet
    sys.unraisablehook = _end_if_lost


@contextmanager
def interruptible() -> Iterator[None]:
    """A command's work: here, and only here, Ctrl-C raises ``KeyboardInterrupt``."""
    if signal.getsignal(signal.SIGINT) is not _end_now:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _end_now)


def end() -> NoReturn:
    """Ends the process as an interrupted one, with what was printed so far."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(EXIT_CODE)


def _end_now(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    os._exit(EXIT_CODE)


def _quiet(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        end()
    sys.__excepthook__(kind, error, traceback)


def _end_if_lost(unraisable: Any) -> None:
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        end()  # nobody would hear of it
    sys.__unraisablehook__(unraisable)
