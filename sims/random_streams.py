"""Named random streams: the same history from the same seed, on every machine.

A stream is Philox4x64-10 (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011)
under a key that is a sha256 of the run's seed and the stream's name.  So no stream takes numbers
from another, and a new one changes none that was there before.  Philox is random access: what
happens to CLTU number 7 is drawn at place 7, however many numbers were used for those before it.

Uniform numbers are the upper 53 bits of a raw word times 2^-53, which no release of numpy can
change (numpy promises the raw words of its bit generators, not what its distributions make of
them).  The logarithm is a sum of products: libraries differ in the last bit of theirs, and one bit
can turn a history.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.digest import sha256

_STEP = 1.0 / (1 << 53)
_LN2 = 0.6931471805599453
_PLACE_BITS = 64
_SERIES_TERMS = 16
"""|s| <= 0.1716 in ``natural_log``, and 0.1716^33 / 33 is far below 2^-53."""


@dataclass(frozen=True)
class Streams:
    """All streams of one run.

    Attributes:
        seed: any whole number, the scenario's.
        run: which of its runs.
    """

    seed: int
    run: int = 0

    def stream(self, name: str, place: int = 0) -> Stream:
        """A stream by its name.

        Args:
            name: what the numbers are for; another name gives other numbers.
            place: which of many occasions, from 0; each has 2^66 numbers of its own.
        """
        text = f"rehydration-uplink/linksim/1\n{self.seed}\n{self.run}\n{name}"
        return Stream(sha256(text.encode()), place)


class Stream:
    """Uniform numbers in their order."""

    def __init__(self, digest: bytes, place: int = 0) -> None:
        key = [int.from_bytes(digest[at : at + 8], "big") for at in (0, 8)]
        # The lowest word of the counter runs on; the place lies above it.
        self._source = np.random.Philox(key=np.array(key, np.uint64), counter=place << _PLACE_BITS)

    def uniform(self) -> float:
        """One number in [0, 1), a multiple of 2^-53."""
        return (int(self._source.random_raw()) >> 11) * _STEP

    def uniforms(self, count: int) -> NDArray[np.float64]:
        """The next numbers in [0, 1); shape (count,)."""
        raw = np.asarray(self._source.random_raw(count), np.uint64)
        return (raw >> np.uint64(11)).astype(np.float64) * _STEP

    def happens(self, chance: float) -> bool:
        """Whether something of this probability happens; one number is used whatever it is."""
        return self.uniform() < chance

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count - 1``; the bias is below ``count`` / 2^53."""
        return int(self.uniform() * count)

    def exponential(self, mean: float) -> float:
        """A waiting time of this mean."""
        return -mean * natural_log(1.0 - self.uniform())


def natural_log(value: float) -> float:
    """ln by additions, multiplications and divisions alone: the same bits everywhere.

    With value = m 2^e and m in [1/sqrt(2), sqrt(2)): e ln 2 + 2 artanh((m - 1) / (m + 1)).

    Raises:
        ValueError: the value is not positive and finite.
    """
    if not 0.0 < value < math.inf:
        raise ValueError(f"the logarithm of {value}")
    mantissa, exponent = math.frexp(value)
    if mantissa < 0.7071067811865476:
        mantissa, exponent = 2.0 * mantissa, exponent - 1
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square, total = s * s, 0.0
    for odd in range(2 * _SERIES_TERMS - 1, 0, -2):
        total = total * square + 1.0 / odd
    return exponent * _LN2 + 2.0 * s * total


def power(base: float, exponent: int) -> float:
    """A power by squaring; ``**`` is as good as the machine's library.

    Raises:
        ValueError: the exponent is negative.
    """
    if exponent < 0:
        raise ValueError(f"exponent {exponent}")
    result = 1.0
    for bit in _bits(exponent):
        result = result * result * (base if bit else 1.0)
    return result


def _bits(number: int) -> Iterator[bool]:
    """From the highest."""
    return (digit == "1" for digit in f"{number:b}")
