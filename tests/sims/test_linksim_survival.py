"""The frame-error model: published tables, an independent reckoning, and the real decoder."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from shared.ccsds.cltu import ChannelCoding, Coding
from shared.ccsds.link import build_frame, data_fields
from shared.ccsds.stack import Stack
from shared.errors import InputError
from sims.channel.channel import Bits, Chances, cltu_bits
from sims.channel.ldpc_rates import codeword_failures, measure
from sims.channel.noise import Noise
from sims.channel.survival import survival
from sims.random_streams import Streams
from sims.scenario.schema import CODINGS

SEC, TED = CODINGS["bch"], CODINGS["bch-detect"]
BURSTS = Noise(2e-4, 0.3, 3000.0, 40.0)

# CCSDS 200.0-G-6, tables D-3 and D-5: chance that one or more of so many codeblocks of 64 bits are
# rejected, at channel error rates of 1e-4, 1e-5 and 1e-6.
PUBLISHED = [
    (TED, 1, (6.28e-3, 6.30e-4, 6.30e-5)),
    (TED, 4, (2.49e-2, 2.52e-3, 2.52e-4)),
    (TED, 9, (5.51e-2, 5.65e-3, 5.67e-4)),
    (TED, 24, (1.40e-1, 1.50e-2, 1.51e-3)),
    (TED, 37, (2.08e-1, 2.30e-2, 2.33e-3)),
    (SEC, 37, (7.21e-4, 7.24e-6, 7.24e-8)),
]


@pytest.mark.parametrize(("channel", "blocks", "rejected"), PUBLISHED)
def test_the_green_books_tables(
    channel: ChannelCoding, blocks: int, rejected: tuple[float, ...]
) -> None:
    for ber, expected in zip((1e-4, 1e-5, 1e-6), rejected, strict=True):
        # the tables are for codeblocks alone: the start sequence is divided out
        start = (1 - ber) ** 16 + (16 * ber * (1 - ber) ** 15 if channel is SEC else 0.0)
        found = survival(channel, Noise(ber), 7 * blocks).chance(Noise(ber)) / start
        assert 1 - found == pytest.approx(expected, rel=0.009)


@pytest.mark.parametrize("channel", [SEC, TED])
@pytest.mark.parametrize("noise", [Noise(1e-3), BURSTS])
def test_against_a_slow_reckoning(channel: ChannelCoding, noise: Noise) -> None:
    """Bit by bit in fractions, by another recursion: how many errors so far, in which state."""
    allowed = 1 if channel is SEC else 0
    to_bad, to_good = (Fraction(rate) for rate in noise.leaves)
    stay = [[1 - to_bad, to_bad], [to_good, 1 - to_good]]
    wrong = [Fraction(noise.ber), Fraction(noise.burst_ber if noise.has_bursts else noise.ber)]
    for start in (0, 1):
        chances = {(start, 0): Fraction(1)}
        for length in (16, *[64] * 3):
            for bit in range(length):
                counts = bit < 63  # the filler bit is not looked at
                after: dict[tuple[int, int], Fraction] = {}
                for (state, errors), chance in chances.items():
                    for hit, share in ((0, 1 - wrong[state]), (1, wrong[state])):
                        total = errors + (hit if counts else 0)
                        if total > allowed:
                            continue
                        for new in (0, 1):
                            key = (new, total)
                            after[key] = after.get(key, 0) + chance * share * stay[state][new]
                # 53 bits are enough for the comparison, and exact fractions would grow
                chances = {key: Fraction(float(value)) for key, value in after.items()}
            merged = {(state, 0): Fraction(0) for state in (0, 1)}
            for (state, _), chance in chances.items():
                merged[state, 0] += chance
            chances = merged
        found = survival(channel, noise, 21).survives[start]
        for end in (0, 1):
            assert found[end] == pytest.approx(float(chances[end, 0]), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("noise", [Noise(1e-3), BURSTS])
def test_where_it_ends_adds_up(noise: Noise) -> None:
    chances = survival(SEC, noise, 129)
    for row in (0, 1):
        assert sum(chances.passes[row]) == pytest.approx(1.0, abs=1e-12)
        assert chances.survives[row][0] <= chances.passes[row][0] + 1e-15
        assert chances.survives[row][1] <= chances.passes[row][1] + 1e-15
    assert chances.needed_bits == 16 + 19 * 64
    assert cltu_bits(Stack(), bytes(129)) == chances.needed_bits + 64


def frame(size: int, stack: Stack) -> bytes:
    """A frame around so many bytes."""
    return build_frame(data_fields(bytes(range(size)), stack)[0], stack)


CASES = [
    ("bch", Noise(2e-3), 1.0),
    ("bch-detect", Noise(3e-4), 1.0),
    ("bch", BURSTS, 1.0),
    ("ldpc-128-64", Noise(0.04), 1.0),
    ("bch", Noise(3e-3), 0.92),
]


@pytest.mark.parametrize(("coding", "noise", "usable"), CASES)
def test_the_real_decoder_agrees(coding: str, noise: Noise, usable: float) -> None:
    """Two ways through the same channel, a number of CLTUs one behind the other in each."""
    stack = Stack(channel=CODINGS[coding])
    sent = frame(53, stack)
    bits = cltu_bits(stack, sent)
    runs = 260 if coding.startswith("ldpc") else 900
    hits = {}
    for medium in (Bits, Chances):
        # other streams: the same numbers would mean other things
        carrier = medium(stack, noise, Streams(11, medium is Bits))
        hits[medium] = [
            bool(carrier.carry(sent, number, number * (bits + 64), round(usable * bits)).frames)
            for number in range(runs)
        ]
    real, drawn = (np.array(hits[medium], float) for medium in (Bits, Chances))
    assert 0.1 < real.mean() < 0.97
    error = 3.29 * math.sqrt((real.var() + drawn.var()) / runs)
    assert real.mean() == pytest.approx(drawn.mean(), abs=error)
    expected = survival(stack.channel, noise, len(sent)).chance(noise)
    assert drawn.mean() == pytest.approx(expected, abs=3.29 * math.sqrt(0.25 / runs))
    if noise.has_bursts:  # losses come together in both
        for seen in (real, drawn):
            lost = seen[:-1] == 0
            assert (seen[1:][lost] == 0).mean() >= (seen == 0).mean() - 0.05


def test_every_error_pattern_is_judged_alike() -> None:
    """Not only in the mean: the same wrong bits, the formula's rule against the decoder."""
    stack = Stack()
    sent = frame(20, stack)
    bits = cltu_bits(stack, sent)
    words = -(-len(sent) // 7)
    survived = 0
    for number in range(400):
        carrier = Bits(stack, Noise(0.008), Streams(5))
        received = carrier.carry(sent, number, 0, bits)
        errors = pattern(number, bits)
        start, rest = errors[:16], errors[16 : 16 + 64 * words].reshape(words, 64)[:, :63]
        rule = start.sum() <= 1 and bool((rest.sum(axis=1) <= 1).all())
        assert bool(received.frames) == rule
        survived += rule
    assert 100 < survived < 380


def pattern(number: int, bits: int) -> np.ndarray:
    """The wrong bits that ``Bits`` draws: one number for the state, then one a bit."""
    stream = Streams(5).stream("up/noise", number)
    stream.uniform()
    return (stream.uniforms(bits) < 0.008).astype(int)


@pytest.mark.parametrize("missing", [1, 64, 65, 500])
def test_a_cut_cltu_survives_exactly_if_all_codewords_are_there(missing: int) -> None:
    stack = Stack()
    sent = frame(53, stack)
    bits = cltu_bits(stack, sent)
    alive = missing <= 64  # the tail has 64 bits
    for medium in (Bits, Chances):
        carrier = medium(stack, Noise(0.0), Streams(1))
        assert bool(carrier.carry(sent, 0, 0, bits - missing).frames) == alive


def test_the_ldpc_table_is_what_the_decoder_does() -> None:
    """One point measured anew: its own seeds, so the very counts."""
    assert measure(Coding.LDPC_128_64, 0.05) == (750, 63)
    assert codeword_failures(Coding.LDPC_128_64, 0.05) == pytest.approx(63 / 750, rel=1e-9)


def test_ldpc_failures_between_points_and_beyond() -> None:
    rates = [codeword_failures(Coding.LDPC_512_256, ber) for ber in (0.0, 1e-3, 0.042, 0.05, 0.2)]
    assert rates == sorted(rates)
    assert rates[0] == 0.0 and rates[1] < 1e-20 and rates[-1] == 1.0
    middle = math.sqrt(0.06 * 0.07)
    expected = math.sqrt(68 / 750 * 70 / 250)
    assert codeword_failures(Coding.LDPC_512_256, middle) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(InputError, match="no measured failures"):
        codeword_failures(Coding.BCH, 0.1)


def test_ldpc_with_bursts_is_refused() -> None:
    with pytest.raises(InputError, match="bursts"):
        survival(CODINGS["ldpc-128-64"], BURSTS, 40)
