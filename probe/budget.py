"""What regeneration may use, enforced from outside: the memory of this process.

Tokens, seconds and resident memory are watched token by token in ``shared.regenerate``.  That comes
too late for a single allocation that is too large.  So the system's own limit on address space is
set for as long as the model works, and what then fails becomes a refusal.
"""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import BudgetExceeded

LEAST_BYTES = 256 << 20
"""No tighter limit is set: below it libraries fail in ways of their own, and regeneration, which
watches the resident memory too, gives the clearer refusal."""


@contextmanager
def limited_memory(max_bytes: int) -> Iterator[None]:
    """Let the process take at most ``max_bytes`` of address space more than it has (setrlimit(2)),
    or ``LEAST_BYTES`` if that is more.

    The mapped model counts in full, whether its pages are resident or not.

    Raises:
        BudgetExceeded: more was asked for.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = _address_space_bytes() + max(max_bytes, LEAST_BYTES)
    for limit in (soft, hard):
        if limit != resource.RLIM_INFINITY:
            wanted = min(wanted, limit)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    try:
        yield
    except (MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.ENOMEM:
            raise
        raise BudgetExceeded(
            "regeneration needs more memory",
            expected=f"at most {max_bytes >> 20} MiB beside the program itself",
            remedy="raise --max-memory, or split the patch",
        ) from error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space_bytes() -> int:
    """Size of this process's address space, proc_pid_statm(5)."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
