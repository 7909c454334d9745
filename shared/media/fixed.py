"""Integer arithmetic for images: every sum exact in any order, every rounding written down.

A value is an integer that counts a power of two.  Sums go through binary64 matrix products whose
partial sums all stay below 2**53, so that order, blocking, threads and fused operations of the
BLAS do not show (docs/media.md, "Exact", has the bounds).  Rounding is always to nearest, ties up:
``floor(v / 2**bits + 1/2)``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
I8 = NDArray[np.int8]
U8 = NDArray[np.uint8]

EXACT_LIMIT: Final = 2**53
"""binary64 holds every integer of smaller magnitude."""

ACTIVATION_LIMIT: Final = 2**15 - 1
"""Activations of a network, in magnitude."""


def rounding_shift(values: I64, bits: int) -> I64:
    """``values / 2**bits`` rounded to nearest, ties up.

    Raises:
        ValueError: ``bits`` is not in [0, 62].
    """
    if not 0 <= bits <= 62:
        raise ValueError(f"a shift by {bits} bits")
    if bits == 0:
        return values
    result: I64 = (values + np.int64(1 << (bits - 1))) >> np.int64(bits)
    return result


def rounded(values: F64, bits: int) -> F64:
    """``rounding_shift`` of integers that are held in binary64.

    Exact: scaling by a power of two is, and so is adding a half below 2**52.
    """
    result: F64 = np.floor(values * (2.0**-bits) + 0.5) if bits else values
    return result


def exact_product(left: NDArray[np.generic], right: NDArray[np.generic]) -> F64:
    """``left @ right`` of integers, exactly.

    Args:
        left: integers of any dtype, ``[..., m, k]``.
        right: ``[..., k, n]``.

    Returns:
        Integers as binary64, ``[..., m, n]``.

    Raises:
        ValueError: a sum could leave the range in which it is exact.
    """
    a, b = np.asarray(left, np.float64), np.asarray(right, np.float64)
    if a.size and b.size:
        bound = float(np.abs(a).max()) * float(np.abs(b).max()) * a.shape[-1]
        if bound >= EXACT_LIMIT:
            raise ValueError(f"sums up to {bound:.3g} are not exact")
    product: F64 = np.matmul(a, b)
    return product


def dense(values: I64, weights: I8, scales: I32, biases: I32, shift: int) -> I64:
    """A dense layer: ``round(scales * (weights @ values) / 2**shift) + biases``, then ``clipped``.

    Args:
        values: ``[inputs, columns]``, within ``ACTIVATION_LIMIT``.
        weights: ``[outputs, inputs]``.
        scales: of each output, ``[outputs]``, not negative.
        biases: ``[outputs]``, in units of the result.
        shift: bits by which the scaled sum is scaled down.

    Returns:
        ``[outputs, columns]``.
    """
    total = exact_product(weights, values).astype(np.int64) * scales.astype(np.int64)[:, None]
    return clipped(rounding_shift(total, shift) + biases.astype(np.int64)[:, None])


def clipped(values: I64) -> I64:
    """Within ``ACTIVATION_LIMIT``."""
    return np.clip(values, -ACTIVATION_LIMIT, ACTIVATION_LIMIT)
