"""A lack of memory is nobody's fault but the machine's, whichever library reports it and as what.

The same message may do later, on the same machine.  So what is short of memory must never look
like damage to a message, a model or a file, and this is the one place that tells the two apart.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import OutOfMemory

_ZSTD = "not enough memory"
"""What zstd calls ZSTD_error_memory_allocation (zstd 1.5, lib/common/error_private.c)."""
_THREADS = "can't start new thread"


@contextmanager
def blaming_memory() -> Iterator[None]:
    """Turn every error that a lack of memory has caused into ``OutOfMemory``.

    Raises:
        OutOfMemory: instead of any error that is one of ``lacks_memory``, or came of one.
    """
    try:
        yield
    except OutOfMemory:
        raise
    except Exception as error:
        if not came_of_lack(error):
            raise
        raise OutOfMemory(
            "there is too little memory for this now",
            expected="memory to do what was asked for",
            remedy="try it again when other programs take less, allow more with --max-memory, or "
            "author the patch in several messages",
        ) from error


def came_of_lack(error: BaseException) -> bool:
    """Whether an error, or any that it was raised for or amid, says that memory is short."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        if lacks_memory(one):
            return True
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
    return False


def lacks_memory(error: BaseException) -> bool:
    """Whether this very error says so: Python's, the system's (ENOMEM), zstd's, or a thread's."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, RuntimeError):
        return _THREADS in str(error)
    # zstandard names its only error so; it is not imported here, since few commands need it
    zstd = type(error).__name__ == "ZstdError" and _ZSTD in str(error)
    return zstd or isinstance(error, MemoryError)
