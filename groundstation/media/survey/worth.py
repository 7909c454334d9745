"""What a family is worth: bytes that need not be stored and sent, in money, and when it pays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.media.fixed import U8

RECORD_BYTES: Final = 9
COMPONENT_SHARE: Final = 0.7
"""Bytes of a component, as a share of a picture's: what skin-tone families came to."""
RESIDUAL_LEVELS: Final = 6.0
"""A thumbnail is drawn well if no block of 8 x 8 is worse than this."""
MOST_COMPONENTS: Final = 8
SAMPLED: Final = 32
_GIB: Final = 2.0**30


@dataclass(frozen=True)
class Prices:
    """The user's own prices, in one currency.

    Attributes:
        wire_gib: of a GiB from the origin.
        storage_gib_month: of a GiB kept for a month.
        core_hour: of an hour of one processor core.
        regions: in how many places pictures are stored and generators kept.
        months: over which a generator pays for itself.
        draw_seconds: to draw and encode a picture.
        requests: of each picture a month that reach the origin, where no log tells.
    """

    wire_gib: float = 0.08
    storage_gib_month: float = 0.02
    core_hour: float = 0.04
    regions: int = 1
    months: int = 12
    draw_seconds: float = 0.05
    requests: float = 100.0


@dataclass(frozen=True)
class QuickFit:
    """What thumbnails tell about a group.

    Attributes:
        components: principal components that draw them well.
        chance: share of the pictures that are drawn well with these.
    """

    components: int
    chance: float


@dataclass(frozen=True)
class Worth:
    """What a family saves.

    Attributes:
        pictures: how many.
        stored_bytes: of their files.
        wire_bytes_month: what requests take from the origin a month.
        generator_bytes: estimated.
        saved_bytes: stored bytes less generator and records.
        saved_month: money, expected: after the cost of drawing, times the chance.
        once: money to send the generator to all regions.
        total: money over the months, expected.
    """

    pictures: int
    stored_bytes: int
    wire_bytes_month: float
    generator_bytes: int
    saved_bytes: int
    saved_month: float
    once: float
    total: float

    @property
    def break_even_months(self) -> float:
        """When the first cost is earned; infinite where it never is."""
        return self.once / self.saved_month if self.saved_month > 0 else math.inf


def quick_fit(thumbnails: U8) -> QuickFit:
    """How many components a group needs, from at most ``SAMPLED`` thumbnails, evenly chosen.

    Args:
        thumbnails: ``[pictures, 64, 64, 3]``, at least two.
    """
    places = np.unique(np.linspace(0, len(thumbnails) - 1, SAMPLED).astype(int))
    levels = thumbnails[places].astype(np.float64)
    flat = (levels - levels.mean(axis=0)).reshape(len(levels), -1)
    left, spread, right = np.linalg.svd(flat, full_matrices=False)
    most = min(MOST_COMPONENTS, len(levels) - 1)
    share = 0.0
    for count in range(most + 1):
        rest = flat - (left[:, :count] * spread[:count]) @ right[:count]
        squares = (rest.reshape(levels.shape) ** 2).mean(axis=3)
        blocks = squares.reshape(len(levels), 8, 8, 8, 8).mean(axis=(2, 4))
        share = float((np.sqrt(blocks.max(axis=(1, 2))) <= RESIDUAL_LEVELS).mean())
        if share == 1.0:
            return QuickFit(count, share)
    return QuickFit(most, share)


def worth(sizes: Sequence[int], requests: Sequence[float], fit: QuickFit, prices: Prices) -> Worth:
    """What a family saves.

    Args:
        sizes: of its files, bytes.
        requests: of each, a month.
        fit: from its thumbnails.
        prices: of the user.
    """
    stored = sum(sizes)
    generator = round(stored / len(sizes) * (1 + COMPONENT_SHARE * fit.components))
    records = RECORD_BYTES * len(sizes)
    saved = stored - generator - records
    wire = sum(size * count for size, count in zip(sizes, requests, strict=True))
    kept = (wire - RECORD_BYTES * sum(requests)) / _GIB * prices.wire_gib
    storage = saved / _GIB * prices.storage_gib_month * prices.regions
    drawing = sum(requests) * prices.draw_seconds / 3600 * prices.core_hour
    month = (kept + storage - drawing) * fit.chance
    once = (generator + records) / _GIB * prices.wire_gib * prices.regions
    total = month * prices.months - once
    return Worth(len(sizes), stored, wire, generator, saved, month, once, total)
