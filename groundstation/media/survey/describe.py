"""A description of a picture that sees shape and not colour.

Perceptual hashes of brightness change when a shoe is recoloured.  Where edges are does not: of
each pixel the steepest gradient of the three channels is taken, and its logarithm, since a dark
part has weaker edges than a light one.  The map of edges verifies, and so does the outline, where a
picture has one; means of the map over cells find.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groundstation.media.images import opaque, pillow
from shared.media.fixed import U8

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

SIDE: Final = 64
CELL: Final = 4
DIMENSIONS: Final = (SIDE // CELL) ** 2
BLOCK: Final = 8
STRIDE: Final = 4
GROUND: Final = 128
_KNEE: Final = 0.02
_GAIN: Final = 50.0
_CALM: Final = 0.5
"""Added to the energy of a block's edges, so that noise of plain blocks does not count."""
EQUAL: Final = 0.02
"""The unlikeness of equal shapes."""
_OUTLINE_KNEE: Final = 1.0
_OUTLINE_WEIGHT: Final = 0.3
"""Chosen on one half of the names of an emoji set; benchmarks/MEDIA_FAMILIES.md has the other."""


def thumbnail(pixels: U8) -> U8:
    """The picture on a grey ground at 64 x 64, whatever its proportions: ``[64, 64, 3]``."""
    image = pillow().fromarray(opaque(pixels, GROUND))
    return np.asarray(image.resize((SIDE, SIDE), 4))  # 4: means over boxes


def outline(pixels: U8) -> U8:
    """How much of each of 64 x 64 cells the picture covers, 255 without alpha: ``[64, 64]``."""
    if pixels.shape[2] != 4:
        return np.full((SIDE, SIDE), 255, np.uint8)
    return np.asarray(pillow().fromarray(pixels[..., 3]).resize((SIDE, SIDE), 4))


def edges(small: U8) -> U8:
    """The map of edges of a thumbnail: logarithms of the steepest gradients, ``[64, 64]``."""
    levels = small.astype(np.float32) / np.float32(255)
    down = np.diff(levels, axis=0, append=levels[-1:])
    across = np.diff(levels, axis=1, append=levels[:, -1:])
    steepest = np.sqrt(down**2 + across**2).max(axis=2)
    logs: F32 = np.rint(np.log1p(steepest / _KNEE) * _GAIN)
    return logs.astype(np.uint8)


def descriptors(maps: U8) -> F32:
    """What pictures are found by: ``[pictures, 64, 64]`` to ``[pictures, DIMENSIONS]``.

    Of length 1; of length 0 for a picture without edges, which is near to nothing.
    """
    side = SIDE // CELL
    cells = maps.reshape(-1, side, CELL, side, CELL).mean(axis=(2, 4), dtype=np.float32)
    flat = cells.reshape(len(maps), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.sqrt((flat * flat).sum(axis=1, keepdims=True))
    return np.where(length > 1.0, flat / np.maximum(length, 1.0), np.float32(0)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Shapes:
    """What pictures are compared by.

    Attributes:
        edges: ``[pictures, 64, 64]``.
        outlines: the same size.
    """

    edges: U8
    outlines: U8

    def __len__(self) -> int:
        return len(self.edges)

    def __getitem__(self, places: I64) -> Shapes:
        return Shapes(self.edges[places], self.outlines[places])


def unlikeness(left: Shapes, right: Shapes) -> F32:
    """How little two pictures have the same shape: their mismatch, more where outlines differ.

    Returns:
        ``[pairs]``, from ``EQUAL`` on.
    """
    # whole numbers: sums of many squares would leave too few digits for small ones
    squares = (left.outlines.astype(np.int64) - right.outlines) ** 2
    levels = np.sqrt(_block_means(squares))
    worst = levels.max(axis=(1, 2)) / np.float32(_OUTLINE_KNEE)
    weight = (1 + worst) ** np.float32(_OUTLINE_WEIGHT)
    unlike: F32 = (mismatches(left.edges, right.edges) + np.float32(EQUAL)) * weight
    return unlike


def mismatches(left: U8, right: U8) -> F32:
    """How differently the edges of two pictures lie in the block where they differ most.

    0 for equal maps, 1 where one has edges and the other none.  A mean would hide what tells two
    faces apart: the mouth.

    Args:
        left: ``[pairs, 64, 64]``; ``right`` alike.

    Returns:
        ``[pairs]``.
    """
    a, b = left.astype(np.float32) / np.float32(_GAIN), right.astype(np.float32) / np.float32(_GAIN)
    apart = _block_means((a - b) ** 2)
    whole = _block_means(a * a) + _block_means(b * b)
    worst: F32 = (apart / (whole + np.float32(_CALM))).max(axis=(1, 2))
    return worst


def _block_means(maps: F32 | I64) -> F32:
    sums = np.pad(maps.cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    near = np.arange(0, SIDE - BLOCK + 1, STRIDE)
    far = near + BLOCK
    total = (
        sums[:, far][:, :, far]
        - sums[:, near][:, :, far]
        - sums[:, far][:, :, near]
        + sums[:, near][:, :, near]
    )
    means: F32 = (total / np.float32(BLOCK * BLOCK)).astype(np.float32)
    return means
