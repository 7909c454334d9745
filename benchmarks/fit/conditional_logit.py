"""Conditional logit (McFadden, "Conditional logit analysis of qualitative choice behavior", 1974).

A candidate's score is the sum of what its features weigh.  The likelihood is concave, and with a
little ridge its maximum is unique; L-BFGS (Nocedal, "Updating quasi-Newton matrices with limited
storage", 1980) finds it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RIDGE = 4.0

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Event:
    """A choice that was made.

    Attributes:
        features: rows of tables by the tables' names, each int64 [candidates].
        chosen: the candidate.
        offset: what is added to the candidates' scores, in nats: float64 [candidates].
    """

    features: Mapping[str, Ints]
    chosen: int
    offset: Floats


@dataclass(frozen=True)
class Stacked:
    """Events one after another.

    Attributes:
        features: one row a table, of every candidate its row among all tables' rows; row 0, which
            weighs nothing, where an event lacks the table.
        first: where each event begins.
        chosen: the chosen candidates, counted from there.
        offset: as in the events.
        width: rows of all tables, and row 0.
    """

    features: Ints
    first: Ints
    chosen: Ints
    offset: Floats
    width: int

    @classmethod
    def of(cls, events: Sequence[Event], sizes: Mapping[str, int]) -> Stacked:
        """Events whose features are rows of tables of these sizes."""
        lengths = [event.offset.size for event in events]
        first = np.cumsum([0, *lengths])
        features = np.zeros((len(sizes), first[-1]), dtype=np.int64)
        row = 1
        for table, (name, size) in zip(features, sizes.items(), strict=True):
            for start, end, event in zip(first, first[1:], events, strict=False):
                if name in event.features:
                    table[start:end] = event.features[name] + row
            row += size
        offset = np.concatenate([event.offset for event in events])
        return cls(features, first[:-1], np.array([e.chosen for e in events]), offset, row)

    def chances(self, weights: Floats) -> Floats:
        """float64 [rows]: each candidate's probability within its event."""
        score = self.offset.copy()
        for table in self.features:
            score += weights[table]
        sizes = np.diff([*self.first, score.size])
        odds = np.exp(score - np.repeat(np.maximum.reduceat(score, self.first), sizes))
        chances: Floats = odds / np.repeat(np.add.reduceat(odds, self.first), sizes)
        return chances

    def bits(self, weights: Floats) -> Floats:
        """What each event costs: float64 [events]."""
        chances = self.chances(weights)[self.first + self.chosen]
        bits: Floats = -np.log2(np.maximum(chances, 1e-300))
        return bits

    def loss(self, weights: Floats) -> tuple[float, Floats]:
        """Minus the log likelihood and the ridge, least at the fitted weights; its gradient."""
        chances = self.chances(weights)
        chosen = self.first + self.chosen
        gradient = RIDGE * weights
        for table in self.features:
            gradient += np.bincount(table, chances, self.width)
            gradient -= np.bincount(table[chosen], minlength=self.width)
        gradient[0] = 0
        worth = np.log(np.maximum(chances[chosen], 1e-300)).sum()
        return float(RIDGE / 2 * (weights @ weights) - worth), gradient


def fit(data: Stacked, close: float = 0.01, memory: int = 12) -> Floats:
    """What each row weighs, in nats: float64 [width].

    Args:
        data: the events.
        close: it stops when a step lessens the loss by less.
        memory: how many past steps it keeps.
    """
    weights = np.zeros(data.width)
    loss, gradient = data.loss(weights)
    steps: list[tuple[Floats, Floats]] = []
    while True:
        way = _newton_like(gradient, steps)
        length = 1.0
        while True:
            there = weights - length * way
            less, slope = data.loss(there)
            if less <= loss - 1e-4 * length * (gradient @ way) or length < 1e-6:
                break
            length /= 2
        step, bend = there - weights, slope - gradient
        if step @ bend > 1e-10:
            steps = [*steps[1 - memory :], (step, bend)]
        gained = loss - less
        weights, loss, gradient = there, less, slope
        if gained < close:
            return weights


def _newton_like(gradient: Floats, steps: Sequence[tuple[Floats, Floats]]) -> Floats:
    """The inverse Hessian, as past steps tell it, times the gradient: the two-loop recursion."""
    way = gradient.copy()
    shares = []
    for step, bend in reversed(steps):
        share = (step @ way) / (step @ bend)
        way -= share * bend
        shares.append(share)
    if steps:
        step, bend = steps[-1]
        way *= (step @ bend) / (bend @ bend)
    else:
        way /= max(1.0, np.abs(gradient).sum() / 10)
    for (step, bend), share in zip(steps, reversed(shares), strict=True):
        way += step * (share - (bend @ way) / (step @ bend))
    return way


def rounded_tables(weights: Floats, sizes: Mapping[str, int]) -> dict[str, list[int]]:
    """The tables in eighths of an octave."""
    tables = {}
    row = 1
    for name, size in sizes.items():
        eighths = 8 / math.log(2) * weights[row : row + size]
        tables[name] = [round(value) for value in eighths.tolist()]
        row += size
    return tables
