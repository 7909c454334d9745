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


def dense(values: I64, weights: I8, bias: I32, shift: int) -> I64:
    """A dense layer: ``round((weights @ values + bias) / 2**shift)``, clipped to 16 bits.

    Args:
        values: ``[inputs]``, within ``ACTIVATION_LIMIT``.
        weights: ``[outputs, inputs]``.
        bias: ``[outputs]``, in units of the sum.
        shift: bits by which the sum is scaled down.

    Returns:
        ``[outputs]``.
    """
    total = exact_product(weights, values[:, None])[:, 0].astype(np.int64) + bias
    return clipped(rounding_shift(total, shift))


def convolution(image: I64, weights: I8, bias: I32, shift: int) -> I64:
    """A convolution of odd size, stride 1, zeros around the image; otherwise as ``dense``.

    Args:
        image: ``[inputs, height, width]``.
        weights: ``[outputs, inputs, size, size]``; correlation, not flipped.
        bias: ``[outputs]``.
        shift: see ``dense``.

    Returns:
        ``[outputs, height, width]``.

    Raises:
        ValueError: the size is even, or the window is not square.
    """
    outputs, inputs, size, across = weights.shape
    if size != across or size % 2 == 0:
        raise ValueError(f"a window of {size} x {across}")
    _, height, width = image.shape
    margin = size // 2
    padded = np.pad(image.astype(np.float64), ((0, 0), (margin, margin), (margin, margin)))
    columns = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (1, 2))
    # columns: [inputs, size, size, height, width], the image shifted by each tap
    stacked = columns.reshape(inputs * size * size, height * width)
    total = exact_product(weights.reshape(outputs, -1), stacked).astype(np.int64)
    scaled = rounding_shift(total + bias.astype(np.int64)[:, None], shift)
    return clipped(scaled).reshape(outputs, height, width)


def leaky(values: I64) -> I64:
    """Negative values divided by eight, towards minus infinity."""
    result: I64 = np.where(values < 0, values >> np.int64(3), values)
    return result


def doubled(image: I64) -> I64:
    """Each pixel four times: ``[channels, height, width]`` to twice the height and width."""
    return image.repeat(2, axis=1).repeat(2, axis=2)


def clipped(values: I64) -> I64:
    """Within ``ACTIVATION_LIMIT``."""
    return np.clip(values, -ACTIVATION_LIMIT, ACTIVATION_LIMIT)
