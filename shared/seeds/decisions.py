"""Decisions that a codec takes the same way in both directions.

A codec describes its work once, as a sequence of decisions: *prompt* decisions (where a hunk
sits, which reference is shown) and *token* decisions (what the model writes).  The ground hands in
what it wants, the probe is told what was wanted:

- ``DecisionWriter`` turns wanted decisions into the bytes of a message;
- ``DecisionReader`` reads them back;
- ``DecisionCounter`` only adds up what they would cost, to compare candidates quickly.

With coded seeds both kinds share one interval code, in the order in which they are taken, so there
is one rounding to whole bytes a message.  With greedy and drawn seeds only prompt decisions are
coded, and the coins must happen to give every token.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Protocol

from shared.errors import RegenerationError
from shared.seeds.coins import CodedCoins, Coins, DrawnCoins, GreedyCoins, SeedSource
from shared.seeds.interval import MAX_TOTAL, IntervalDecoder, IntervalEncoder
from shared.seeds.sampler import Frequencies, most_frequent, symbol_interval


class UnreachableTokenError(Exception):
    """The coins of this seed do not give the wanted token; only the author ever sees this.

    Attributes:
        position: how many token decisions went well before.
        wanted: the token that the target needs.
        given: the token that the coins give.
    """

    def __init__(self, position: int, wanted: int, given: int) -> None:
        super().__init__(f"token decision {position} gives {given}, the target needs {wanted}")
        self.position = position
        self.wanted = wanted
        self.given = given


class Decisions(Protocol):
    """What codec code sees; ``wanted`` is the decision itself when writing, ignored when reading.

    ``label`` says in a word what the decision is about, for accounts of where the bits went.
    """

    def prompt(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        """Decides something that shapes the prompt; returns the index decided."""
        ...

    def uniform(self, total: int, wanted: int | None = None, label: str = "") -> int:
        """A prompt decision among ``total`` (1 to 2**62 - 1) equally likely numbers."""
        ...

    def token(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        """Decides the next token; returns its index."""
        ...


@dataclass
class Tally:
    """Ideal code lengths, in bits.

    Attributes:
        prompt_bits: of the prompt decisions.
        token_bits: of the token decisions.
        bits_of: of both, by label.
        tokens: how many token decisions there were.
        surprises: how many of them were not the most frequent token; none means greedy will do.
    """

    prompt_bits: float = 0.0
    token_bits: float = 0.0
    bits_of: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    tokens: int = 0
    surprises: int = 0

    @property
    def bits(self) -> float:
        """All of it."""
        return self.prompt_bits + self.token_bits

    def add_prompt(self, freq: int, total: int, label: str) -> None:
        """Accounts for one prompt decision."""
        bits = math.log2(total) - math.log2(freq)
        self.prompt_bits += bits
        self.bits_of[label] += bits

    def add_token(self, freq: int, total: int, label: str, surprise: bool) -> None:
        """Accounts for one token decision."""
        bits = math.log2(total) - math.log2(freq)
        self.token_bits += bits
        self.bits_of[label] += bits
        self.tokens += 1
        self.surprises += surprise


class DecisionCounter:
    """Adds up what wanted decisions would cost in a coded message, and can write it afterwards.

    Attributes:
        tally: the sums.
        token_intervals: start, freq, total of every token decision, from which a search over drawn
            seeds knows which words it needs (``coins.accepted_words``).
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.token_intervals: list[tuple[int, int, int]] = []
        self._intervals: list[tuple[bool, tuple[int, int, int]]] = []

    def stream(self, seed_source: SeedSource) -> bytes:
        """The stream that ``DecisionWriter`` gives for the same decisions.

        With another source than coded it holds the prompt decisions alone; whether the coins give
        the tokens is for the caller to know.
        """
        encoder = IntervalEncoder()
        for is_token, interval in self._intervals:
            if not is_token or seed_source is SeedSource.CODED:
                encoder.encode(*interval)
        return encoder.finish()

    def prompt(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        """See ``Decisions``."""
        index = _known(wanted)
        interval = symbol_interval(frequencies, index)
        self._intervals.append((False, interval))
        self.tally.add_prompt(*interval[1:], label)
        return index

    def uniform(self, total: int, wanted: int | None = None, label: str = "") -> int:
        """See ``Decisions``."""
        index = _known(wanted)
        if not 0 <= index < total < MAX_TOTAL:
            raise ValueError(f"{index} is not in [0, {total}), or that reaches 2**62")
        self._intervals.append((False, (index, 1, total)))
        self.tally.add_prompt(1, total, label)
        return index

    def token(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        """See ``Decisions``."""
        index = _known(wanted)
        interval = symbol_interval(frequencies, index)
        self.token_intervals.append(interval)
        self._intervals.append((True, interval))
        self.tally.add_token(*interval[1:], label, most_frequent(frequencies) != index)
        return index


class DecisionWriter:
    """Turns wanted decisions into the stream of a message.

    Attributes:
        tally: what the decisions ideally cost; tokens that coins give cost nothing in the stream
            but are counted all the same.
    """

    def __init__(self, seed_source: SeedSource, seed: int = 0) -> None:
        """Starts an empty message.

        Args:
            seed_source: where the probe will get its tokens from.
            seed: the number of a drawn seed, ignored otherwise.

        Raises:
            ValueError: a drawn seed is not in [0, 2**64).
        """
        self.tally = Tally()
        self._encoder = IntervalEncoder()
        self._coins = _coins(seed_source, seed)

    def prompt(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        """See ``Decisions``."""
        index = _known(wanted)
        start, freq, total = symbol_interval(frequencies, index)
        self._encoder.encode(start, freq, total)
        self.tally.add_prompt(freq, total, label)
        return index

    def uniform(self, total: int, wanted: int | None = None, label: str = "") -> int:
        """See ``Decisions``."""
        index = _known(wanted)
        self._encoder.encode(index, 1, total)
        self.tally.add_prompt(1, total, label)
        return index

    def token(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        """See ``Decisions``.

        Raises:
            UnreachableTokenError: greedy or drawn coins give another token.
        """
        index = _known(wanted)
        start, freq, total = symbol_interval(frequencies, index)
        if self._coins is None:
            self._encoder.encode(start, freq, total)
        elif (given := self._coins.choose(frequencies)) != index:
            raise UnreachableTokenError(self.tally.tokens, index, given)
        self.tally.add_token(freq, total, label, most_frequent(frequencies) != index)
        return index

    def finish(self) -> bytes:
        """The stream: prompt decisions, and with coded seeds the tokens as well."""
        return self._encoder.finish()


class DecisionReader:
    """Reads the decisions of a message; ``wanted`` is ignored."""

    def __init__(self, seed_source: SeedSource, stream: bytes, seed: int = 0) -> None:
        """Starts at the first decision of a message.

        Args:
            seed_source: where tokens come from.
            stream: the bytes of ``DecisionWriter.finish``.
            seed: the number of a drawn seed, ignored otherwise.

        Raises:
            ValueError: a drawn seed is not in [0, 2**64).
        """
        self._decoder = IntervalDecoder(stream)
        self._prompts: Coins = CodedCoins(self._decoder)
        self._tokens: Coins = _coins(seed_source, seed) or self._prompts

    def prompt(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:  # noqa: ARG002
        """See ``Decisions``."""
        return self._prompts.choose(frequencies)

    def uniform(self, total: int, wanted: int | None = None, label: str = "") -> int:  # noqa: ARG002
        """See ``Decisions``."""
        index = self._decoder.target(total)
        self._decoder.consume(index, 1, total)
        return index

    def token(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:  # noqa: ARG002
        """See ``Decisions``."""
        return self._tokens.choose(frequencies)

    def finish(self) -> None:
        """Call after the last decision: the stream must be the one that encodes them, to the byte.

        Raises:
            RegenerationError: it is not; no author wrote this message.
        """
        if not self._decoder.is_whole():
            raise RegenerationError(
                "the stream is not the shortest code of the decisions read from it",
                expected="a stream that ends with its last decision",
                remedy="author the message again with the version that the probe runs",
            )


def _known(wanted: int | None) -> int:
    if wanted is None:
        raise ValueError("a writer must be told what is wanted")
    return wanted


def _coins(seed_source: SeedSource, seed: int) -> Coins | None:
    """The coins of token decisions; None where they come from the interval code."""
    if seed_source is SeedSource.CODED:
        return None
    return DrawnCoins(seed) if seed_source is SeedSource.DRAWN else GreedyCoins()
