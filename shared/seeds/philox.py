"""Philox4x32-10: random words from a seed and a position, in integers only.

A counter-based generator has no state: the word at any position of any seed is computed alone.
So a search can ask for the first word of a billion seeds without making a billion streams, and
the probe gets the same words with nothing but 32-bit multiplication.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC '11,
doi:10.1145/2063384.2063405, section 3.3; constants as in the authors' Random123 library.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF
_BATCH = 1 << 14  # seeds at a time: the working arrays stay in the processor's cache

Counter = tuple[int, int, int, int]
Key = tuple[int, int]


def philox4x32(counter: Counter, key: Key) -> Counter:
    """The bijection itself: four 32-bit words from four 32-bit words under a 64-bit key."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & _MASK, (p0 >> 32) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def word(seed: int, position: int) -> int:
    """The 64-bit word of a seed at a position.

    The seed is the key and the position the low half of the counter, least significant 32-bit
    word first; the result is the first two output words in the same order.

    Args:
        seed: in [0, 2**64).
        position: in [0, 2**64).

    Raises:
        ValueError: an argument is out of range.
    """
    if not 0 <= seed < 2**64 or not 0 <= position < 2**64:
        raise ValueError(f"seed {seed} or position {position} is not in [0, 2**64)")
    out = philox4x32(
        (position & _MASK, position >> 32, 0, 0),
        (seed & _MASK, seed >> 32),
    )
    return out[1] << 32 | out[0]


def words(seeds: NDArray[np.uint64], position: int) -> NDArray[np.uint64]:
    """``word`` of many seeds at one position.

    Args:
        seeds: uint64 [n].
        position: in [0, 2**64).

    Returns:
        uint64 [n].

    Raises:
        ValueError: ``position`` is out of range.
    """
    if not 0 <= position < 2**64:
        raise ValueError(f"position {position} is not in [0, 2**64)")
    result = np.empty(seeds.shape, dtype=np.uint64)
    for first in range(0, len(seeds), _BATCH):
        batch = slice(first, first + _BATCH)
        _words(seeds[batch], position, result[batch])
    return result


def _words(seeds: NDArray[np.uint64], position: int, result: NDArray[np.uint64]) -> None:
    mask, half = np.uint64(_MASK), np.uint64(32)
    k0, k1 = seeds & mask, seeds >> half
    # 64-bit lanes that hold 32-bit values: products are exact, and nothing else exceeds 33 bits
    c0 = np.full(seeds.shape, position & _MASK, dtype=np.uint64)
    c1 = np.full(seeds.shape, position >> 32, dtype=np.uint64)
    c2, c3 = np.zeros_like(c0), np.zeros_like(c0)
    for _ in range(ROUNDS):
        p0, p1 = c0 * np.uint64(_MULTIPLIERS[0]), c2 * np.uint64(_MULTIPLIERS[1])
        np.right_shift(p1, half, out=c0)
        c0 ^= c1
        c0 ^= k0
        np.right_shift(p0, half, out=c2)
        c2 ^= c3
        c2 ^= k1
        c1, c3 = p1, p0
        c1 &= mask
        c3 &= mask
        k0 += np.uint64(_WEYL[0])
        k0 &= mask
        k1 += np.uint64(_WEYL[1])
        k1 &= mask
    np.left_shift(c1, half, out=result)
    result |= c0
