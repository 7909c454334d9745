"""Greedy, drawn and coded coins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.seeds.coins import (
    CodedCoins,
    DrawnCoins,
    GreedyCoins,
    SeedSource,
    accepted_words,
    seed_from_bytes,
    seed_to_bytes,
)
from shared.seeds.interval import IntervalDecoder
from shared.seeds.philox import word


def array(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_the_wire_codes_of_the_sources() -> None:
    assert [(source.name, int(source)) for source in SeedSource] == [
        ("GREEDY", 0),
        ("DRAWN", 1),
        ("CODED", 2),
    ]


def test_greedy() -> None:
    coins = GreedyCoins()
    assert coins.choose(array(0, 8, 9, 9)) == 2
    assert coins.choose(array(6)) == 0


def test_drawn_literal() -> None:
    # Of seed 0 the first word is 0xe169c58d_6627e8d5: 0.88 of the way through any distribution.
    frequencies = array(87, 1, 1, 11)
    assert 0xE169C58D6627E8D5 * 100 >> 64 == 88
    assert DrawnCoins(0).choose(frequencies) == 2


def test_drawn_takes_one_word_a_decision_also_without_a_choice() -> None:
    frequencies = np.arange(1, 300, dtype=np.int64)
    total = int(frequencies.sum())
    coins = DrawnCoins(0xFEDCBA9876543210)
    ends = frequencies.cumsum().tolist()
    for position in range(50):
        if position % 3 == 1:
            assert coins.choose(array(0, 4)) == 1
            continue
        target = word(0xFEDCBA9876543210, position) * total // 2**64
        assert coins.choose(frequencies) == sum(end <= target for end in ends)


def test_accepted_words_are_exact_where_floats_are_not() -> None:
    # u * total / 2**64 lies within one part in 2**60 of a boundary
    first, last = accepted_words(2**61 + 1, 2, 2**62 - 1) or (0, 0)
    for u, inside in ((first - 1, False), (first, True), (last, True), (last + 1, False)):
        assert (2**61 + 1 <= u * (2**62 - 1) // 2**64 < 2**61 + 3) is inside


def test_drawn_at_both_sides_of_a_boundary() -> None:
    total = 2**62 - 1
    for seed in range(60):
        target = word(seed, 0) * total // 2**64
        assert DrawnCoins(seed).choose(array(target, total - target)) == 1
        assert DrawnCoins(seed).choose(array(target + 1, total - target - 1)) == 0


@given(st.integers(1, 2**62 - 1), st.data())
def test_accepted_words_are_all_of_them(total: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, total - 1))
    freq = data.draw(st.integers(1, total - start))
    found = accepted_words(start, freq, total)
    assert found is not None
    first, last = found
    assert 0 <= first <= last < 2**64
    assert start <= first * total >> 64
    assert last * total >> 64 < start + freq
    assert first == 0 or (first - 1) * total >> 64 < start
    assert last == 2**64 - 1 or (last + 1) * total >> 64 >= start + freq


def test_coded_reads_through_zero_frequencies() -> None:
    coins = CodedCoins(IntervalDecoder(b"\x80"))
    assert coins.choose(array(0, 1, 0, 1, 0)) == 3
    assert coins.choose(array(0, 0, 5)) == 2
    assert coins.choose(array(0, 3, 5)) == 1


@pytest.mark.parametrize("coins", [GreedyCoins(), DrawnCoins(1), CodedCoins(IntervalDecoder(b""))])
def test_nothing_to_choose_from_is_refused(coins: GreedyCoins | DrawnCoins | CodedCoins) -> None:
    for frequencies in (array(), array(0, 0), array(3, -1)):
        with pytest.raises(ValueError):
            coins.choose(frequencies)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range(seed: int) -> None:
    with pytest.raises(ValueError):
        DrawnCoins(seed)


@pytest.mark.parametrize(
    ("seed", "data"),
    [
        (0, ""),
        (1, "01"),
        (255, "ff"),
        (256, "0100"),
        (0x12345678, "12345678"),
        (2**64 - 1, "ff" * 8),
    ],
)
def test_seed_bytes(seed: int, data: str) -> None:
    assert seed_to_bytes(seed).hex() == data
    assert seed_from_bytes(bytes.fromhex(data)) == seed


@pytest.mark.parametrize("data", ["00", "0001", "01" + "00" * 8])
def test_seed_bytes_have_one_form(data: str) -> None:
    with pytest.raises(ValueError):
        seed_from_bytes(bytes.fromhex(data))
