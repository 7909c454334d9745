"""Between bytes of a picture and linear light.

Source: IEC 61966-2-1 (sRGB), whose curve nearly every picture file means when it says nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.media.kinds.planes import PLANE_BITS, THRESHOLDS

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

CLIPPED = 254.5
"""From this byte on a sample says only that there was at least so much light."""


def to_linear(level: F64) -> F64:
    """Linear light, 0 to 1, of levels 0 to 255 (real numbers)."""
    share = level / 255.0
    bright: F64 = ((share + 0.055) / 1.055) ** 2.4
    return np.where(share <= 0.04045, share / 12.92, bright)


def linear_table() -> F32:
    """Linear light of each of the 256 bytes."""
    return to_linear(np.arange(256.0)).astype(np.float32)


def colour_curve() -> NDArray[np.int32]:
    """The thresholds of a generator's colour channel, int32 ``[255]``.

    The n-th is the light half-way, in levels, between bytes n and n + 1.
    """
    middles = to_linear(np.arange(THRESHOLDS, dtype=np.float64) + 0.5)
    return _thresholds(middles)


def plain_curve() -> NDArray[np.int32]:
    """The thresholds of a channel that is proportional to its bytes, such as alpha."""
    return _thresholds((np.arange(THRESHOLDS, dtype=np.float64) + 0.5) / 255.0)


def _thresholds(middles: F64) -> NDArray[np.int32]:
    return np.ceil(middles * float(2**PLANE_BITS)).astype(np.int32)
