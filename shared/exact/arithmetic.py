"""The exact arithmetic, primitive by primitive, in numpy.

Floating-point sums depend on their order, so none is taken here: a sum runs over integers whose
total stays inside a range where the accumulator is exact in every order.  Everything else is one
elementwise IEEE-754 binary64 operation at a time.  ``docs/exact-arithmetic.md`` is the
specification and has the proof of every bound; this module follows it line by line.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.exact.bounds import (
    EXP_ENTRIES,
    EXP_STEPS,
    FLOAT32_EXACT,
    LIMB_BASE,
    LIMB_LIMIT,
    NORM_LIMIT,
    SMALLEST_PEAK,
    WEIGHT_LIMIT,
)

F64 = NDArray[np.float64]
I16 = NDArray[np.int16]
I64 = NDArray[np.int64]

ROWS_PER_BLOCK_BYTES: Final = 8 << 20
"""Weights are widened to float32 in blocks of about this size, so that memory stays small."""


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


def limbs(activations: F64) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Split integers up to 8191 into ``high * 128 + low``, both within ``[-64, 64]``."""
    high = np.floor((activations + LIMB_LIMIT) * (1.0 / LIMB_BASE))
    low = activations - high * LIMB_BASE
    return high.astype(np.float32), low.astype(np.float32)


def integer_product(activations: F64, weights: NDArray[np.int8]) -> F64:
    """Exact ``activations @ weights.T`` of integers, by float32 matrix products (section 4).

    Every partial sum of a limb product is an integer of at most ``columns * 127 * 64 <= 2**24``,
    so float32 holds it exactly whatever order, blocking or fused operation the BLAS uses.

    Args:
        activations: integers up to 8191 in magnitude, ``[tokens, columns]``.
        weights: ``[rows, columns]``.

    Returns:
        Integers as float64, ``[tokens, rows]``.
    """
    tokens, columns = activations.shape
    rows = weights.shape[0]
    stacked = np.concatenate(limbs(activations))
    width = FLOAT32_EXACT // (WEIGHT_LIMIT * LIMB_LIMIT)
    height = max(1, ROWS_PER_BLOCK_BYTES // (4 * min(columns, width)))
    total = np.empty((tokens, rows))
    for top in range(0, rows, height):
        block = weights[top : top + height]
        for left in range(0, columns, width):
            right = min(left + width, columns)
            widened = block[:, left:right].astype(np.float32)
            part = (stacked[:, left:right] @ widened.T).astype(np.float64)
            joined = part[:tokens] * LIMB_BASE + part[tokens:]
            if left == 0:
                total[:, top : top + height] = joined
            else:
                total[:, top : top + height] += joined
    return total


def dense(
    integers: F64, scale: F64, weights: NDArray[np.int8], scales: F64, bias: F64 | None = None
) -> F64:
    """One dense layer on quantised activations (section 4).

    Args:
        integers: activations ``[tokens, columns]`` with their ``scale`` ``[tokens, 1]``.
        weights: ``[rows, columns]`` with their ``scales`` ``[rows]``.
        bias: ``[rows]`` or None.

    Returns:
        ``[tokens, rows]``.
    """
    out = (integer_product(integers, weights) * scale) * scales
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
