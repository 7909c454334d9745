"""Discovering what an attribute's values do to light, without being told the colours.

Where a part fills a pixel, the pixel's light is close to a straight line in the part's
reflectance.  So the mean light of such pixels, over all pictures that share a value, is the value's
reflectance up to a scale and an offset that are common to all values and channels, and the planes
take up both.  Then factors and planes are refitted in turn, as in alternating least squares.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundstation.media.learn.linear_light import F32, F64
from shared.terminal import Report

I64 = NDArray[np.int64]

OWNED_SHARE = 0.85
"""A pixel belongs to an attribute that explains so much of its variance."""
OWNED_PIXELS = 400
"""Pixels of each attribute that its factors are refitted on."""
ROUNDS = 4


@dataclass(frozen=True, eq=False)
class Samples:
    """Pictures of a family as numbers.

    Attributes:
        light: linear, ``[pictures, pixels, channels]``.
        known: which samples say how much light there was: they are not clipped, nor transparent.
        choices: ``[pictures, attributes]``.
        sizes: how many values each attribute has.
    """

    light: F32
    known: NDArray[np.bool_]
    choices: I64
    sizes: tuple[int, ...]


def discover_factors(samples: Samples, report: Report) -> tuple[F64, ...]:
    """For each attribute the factor of each value, ``[values, channels]``, between 0 and 1.

    A value that no picture shows gets the mean of the others.
    """
    owned = [_owned(samples, number) for number in range(len(samples.sizes))]
    tables = [_first_guess(samples, number, pixels) for number, pixels in enumerate(owned)]
    for turn in range(ROUNDS):
        report("colours", turn, ROUNDS)
        tables = [_refitted(samples, number, pixels, tables) for number, pixels in enumerate(owned)]
    report("colours", ROUNDS, ROUNDS)
    return tuple(tables)


def term_list(attributes: int, degree: int) -> tuple[tuple[int, ...], ...]:
    """Products of up to ``degree`` of the attributes' factors; 1 comes first."""
    return tuple(
        term
        for size in range(degree + 1)
        for term in itertools.combinations_with_replacement(range(attributes), size)
    )


def products(factors: F64, terms: Sequence[tuple[int, ...]]) -> F64:
    """The value of each term: ``[..., attributes]`` to ``[..., terms]``."""
    return np.stack([np.prod(factors[..., list(term)], axis=-1) for term in terms], axis=-1)


def picture_factors(tables: Sequence[F64], choices: I64) -> F64:
    """The factors of pictures: ``[pictures, channels, attributes]``."""
    return np.stack([table[choices[:, a]] for a, table in enumerate(tables)], axis=-1)


def fitted_planes(design: F64, light: F32, weight: F32, ridge: float) -> F64:
    """Least squares at every pixel, all channels sharing the planes.

    Args:
        design: ``[pictures, channels, terms]``.
        light: ``[pictures, pixels, channels]``.
        weight: of each sample, 0 where it is unknown; alike.
        ridge: what is added to the diagonal, as a share of the mean weight of a pixel.

    Returns:
        ``[pixels, terms]``.
    """
    terms = design.shape[-1]
    rows = design.transpose(1, 0, 2).reshape(-1, terms)
    wide = weight.transpose(1, 2, 0).reshape(light.shape[1], -1).astype(np.float64)
    right = (wide * light.transpose(1, 2, 0).reshape(light.shape[1], -1)) @ rows
    pairs = (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
    left = (wide @ pairs).reshape(-1, terms, terms)
    left = left + (ridge * (wide.sum(axis=1) + 1e-9))[:, None, None] * np.eye(terms)
    return np.linalg.solve(left, right[..., None])[..., 0].astype(np.float64)


def _owned(samples: Samples, attribute: int) -> I64:
    """The pixels that an attribute explains best, at most ``OWNED_PIXELS``, spread evenly."""
    light = samples.light
    mean = light.mean(axis=0)
    total = np.maximum(((light - mean) ** 2).sum(axis=(0, 2)), 1e-9)
    between = np.zeros(light.shape[1])
    for value in range(samples.sizes[attribute]):
        chosen = light[samples.choices[:, attribute] == value]
        if len(chosen):
            between += len(chosen) * ((chosen.mean(axis=0) - mean) ** 2).sum(axis=1)
    share = np.where(total > total.max() * 1e-3, between / total, 0.0)
    limit = min(OWNED_SHARE, float(np.sort(share)[-min(50, len(share))]))
    found = np.flatnonzero(share >= limit)
    spread = np.linspace(0, len(found) - 1, min(OWNED_PIXELS, len(found)))
    return found[np.unique(spread.astype(np.int64))].astype(np.int64)


def _first_guess(samples: Samples, attribute: int, pixels: I64) -> F64:
    light, known = samples.light[:, pixels], samples.known[:, pixels]
    choices, channels = samples.choices[:, attribute], light.shape[2]
    table = np.full((samples.sizes[attribute], channels), np.nan)
    for value in range(len(table)):
        here = choices == value
        count = known[here].sum(axis=(0, 1))
        if here.any() and count.min() > 0:
            total: F64 = (light[here] * known[here]).sum(axis=(0, 1), dtype=np.float64)
            table[value] = total / count
    middle = np.nanmean(table) if np.isfinite(table).any() else 0.0
    table = np.where(np.isfinite(table), table, middle)
    low, high = float(table.min()), float(table.max())
    return (table - low) / max(high - low, 1e-6)


def _refitted(samples: Samples, attribute: int, pixels: I64, tables: Sequence[F64]) -> F64:
    """One Gauss-Newton step of an attribute's factors, after fitting the planes of its pixels."""
    light = samples.light[:, pixels]
    weight = light_weight(light) * samples.known[:, pixels]
    terms = _affordable_terms(len(tables), light.shape[0] * light.shape[2])
    factors = picture_factors(tables, samples.choices)
    planes = fitted_planes(products(factors, terms), light, weight, 1e-6)
    # the slope of every term in this attribute's factor
    slopes = np.stack(
        [
            term.count(attribute) * np.prod(factors[..., _without(term, attribute)], axis=-1)
            for term in terms
        ],
        axis=-1,
    )
    error = light - np.einsum("ict,pt->ipc", products(factors, terms), planes)
    slope = np.einsum("ict,pt->ipc", slopes, planes)
    table = tables[attribute].copy()
    for value in range(len(table)):
        here = samples.choices[:, attribute] == value
        power = (weight[here] * slope[here] ** 2).sum(axis=(0, 1), dtype=np.float64)
        pull = (weight[here] * slope[here] * error[here]).sum(axis=(0, 1), dtype=np.float64)
        table[value] += np.where(power > 1e-9, pull / np.maximum(power, 1e-9), 0.0)
    return np.clip(table, -0.5, 1.5)


def light_weight(light: F32) -> F32:
    """How much an error of a sample matters: about the square of the slope of the sRGB curve.

    Exponent 1.2 instead of the full 1.3: the eye's own masking in dark places forgives a little.
    """
    result: F32 = (0.02 + light) ** np.float32(-1.2)
    return result


def _affordable_terms(attributes: int, samples: int) -> tuple[tuple[int, ...], ...]:
    """Quadratic terms where there are at least three samples for each, else linear ones."""
    terms = term_list(attributes, 2)
    return terms if samples >= 3 * len(terms) else term_list(attributes, 1)


def _without(term: tuple[int, ...], factor: int) -> list[int]:
    rest = list(term)
    if factor in rest:
        rest.remove(factor)
    return rest
