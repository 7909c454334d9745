"""Which source the tokens' random numbers come from, and the seed: from decisions to a recipe."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from groundstation.seeds.drawn import SEEDS, expected_trials
from groundstation.seeds.drawn_search import Pace, check_expected, find_seed, measured_rate
from shared.errors import InputError
from shared.message.recipe import Recipe
from shared.message.wire import encode_message
from shared.seeds.coins import SeedSource, seed_to_bytes
from shared.seeds.decisions import DecisionCounter
from shared.terminal import Report

UNASKED_TRIALS = 1 << 24
"""A drawn seed that nobody asked for is looked for where at most so many trials are expected."""

_COUNTER = 0  # messages of equal counters are compared


@dataclass(frozen=True)
class SeedEffort:
    """How hard to look for a seed.

    Attributes:
        source: the only source to use; None takes the shortest message.
        max_seeds: seeds tried for a drawn seed at most; refused at once when more are expected.
        force: search for a drawn seed however many trials are expected, up to the last seed.
        state: file from which an interrupted search for a drawn seed goes on.
        tell_pace: told how long a drawn seed will take, first and after each range of seeds.
        executor: tries ranges of seeds; threads of this process where None.
    """

    source: SeedSource | None
    max_seeds: int
    force: bool = False
    state: Path | None = None
    tell_pace: Callable[[Pace], None] | None = None
    executor: Executor | None = None


def with_seed(
    unseeded: Recipe, counter: DecisionCounter, effort: SeedEffort, report: Report
) -> Recipe:
    """The recipe with the wanted seed source, or with the one that makes the message shortest.

    Args:
        unseeded: pin, baseline, digest and blobs; the rest of it is replaced.
        counter: the decisions.
        effort: how hard to look.
        report: told of progress.

    Raises:
        InputError: the wanted seed source cannot reach the patch.
    """
    tally = counter.tally
    if effort.source is None:
        if not tally.surprises:  # drawn would have the same stream, and a seed
            return _with_source(unseeded, counter, SeedSource.GREEDY)
        coded = _with_source(unseeded, counter, SeedSource.CODED)
        return _shorter(coded, counter, effort)
    if effort.source is SeedSource.GREEDY and tally.surprises:
        raise InputError(
            f"the model's first choice is wrong at {tally.surprises} of {tally.tokens} tokens",
            expected="a prompt after which the model writes the patch by itself",
            remedy="use --seed-source coded",
        )
    seed = _drawn(counter, effort, report) if effort.source is SeedSource.DRAWN else 0
    return _with_source(unseeded, counter, effort.source, seed)


def _with_source(
    recipe: Recipe, counter: DecisionCounter, source: SeedSource, seed: int = 0
) -> Recipe:
    return replace(
        recipe,
        seed_source=source,
        stream=counter.stream(source),
        seed=seed_to_bytes(seed) if source is SeedSource.DRAWN else b"",
    )


def _drawn(counter: DecisionCounter, effort: SeedEffort, report: Report) -> int:
    """The smallest seed that draws the tokens, if that can be waited for."""
    intervals = counter.token_intervals
    limit = SEEDS if effort.force else effort.max_seeds
    # a patch that no seed draws is refused with --force as well
    check_expected(intervals, limit, lambda: measured_rate(intervals), effort.force)
    tell = effort.tell_pace or (lambda _: None)
    if effort.tell_pace:
        tell(Pace(0, expected_trials(intervals), measured_rate(intervals)))
    seed = find_seed(
        intervals, limit, report, state=effort.state, executor=effort.executor, tell=tell
    )
    if seed is None:
        raise InputError(
            f"none of {limit} seeds draws the patch; one in 2^{counter.tally.token_bits:.1f} "
            "was expected to",
            remedy="raise --max-seeds to go on from there, or use --seed-source coded, which "
            "costs as many bits and needs no search",
        )
    return seed


def _shorter(coded: Recipe, counter: DecisionCounter, effort: SeedEffort) -> Recipe:
    """The recipe with a drawn seed if a small one happens to make the message shorter.

    On average it does not: see docs/drawn-seeds.md.  But a coded message is rounded up to bytes,
    and some patches of few bits are drawn by a number that is luckily small.
    """
    intervals = counter.token_intervals
    if expected_trials(intervals) > UNASKED_TRIALS:
        return coded
    limit = min(seeds_that_shorten(coded, counter), effort.max_seeds)
    seed = find_seed(intervals, limit)
    return coded if seed is None else _with_source(coded, counter, SeedSource.DRAWN, seed)


def seeds_that_shorten(coded: Recipe, counter: DecisionCounter) -> int:
    """How many seeds, from 0 on, would make a shorter message than the coded one.

    That is a power of two, or 0: a greater number takes at least as many bytes.
    """
    size = len(encode_message(coded, _COUNTER))
    few, many = 0, 65  # bits of a seed: `few` shorten the message, `many` do not
    while many - few > 1:
        bits = (few + many) // 2
        drawn = _with_source(coded, counter, SeedSource.DRAWN, (1 << bits) - 1)
        few, many = (bits, many) if len(encode_message(drawn, _COUNTER)) < size else (few, bits)
    return 1 << few if few else 0
