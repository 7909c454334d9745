"""T0: linear and quadratic colour bases, fitted by least squares and stored as integers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from groundstation.media.learn.factors import Samples, discover_factors, fitted_planes, light_weight
from groundstation.media.learn.linear_light import (
    CLIPPED,
    F32,
    F64,
    colour_curve,
    linear_table,
    plain_curve,
)
from shared.errors import InputError
from shared.media.coding.transform import BLOCK, EXTRA_BITS, ZIGZAG, forward_blocks, to_blocks
from shared.media.fixed import U8
from shared.media.kinds.basis import Basis, Factors, term_values
from shared.media.kinds.network import Network
from shared.media.kinds.planes import FACTOR_BITS, PLANE_BITS
from shared.media.prompt import Attribute, Grammar, Prompt
from shared.terminal import Report

STRIP_PIXELS = 2048
RIDGE = 1e-6
SAMPLES_PER_TERM = 3
"""Fewer samples a pixel than this for each term, and the family gets linear terms only."""
ROUND_UP = 0.35
"""A coefficient of this share of a step beyond a whole number is kept; below, it goes to zero's
side: that costs little and saves much."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Planes of real numbers, before they are stored.

    Attributes:
        blank: the generator with one block of nothing: everything but the planes.
        planes: ``[terms, height, width]``, 1.0 is white.
        coarseness: of each plane, by how much its steps are larger.
    """

    blank: Basis | Network
    planes: F32
    coarseness: tuple[float, ...]


def check_alike(pictures: Sequence[U8]) -> None:
    """Refuses pictures that are not all of one size.

    Args:
        pictures: each ``[height, width, 1, 3 or 4]``.

    Raises:
        InputError: their sizes or channels differ.
    """
    shapes = {picture.shape for picture in pictures}
    if len(shapes) != 1:
        raise InputError(
            f"the pictures have {len(shapes)} different sizes: {sorted(shapes)[:3]}",
            expected="one size, all with alpha or all without",
            remedy="scale them to one size, or split the family",
        )


def samples_of(pictures: Sequence[U8], choices: NDArray[np.int64], sizes: Sequence[int]) -> Samples:
    """Pictures, all of one size, as linear light.

    Raises:
        InputError: their sizes or channels differ.
    """
    check_alike(pictures)
    stacked = np.stack(pictures)
    stacked = stacked.reshape(len(pictures), -1, stacked.shape[-1])
    light = linear_table()[stacked]
    known = stacked < CLIPPED
    if stacked.shape[-1] == 4:
        light[..., 3] = stacked[..., 3] / np.float32(255)
        known[..., :3] &= stacked[..., 3:] > 0
        known[..., 3] = True
    return Samples(light, known, choices, tuple(sizes))


def fit_basis(
    name: str,
    size: tuple[int, int],
    attributes: tuple[Attribute, ...],
    samples: Samples,
    notes: Mapping[str, str],
    report: Report,
    *,
    degree: int = 2,
) -> Fit:
    """Discovers colours and fits a plane for each term.

    Args:
        name: of the family.
        size: width and height, pixels.
        attributes: of the family.
        samples: the pictures to learn from.
        notes: to go into the file.
        report: told about progress.
        degree: 1 for linear terms, 2 for quadratic ones where there are pictures enough.
    """
    colours = Samples(
        samples.light[..., :3], samples.known[..., :3], samples.choices, samples.sizes
    )
    tables = [_orthonormal(table) for table in discover_factors(colours, report)]
    blank = _blank(name, size, attributes, samples, tables, notes, degree)
    design = _design(blank, samples.choices)
    planes = planes_for(design, samples, size, report)
    return Fit(blank, planes, (1.0,) * len(blank.terms))


def planes_for(design: F64, samples: Samples, size: tuple[int, int], report: Report) -> F32:
    """Planes by least squares, given what each is weighted with.

    Args:
        design: ``[pictures, channels, planes]``.
        samples: the pictures.
        size: width and height, pixels.
        report: told about progress.

    Returns:
        ``[planes, height, width]``, 1.0 is white.
    """
    pixels = samples.light.shape[1]
    planes = np.empty((design.shape[2], pixels), np.float32)
    for start in range(0, pixels, STRIP_PIXELS):
        report("planes", start, pixels)
        strip = slice(start, start + STRIP_PIXELS)
        light = samples.light[:, strip]
        weight = light_weight(light) * samples.known[:, strip]
        planes[:, strip] = fitted_planes(design, light, weight, RIDGE).T
    report("planes", pixels, pixels)
    return planes.reshape(-1, size[1], size[0])


def stored(fit: Fit, step: float) -> Basis | Network:
    """The generator whose planes are those of a fit, in steps.

    Args:
        fit: planes of real numbers.
        step: the distance of neighbouring coefficients, in light (1.0 is white).

    Raises:
        ValueError: the step is so small that coefficients do not fit 16 bits.
    """
    unit = 2 ** (PLANE_BITS + EXTRA_BITS)
    steps = tuple(max(1, round(step * coarse * unit)) for coarse in fit.coarseness)
    rows, columns = fit.blank.blocks
    _, height, width = fit.planes.shape
    margins = ((0, 0), (0, rows * BLOCK - height), (0, columns * BLOCK - width))
    coded, waves = [], []
    for plane, whole in zip(fit.planes, steps, strict=True):
        padded = np.pad(plane[None].astype(np.float64), margins, mode="edge")
        blocks = to_blocks(padded * 2.0**PLANE_BITS)[0]
        ratio = forward_blocks(blocks) / whole
        integers = np.sign(ratio) * np.floor(np.abs(ratio) + ROUND_UP)
        flat = integers.reshape(-1, BLOCK * BLOCK)[:, ZIGZAG]
        if np.abs(flat).max() >= 2**15:
            raise ValueError(f"a step of {step} is too small")
        used = (flat != 0).any(axis=1)
        coded.append(used)
        waves.append(flat[used].astype(np.int16))
    return replace(
        fit.blank,
        steps=steps,
        coded=np.stack(coded),
        waves=np.concatenate(waves),
    )


def _design(blank: Basis, choices: NDArray[np.int64]) -> F64:
    """The terms of pictures exactly as the decoder has them: ``[pictures, channels, terms]``."""
    rows = [term_values(blank, Prompt(tuple(map(int, row)))).T for row in choices]
    design: F64 = np.stack(rows).astype(np.float64) * 2.0**-FACTOR_BITS
    return design


def _orthonormal(table: F64) -> NDArray[np.int16]:
    """Factors whose first and second power become uncorrelated: int16 ``[values, 2, channels]``.

    Then all planes matter alike, so that they are stored in steps of one size.  Dark values count
    more, as the eye has it.  Of a table with two different numbers the second factor is zero.
    """
    flat = table.ravel()
    weight = (0.03 + np.clip(flat, 0.0, None)) ** -0.6
    weight /= weight.sum()
    kept: list[F64] = [np.ones_like(flat)]
    for power in (1, 2):
        column = flat**power
        for _ in range(2):
            for other in kept:
                column = column - other * (weight * other * column).sum()
        length = np.sqrt((weight * column**2).sum())
        kept.append(column / length if length > 1e-6 else np.zeros_like(flat))
    limit = 7.9  # of int16 in 2**-12
    both = np.stack([column.reshape(table.shape) for column in kept[1:]], axis=1)
    return np.rint(np.clip(both, -limit, limit) * 2**FACTOR_BITS).astype(np.int16)


def _blank(
    name: str,
    size: tuple[int, int],
    attributes: tuple[Attribute, ...],
    samples: Samples,
    tables: Sequence[NDArray[np.int16]],
    notes: Mapping[str, str],
    degree: int,
) -> Basis:
    pictures, _, channels = samples.light.shape
    alpha = channels == 4
    axes = constant_axes(alpha)
    tables = [np.pad(table, ((0, 0), (0, 0), (0, int(alpha)))) for table in tables]
    extra = np.rint(np.tile(axes, (len(tables[0]), 1, 1)) * 2**FACTOR_BITS).astype(np.int16)
    tables[0] = np.concatenate([tables[0], extra], axis=1)
    terms = _terms(len(attributes), degree, len(axes))
    if len(terms) * SAMPLES_PER_TERM > pictures * min(channels, 3):
        terms = _terms(len(attributes), 1, len(axes))
    curves = [colour_curve()] * min(channels, 3) + [plain_curve()] * alpha
    return blank_generator(name, size, attributes, tables, terms, np.stack(curves), notes)


def blank_generator(
    name: str,
    size: tuple[int, int],
    attributes: tuple[Attribute, ...],
    tables: Sequence[NDArray[np.int16]],
    terms: tuple[Factors, ...],
    curves: NDArray[np.int32],
    notes: Mapping[str, str],
) -> Basis:
    """A generator all of whose planes are zero."""
    width, height = size
    return Basis(
        name=name,
        width=width,
        height=height,
        grammar=Grammar(attributes),
        tables=tuple(tables),
        gains=np.zeros((0, len(curves)), np.int16),
        terms=terms,
        steps=(1,) * len(terms),
        coded=np.zeros((len(terms), -(-height // BLOCK) * -(-width // BLOCK)), bool),
        waves=np.zeros((0, BLOCK * BLOCK), np.int16),
        curves=curves,
        notes=notes,
    )


def constant_axes(alpha: bool) -> F64:
    """What planes that do not depend on the prompt do to the channels: ``[planes, channels]``.

    A grey one and two of colour, orthogonal, so that a grey scene costs nothing for its colours;
    and one of alpha, on which no colour acts.
    """
    axes = np.zeros((3 + alpha, 3 + alpha))
    axes[:3, :3] = [[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [0.5, -1.0, 0.5]]
    if alpha:
        axes[3, 3] = 1.0
    return axes


def _terms(attributes: int, degree: int, constants: int) -> tuple[Factors, ...]:
    """Constants, each colour, each colour's second power, and each pair.

    The factors of an attribute are its colour and the second power; those of the first attribute
    are followed by the axes of the constants.
    """
    places = [2 * a + constants * (a > 0) for a in range(attributes)]
    ones = tuple((2 + axis,) for axis in range(constants))
    singles = tuple((place,) for place in places)
    if degree == 1:
        return ones + singles
    squares = tuple((place + 1,) for place in places)
    return ones + singles + squares + tuple(itertools.combinations(places, 2))
