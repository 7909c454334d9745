"""The device that a network is trained on, as accelerate finds it."""

from __future__ import annotations

from typing import Any


def full_precision() -> Any:
    """An `Accelerator` that leaves the numbers as they are.

    accelerate keeps one precision for the whole process: the first training would decide, and a
    later one that asks for another is refused, or silently trained in the first one's.  So all of
    them ask for the same here, and one that wants fewer bits says so where it computes, by
    `torch.autocast`.

    Raises:
        ImportError: accelerate is not installed.
    """
    from accelerate import Accelerator

    return Accelerator(mixed_precision="no")
