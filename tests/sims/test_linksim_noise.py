"""Noise: shares, lengths of bursts, and a state that outlives a CLTU."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np
import pytest

from sims.channel.noise import Noise, Weather, weather_at, wrong_bits
from sims.random_streams import Streams

WHITE = Noise(0.003)
BURSTS = Noise(0.001, burst_ber=0.4, good_bits=900.0, burst_bits=60.0)


def bits(noise: Noise, count: int, seed: int = 1) -> np.ndarray:
    """Wrong bits from a state that is as likely as any."""
    stream = Streams(seed).stream("t")
    start = weather_at(noise, None, 0, stream)
    return wrong_bits(noise, start, count, stream)[0]


def test_white_noise_has_its_rate() -> None:
    found = bits(WHITE, 400_000)
    assert found.mean() == pytest.approx(0.003, abs=3.29 * math.sqrt(0.003 / 400_000))
    # and no memory: the share behind a wrong bit is the same
    behind = found[1:][found[:-1] == 1]
    assert behind.mean() == pytest.approx(0.003, abs=3.29 * math.sqrt(0.003 / behind.size))


def test_bursts_have_their_mean_rate_by_hand() -> None:
    assert BURSTS.bad_share == pytest.approx(60 / 960)
    assert BURSTS.mean_ber == pytest.approx(0.001 * 900 / 960 + 0.4 * 60 / 960)
    found = bits(BURSTS, 1_000_000, 3)
    # 1,042 bursts of 60 bits: their number varies more than the bits in them
    assert found.mean() == pytest.approx(BURSTS.mean_ber, rel=0.1)


def test_lengths_of_states_are_geometric() -> None:
    """With certain errors in the bad state and none in the good one, states can be seen."""
    seen = bits(Noise(0.0, 1.0, 900.0, 60.0), 1_000_000, 5)
    runs = [(bad, sum(1 for _ in group)) for bad, group in groupby(seen.tolist())][1:-1]
    for bad, expected in ((0, 900.0), (1, 60.0)):
        lengths = np.array([length for state, length in runs if state == bad])
        error = 3.29 * expected / math.sqrt(lengths.size)
        assert lengths.mean() == pytest.approx(expected, abs=error)
        # geometric: P(length > m) = (1 - 1/m)^m
        share = (1 - 1 / expected) ** int(expected)
        assert (lengths > expected).mean() == pytest.approx(share, abs=0.06)


def test_the_state_behind_is_the_state_of_the_next_bit() -> None:
    """Cut anywhere, a channel of certain states goes on as if it were whole."""
    noise = Noise(0.0, 1.0, 7.0, 3.0)
    follows: dict[tuple[bool, bool], list[int]] = {}
    for seed in range(4000):
        stream = Streams(seed).stream("t")
        first, state = wrong_bits(noise, Weather(False, 0), 5, stream)
        assert state.bit == 5
        next_bit, _ = wrong_bits(noise, state, 1, stream)
        assert bool(next_bit[0]) == state.bad
        follows.setdefault((bool(first[-1]), True), []).append(int(next_bit[0]))
    assert np.mean(follows[False, True]) == pytest.approx(1 / 7, abs=0.025)
    assert np.mean(follows[True, True]) == pytest.approx(1 - 1 / 3, abs=0.055)


def test_a_gap_is_as_if_its_bits_had_been_sent() -> None:
    noise = Noise(0.0, 1.0, 20.0, 5.0)
    gap, runs = 12, 6000
    sent = skipped = 0
    for seed in range(runs):
        stream = Streams(seed).stream("sent")
        sent += wrong_bits(noise, Weather(True, 100), gap, stream)[1].bad
        skipped += weather_at(
            noise, Weather(True, 100), 100 + gap, Streams(seed).stream("skipped")
        ).bad
    expected = 0.2 + 0.8 * (1 - 1 / 20 - 1 / 5) ** gap
    for found in (sent, skipped):
        assert found / runs == pytest.approx(expected, abs=3.29 * 0.42 / math.sqrt(runs))


def test_no_bits_no_error_all_errors() -> None:
    assert not bits(Noise(0.0), 1000).any()
    assert bits(Noise(0.0, 1.0, 1.0, 1e12), 1000, 2)[2:].all()
