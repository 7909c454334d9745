"""T0 for families with one attribute: a mean picture and the directions in which values differ.

Where a single attribute names every picture (a skin tone, a colourway) there is nothing to be
learned about parts; what can be shared is that the pictures differ in few directions.  They are the
principal components of the pictures, in sRGB, where an error is about as visible anywhere.

Source: H. Hotelling, "Analysis of a complex of statistical variables into principal components",
J. Educ. Psychol. 24, 1933.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from groundstation.media.learn.basis import Fit, blank_generator, constant_axes
from groundstation.media.learn.linear_light import F64, plain_curve
from shared.media.coding.transform import BLOCK
from shared.media.fixed import U8
from shared.media.kinds.planes import FACTOR_BITS
from shared.media.prompt import Attribute

COLOUR_COARSENESS = 1.6
"""The eye sees errors of colour less than those of brightness."""


def fit_components(
    name: str,
    attribute: Attribute,
    pictures: Sequence[U8],
    choices: Sequence[int],
    count: int,
    notes: Mapping[str, str],
) -> Fit:
    """The mean of the values and so many components.

    Args:
        name: of the family.
        attribute: its only one.
        pictures: all of one size.
        choices: the value of each.
        count: of components; one less than there are values makes everything exact.
        notes: to go into the file.
    """
    size = (pictures[0].shape[1], pictures[0].shape[0])
    values = np.stack([_mean(pictures, choices, n) for n in range(len(attribute.values))])
    alpha = values.shape[-1] == 4
    axes = constant_axes(alpha)
    axes = axes / np.sqrt((axes**2).sum(axis=1, keepdims=True))
    turned = values @ axes.T  # [values, height, width, axis]
    middle = turned.mean(axis=0)
    left, spread, right = np.linalg.svd(
        (turned - middle).reshape(len(values), -1), full_matrices=False
    )
    count = min(count, len(values) - 1)
    # factors of about 1, so that all planes matter alike
    scale = np.sqrt(len(values))
    planes = [middle, *(right[:count] * (spread[:count, None] / scale)).reshape(-1, *middle.shape)]
    weights = np.concatenate([np.ones((len(values), 1)), left[:, :count] * scale], axis=1)
    table = np.einsum("vk,ac->vkac", weights, axes).reshape(len(values), -1, axes.shape[1])
    kept = [
        (index, axis)
        for index, plane in enumerate(planes)
        for axis in range(len(axes))
        if index == 0 or np.abs(plane[..., axis]).max() > 0.5 / 255
    ]
    columns = [index * len(axes) + axis for index, axis in kept]
    tables = np.rint(table[:, columns] * 2**FACTOR_BITS).astype(np.int16)
    blank = blank_generator(
        name,
        size,
        (attribute,),
        [tables],
        tuple((n,) for n in range(len(kept))),
        np.stack([plain_curve()] * axes.shape[1]),
        notes,
    )
    return Fit(
        blank,
        np.stack([planes[index][..., axis] for index, axis in kept]).astype(np.float32),
        tuple(COLOUR_COARSENESS if axis in (1, 2) else 1.0 for _, axis in kept),
    )


def _mean(pictures: Sequence[U8], choices: Sequence[int], value: int) -> F64:
    """The mean of the pictures of a value, 0 to 1; of all pictures where none has it."""
    chosen = [p for p, choice in zip(pictures, choices, strict=True) if choice == value]
    mean: F64 = np.stack([_filled(picture) for picture in chosen or pictures]).mean(axis=0)
    return mean


def _filled(picture: U8) -> F64:
    """A picture, 0 to 1, whose colours go on where it is transparent, so that blocks are smooth."""
    levels: F64 = picture.astype(np.float64) / 255.0
    if picture.shape[2] != 4:
        return levels
    height, width = picture.shape[:2]
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    margins = ((0, rows * BLOCK - height), (0, columns * BLOCK - width), (0, 0))
    wide = np.pad(levels, margins).reshape(rows, BLOCK, columns, BLOCK, 4)
    seen: NDArray[np.bool_] = wide[..., 3:] > 0
    count = np.maximum(seen.sum(axis=(1, 3), keepdims=True), 1)
    mean = (wide[..., :3] * seen).sum(axis=(1, 3), keepdims=True) / count
    wide[..., :3] = np.where(seen, wide[..., :3], mean)
    filled: F64 = wide.reshape(rows * BLOCK, columns * BLOCK, 4)[:height, :width]
    return filled
