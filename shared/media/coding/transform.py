"""The block transform of planes: an inverse DCT over integers.

A plane is cut into blocks of 8 x 8, and a block is stored as the integers that stand for its
cosine waves.  The inverse is *defined* by the matrix below and two rounded shifts; it is close to
the orthonormal DCT-II and need not be it.  The forward transform is the ground's own affair, may
be in floating point, and is here only because it belongs beside its inverse.

Source: N. Ahmed, T. Natarajan, K. R. Rao, "Discrete Cosine Transform", IEEE Trans. Computers
C-23(1), 1974.  The entries are round(2**12 * cos(i * pi / 16) / 2), and for the constant wave
round(2**12 / sqrt(8)).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from shared.media.fixed import F64, exact_product, rounded

BLOCK: Final = 8
WAVE_BITS: Final = 12
EXTRA_BITS: Final = 3
"""Coefficients count 2**-EXTRA_BITS of the unit of the plane."""
COEFFICIENT_LIMIT: Final = 2**26
"""Coefficients of larger magnitude are refused: the sums would still be exact far beyond."""

_COSINES: Final = (1448, 2009, 1892, 1703, 1448, 1138, 784, 400)
"""Of i = 4 (the constant wave), 1, 2, ... 7 sixteenths of pi, halved, times 2**12."""


ZIGZAG: Final = np.array(
    sorted(range(BLOCK**2), key=lambda i: (i // BLOCK + i % BLOCK, i // BLOCK)), np.intp
)
"""Where the n-th stored wave of a block lies in it: by frequency, then by row."""


def _waves() -> F64:
    """``[wave, position]``: entry u, x is cos((2 x + 1) u pi / 16), by symmetry from the table."""
    waves = np.empty((BLOCK, BLOCK))
    for wave in range(BLOCK):
        for position in range(BLOCK):
            angle = (2 * position + 1) * wave % 32  # in sixteenths of pi
            angle = min(angle, 32 - angle)  # cos is even
            sign, angle = (1, angle) if angle <= 8 else (-1, 16 - angle)
            waves[wave, position] = sign * (0 if angle == 8 else _COSINES[angle])
    return waves


WAVES: Final = _waves()


def inverse_blocks(coefficients: F64) -> F64:
    """Pixels of blocks.

    Args:
        coefficients: integers within ``COEFFICIENT_LIMIT``, ``[..., 8, 8]``: wave down, across.

    Returns:
        Integers in the unit of the plane, ``[..., 8, 8]``.

    Raises:
        ValueError: a coefficient is too large.
    """
    if coefficients.size and np.abs(coefficients).max() > COEFFICIENT_LIMIT:
        raise ValueError("a coefficient is too large")
    down = rounded(exact_product(WAVES.T, coefficients), WAVE_BITS)
    return rounded(exact_product(down, WAVES), WAVE_BITS + EXTRA_BITS)


def forward_blocks(pixels: F64) -> F64:
    """Coefficients whose inverse is about ``pixels``; real numbers, to be rounded by the caller.

    Args:
        pixels: in the unit of the plane, ``[..., 8, 8]``.
    """
    back = np.linalg.inv(WAVES * 2.0**-WAVE_BITS)
    result: F64 = (back.T @ pixels @ back) * 2.0**EXTRA_BITS
    return result


def to_blocks(planes: F64) -> F64:
    """``[..., height, width]`` of multiples of 8 to ``[..., rows * columns, 8, 8]``."""
    *outer, height, width = planes.shape
    rows, columns = height // BLOCK, width // BLOCK
    split = planes.reshape(*outer, rows, BLOCK, columns, BLOCK)
    return np.swapaxes(split, -3, -2).reshape(*outer, rows * columns, BLOCK, BLOCK)
