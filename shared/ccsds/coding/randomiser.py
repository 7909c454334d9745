"""The TC randomiser: enough bit transitions, and no data that looks like a start sequence.

Source: CCSDS 231.0-B-4, section 6.  The bit transition generator is an eight-bit register, preset
to ones, with h(x) = x^8 + x^6 + x^4 + x^3 + x^2 + x + 1; it repeats after 255 bits.  Adding its
sequence twice gives the data back, so one function goes both ways.
"""

from __future__ import annotations

import numpy as np

from shared.ccsds.bits import Bits, to_bits, to_bytes

PERIOD_BITS = 255
_TAPS = (0, 1, 2, 3, 4, 6)


def _period() -> Bits:
    sequence = [1] * 8
    while len(sequence) < PERIOD_BITS:
        sequence.append(sum(sequence[len(sequence) - 8 + tap] for tap in _TAPS) % 2)
    return np.array(sequence, np.uint8)


_PERIOD = _period()


def random_bits(count: int) -> Bits:
    """The first so many bits of the sequence, from the register's preset."""
    return np.resize(_PERIOD, count)


def randomise(data: bytes) -> bytes:
    """Data with the sequence added, or taken away again."""
    return to_bytes(to_bits(data) ^ random_bits(8 * len(data)))
