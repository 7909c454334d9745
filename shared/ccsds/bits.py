"""Bits and soft bits as arrays.

Bits are ``uint8`` zeros and ones, the first sent first.  A *soft bit* is a log-likelihood ratio,
``ln P(0) - ln P(1)`` given what was received: positive means 0, its size how surely, 0 an erasure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import InputError

Bits = NDArray[np.uint8]
Soft = NDArray[np.float64]
Signal = bytes | NDArray[Any]
"""What a receiver is given: bytes, an array of bits, or a floating array of soft bits."""

SUREST = 30.0
"""No soft bit is larger: tanh(15) differs from 1 in double precision, tanh(20) does not."""


def to_bits(data: bytes) -> Bits:
    """Bytes as bits, the highest of each byte first; shape (8 * bytes,)."""
    return np.unpackbits(np.frombuffer(data, np.uint8))


def to_bytes(bits: Bits) -> bytes:
    """Bits as bytes; a last byte that is not full ends in zeros."""
    return np.packbits(bits).tobytes()


def soften(bits: NDArray[np.integer[Any]], crossover: float) -> Soft:
    """Soft bits of hard ones, each being wrong with the same probability.

    Args:
        bits: zeros and ones, any shape.
        crossover: that probability, above 0 and below one half.

    Raises:
        InputError: another probability.
    """
    if not 0.0 < crossover < 0.5:
        raise InputError(f"a crossover probability of {crossover}", expected="above 0, below 0.5")
    return (1.0 - 2.0 * bits.astype(np.float64)) * float(np.log((1.0 - crossover) / crossover))


def to_soft(signal: Signal, crossover: float) -> Soft:
    """Any signal as soft bits, each between -``SUREST`` and ``SUREST``.

    Args:
        signal: soft bits are only cut, others softened.
        crossover: how probably a hard bit is wrong.

    Raises:
        InputError: not one-dimensional, not bits, or not numbers.
    """
    if isinstance(signal, bytes | bytearray):
        return soften(to_bits(bytes(signal)), crossover)
    if signal.ndim != 1:
        raise InputError(f"a signal of shape {signal.shape}", expected="one dimension")
    if np.issubdtype(signal.dtype, np.floating):
        if np.isnan(signal).any():
            raise InputError("a signal with values that are no numbers", expected="soft bits")
        return np.clip(signal.astype(np.float64), -SUREST, SUREST)
    if signal.size and not ((signal == 0) | (signal == 1)).all():
        raise InputError(
            "a signal of integers beyond 0 and 1", expected="bits, or soft bits as floats"
        )
    return soften(signal, crossover)


def hard(soft: NDArray[np.floating[Any]]) -> Bits:
    """The more probable value of each soft bit; an erasure becomes 0."""
    return (soft < 0).astype(np.uint8)
