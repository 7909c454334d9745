"""Less memory for more time: the mapped model's pages are given back while it computes.

The pin is a read-only map of a file, so its pages can be dropped at any moment without a trace in
the numbers: the next use reads them again, from the system's cache or the disk.  A thread drops
them whenever the process has grown past a mark.  What cannot be dropped (program, tokenizer, keys
and values) is not bounded here; that is what the budget is for.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from shared.regenerate import resident_bytes

LOOK_S = 0.001
ROOM_BYTES = 8 << 20
"""How much of the model may be resident at once, about."""


def mapping_of(array: NDArray[Any]) -> mmap.mmap | None:
    """The map of a file that an array is a view of, or None if it lies elsewhere."""
    owner: object = array
    while not isinstance(owner, mmap.mmap):
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
        if owner is None:
            return None
    return owner


def _hurry() -> None:
    """Let this thread go before others when it wakes, where the system allows it.

    On a busy processor the thread that computes would else take in tens of megabytes meanwhile.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # 0 is the calling thread
        return
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -10)


@contextmanager
def frugal(mapping: mmap.mmap | None) -> Iterator[None]:
    """Keep the pages of a map from filling the memory for as long as this lasts."""
    if mapping is None or not hasattr(mmap, "MADV_DONTNEED"):
        yield
        return
    mapping.madvise(mmap.MADV_DONTNEED)
    mark = resident_bytes() + ROOM_BYTES
    ended = threading.Event()

    def watch() -> None:
        nonlocal mark
        _hurry()
        while not ended.wait(LOOK_S):
            if resident_bytes() > mark:
                mapping.madvise(mmap.MADV_DONTNEED)
                # What is left now is not the model's, and will not go.
                mark = resident_bytes() + ROOM_BYTES

    watcher = threading.Thread(target=watch, name="frugal", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
