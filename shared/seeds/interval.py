"""An exact interval code: decisions of known frequencies to the shortest bytes, and back.

A message is a number.  Every decision narrows the interval of numbers that still mean what was
decided so far, by exactly the share ``freq / total`` of its width; the message is the shortest
byte string whose value, read as the fraction ``0.s`` and padded with zeros for ever, lies in what
is left.  The length travels outside (a packet knows its size), so nothing marks the end.

The interval is an exact rational in integers of any size: nothing is rounded, there is no carry,
no renormalisation and no precision to run out of.  That is what makes the code as short as it is:
about a third of a byte above the ideal on average, where coders with 32-bit words lose two to four
bytes at their end.  The price is quadratic work in the length of the message (about 0.1 s for
4,000 decisions and 3 s for 20,000), which is small beside the model that makes the frequencies.

Source: J. Rissanen, "Generalized Kraft inequality and arithmetic coding", IBM J. Res. Dev. 20(3),
1976; C. E. Shannon's and P. Elias's cumulative-interval construction before it.
"""

from __future__ import annotations

import math
from operator import index as to_int

MAX_TOTAL = 2**62
"""Totals are below this, so that they and their parts fit a signed 64-bit word."""

_Part = tuple[int, int, int]
"""low, width, scale: the interval [low / scale, (low + width) / scale) within its predecessor's."""


class IntervalEncoder:
    """Collects decisions and gives the shortest bytes that stand for all of them."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._bits = 0.0

    @property
    def bits(self) -> float:
        """The ideal code length so far: the sum of ``-log2(freq / total)``."""
        return self._bits

    def encode(self, start: int, freq: int, total: int) -> None:
        """Narrows the interval to one symbol's share.

        Args:
            start: sum of the frequencies before the symbol.
            freq: the symbol's frequency, at least 1.
            total: sum of all frequencies, below 2**62.

        Raises:
            ValueError: the three do not describe a symbol.
        """
        start, freq, total = _checked(start, freq, total)
        if freq == total:  # a decision without a choice is the identity
            return
        self._parts.append((start, freq, total))
        self._bits += math.log2(total) - math.log2(freq)

    def finish(self) -> bytes:
        """The shortest byte string whose zero-padded value lies in the interval.

        It never ends in a zero byte, since the string without it would do as well; among equally
        short ones it is the smallest.  The encoder can go on afterwards.
        """
        return _shortest(*_product(self._parts))


class IntervalDecoder:
    """Reads decisions back from the bytes of ``IntervalEncoder.finish``.

    Bytes that no encoder made decode to *something*: the code has no redundancy.  Damage is found
    by what surrounds it (signature and digest), never here.
    """

    def __init__(self, data: bytes) -> None:
        self._data = bytes(data)
        # where the message lies within what is left of the interval: numerator / denominator
        self._numerator = int.from_bytes(data, "big")
        self._denominator = 1 << (8 * len(data))
        self._parts: list[_Part] = []

    def target(self, total: int) -> int:
        """Where the message points, in units of one frequency count.

        Args:
            total: sum of all frequencies of the next decision, below 2**62.

        Returns:
            An integer in [0, total): the symbol is the one with ``start <= target < start + freq``.

        Raises:
            ValueError: ``total`` is out of range.
        """
        total = to_int(total)
        if not 1 <= total < MAX_TOTAL:
            raise ValueError(f"total {total} is not in [1, 2**62)")
        return self._numerator * total // self._denominator

    def consume(self, start: int, freq: int, total: int) -> None:
        """Narrows the interval to the symbol that ``target`` pointed at.

        Raises:
            ValueError: the three do not describe a symbol, or not the one pointed at.
        """
        start, freq, total = _checked(start, freq, total)
        if freq == total:
            return
        numerator = self._numerator * total - start * self._denominator
        denominator = self._denominator * freq
        if not 0 <= numerator < denominator:
            raise ValueError(f"the message does not point into [{start}, {start + freq})")
        self._numerator, self._denominator = numerator, denominator
        self._parts.append((start, freq, total))

    def is_whole(self) -> bool:
        """Whether the bytes are exactly those that an encoder gives for the decisions read.

        False while decisions are still to be read, and for bytes that go on after the last one.
        """
        return _shortest(*_product(self._parts)) == self._data


def _checked(start: int, freq: int, total: int) -> _Part:
    start, freq, total = to_int(start), to_int(freq), to_int(total)
    if not 1 <= total < MAX_TOTAL:
        raise ValueError(f"total {total} is not in [1, 2**62)")
    if freq < 1 or start < 0 or start + freq > total:
        raise ValueError(f"[{start}, {start} + {freq}) is not a symbol's share of {total}")
    return start, freq, total


def _product(parts: list[_Part]) -> _Part:
    """All intervals nested into each other, as one.

    Neighbours are joined pairwise, so that the large products are between numbers of equal size
    (one after the other they would be quadratic in the message's length).
    """
    while len(parts) > 1:
        joined = [_nested(*pair) for pair in zip(parts[::2], parts[1::2], strict=False)]
        parts = joined + parts[len(joined) * 2 :]
    return parts[0] if parts else (0, 1, 1)


def _nested(outer: _Part, inner: _Part) -> _Part:
    low, width, scale = outer
    inner_low, inner_width, inner_scale = inner
    return low * inner_scale + width * inner_low, width * inner_width, scale * inner_scale


def _shortest(low: int, width: int, scale: int) -> bytes:
    # so many bytes that their grid is finer than the interval: one of its points lies inside
    size = (scale // width).bit_length() // 8 + 1
    first = -((-low << 8 * size) // scale)
    last = -((-(low + width) << 8 * size) // scale) - 1
    if first == 0:
        return b""
    # The highest bit in which first - 1 and last differ is the coarsest power of two that has a
    # multiple in [first, last]; whole bytes below it can go.
    spare = (((first - 1) ^ last).bit_length() - 1) // 8
    return (-(-first >> 8 * spare)).to_bytes(size - spare, "big")
