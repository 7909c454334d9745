"""The tables that stand in for ``exp``, ``cos`` and ``sin``, the same bits on every machine.

The platform's mathematical library is never asked, because its last bit differs between
machines.  A start value comes from the standard ``decimal`` module, whose ``exp`` and ``ln`` are
correctly rounded at any precision (General Decimal Arithmetic Specification 1.70, "exp" and
"ln"); from there on everything is Python integers in fixed point.  ``FRACTION_BITS`` leaves more
than 90 guard bits after 131072 steps, so that the entries are the true values rounded to nearest.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

import numpy as np
from numpy.typing import NDArray

from shared.exact.bounds import EXP_ENTRIES, EXP_ONE, EXP_STEPS, TURN_ONE

FRACTION_BITS = 160
_DECIMAL = Context(prec=80, rounding=ROUND_HALF_EVEN)


def exp_table() -> NDArray[np.int64]:
    """``round(2**40 * exp(-i / 4096))`` for i below 131072, never less than 1.

    The floor of 1 keeps every legal token possible, however improbable.

    Returns:
        int64 [131072], falling from 2**40 to 1.
    """
    step = _fixed(_DECIMAL.divide(Decimal(-1), Decimal(EXP_STEPS)).exp(_DECIMAL))
    entries = np.empty(EXP_ENTRIES, dtype=np.int64)
    value = 1 << FRACTION_BITS
    for i in range(EXP_ENTRIES):
        entries[i] = max(1, _rounded(value, EXP_ONE))
        value = value * step >> FRACTION_BITS
    return entries


def rope_tables(
    positions: int, head_dim: int, theta: float
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Cosines and sines of rotary position embedding (Su et al. 2021, arXiv:2104.09864, 3.2.2).

    Entry [p, j] is ``round(2**30 * cos(p * theta ** (-2 j / head_dim)))``.

    Args:
        positions: number of rows, p = 0 .. positions - 1.
        head_dim: even width of one attention head.
        theta: the base of the wavelengths, e.g. 10000.0.

    Returns:
        cos and sin, int32 [positions, head_dim / 2] each.
    """
    half = head_dim // 2
    cosines = np.empty((positions, half), dtype=np.int32)
    sines = np.empty((positions, half), dtype=np.int32)
    log_theta = Decimal(theta).ln(_DECIMAL)
    for j in range(half):
        exponent = _DECIMAL.divide(_DECIMAL.multiply(log_theta, Decimal(-2 * j)), Decimal(head_dim))
        step_cos, step_sin = _cos_sin(_fixed(exponent.exp(_DECIMAL)))
        cos, sin = 1 << FRACTION_BITS, 0
        for p in range(positions):
            cosines[p, j] = _rounded(cos, TURN_ONE)
            sines[p, j] = _rounded(sin, TURN_ONE)
            cos, sin = (
                (cos * step_cos - sin * step_sin) >> FRACTION_BITS,
                (sin * step_cos + cos * step_sin) >> FRACTION_BITS,
            )
    return cosines, sines


def _fixed(value: Decimal) -> int:
    """A decimal as an integer in units of 2**-FRACTION_BITS."""
    scaled = _DECIMAL.multiply(value, Decimal(1 << FRACTION_BITS))
    return int(scaled.to_integral_value(ROUND_HALF_EVEN))


def _rounded(value: int, one: int) -> int:
    """A fixed-point number to the nearest integer where ``one`` stands for 1, ties upwards."""
    return (value * one + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS


def _cos_sin(angle: int) -> tuple[int, int]:
    """Cosine and sine of a fixed-point angle by their Taylor series around 0.

    Args:
        angle: at least 0 and small (at most 1 for theta >= 1), so that the series is short.
    """
    sums = [0, 0]
    term, n = 1 << FRACTION_BITS, 0
    while term:
        sums[n % 2] += -term if n % 4 >= 2 else term
        n += 1
        term = (term * angle >> FRACTION_BITS) // n
    return sums[0], sums[1]
