"""What ``benchmarks.drawn`` measures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Trial:
    """One target and the smallest seed that draws it.

    Attributes:
        name: the patch that it is of; empty for made-up ones.
        tokens: how many.
        bits: -log2 P.
        expected: 1/P.
        seed: found.
        coded_bytes: of the same tokens as a coded seed.
    """

    name: str
    tokens: int
    bits: float
    expected: float
    seed: int
    coded_bytes: int

    @property
    def trials(self) -> int:
        """Seeds tried, the last one included."""
        return self.seed + 1

    @property
    def drawn_bytes(self) -> int:
        """Of the seed in a message: seven bits a byte, at least one."""
        return max(1, math.ceil(self.seed.bit_length() / 7))


@dataclass(frozen=True)
class Cut:
    """All real targets one after another, drawn by a seed a segment.

    Attributes:
        bits: a segment ends with the token that reaches so many.
        segments: how many.
        expected: the sum of 1/P.
        trials: seeds tried in all.
        drawn_bytes: of all seeds in a message.
    """

    bits: int
    segments: int
    expected: float
    trials: int
    drawn_bytes: int


@dataclass(frozen=True)
class Rate:
    """Seeds a second of one path: by the clock, and a second of one core's time."""

    path: str
    processes: int
    by_clock: float
    by_core: float


@dataclass(frozen=True)
class Measured:
    """Everything.

    Attributes:
        rates: of each path, with one and two processes.
        real: targets of real edits.
        made_up: many more.
        joined_bits: -log2 P of the real targets one after another.
        joined_coded_bytes: of these as a coded seed.
        cuts: of these as drawn seeds.
        left_out: where else segments could end, with -log2 P of the one that would take too long.
    """

    rates: Sequence[Rate]
    real: Sequence[Trial]
    made_up: Sequence[Trial]
    joined_bits: float
    joined_coded_bytes: int
    cuts: Sequence[Cut]
    left_out: Mapping[int, float]
