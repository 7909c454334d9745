"""A descriptor that sees shape and not colour.

Perceptual hashes of brightness change when a shoe is recoloured.  Where edges are does not: of
each pixel the steepest gradient of the three channels is taken, and its logarithm, since a dark
part has weaker edges than a light one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from groundstation.media.images import opaque, pillow
from shared.media.fixed import U8

F32 = NDArray[np.float32]

SIDE: Final = 128
CELLS: Final = 32
DIMENSIONS: Final = CELLS * CELLS
_KNEE: Final = np.float32(0.02)
GROUND: Final = 128


def describe(pixels: U8) -> F32:
    """The descriptor of a picture: ``[DIMENSIONS]``, of length 1; zero for a plain one.

    Scaled to 128 x 128, so that pictures of other sizes and proportions compare too.
    """
    image = pillow().fromarray(opaque(pixels, GROUND))
    small = np.asarray(image.resize((SIDE, SIDE), 4), np.float32) / np.float32(255)  # 4: box
    down = np.diff(small, axis=0, append=small[-1:])
    across = np.diff(small, axis=1, append=small[:, -1:])
    steepest = np.sqrt(down**2 + across**2).max(axis=2)
    logs = np.log1p(steepest / _KNEE)
    width = SIDE // CELLS
    cells = logs.reshape(CELLS, width, CELLS, width).mean(axis=(1, 3)).ravel()
    cells -= cells.mean()
    length = float(np.sqrt((cells * cells).sum()))
    return cells / np.float32(length) if length > 1e-3 else np.zeros_like(cells)


def thumbnail(pixels: U8, side: int) -> U8:
    """The picture on a grey ground, ``[side, side, 3]``."""
    image = pillow().fromarray(opaque(pixels, GROUND))
    return np.asarray(image.resize((side, side), 4))
