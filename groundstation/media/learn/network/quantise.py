"""Layers of real numbers as layers of 8-bit ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.media.kinds.network import MAX_SCALE, MAX_SHIFT, Dense
from shared.media.kinds.planes import FACTOR_BITS

F64 = NDArray[np.float64]

LARGEST = 127


def quantised(weights: F64, biases: F64) -> Dense:
    """The layer nearest to this one, each output with a scale of its own.

    Args:
        weights: ``[outputs, inputs]``.
        biases: ``[outputs]``, in the unit of the outputs.
    """
    steps = np.abs(weights).max(axis=1) / LARGEST
    shift = 0
    while shift < MAX_SHIFT and steps.max() * 2.0 ** (shift + 1) <= MAX_SCALE:
        shift += 1
    scales = np.clip(np.rint(steps * 2.0**shift), 0, MAX_SCALE)
    whole = np.rint(weights / np.where(steps > 0, steps, 1.0)[:, None])
    return Dense(
        whole.astype(np.int8),
        scales.astype(np.int32),
        np.rint(biases * 2**FACTOR_BITS).astype(np.int32),
        shift,
    )
