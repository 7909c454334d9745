"""Three sources of the coins that one and the same sampler consumes.

Whether a seed is nothing, a small number or the codeword itself, the sampler asks the same
question, "which of these symbols?", and gets an index.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from shared.seeds.interval import IntervalDecoder
from shared.seeds.philox import word
from shared.seeds.sampler import Frequencies, most_frequent, symbol_at, total_of

MAX_SEED_BYTES = 8


class SeedSource(IntEnum):
    """Where the coins of the token decisions come from; the value is the wire code."""

    GREEDY = 0
    DRAWN = 1
    CODED = 2


class Coins(Protocol):
    """A source of decisions."""

    def choose(self, frequencies: Frequencies) -> int:
        """The next decision: an index whose frequency is positive.

        Raises:
            ValueError: the array is no distribution.
        """
        ...


class GreedyCoins:
    """No seed at all: always the most frequent symbol, the lowest index on ties."""

    def choose(self, frequencies: Frequencies) -> int:
        """See ``Coins``."""
        total_of(frequencies)
        return most_frequent(frequencies)


class DrawnCoins:
    """A number expanded by Philox: the n-th decision takes the n-th word of the seed.

    A word u of 64 bits names the integer floor(u * total / 2**64).  Every call takes a word, also
    one that had no choice, so that a position in the stream is a position in the tokens.
    """

    def __init__(self, seed: int) -> None:
        """Starts at the first word.

        Raises:
            ValueError: ``seed`` is not in [0, 2**64).
        """
        word(seed, 0)
        self._seed = seed
        self._position = 0

    def choose(self, frequencies: Frequencies) -> int:
        """See ``Coins``."""
        target = word(self._seed, self._position) * total_of(frequencies) >> 64
        self._position += 1
        return symbol_at(frequencies, target)[0]


class CodedCoins:
    """The bytes of an interval code: the symbols that were put into it come out again."""

    def __init__(self, decoder: IntervalDecoder) -> None:
        self._decoder = decoder

    def choose(self, frequencies: Frequencies) -> int:
        """See ``Coins``."""
        total = total_of(frequencies)
        index, start = symbol_at(frequencies, self._decoder.target(total))
        self._decoder.consume(start, int(frequencies[index]), total)
        return index


def accepted_words(start: int, freq: int, total: int) -> tuple[int, int] | None:
    """The words that make ``DrawnCoins`` take a symbol, for a search over many seeds.

    ``start <= floor(u * total / 2**64) < start + freq`` solved for u.

    Returns:
        The first and the last such word, both inclusive, or None when no word reaches the symbol
        (possible only for totals whose shares are finer than 2**-64).
    """
    first = -((-start << 64) // total)
    last = -((-(start + freq) << 64) // total) - 1
    return (first, last) if first <= last else None


def seed_to_bytes(seed: int) -> bytes:
    """A drawn seed as it travels: big-endian without leading zero bytes; zero is empty."""
    return seed.to_bytes((seed.bit_length() + 7) // 8, "big")


def seed_from_bytes(data: bytes) -> int:
    """The seed of ``seed_to_bytes``.

    Raises:
        ValueError: more than eight bytes, or a leading zero byte.
    """
    if len(data) > MAX_SEED_BYTES or data[:1] == b"\0":
        raise ValueError(f"a seed of {len(data)} bytes, the first {data[:1].hex()}")
    return int.from_bytes(data, "big")
