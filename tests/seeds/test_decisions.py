"""One description of a codec's decisions, written, read and counted."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import RegenerationError
from shared.seeds.coins import DrawnCoins, GreedyCoins, SeedSource
from shared.seeds.decisions import (
    DecisionCounter,
    DecisionReader,
    Decisions,
    DecisionWriter,
    UnreachableTokenError,
)
from shared.seeds.interval import IntervalEncoder
from shared.seeds.sampler import geometric, symbol_interval


@dataclass(frozen=True)
class Step:
    """One decision of a toy codec: which channel, over what, and what is wanted."""

    channel: str
    frequencies: tuple[int, ...]
    wanted: int

    def array(self) -> np.ndarray:
        return np.array(self.frequencies, dtype=np.int64)


def follow(steps: list[Step], decisions: Decisions, *, writing: bool) -> list[int]:
    """The toy codec: the same code in both directions."""
    taken = []
    for step in steps:
        wanted = step.wanted if writing else None
        if step.channel == "prompt":
            taken.append(decisions.prompt(step.array(), wanted, "where"))
        elif step.channel == "uniform":
            taken.append(decisions.uniform(step.frequencies[0], wanted, "size"))
        else:
            taken.append(decisions.token(step.array(), wanted, "text"))
    return taken


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    out = []
    for channel in draw(st.lists(st.sampled_from(["prompt", "uniform", "token"]), max_size=25)):
        if channel == "uniform":
            total = draw(st.integers(1, 2**62 - 1))
            out.append(Step(channel, (total,), draw(st.integers(0, total - 1))))
        else:
            values = draw(st.lists(st.integers(0, 2**40), min_size=1, max_size=9).filter(any))
            wanted = draw(st.sampled_from([i for i, value in enumerate(values) if value]))
            out.append(Step(channel, tuple(values), wanted))
    return out


def with_tokens_of(coins: GreedyCoins | DrawnCoins, plan: list[Step]) -> list[Step]:
    return [
        Step(s.channel, s.frequencies, coins.choose(s.array())) if s.channel == "token" else s
        for s in plan
    ]


@given(steps(), st.sampled_from(SeedSource), st.integers(0, 2**64 - 1))
@settings(deadline=None)
def test_round_trip(plan: list[Step], source: SeedSource, seed: int) -> None:
    if source is not SeedSource.CODED:
        coins = GreedyCoins() if source is SeedSource.GREEDY else DrawnCoins(seed)
        plan = with_tokens_of(coins, plan)
    wanted = [step.wanted for step in plan]
    writer = DecisionWriter(source, seed)
    assert follow(plan, writer, writing=True) == wanted
    stream = writer.finish()
    reader = DecisionReader(source, stream, seed)
    assert follow(plan, reader, writing=False) == wanted
    reader.finish()
    counter = DecisionCounter()
    assert follow(plan, counter, writing=True) == wanted
    assert counter.tally == writer.tally


@given(steps())
@settings(deadline=None)
def test_the_counter_says_what_the_writer_writes(plan: list[Step]) -> None:
    counter = DecisionCounter()
    follow(plan, counter, writing=True)
    ideal = 0.0
    for step in plan:
        values = step.frequencies
        if step.channel == "uniform":
            ideal += math.log2(values[0])
        else:
            ideal += math.log2(sum(values)) - math.log2(values[step.wanted])
    assert counter.tally.bits == pytest.approx(ideal)
    assert sum(counter.tally.bits_of.values()) == pytest.approx(ideal)
    writer = DecisionWriter(SeedSource.CODED)
    follow(plan, writer, writing=True)
    assert len(writer.finish()) <= ideal / 8 + 1.000001


def test_a_tally_by_channel_and_label() -> None:
    counter = DecisionCounter()
    counter.prompt(np.array([1, 3], dtype=np.int64), 0, "where")  # 2 bits
    counter.uniform(32, 7, "size")  # 5 bits
    counter.token(np.array([6, 2], dtype=np.int64), 1, "text")  # 2 bits, a surprise
    counter.token(np.array([7, 1], dtype=np.int64), 1, "where")  # 3 bits, a surprise
    counter.token(np.array([2, 2], dtype=np.int64), 0, "text")  # 1 bit, what greedy takes
    tally = counter.tally
    assert (tally.prompt_bits, tally.token_bits, tally.bits) == (7.0, 6.0, 13.0)
    assert dict(tally.bits_of) == {"where": 5.0, "size": 5.0, "text": 3.0}
    assert (tally.tokens, tally.surprises) == (3, 2)
    assert counter.token_intervals == [(6, 2, 8), (7, 1, 8), (0, 2, 4)]


def test_coded_seeds_are_one_code_in_order_with_the_prompt() -> None:
    rng = random.Random(4)
    plan = [
        Step(rng.choice(["prompt", "token"]), (5, 2, 9, 1), rng.randrange(4)) for _ in range(40)
    ]
    writer = DecisionWriter(SeedSource.CODED)
    follow(plan, writer, writing=True)
    plain = IntervalEncoder()
    for step in plan:
        plain.encode(*symbol_interval(step.array(), step.wanted))
    assert writer.finish() == plain.finish()


@pytest.mark.parametrize("source", [SeedSource.GREEDY, SeedSource.DRAWN])
def test_tokens_of_coins_cost_nothing_in_the_stream(source: SeedSource) -> None:
    coins = GreedyCoins() if source is SeedSource.GREEDY else DrawnCoins(9)
    plan = with_tokens_of(coins, [Step("token", (5, 2, 9, 1), 0)] * 60)
    writer = DecisionWriter(source, 9)
    follow(plan, writer, writing=True)
    assert writer.finish() == b""
    assert writer.tally.token_bits > 30


def test_greedy_cannot_reach_a_surprise() -> None:
    writer = DecisionWriter(SeedSource.GREEDY)
    likely = np.array([2, 7, 1], dtype=np.int64)
    writer.token(likely, 1)
    writer.prompt(likely, 2)
    writer.token(likely, 1)
    with pytest.raises(UnreachableTokenError) as caught:
        writer.token(likely, 2)
    assert (caught.value.position, caught.value.wanted, caught.value.given) == (2, 2, 1)


def test_another_drawn_seed_cannot_reach_it() -> None:
    frequencies = np.ones(1000, dtype=np.int64)
    wanted = [DrawnCoins(3).choose(frequencies)]
    with pytest.raises(UnreachableTokenError):
        DecisionWriter(SeedSource.DRAWN, 4).token(frequencies, wanted[0])
    assert DecisionWriter(SeedSource.DRAWN, 3).token(frequencies, wanted[0]) == wanted[0]


def test_the_reader_ignores_what_is_wanted() -> None:
    writer = DecisionWriter(SeedSource.CODED)
    frequencies = np.array([4, 4, 9], dtype=np.int64)
    writer.prompt(frequencies, 1)
    writer.uniform(10, 6)
    writer.token(frequencies, 0)
    reader = DecisionReader(SeedSource.CODED, writer.finish())
    assert reader.prompt(frequencies, 2) == 1
    assert reader.uniform(10, 3) == 6
    assert reader.token(frequencies, 2) == 0


def test_writers_must_be_told() -> None:
    frequencies = np.array([4, 4], dtype=np.int64)
    for decisions in (DecisionCounter(), DecisionWriter(SeedSource.CODED)):
        for decide in (decisions.prompt, decisions.token):
            with pytest.raises(ValueError):
                decide(frequencies)
            with pytest.raises(ValueError):
                decide(frequencies, 2)
        with pytest.raises(ValueError):
            decisions.uniform(7)
        with pytest.raises(ValueError):
            decisions.uniform(7, 7)
        with pytest.raises(ValueError):
            decisions.uniform(2**62, 7)


@pytest.mark.parametrize("tail", [b"\x01", b"\xff\xff", b"\x00"])
def test_a_stream_that_goes_on_is_refused_at_the_end(tail: bytes) -> None:
    writer = DecisionWriter(SeedSource.CODED)
    values = geometric(40)
    for wanted in (0, 3, 17, 1, 2, 0):
        writer.prompt(values, wanted)
    stream = writer.finish()
    for data, whole in ((stream, True), (stream + tail, False)):
        reader = DecisionReader(SeedSource.CODED, data)
        for _ in range(6):
            reader.prompt(values)
        if whole:
            reader.finish()
        else:
            with pytest.raises(RegenerationError):
                reader.finish()


@pytest.mark.parametrize("source", list(SeedSource))
def test_a_counter_writes_the_stream_that_a_writer_writes(source: SeedSource) -> None:
    sure = np.array([0, 7, 0], dtype=np.int64)  # every source of coins gives index 1
    free = np.array([5, 1, 2], dtype=np.int64)
    counter, writer = DecisionCounter(), DecisionWriter(source, 3)
    for decisions in (counter, writer):
        decisions.prompt(free, 2, "a")
        decisions.token(sure, 1)
        decisions.uniform(1000, 901, "b")
        if source is SeedSource.CODED:
            decisions.token(free, 1)
        decisions.prompt(free, 1, "a")
    assert counter.stream(source) == writer.finish()
