"""The interval code: exact, shortest, and equal to what its definition says."""

from __future__ import annotations

import json
import math
import random
import runpy
from fractions import Fraction
from functools import cache
from itertools import accumulate
from pathlib import Path

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.seeds.interval import IntervalDecoder, IntervalEncoder

VECTORS = Path(__file__).parent.parent / "vectors"
Decision = tuple[int, int, int]


def encoded(decisions: list[Decision]) -> bytes:
    encoder = IntervalEncoder()
    for decision in decisions:
        encoder.encode(*decision)
    return encoder.finish()


def decoded(data: bytes, distributions: list[list[int]]) -> tuple[list[int], IntervalDecoder]:
    """Reads one symbol of each distribution (a list of frequencies)."""
    decoder = IntervalDecoder(data)
    symbols = []
    for frequencies in distributions:
        total = sum(frequencies)
        target, start = decoder.target(total), 0
        for symbol, freq in enumerate(frequencies):
            if target < start + freq:
                decoder.consume(start, freq, total)
                symbols.append(symbol)
                break
            start += freq
    return symbols, decoder


def intervals(distributions: list[list[int]], symbols: list[int]) -> list[Decision]:
    return [
        (sum(frequencies[:symbol]), frequencies[symbol], sum(frequencies))
        for frequencies, symbol in zip(distributions, symbols, strict=True)
    ]


@cache
def pool() -> list[tuple[list[int], list[int]]]:
    """Distributions as a language model's, mostly sure and sometimes not, with running sums."""
    rng = random.Random(1)
    distributions = []
    for _ in range(500):
        steepness = rng.choice((0.1, 1.0, 3.0, 9.0))
        weights = [rng.expovariate(steepness) for _ in range(rng.randrange(2, 40))]
        frequencies = [max(1, round(2**40 * math.exp(-steepness * 4 * w))) for w in weights]
        distributions.append((frequencies, list(accumulate(frequencies))))
    return distributions


def skewed_message(rng: random.Random, count: int) -> tuple[list[list[int]], list[int]]:
    """Distributions, and symbols drawn from them."""
    chosen = rng.choices(pool(), k=count)
    symbols = [rng.choices(range(len(f)), cum_weights=sums)[0] for f, sums in chosen]
    return [frequencies for frequencies, _ in chosen], symbols


@st.composite
def messages(draw: st.DrawFn) -> tuple[list[list[int]], list[int]]:
    frequency = st.one_of(st.integers(0, 3), st.integers(0, 2**58))
    distribution = st.lists(frequency, min_size=1, max_size=8).filter(any)
    distributions = draw(st.lists(distribution, max_size=30))
    symbols = [
        draw(st.sampled_from([i for i, freq in enumerate(frequencies) if freq]))
        for frequencies in distributions
    ]
    return distributions, symbols


# --- committed bytes --------------------------------------------------------------------------


def test_vectors_are_what_their_script_makes() -> None:
    script = runpy.run_path(str(VECTORS / "make_interval.py"))
    assert (VECTORS / "interval.json").read_text(encoding="ascii") == script["document"]()


@pytest.mark.parametrize(
    "vector", json.loads((VECTORS / "interval.json").read_text()), ids=lambda v: v["name"]
)
def test_vector(vector: dict[str, object]) -> None:
    decisions = [(start, freq, total) for start, freq, total in vector["decisions"]]  # type: ignore[attr-defined]
    data = encoded(decisions)
    assert data.hex() == vector["bytes"]
    decoder = IntervalDecoder(data)
    for start, freq, total in decisions:
        assert start <= decoder.target(total) < start + freq
        decoder.consume(start, freq, total)
    assert decoder.is_whole()


def test_worked_by_hand() -> None:
    # [1/3, 2/3) holds 0x80 / 256 = 1/2 and 0x56 / 256 is its first point on the grid of one byte
    assert encoded([(1, 1, 3)]) == b"\x56"
    # [0, 1/3) holds 0, which needs no bytes at all
    assert encoded([(0, 1, 3)]) == b""
    # [1/2, 1/2 + 1/2**20): a tiny interval that begins on a coarse point is cheap
    assert encoded([(1, 1, 2), (0, 1, 2**19)]) == b"\x80"


# --- round trips ------------------------------------------------------------------------------


@given(messages())
@settings(deadline=None)
def test_round_trip(message: tuple[list[list[int]], list[int]]) -> None:
    distributions, symbols = message
    data = encoded(intervals(distributions, symbols))
    read, decoder = decoded(data, distributions)
    assert read == symbols
    assert decoder.is_whole()


@given(messages())
@settings(deadline=None)
def test_no_shorter_string_lies_in_the_interval(
    message: tuple[list[list[int]], list[int]],
) -> None:
    decisions = intervals(*message)
    low, width = Fraction(0), Fraction(1)
    for start, freq, total in decisions:
        low, width = low + width * Fraction(start, total), width * Fraction(freq, total)
    data = encoded(decisions)
    value = Fraction(int.from_bytes(data, "big"), 256 ** len(data))
    assert low <= value < low + width
    if data:
        grid = 256 ** (len(data) - 1)
        assert math.ceil(low * grid) >= (low + width) * grid
    assert not data.endswith(b"\0")


def test_finish_can_be_asked_at_any_time() -> None:
    rng = random.Random(5)
    decisions = intervals(*skewed_message(rng, 12))
    encoder = IntervalEncoder()
    for count, decision in enumerate(decisions, 1):
        encoder.encode(*decision)
        assert encoder.finish() == encoder.finish() == encoded(decisions[:count])


def test_a_long_message_with_model_sized_totals() -> None:
    rng = random.Random(11)
    decisions = []
    for _ in range(3000):
        total = rng.randrange(2**40, 2**41)
        freq = max(1, int(total * 2 ** -rng.expovariate(0.3)))
        decisions.append((rng.randrange(total - freq + 1), freq, total))
    data = encoded(decisions)
    decoder = IntervalDecoder(data)
    for start, freq, total in decisions:
        assert start <= decoder.target(total) < start + freq
        decoder.consume(start, freq, total)
    assert decoder.is_whole()


# --- damage -----------------------------------------------------------------------------------


def test_every_truncation_reads_as_something_else() -> None:
    rng = random.Random(2)
    seen = 0
    for _ in range(80):
        distributions, symbols = skewed_message(rng, rng.randrange(1, 40))
        data = encoded(intervals(distributions, symbols))
        for size in range(len(data)):
            assert decoded(data[:size], distributions)[0] != symbols
            seen += 1
    assert seen > 300


def test_bytes_that_no_encoder_makes_are_not_whole() -> None:
    rng = random.Random(3)
    still_the_same = 0
    for _ in range(25):
        distributions, symbols = skewed_message(rng, rng.randrange(5, 40))
        data = encoded(intervals(distributions, symbols))
        variants = [data + b"\0", data + b"\x01"]
        for bit in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 0x80 >> bit % 8
            variants.append(bytes(flipped))
        for variant in variants:
            read, decoder = decoded(variant, distributions)
            if read == symbols:
                still_the_same += 1
                assert not decoder.is_whole()
    assert still_the_same  # or the check above has shown nothing


def test_whole_only_after_the_last_decision() -> None:
    distributions = [[7, 90, 3]] * 6
    data = encoded(intervals(distributions, [2, 1, 2, 1, 1, 2]))
    assert not decoded(data, distributions[:-1])[1].is_whole()
    assert decoded(data, distributions)[1].is_whole()


@pytest.mark.parametrize(
    "decision",
    [(0, 0, 5), (-1, 2, 5), (4, 2, 5), (0, 1, 0), (0, 1, 2**62), (0, -1, 5), (5, 1, 5)],
)
def test_malformed_decisions_are_refused(decision: Decision) -> None:
    with pytest.raises(ValueError):
        IntervalEncoder().encode(*decision)
    with pytest.raises(ValueError):
        IntervalDecoder(b"\x12\x34").consume(*decision)


@pytest.mark.parametrize("total", [0, -3, 2**62])
def test_malformed_totals_are_refused(total: int) -> None:
    with pytest.raises(ValueError):
        IntervalDecoder(b"\x12\x34").target(total)


def test_consuming_another_symbol_than_the_target_is_refused() -> None:
    decoder = IntervalDecoder(b"\x80")
    assert decoder.target(10) == 5
    for start, freq in ((0, 5), (6, 4)):
        with pytest.raises(ValueError):
            decoder.consume(start, freq, 10)
    decoder.consume(5, 1, 10)


def test_numpy_integers_do_not_overflow() -> None:
    big = np.int64(2**61)
    encoder = IntervalEncoder()
    for _ in range(4):
        encoder.encode(big, big - 1, np.int64(2**62 - 1))  # type: ignore[arg-type]
    assert encoder.finish() == encoded([(2**61, 2**61 - 1, 2**62 - 1)] * 4)


# --- size -------------------------------------------------------------------------------------


def message_of_bytes(rng: random.Random, size: float) -> tuple[list[list[int]], list[int]]:
    """A message whose ideal code length is about ``size`` bytes."""
    distributions, symbols, bits = [], [], 0.0
    while bits < 8 * size:
        more, chosen = skewed_message(rng, 1)
        distributions += more
        symbols += chosen
        bits -= math.log2(more[0][chosen[0]] / sum(more[0]))
    return distributions, symbols


def test_overhead_over_the_ideal_is_at_most_half_a_byte() -> None:
    rng = random.Random(7)
    overheads = []
    for _ in range(400):
        distributions, symbols = message_of_bytes(rng, rng.uniform(10, 200))
        decisions = intervals(distributions, symbols)
        ideal = math.fsum(math.log2(total) - math.log2(freq) for _, freq, total in decisions)
        size = len(encoded(decisions))
        assert size <= ideal / 8 + 1
        overheads.append(size - ideal / 8)
    mean = sum(overheads) / len(overheads)
    assert 0 < mean <= 0.5


def test_ideal_bits_agree_with_exact_probabilities() -> None:
    rng = random.Random(8)
    for _ in range(20):
        encoder = IntervalEncoder()
        inverse = 1
        denominator = 1
        for start, freq, total in intervals(*skewed_message(rng, 60)):
            encoder.encode(start, freq, total)
            inverse *= total
            denominator *= freq
        assert encoder.bits == pytest.approx(math.log2(Fraction(inverse, denominator)), abs=1e-9)


def test_never_longer_than_constriction() -> None:
    """constriction's range coder is an independent implementation of the same idea.

    Its model takes probabilities at 24 bits; frequencies that add up to 2**20 are exact there.
    """
    rng = random.Random(9)
    saved = []
    for _ in range(150):
        count = rng.randrange(10, 120)
        distributions = []
        for _ in range(count):
            cuts = sorted(rng.sample(range(1, 2**10), 15))
            parts = [b - a for a, b in zip([0, *cuts], [*cuts, 2**10], strict=True)]
            distributions.append([part**2 + 1 for part in parts])
        symbols = [rng.choices(range(16), weights=frequencies)[0] for frequencies in distributions]
        ours = IntervalEncoder()
        for decision in intervals(distributions, symbols):
            ours.encode(*decision)
        theirs = constriction.stream.queue.RangeEncoder()
        theirs.encode(
            np.array(symbols, dtype=np.int32),
            constriction.stream.model.Categorical(perfect=False),
            np.array([[f / sum(d) for f in d] for d in distributions], dtype=np.float32),
        )
        words = theirs.get_compressed()
        assert 8 * 4 * len(words) >= ours.bits - 1  # it cannot beat the ideal we claim
        assert len(ours.finish()) <= 4 * len(words)
        saved.append(4 * len(words) - len(ours.finish()))
    assert sum(saved) / len(saved) > 1
