"""Weights of decisions that no model makes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.seeds.decisions import Decisions


def weights(*values: int) -> NDArray[np.int64]:
    """int64 [len(values)]: the relative frequencies of a decision's outcomes."""
    return np.array(values, dtype=np.int64)


def transcribe_count(decisions: Decisions, most: int, wanted: int | None, label: str) -> int:
    """Writes or reads a number from 0 to ``most``: its length in bits, then its bits.

    All lengths are equally likely, so a number n costs about log2(n) bits and those of the length.
    """
    length = decisions.uniform(
        most.bit_length() + 1, None if wanted is None else wanted.bit_length(), label
    )
    if not length:
        return 0
    high = 1 << (length - 1)
    low = None if wanted is None else wanted - high
    return high + decisions.uniform(min(high, most - high + 1), low, label)
