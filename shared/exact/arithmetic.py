"""The exact arithmetic, primitive by primitive, in numpy.

Floating-point sums depend on their order, so none is taken here: a sum runs over integers whose
total stays inside a range where the accumulator is exact in every order.  Everything else is one
elementwise IEEE-754 binary64 operation at a time.  ``docs/exact-arithmetic.md`` is the
specification and has the proof of every bound; this module follows it line by line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.exact.bounds import (
    EXP_ENTRIES,
    EXP_STEPS,
    NORM_LIMIT,
    REST_BLOCK,
    SMALLEST_PEAK,
    rest_bytes,
)

F64 = NDArray[np.float64]
I16 = NDArray[np.int16]
I64 = NDArray[np.int64]

ROWS_PER_BLOCK_BYTES: Final = 8 << 20
"""Weights are widened to float64 in blocks of about this size, so that memory stays small."""


def quantise(values: F64, limit: int) -> tuple[F64, F64]:
    """Integers in ``[-limit, limit]`` by the largest magnitude of each row (section 2).

    Args:
        values: ``[..., n]``.
        limit: the largest integer to produce.

    Returns:
        The integers, as float64 ``[..., n]``, and the scale of each row ``[..., 1]``: the value
        of an integer ``q`` is ``q * scale``.
    """
    peak = np.maximum(np.max(np.abs(values), axis=-1, keepdims=True), SMALLEST_PEAK)
    return np.rint(values * (limit / peak)), peak / limit


def rms_norm(x: F64, weight: F64, eps: float) -> F64:
    """Root-mean-square normalisation of each row of ``[..., n]`` (section 3).

    The mean square is taken over 21-bit integers; the row itself is not rounded.
    """
    integers, scale = quantise(x, NORM_LIMIT)
    squares = np.einsum("...i,...i->...", integers, integers)[..., None]
    mean = (squares / x.shape[-1]) * (scale * scale)
    inverse: F64 = 1.0 / np.sqrt(mean + eps)
    return (x * inverse) * weight


def joined_weights(high: NDArray[np.int8], rests: NDArray[np.uint8]) -> F64:
    """The 10-bit weights ``4 * high + rest`` of some rows (section 4).

    Args:
        high: ``[rows, columns]``.
        rests: ``[rows, rest_bytes(columns)]``: of each block of 128 columns 32 bytes, whose bits
            2 j and 2 j + 1 are the rests of its columns 32 j to 32 j + 31.

    Returns:
        Integers as float64, ``[rows, columns]``.
    """
    rows, columns = high.shape
    width = REST_BLOCK // 4
    shifts = np.arange(4, dtype=np.uint8)[:, None] * np.uint8(2)
    parts = (rests.reshape(rows, -1, 1, width) >> shifts) & np.uint8(3)
    weights = high.astype(np.float64)
    weights *= 4.0
    weights += parts.reshape(rows, -1)[:, :columns]
    return weights


def dequantised(tensors: Mapping[str, NDArray[Any]], name: str) -> F64:
    """The matrix of this name as real numbers, ``[rows, columns]``."""
    scales: F64 = tensors[name + ".s"]
    return joined_weights(tensors[name + ".q"], tensors[name + ".r"]) * scales[:, None]


def split_weights(weights: NDArray[np.int16]) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
    """Weights as the pin stores them, the inverse of ``joined_weights``.

    Args:
        weights: integers in [-512, 512), ``[rows, columns]``.

    Returns:
        ``high``, int8 ``[rows, columns]``, and ``rests``, uint8 ``[rows, rest_bytes(columns)]``.
    """
    rows, columns = weights.shape
    width = REST_BLOCK // 4
    rests = np.zeros((rows, 4 * rest_bytes(columns)), np.uint8)
    rests[:, :columns] = weights & 3
    shifts = np.arange(4, dtype=np.uint8)[:, None] * np.uint8(2)
    packed = np.bitwise_or.reduce(rests.reshape(rows, -1, 4, width) << shifts, axis=2)
    return (weights >> 2).astype(np.int8), packed.reshape(rows, -1)


def integer_product(activations: F64, high: NDArray[np.int8], rests: NDArray[np.uint8]) -> F64:
    """Exact ``activations @ weights.T`` of integers, by binary64 matrix products (section 4).

    Every partial sum is an integer below 2**53, so binary64 holds it exactly whatever order,
    blocking or fused operation the BLAS uses.

    Args:
        activations: integers up to 8191 in magnitude, ``[tokens, columns]``.
        high, rests: the weights, see ``joined_weights``.

    Returns:
        Integers as float64, ``[tokens, rows]``.
    """
    rows, columns = high.shape
    height = max(1, ROWS_PER_BLOCK_BYTES // (8 * columns))
    total = np.empty((len(activations), rows))
    for top in range(0, rows, height):
        block = slice(top, top + height)
        np.matmul(activations, joined_weights(high[block], rests[block]).T, out=total[:, block])
    return total


def dense(
    integers: F64,
    scale: F64,
    high: NDArray[np.int8],
    rests: NDArray[np.uint8],
    scales: F64,
    bias: F64 | None = None,
) -> F64:
    """One dense layer on quantised activations (section 4).

    Args:
        integers: activations ``[tokens, columns]`` with their ``scale`` ``[tokens, 1]``.
        high, rests: the weights of ``[rows, columns]`` with their ``scales`` ``[rows]``.
        bias: ``[rows]`` or None.

    Returns:
        ``[tokens, rows]``.
    """
    out = (integer_product(integers, high, rests) * scale) * scales
    return out if bias is None else out + bias


def rotate(heads: F64, cos: F64, sin: F64) -> F64:
    """Rotary position embedding, halves convention (section 5).

    Args:
        heads: ``[tokens, heads, head_dim]``.
        cos: ``[tokens, head_dim / 2]``; ``sin`` alike.
    """
    half = heads.shape[-1] // 2
    first, second = heads[..., :half], heads[..., half:]
    cos, sin = cos[:, None, :], sin[:, None, :]
    return np.concatenate((first * cos - second * sin, second * cos + first * sin), axis=-1)


def exp_lookup(distance: F64, table: I64) -> I64:
    """``2**40 * exp(-distance)`` from the table of the pin, for distances of 0 and more."""
    steps = np.rint(np.minimum(distance * float(EXP_STEPS), float(EXP_ENTRIES - 1)))
    return np.take(table, steps.astype(np.int32))


def silu(gate: F64, table: I64) -> F64:
    """``gate * sigmoid(gate)`` through the exponential table (section 7)."""
    decay = exp_lookup(np.abs(gate), table) * 2.0**-40
    numerator: F64 = np.where(gate >= 0.0, 1.0, decay)
    return gate * (numerator / (1.0 + decay))


def frequencies(
    logits: F64,
    table: I64,
    legal: NDArray[np.bool_] | None = None,
    inverse_temperature: float = 1.0,
) -> I64:
    """Integer frequencies of the next token: all that a coder ever sees (section 8).

    Args:
        logits: ``[vocab]``.
        table: ``tables.exp`` of the pin.
        legal: ``[vocab]``; tokens that are False get frequency 0.
        inverse_temperature: a multiple of 1/16, so that it is exact.

    Returns:
        ``[vocab]``, the best legal token has ``2**40`` and every legal one at least 1; their sum
        stays below ``2**60``.

    Raises:
        ValueError: no token is legal.
    """
    if legal is None:
        best = logits.max()
    else:
        if not legal.any():
            raise ValueError("no token is legal")
        best = logits[legal].max()
        logits = np.minimum(logits, best)
    result = exp_lookup((best - logits) * inverse_temperature, table)
    if legal is not None:
        result[~legal] = 0
    return result
