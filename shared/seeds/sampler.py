"""Frequencies and a coin to a symbol: the integer arithmetic that every source of coins shares.

A symbol owns the integers ``[start, start + freq)`` of ``[0, total)``, in index order.  Whoever
names an integer below ``total`` names a symbol.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.seeds.interval import MAX_TOTAL

Frequencies = NDArray[np.int64]
"""int64 [n], n >= 1: none negative, at least one positive, their sum below 2**62."""

_BLOCK = 256  # entries summed at once: about the square root of a vocabulary


def total_of(frequencies: Frequencies) -> int:
    """The sum of all frequencies.

    Raises:
        ValueError: the array is no distribution (see ``Frequencies``).
    """
    if frequencies.ndim != 1 or frequencies.dtype != np.int64 or not len(frequencies):
        raise ValueError(f"frequencies are {frequencies.dtype} {frequencies.shape}, not int64 [n]")
    # seen as unsigned, a negative entry is above 2**63: one pass finds it and the largest
    if int(frequencies.view(np.uint64).max()) * len(frequencies) >= MAX_TOTAL:
        exact = [int(value) for value in frequencies]
        if min(exact) < 0 or sum(exact) >= MAX_TOTAL:
            raise ValueError("a frequency is negative or their sum reaches 2**62")
    total = int(frequencies.sum())
    if total == 0:
        raise ValueError("every frequency is zero")
    return total


def symbol_interval(frequencies: Frequencies, index: int) -> tuple[int, int, int]:
    """What an interval coder needs to know of a symbol.

    Returns:
        start, freq, total.

    Raises:
        ValueError: the symbol cannot occur, or the array is no distribution.
    """
    if not 0 <= index < len(frequencies) or frequencies[index] <= 0:
        raise ValueError(f"symbol {index} of {len(frequencies)} cannot occur here")
    total = total_of(frequencies)
    return int(frequencies[:index].sum()), int(frequencies[index]), total


def symbol_at(frequencies: Frequencies, target: int) -> tuple[int, int]:
    """The symbol that owns an integer.

    Args:
        frequencies: int64 [n], already found to be a distribution (``total_of``).
        target: in [0, total).

    Returns:
        index, start.
    """
    # Sums of blocks first: a running sum over the whole vocabulary would cost six times as much.
    block_ends = np.add.reduceat(frequencies, np.arange(0, len(frequencies), _BLOCK)).cumsum()
    block = int(block_ends.searchsorted(target, side="right"))
    start = int(block_ends[block - 1]) if block else 0
    ends = frequencies[block * _BLOCK : (block + 1) * _BLOCK].cumsum()
    within = int(ends.searchsorted(target - start, side="right"))
    return block * _BLOCK + within, start + (int(ends[within - 1]) if within else 0)


def most_frequent(frequencies: Frequencies) -> int:
    """The index of the largest frequency, the lowest on ties."""
    return int(frequencies.argmax())


def geometric(limit: int, ratio: tuple[int, int] = (1, 2)) -> Frequencies:
    """Frequencies that fall by a constant ratio: for small numbers that are mostly near zero.

    Args:
        limit: how many symbols; each has at least frequency 1.
        ratio: each frequency is this fraction of the one before, rounded down.

    Returns:
        int64 [limit].
    """
    values = [1 << 32]
    while len(values) < limit:
        values.append(max(1, values[-1] * ratio[0] // ratio[1]))
    return np.array(values[:limit], dtype=np.int64)
