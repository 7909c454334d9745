"""Philox against its authors' published answers, and many seeds at once against one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.seeds.philox import Counter, Key, philox4x32, word, words

ONES = 0xFFFFFFFF
U64 = st.integers(0, 2**64 - 1)

# Random123 (D. E. Shaw Research), tests/kat_vectors, lines "philox4x32 10"
KNOWN: list[tuple[Counter, Key, Counter]] = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter: Counter, key: Key, expected: Counter) -> None:
    assert philox4x32(counter, key) == expected


def test_word_takes_its_halves_from_the_block_in_order() -> None:
    assert word(0, 0) == 0xE169C58D_6627E8D5
    # asymmetric halves: a swap of either would show
    seed, position = 0x01234567_89ABCDEF, 0xFEDCBA98_76543210
    block = philox4x32((0x76543210, 0xFEDCBA98, 0, 0), (0x89ABCDEF, 0x01234567))
    assert word(seed, position) == block[1] << 32 | block[0]


@given(st.lists(U64, min_size=1, max_size=20), U64)
def test_many_seeds_equal_one(seeds: list[int], position: int) -> None:
    found = words(np.array(seeds, dtype=np.uint64), position)
    assert found.dtype == np.uint64
    assert found.tolist() == [word(seed, position) for seed in seeds]


def test_more_seeds_than_a_batch() -> None:
    seeds = np.arange(2**32 - 9, 2**32 - 9 + 40_000, dtype=np.uint64)
    found = words(seeds, 7)
    for i in (0, 8, 9, 16_383, 16_384, 32_768, 39_999):
        assert int(found[i]) == word(int(seeds[i]), 7)
    assert len(set(found.tolist())) == len(seeds)


def test_the_seeds_are_not_changed() -> None:
    seeds = np.array([3, 2**63], dtype=np.uint64)
    words(seeds, 0)
    assert seeds.tolist() == [3, 2**63]


def test_no_seeds() -> None:
    assert words(np.array([], dtype=np.uint64), 5).shape == (0,)


@pytest.mark.parametrize(("seed", "position"), [(-1, 0), (2**64, 0), (0, -1), (0, 2**64)])
def test_out_of_range(seed: int, position: int) -> None:
    with pytest.raises(ValueError):
        word(seed, position)
    if seed == 0:
        with pytest.raises(ValueError):
            words(np.array([1], dtype=np.uint64), position)


def test_words_look_uniform() -> None:
    """Each bit is set about half of the time, over seeds and over positions."""
    for sample in (
        words(np.arange(4096, dtype=np.uint64), 0),
        np.array([word(5, position) for position in range(4096)], dtype=np.uint64),
    ):
        bits = np.unpackbits(sample.view(np.uint8)).reshape(4096, 64).sum(axis=0, dtype=np.int64)
        assert np.abs(bits - 2048).max() < 5 * 32  # five standard deviations
