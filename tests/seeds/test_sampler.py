"""Frequencies to symbols."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.seeds.sampler import geometric, most_frequent, symbol_at, symbol_interval, total_of


def array(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, 5000])
def test_every_boundary_of_every_symbol(size: int) -> None:
    rng = np.random.default_rng(size)
    frequencies = rng.integers(0, 2**40, size)
    frequencies[rng.random(size) < 0.4] = 0
    frequencies[size // 2] = 5
    ends = [0]
    for freq in frequencies.tolist():
        ends.append(ends[-1] + freq)
    assert total_of(frequencies) == ends[-1]
    for index in np.flatnonzero(frequencies).tolist():
        assert symbol_interval(frequencies, index) == (ends[index], frequencies[index], ends[-1])
        for target in (ends[index], ends[index + 1] - 1):
            assert symbol_at(frequencies, target) == (index, ends[index])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=600).filter(any), st.data())
def test_symbol_at_is_the_plain_running_sum(values: list[int], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, sum(values) - 1))
    ends = list(accumulate(values))
    index = next(i for i, end in enumerate(ends) if target < end)
    assert symbol_at(array(*values), target) == (index, ends[index] - values[index])


def test_sums_beyond_the_limit_are_found_though_they_wrap() -> None:
    assert total_of(array(2**62 - 1)) == 2**62 - 1
    assert total_of(array(2**61, 2**61 - 1)) == 2**62 - 1
    for values in ((2**62,), (2**61, 2**61), (2**63 - 1, 2**63 - 1, 3), (5, -1), (-5,)):
        with pytest.raises(ValueError):
            total_of(array(*values))


@pytest.mark.parametrize(
    "frequencies",
    [
        array(),
        array(0, 0),
        np.array([1.0, 2.0]),
        np.array([[1, 2]], dtype=np.int64),
        np.array([1, 2], dtype=np.int32),
    ],
)
def test_what_is_no_distribution_is_refused(frequencies: np.ndarray) -> None:
    with pytest.raises(ValueError):
        total_of(frequencies)


@pytest.mark.parametrize("index", [-1, 1, 3])
def test_symbols_that_cannot_occur_are_refused(index: int) -> None:
    with pytest.raises(ValueError):
        symbol_interval(array(4, 0, 6), index)


def test_most_frequent_takes_the_lowest_on_ties() -> None:
    assert most_frequent(array(1, 7, 3, 7)) == 1


def test_geometric_frequencies() -> None:
    assert geometric(4).tolist() == [2**32, 2**31, 2**30, 2**29]
    assert geometric(3, (3, 4)).tolist() == [2**32, 3 * 2**30, 9 * 2**28]
    assert geometric(60)[40:].tolist() == [1] * 20
    assert geometric(1).tolist() == [2**32]
