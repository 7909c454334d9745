"""The search over drawn seeds, against trying every seed with the coins that the probe uses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundstation import drawn
from groundstation.drawn import find_seed
from shared.seeds.coins import DrawnCoins
from shared.seeds.sampler import symbol_interval

FREQUENCIES = st.lists(st.sampled_from([0, 1, 2, 3, 1 << 40]), min_size=1, max_size=5).filter(any)


def brute_force(tables: list[list[int]], tokens: list[int], max_seeds: int) -> int | None:
    """The smallest seed whose coins give the tokens, tried one by one."""
    arrays = [np.array(table, dtype=np.int64) for table in tables]
    for seed in range(max_seeds):
        coins = DrawnCoins(seed)
        if all(coins.choose(a) == token for a, token in zip(arrays, tokens, strict=True)):
            return seed
    return None


def intervals(tables: list[list[int]], tokens: list[int]) -> list[tuple[int, int, int]]:
    return [
        symbol_interval(np.array(table, dtype=np.int64), token)
        for table, token in zip(tables, tokens, strict=True)
    ]


@given(tables=st.lists(FREQUENCIES, max_size=5), data=st.data())
def test_the_smallest_seed_is_found(tables: list[list[int]], data: st.DataObject) -> None:
    possible = [[k for k, value in enumerate(table) if value] for table in tables]
    tokens = [data.draw(st.sampled_from(choices)) for choices in possible]
    assert find_seed(intervals(tables, tokens), 200) == brute_force(tables, tokens, 200)


@pytest.mark.parametrize("seed", [0, 1, 77, 4095])
def test_tokens_that_a_seed_draws_lead_back_to_it(seed: int) -> None:
    """Twelve bits of choices leave few other seeds: none smaller draws the same."""
    tables = [[3, 5, 1, 7], [1] * 16, [9, 1], [2, 2, 2], [1] * 40]
    coins = DrawnCoins(seed)
    tokens = [coins.choose(np.array(table, dtype=np.int64)) for table in tables]
    found = find_seed(intervals(tables, tokens), 5000)
    assert found is not None
    assert found <= seed
    assert found == brute_force(tables, tokens, 5000)


def test_no_seed_among_those_allowed() -> None:
    tables = [[1] * 1000] * 3
    assert find_seed(intervals(tables, [1, 2, 3]), 50) is None
    assert find_seed([(0, 1, 2)], 0) is None


def test_nothing_to_draw_is_the_first_seed() -> None:
    assert find_seed([], 10) == 0
    assert find_seed([(0, 5, 5)], 10) == 0


def test_batches_join(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer lies in a later batch, and progress was told after each."""
    monkeypatch.setattr(drawn, "BATCH_SEEDS", 7)
    tables = [[1] * 30] * 2
    expected = brute_force(tables, [3, 7], 3000)
    assert expected is not None
    assert expected > 14
    told: list[tuple[str, int, int]] = []
    assert (
        find_seed([(3, 1, 30), (7, 1, 30)], 3000, lambda *progress: told.append(progress))
        == expected
    )
    assert told == [("seeds", 7 * k, 3000) for k in range(1, expected // 7 + 1)]
    assert find_seed([(3, 1, 30), (7, 1, 30)], expected) is None
    assert find_seed([(3, 1, 30), (7, 1, 30)], expected + 1) == expected
