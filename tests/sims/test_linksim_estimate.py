"""Estimates: published limits, exact coverage, order statistics."""

from __future__ import annotations

from math import comb

import pytest

from sims.campaign.estimate import mean, quantile, share


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (15, 148, 0.0624, 0.1605),  # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(hits: int, trials: int, low: float, high: float) -> None:
    found = share(hits, trials)
    assert found.value == hits / trials
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@pytest.mark.parametrize("chance", [0.5, 0.9, 0.97, 0.99])
def test_it_covers_about_what_it_says(chance: float) -> None:
    """Exactly: over all counts of 300 trials, how often the limits hold the truth."""
    trials = 300
    covered = 0.0
    for hits in range(trials + 1):
        found = share(hits, trials)
        if found.low <= chance <= found.high:
            covered += comb(trials, hits) * chance**hits * (1 - chance) ** (trials - hits)
    assert 0.93 < covered < 0.985


def test_ends_are_ends() -> None:
    assert share(0, 7).low == 0.0 and share(7, 7).high == 1.0
    assert share(7, 7).low == pytest.approx(1 - share(0, 7).high)
    with pytest.raises(ValueError, match="trials"):
        share(3, 2)
    with pytest.raises(ValueError, match="trials"):
        share(0, 0)


def test_quantiles_by_hand() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    median = quantile(values, 0.5)
    assert median is not None
    # 50 -+ 1.96 * 5, outwards
    assert (median.low, median.value, median.high) == (40.0, 50.0, 61.0)
    assert quantile([], 0.5) is None
    only = quantile([3.5], 0.5)
    assert only is not None and (only.low, only.value, only.high) == (3.5, 3.5, 3.5)


@pytest.mark.parametrize(("count", "level"), [(30, 0.5), (100, 0.5), (100, 0.9), (1000, 0.9)])
def test_order_statistics_cover(count: int, level: float) -> None:
    """The limits are values i and j of the sorted ones: P(i <= number below quantile < j)."""
    found = quantile([float(number) for number in range(1, count + 1)], level)
    assert found is not None
    below = range(int(found.low), int(found.high))
    covered = sum(comb(count, k) * level**k * (1 - level) ** (count - k) for k in below)
    assert 0.93 < covered < 0.985


def test_means_by_hand() -> None:
    found = mean([2.0, 4.0, 9.0])
    assert found is not None and found.value == 5.0
    # variance 13, over three
    assert found.high - 5.0 == pytest.approx(1.959964 * (13 / 3) ** 0.5, rel=1e-6)
    assert mean([]) is None
