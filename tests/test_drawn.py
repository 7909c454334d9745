"""The search over drawn seeds, against trying every seed with the coins that the probe uses."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundstation.seeds import drawn, drawn_search
from groundstation.seeds.drawn import (
    PATHS,
    SEEDS,
    expected_trials,
    runnable_paths,
    search_numpy,
    search_range,
    search_tests,
    seed_bits,
    word_tests,
)
from groundstation.seeds.drawn_search import Pace, StateFile, check_expected, digest_of, find_seed
from shared.errors import InputError
from shared.seeds.coins import DrawnCoins
from shared.seeds.philox import word
from shared.seeds.sampler import symbol_interval

FREQUENCIES = st.lists(st.sampled_from([0, 1, 2, 3, 1 << 40]), min_size=1, max_size=5).filter(any)
WORDS = st.integers(0, SEEDS - 1) | st.sampled_from([0, 1, SEEDS // 2, SEEDS - 2, SEEDS - 1])
STARTS = st.sampled_from([0, 1, 63, (1 << 32) - 70, (1 << 63) - 5, SEEDS - 300]) | st.integers(
    0, SEEDS - 300
)
needs_kernel = pytest.mark.skipif(drawn.compiled_library() is None, reason="no C compiler")


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
    assert search_range(intervals(tables, tokens), 0, 200) == brute_force(tables, tokens, 200)


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
    assert search_range([(0, 5, 5)], 7, 10) == 7


def test_a_token_that_no_word_reaches() -> None:
    """A share finer than 2**-64 between two words."""
    unreachable = [(1, 1, 1 << 70)]
    assert expected_trials(unreachable) == math.inf
    assert find_seed(unreachable, 10) is None
    with pytest.raises(InputError, match="no seed at all"):
        check_expected(unreachable, SEEDS, lambda: 1.0)


# --- the kernel against numpy ---------------------------------------------------------------------


@needs_kernel
@pytest.mark.parametrize("path", PATHS)
@given(
    tests=st.lists(
        st.tuples(st.sampled_from([0, 1, 7, 1 << 32, SEEDS - 1]), WORDS, WORDS), max_size=3
    ),
    start=STARTS,
    size=st.integers(0, 300),
)
def test_kernel_equals_numpy(
    path: str, tests: list[tuple[int, int, int]], start: int, size: int
) -> None:
    if path not in runnable_paths():
        pytest.skip(f"this machine has no {path}")
    sorted_tests = [(position, min(a, b), max(a, b)) for position, a, b in tests]
    expected = search_numpy(sorted_tests, start, start + size)
    assert search_tests(sorted_tests, start, start + size, path) == expected
    assert search_tests(sorted_tests, start, start + size) == expected


SEARCHES = [search_numpy, *(partial(search_tests, path=path) for path in runnable_paths())]


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("seed", [0, 63, 64, 1_000_003, (1 << 32) - 1, 1 << 32, SEEDS - 1])
def test_intervals_one_word_wide_and_at_both_ends(search: Any, seed: int) -> None:
    """Both bounds are inclusive, at any lane of a block and at the carry into the high key."""
    first, stop = max(0, seed - 100), min(SEEDS, seed + 100)
    u, v = word(seed, 3), word(seed, 9)
    assert search([(3, u, u)], first, stop) == seed
    assert search([(3, u, u), (9, v, v)], first, stop) == seed
    assert search([(3, u, u), (9, v, v)], first, seed) is None
    assert search([(3, u, u), (9, 0, v - 1)], first, stop) is None
    assert search([(3, u, u), (9, v + 1, SEEDS - 1)], first, stop) is None
    assert search([(3, 0, SEEDS - 1), (9, v, v)], first, stop) == seed
    smallest = min(word(s, 3) for s in range(first, stop))
    largest = max(word(s, 3) for s in range(first, stop))
    for bound in ((3, 0, smallest), (3, largest, SEEDS - 1)):
        assert bound[1] <= word(search([bound], first, stop), 3) <= bound[2]
    assert search([(3, 0, smallest - 1)], first, stop) is None
    assert search([(3, largest + 1, SEEDS - 1)], first, stop) is None


def test_a_path_that_cannot_run_is_refused() -> None:
    for path in ("sse9", ""):
        with pytest.raises(ValueError, match="is not one of"):
            search_tests([(0, 1, 2)], 0, 1, path)


def test_without_the_kernel_numpy_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    easier = [(5, 1, 1 << 8), (9, 3, 1 << 10)]
    expected = search_range(easier, 0, 1 << 40) if runnable_paths() else None
    monkeypatch.setattr(drawn, "compiled_library", lambda: None)
    monkeypatch.setattr(drawn_search, "compiled_library", lambda: None)
    assert runnable_paths() == ()
    seed = find_seed(easier, 1 << 40)
    assert seed is not None
    assert expected in (None, seed)
    for (start, freq, total), position in zip(easier, range(2), strict=True):
        assert start <= word(seed, position) * total >> 64 < start + freq


def test_ranges_outside_the_seeds_are_refused() -> None:
    for start, stop in ((-1, 5), (0, SEEDS + 1)):
        with pytest.raises(ValueError, match="not in"):
            search_range([(0, 1, 2)], start, stop)


# --- the driver -----------------------------------------------------------------------------------


class Backwards(Executor):
    """Runs what was submitted only when a result is wanted, the last one first."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Any, Any]] = []
        self.order: list[int] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ARG002
        outer = self

        class Lazy(Future[Any]):
            def result(self, timeout: float | None = None) -> Any:
                while outer.waiting:
                    future, call, arguments = outer.waiting.pop()
                    outer.order.append(arguments[1])
                    future.set_result(call(*arguments))
                return super().result(timeout)

        future = Lazy()
        self.waiting.append((future, fn, args))
        return future


def test_ranges_in_any_order_give_the_smallest_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn_search, "FIRST_RANGE", 7)
    monkeypatch.setattr(drawn_search, "largest_range", lambda: 7)
    targets = [(3, 1, 10), (7, 1, 10)]
    expected = brute_force([[1] * 10] * 2, [3, 7], 3000)
    assert expected is not None
    again = search_range(targets, expected + 1, 3000)
    assert again is not None
    backwards = Backwards()
    ahead = (again - expected) // 7 + 2
    found = find_seed(targets, 3000, executor=backwards, workers=ahead)
    assert found == expected
    assert backwards.order != sorted(backwards.order)
    assert max(backwards.order) + 7 > again, "a later seed was found before the smallest"


def test_processes_find_the_same() -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        found = find_seed(HARD, 1 << 40, executor=pool, workers=2)
    assert found == find_seed(HARD, 1 << 40)


def test_ranges_join(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer lies in a later range, and progress was told after each."""
    monkeypatch.setattr(drawn_search, "FIRST_RANGE", 7)
    monkeypatch.setattr(drawn_search, "largest_range", lambda: 7)
    targets = [(3, 1, 30), (7, 1, 30)]
    expected = brute_force([[1] * 30] * 2, [3, 7], 3000)
    assert expected is not None
    assert expected > 14
    told: list[tuple[str, int, int]] = []
    paces: list[Pace] = []
    ticks = iter(range(100_000))
    found = find_seed(
        targets,
        3000,
        lambda *progress: told.append(progress),
        tell=paces.append,
        clock=lambda: float(next(ticks)),
    )
    assert found == expected
    assert told == [("seeds", 7 * k, 3000) for k in range(1, expected // 7 + 1)]
    assert paces[-1].rate == 7.0
    assert paces[-1].left_s == pytest.approx(900 / 7)
    assert find_seed(targets, expected) is None
    assert find_seed(targets, expected + 1) == expected


# --- stopping and going on ------------------------------------------------------------------------

HARD = [(5, 1, 1 << 13), (9, 3, 1 << 14)]
SLOWLY = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from groundstation.seeds import drawn_search
drawn_search.FIRST_RANGE, drawn_search.largest_range = 4096, lambda: 4096
drawn_search.SAVE_SECONDS = 0.0
intervals = [(5, 1, 1 << 13), (9, 3, 1 << 14)]
drawn_search.find_seed(
    intervals, 1 << 40, state=Path(sys.argv[1]), workers=1, tell=lambda _: time.sleep(0.005)
)
"""


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_search_goes_on_and_finds_the_same(tmp_path: Path, stop: signal.Signals) -> None:
    """As by a power cut, and as by Ctrl-C."""
    state = tmp_path / "search.json"
    root = Path(drawn.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    running = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, str(state)], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        kept = StateFile(state, digest_of(HARD))
        while kept.load() < 5 * 4096:
            assert running.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
    finally:
        running.send_signal(stop)
        assert running.wait() == -stop
    resumed_at = kept.load()
    uninterrupted = find_seed(HARD, 1 << 40)
    assert uninterrupted is not None
    assert 5 * 4096 <= resumed_at <= uninterrupted
    first_told: list[int] = []
    found = find_seed(
        HARD, 1 << 40, lambda _stage, done, _total: first_told.append(done), state=state
    )
    assert found == uninterrupted
    assert not first_told or first_told[0] > resumed_at
    assert not state.exists()


def test_state_is_used_and_kept_when_the_limit_is_reached(tmp_path: Path) -> None:
    state = tmp_path / "s.json"
    seed = find_seed(HARD, 1 << 40)
    assert seed is not None
    assert find_seed(HARD, seed, state=state) is None
    assert json.loads(state.read_text()) == {"intervals": digest_of(HARD), "next_seed": seed}
    # an untrue state shows that it is really gone on from
    StateFile(state, digest_of(HARD)).save(seed + 1)
    later = find_seed(HARD, 1 << 40, state=state)
    assert later == search_range(HARD, seed + 1, 1 << 40)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", '{"intervals": "%s"}', '{"intervals": "%s", "next_seed": -1}',
     '{"intervals": "%s", "next_seed": true}', '{"intervals": "%s", "next_seed": 1e9}',
     '{"intervals": "%s", "next_seed": 18446744073709551617}',
     '{"intervals": "other", "next_seed": 99999999}'],
)  # fmt: skip
def test_damaged_or_foreign_state_is_not_gone_on_from(tmp_path: Path, text: str) -> None:
    state = tmp_path / "s.json"
    state.write_text(text.replace("%s", digest_of(HARD)))
    assert StateFile(state, digest_of(HARD)).load() == 0


def test_the_key_is_over_every_number() -> None:
    keys = {digest_of(HARD), digest_of(HARD[::-1]), digest_of(HARD[:1]), digest_of([])}
    assert len({*keys, digest_of([(5, 1, 1 << 13), (9, 4, 1 << 14)])}) == 5


def test_an_interrupt_keeps_what_was_tried(tmp_path: Path) -> None:
    state = tmp_path / "s.json"

    def interrupt(_: Pace) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_seed(HARD, 1 << 40, state=state, tell=interrupt)
    assert StateFile(state, digest_of(HARD)).load() == drawn_search.FIRST_RANGE


def test_a_state_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        find_seed(HARD, 5, state=tmp_path / "none" / "s.json")


# --- how many trials ------------------------------------------------------------------------------


def test_expected_trials() -> None:
    assert expected_trials([]) == 1
    assert expected_trials([(3, 1, 8), (1, 3, 6), (0, 9, 9)]) == pytest.approx(16)
    assert seed_bits([(3, 1, 1 << 50)] * 40) == 2000
    assert expected_trials([(3, 1, 1 << 50)] * 40) == math.inf


def test_refusal_says_how_long_it_would_take() -> None:
    check_expected([(3, 1, 1 << 20)], 1 << 20, lambda: pytest.fail("measured for nothing"))
    with pytest.raises(InputError) as refused:
        check_expected([(3, 1, 1 << 20), (1, 1, 1 << 16)], 1000, lambda: 2e6)
    error = refused.value
    assert error.found == (
        "a drawn seed takes about 68,719,476,736 trials (1/P = 2^36.0): at 2.0 million seeds a "
        "second about 9.54 hours"
    )
    assert error.expected == "at most 1,000 trials"
    assert error.remedy is not None
    assert "--seed-source coded" in error.remedy
    assert "--force" in error.remedy
    with pytest.raises(InputError, match=r"more than 1e308 trials \(1/P = 2\^2000.0\)"):
        check_expected([(3, 1, 1 << 50)] * 40, 1000, lambda: 2e6)


def test_trials_are_as_many_as_expected() -> None:
    """Twenty targets of 16 to 22 bits; the mean of trials times P is 1 within a factor of 1.5."""
    ratios = []
    with ThreadPoolExecutor(1) as pool:
        for k in range(20):
            bits = 16 + 6 * k / 19
            total = 1 << 30
            first = round(total / 2 ** (bits / 2))
            start = word(k, 0) % (total - first)
            target = [
                (start, first, total),
                (0, 1, 1),
                (word(k, 1) % (total - first), first, total),
            ]
            seed = find_seed(target, 1 << 30, executor=pool, workers=1)
            assert seed is not None
            assert word_tests(target) is not None
            assert seed_bits(target) == pytest.approx(bits, abs=0.01)
            ratios.append((seed + 1) / expected_trials(target))
    assert 1 / 1.5 < sum(ratios) / len(ratios) < 1.5


def test_the_measured_rate_is_of_all_workers() -> None:
    """Three workers test three ranges in the one second that this clock lets pass."""
    ticks = iter([10.0, 11.0])
    rate = drawn_search.measured_rate(HARD, workers=3, clock=lambda: next(ticks))
    assert rate == 3 * (drawn_search.largest_range() >> 1)
