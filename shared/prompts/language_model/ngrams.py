"""What the text on board suggests by itself: tokens that followed the same tokens before.

A model that reads a window of a file does not know the names in the rest of it.  So its frequencies
are mixed with those of the tokens that stand, in the old files, after the last few tokens of the
transcript: an n-gram model with escapes (prediction by partial matching: Cleary and Witten 1984,
the escape of method C, Moffat 1990).  How much it counts depends on how long the match is, how
often it occurs, whether it leaves a choice, and how sure the model is.  All are integers, so both
ends mix alike; the sum is what the coder divides by, so no probability is lost or invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.prompts.language_model.vocabulary import Vocabulary

ORDERS = 5
"""Tokens of context at most."""

# In eighths of an octave, fitted by maximum likelihood (benchmarks/fit/ngrams.py).
_BY_ORDER = (-43, -35, -28, -27, -19)
BY_CERTAINTY = -5
_BY_SEEN = (0, 9, 12, 12)
_ALONE = 15
MOST_CERTAIN = 6

ONE = 1 << 20
"""The integer that stands for the whole of what is recalled."""
MOST = 511
"""The most that it counts, in 256ths of the model: so sums stay below the coder's limit."""
_OCTAVE = (256, 279, 304, 332, 362, 395, 431, 470)  # 256 * 2**(k/8)


@dataclass(frozen=True, eq=False)
class Recollection:
    """What the known text suggests for one token.

    Attributes:
        score: how much it counts against the model, in eighths of an octave.
        shares: legal tokens, int64 [n], and how many of ``ONE`` each has, int64 [n]; from the
            longest context to the shortest, and a token may be in several.
    """

    score: int
    shares: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]


@dataclass
class Recall:
    """The tokens of the old files and of what was written, in order.

    Attributes:
        vocabulary: cuts texts into tokens.
        shift: how much more it counts than usual, in eighths of an octave; None for not at all.
    """

    vocabulary: Vocabulary
    shift: int | None = 0
    _tokens: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    _count: int = 0

    def read(self, text: bytes) -> None:
        """Adds a text that both ends have; one that cannot be spelled is left out."""
        self.learn(self.vocabulary.encode_kept(text))

    def learn(self, tokens: Sequence[int] | NDArray[np.int32]) -> None:
        """Adds tokens that follow what was added last."""
        end = self._count + len(tokens)
        if end > len(self._tokens):
            grown = np.empty(max(end, 2 * len(self._tokens), 1024), np.int32)
            grown[: self._count] = self._tokens[: self._count]
            self._tokens = grown
        self._tokens[self._count : end] = tokens
        self._count = end

    def mix(self, frequencies: NDArray[np.int64], context: Sequence[int]) -> NDArray[np.int64]:
        """The model's frequencies with those of what followed the same context.

        Args:
            frequencies: int64 [vocab], their sum below 2**60; 0 is illegal and stays so.
            context: the tokens before; the last ``ORDERS`` count.

        Returns:
            int64 [vocab], their sum below 2**62; the same array where nothing is recalled.
        """
        found = self.recollect(frequencies, context)
        if found is None:
            return frequencies
        weight = min(MOST, _octaves(found.score))
        total = int(frequencies.sum())
        mixed = frequencies.copy()
        for tokens, share in found.shares:
            mixed[tokens] += (total >> 24) * (weight * share >> 4)
        return mixed

    def recollect(
        self, frequencies: NDArray[np.int64], context: Sequence[int]
    ) -> Recollection | None:
        """What followed the same context, and how much it counts; None where nothing did.

        Args:
            frequencies: the model's; see ``mix``.
            context: the tokens before.
        """
        if self.shift is None:
            return None
        orders = self.orders(frequencies, context)
        if not orders:
            return None
        score = self.shift + _score(orders, int(frequencies.sum()), int(frequencies.max()))
        shares = []
        left = ONE
        for tokens, counts in reversed(orders):
            if not len(tokens):
                continue
            seen, kinds = int(counts.sum()), len(tokens)
            shares.append((tokens, left * counts // (seen + kinds)))
            left = left * kinds // (seen + kinds)
        return Recollection(score, tuple(shares))

    def orders(
        self, frequencies: NDArray[np.int64], context: Sequence[int]
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Legal tokens and how often each followed, by one, two, ... tokens of context.

        The last of the list has at least one token.
        """
        known = self._tokens[: self._count]
        places = np.arange(1, self._count)
        found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        for order in range(1, min(ORDERS, len(context)) + 1):
            places = places[np.searchsorted(places, order) :]
            places = places[known[places - order] == context[-order]]
            if not len(places):
                break
            after = known[places]
            tokens, counts = np.unique(after[frequencies[after] > 0], return_counts=True)
            found.append((tokens.astype(np.int64), counts.astype(np.int64)))
        while found and not len(found[-1][0]):
            found.pop()
        return found


def _score(
    orders: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], total: int, best: int
) -> int:
    """How much is made of what is recalled, in eighths of an octave below the model's total."""
    tokens, counts = orders[-1]
    certainty = min(MOST_CERTAIN, (total // max(1, total - best)).bit_length() - 1)
    seen = min(len(_BY_SEEN), int(counts.sum()).bit_length()) - 1
    score = _BY_ORDER[len(orders) - 1] + BY_CERTAINTY * certainty + _BY_SEEN[seen]
    return score + _ALONE * (len(tokens) == 1)


def _octaves(score: int) -> int:
    """256 * 2**(score/8), rounded down."""
    octaves, eighths = divmod(score, 8)
    return _OCTAVE[eighths] << octaves if octaves >= 0 else _OCTAVE[eighths] >> -octaves
