"""What regeneration may use, enforced from outside: memory and wall time of this process.

Tokens, seconds and resident memory are watched token by token in ``shared.regenerate``.  That comes
too late for a single allocation that is too large.  So the system's own limit on address space is
set for as long as the model works, and what then fails is a lack of memory (``OutOfMemory``):
nobody can tell whether the limit was in the way or the machine had no more.
"""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import BudgetExceeded
from shared.system.memory import blaming_memory

LEAST_BYTES = 256 << 20
"""No tighter limit is set: below it libraries fail in ways of their own, and regeneration, which
watches the resident memory too, gives the clearer refusal."""

GRACE_S = 5.0
"""How long the loop's own look at the clock, which tells more, has to be the first."""

MOST_S = 1e8
"""Three years: a timer of the system cannot be set to any number."""


@contextmanager
def limited_memory(max_bytes: int) -> Iterator[None]:
    """Let the process take at most ``max_bytes`` of address space more than it has (setrlimit(2)),
    or ``LEAST_BYTES`` if that is more.

    The mapped model counts in full, whether its pages are resident or not.

    Raises:
        OutOfMemory: more was asked for, or the machine has less.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = _address_space_bytes() + max(max_bytes, LEAST_BYTES)
    for limit in (soft, hard):
        if limit != resource.RLIM_INFINITY:
            wanted = min(wanted, limit)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    try:
        with blaming_memory():
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def limited_time(max_seconds: float) -> Iterator[None]:
    """Let what follows take so long by the wall clock, watched by the system (setitimer(2)).

    Regeneration looks at the clock itself, token by token; this is for a step that does not come
    back.  Only the main thread of a program can have it; elsewhere nothing is set.

    Raises:
        BudgetExceeded: the time is over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(*_: object) -> None:
        raise BudgetExceeded(
            "regeneration needs more time",
            expected=f"at most {max_seconds:g} seconds",
            remedy="raise --max-seconds, or author the patch with fewer lines around the hunks",
        )

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, min(max_seconds, MOST_S) + GRACE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _address_space_bytes() -> int:
    """Size of this process's address space, proc_pid_statm(5)."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
