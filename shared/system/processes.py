"""Worker processes that end with the process that made them, also if that is killed.

A pool of ``concurrent.futures`` tells its workers to end; a process that gets SIGKILL tells nobody,
and its workers would wait for work for ever.  But the system closes its end of a pipe of which each
worker holds the other, and that is seen.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


def begin_worker() -> None:
    """Makes this process a worker: Ctrl-C is for its parent to handle, and it ends with that.

    To be called first in every process of a pool, as its initializer or the beginning of it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


@contextmanager
def unheard_interrupts() -> Iterator[None]:
    """Around whatever starts processes: they begin with Ctrl-C blocked, ours is heard afterwards.

    A new process imports for a second before ``begin_worker`` is called in it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with(sentinel: int) -> NoReturn:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)  # nobody is left who would take results, or to whom an error could be told
