"""Which seed source a message gets, against writing every message that could be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundstation.seeds import choice
from groundstation.seeds.choice import SeedEffort, seeds_that_shorten, with_seed
from groundstation.seeds.drawn import seed_bits
from groundstation.seeds.drawn_search import Pace
from shared.errors import InputError
from shared.message.recipe import Recipe
from shared.message.wire import encode_message
from shared.seeds.coins import SeedSource, seed_from_bytes, seed_to_bytes
from shared.seeds.decisions import DecisionCounter, DecisionReader
from shared.terminal import silent

UNSEEDED = Recipe(bytes(32), bytes(32), bytes(8), SeedSource.GREEDY, b"")
AUTO = SeedEffort(None, 1 << 32)
Tables = list[tuple[list[int], int]]
TABLES: st.SearchStrategy[Tables] = st.lists(
    st.lists(st.integers(1, 9), min_size=2, max_size=6).flatmap(
        lambda table: st.tuples(st.just(table), st.integers(0, len(table) - 1))
    ),
    max_size=6,
)


def counted(prompts: list[tuple[int, int]], tokens: Tables) -> DecisionCounter:
    """Decisions: prompts are (total, wanted), tokens (frequencies, wanted)."""
    counter = DecisionCounter()
    for total, wanted in prompts:
        counter.uniform(total, wanted)
    for table, wanted in tokens:
        counter.token(np.array(table, dtype=np.int64), wanted)
    return counter


def size(recipe: Recipe) -> int:
    return len(encode_message(recipe, 0))


def reads_back(recipe: Recipe, prompts: list[tuple[int, int]], tokens: Tables) -> bool:
    """Whether the probe's reader takes the same decisions from it."""
    reader = DecisionReader(recipe.seed_source, recipe.stream, seed_from_bytes(recipe.seed))
    said = [reader.uniform(total) == wanted for total, wanted in prompts]
    said += [reader.token(np.array(table, dtype=np.int64)) == wanted for table, wanted in tokens]
    reader.finish()
    return all(said)


def drawn(found: DecisionCounter, seed: int) -> Recipe:
    return Recipe(
        bytes(32), bytes(32), bytes(8), SeedSource.DRAWN,
        found.stream(SeedSource.DRAWN), seed_to_bytes(seed),
    )  # fmt: skip


PROMPTS = st.lists(
    st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))), max_size=3
)


@settings(max_examples=150, deadline=None)
@given(prompts=PROMPTS, tokens=TABLES)
def test_auto_is_the_shortest_and_reads_back(
    prompts: list[tuple[int, int]], tokens: Tables
) -> None:
    found = counted(prompts, tokens)
    chosen = with_seed(UNSEEDED, found, AUTO, silent)
    assert reads_back(chosen, prompts, tokens)
    coded = with_seed(UNSEEDED, found, SeedEffort(SeedSource.CODED, 1), silent)
    assert size(chosen) <= size(coded)
    if chosen.seed_source is SeedSource.DRAWN:
        assert size(chosen) < size(coded)
    elif chosen.seed_source is SeedSource.CODED and size(drawn(found, 0)) < size(coded):
        # no seed of one byte, all of which would make it shorter, draws the tokens
        assert not any(reads_back(drawn(found, n), prompts, tokens) for n in range(128))


def test_auto_takes_a_drawn_seed_that_is_luckily_small() -> None:
    """Prompt decisions that just fit whole bytes, and tokens of 10 bits: two bytes, or luck."""
    lucky = []
    for wanted in range(0, 4**5, 8):
        tokens: Tables = [([5, 5, 5, 5], wanted // 4**k % 4) for k in range(5)]
        prompts = [(255, 254)]
        found = counted(prompts, tokens)
        chosen = with_seed(UNSEEDED, found, AUTO, silent)
        if chosen.seed_source is SeedSource.DRAWN:
            lucky.append(wanted)
            coded = with_seed(UNSEEDED, found, SeedEffort(SeedSource.CODED, 1), silent)
            assert size(chosen) < size(coded)
            assert reads_back(chosen, prompts, tokens)
    assert 0 < len(lucky) < 64


@pytest.mark.parametrize("seed", [0, 1, 127, 128, 16383, 16384, (1 << 63) - 1, 1 << 63])
def test_the_bound_is_where_a_seed_takes_another_byte(seed: int) -> None:
    """Below it a drawn message is shorter than the coded one, from it on never."""
    for tokens in range(12):
        found = counted([(200, 77)], [([1] * 90, 5)] * tokens)
        coded = with_seed(UNSEEDED, found, SeedEffort(SeedSource.CODED, 1), silent)
        bound = seeds_that_shorten(coded, found)
        assert (size(drawn(found, seed)) < size(coded)) == (seed < bound)


def test_auto_does_not_search_where_too_many_are_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    found = counted([], [([1] * 100, 9)] * 4)
    assert seed_bits(found.token_intervals) > 24
    monkeypatch.setattr(choice, "find_seed", lambda *_: pytest.fail("searched"))
    assert with_seed(UNSEEDED, found, AUTO, silent).seed_source is SeedSource.CODED


def test_what_is_expected_is_told_before_the_search(tmp_path: Path) -> None:
    told: list[Pace] = []
    state = tmp_path / "state.json"
    effort = SeedEffort(SeedSource.DRAWN, 1 << 20, state=state, tell_pace=told.append)
    found = counted([], [([1, 999], 0), ([1, 1], 1)])
    recipe = with_seed(UNSEEDED, found, effort, silent)
    assert reads_back(recipe, [], [([1, 999], 0), ([1, 1], 1)])
    assert told[0].next_seed == 0
    assert told[0].expected == pytest.approx(2000)
    assert told[0].rate > 0
    assert not state.exists()


def test_a_hopeless_search_needs_force(tmp_path: Path) -> None:
    found = counted([], [([1] * 100, 9)] * 12)
    state = tmp_path / "state.json"
    with pytest.raises(InputError, match=r"1/P = 2\^79\.7") as refused:
        with_seed(UNSEEDED, found, SeedEffort(SeedSource.DRAWN, 1 << 32), silent)
    assert refused.value.remedy is not None
    assert "--force" in refused.value.remedy

    class Enough(Exception):  # noqa: N818
        pass

    def stop(pace: Pace) -> None:
        if pace.next_seed > 1 << 16:
            raise Enough

    effort = SeedEffort(SeedSource.DRAWN, 1 << 32, force=True, state=state, tell_pace=stop)
    with pytest.raises(Enough):
        with_seed(UNSEEDED, found, effort, silent)
    assert state.exists()
