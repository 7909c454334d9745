"""Wrong bits: white noise, or the bursts of Gilbert and Elliott.

The channel is in one of two states and may change after every bit.  In each a bit is wrong with
that state's probability, independently.  White noise is the case of one state.

Sources: Gilbert, Capacity of a burst-noise channel, Bell Syst. Tech. J. 39 (1960); Elliott,
Estimates of error rates for codes on burst-noise channels, ibid. 42 (1963).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sims.random_streams import Stream, natural_log, power


@dataclass(frozen=True)
class Noise:
    """How often bits are wrong.

    Attributes:
        ber: probability of a wrong bit, in the good state where there are two.
        burst_ber: the same in the bad state.
        good_bits: how long the good state lasts in the mean; 0 where there is only white noise.
        burst_bits: how long the bad state lasts in the mean, at least 1; 0 for white noise.
    """

    ber: float
    burst_ber: float = 0.5
    good_bits: float = 0.0
    burst_bits: float = 0.0

    @property
    def has_bursts(self) -> bool:
        return self.good_bits > 0

    @property
    def bad_share(self) -> float:
        """How much of the time the channel is in the bad state."""
        if not self.has_bursts:
            return 0.0
        return self.burst_bits / (self.good_bits + self.burst_bits)

    @property
    def mean_ber(self) -> float:
        return self.ber + self.bad_share * (self.burst_ber - self.ber)

    @property
    def leaves(self) -> tuple[float, float]:
        """Chance to leave the good and the bad state after a bit."""
        return (1.0 / self.good_bits, 1.0 / self.burst_bits) if self.has_bursts else (0.0, 1.0)

    def bad_after(self, bad: float, bits: int) -> float:
        """Chance of the bad state so many bits later.

        Args:
            bad: its chance now.
            bits: 0 or more.
        """
        if not self.has_bursts:
            return 0.0
        to_bad, to_good = self.leaves
        return self.bad_share + (bad - self.bad_share) * power(1.0 - to_bad - to_good, bits)


@dataclass(frozen=True)
class Weather:
    """The state of a channel at one bit.

    Attributes:
        bad: whether it is the bad one.
        bit: which, counted at the link's rate from the start of the run.
    """

    bad: bool
    bit: int


def weather_at(noise: Noise, before: Weather | None, bit: int, stream: Stream) -> Weather:
    """The state at a later bit; one number is used.

    Args:
        noise: of the channel.
        before: the last state that is known; None at the first look.
        bit: not before that.
        stream: draws.
    """
    known = noise.bad_share if before is None else float(before.bad)
    gap = 0 if before is None else bit - before.bit
    return Weather(stream.happens(noise.bad_after(known, gap)), bit)


def wrong_bits(
    noise: Noise, start: Weather, count: int, stream: Stream
) -> tuple[NDArray[np.uint8], Weather]:
    """Which of the next bits are wrong.

    Returns:
        Shape (count,), 1 where a bit is wrong; and the state at the bit behind them.
    """
    if not noise.has_bursts:
        wrong = stream.uniforms(count) < noise.ber
        return wrong.astype(np.uint8), Weather(False, start.bit + count)
    chances = np.empty(count)
    at, bad = 0, start.bad
    while True:
        length = _run(noise.leaves[bad], stream)
        chances[at : at + length] = noise.burst_ber if bad else noise.ber
        at += length
        # A run that ends exactly where the bits end: the next bit is in the other state.
        bad = bad if at > count else not bad
        if at >= count:
            break
    wrong = stream.uniforms(count) < chances
    return wrong.astype(np.uint8), Weather(bad, start.bit + count)


def _run(leaves: float, stream: Stream) -> int:
    """How many bits a state lasts: geometric, at least 1."""
    if leaves >= 1.0:
        return 1
    return 1 + int(natural_log(1.0 - stream.uniform()) / natural_log(1.0 - leaves))
