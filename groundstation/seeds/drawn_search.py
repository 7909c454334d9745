"""The search for a drawn seed: ranges over all cores, a pace to tell, a file to go on from."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from groundstation.seeds.drawn import (
    SEEDS,
    Interval,
    compiled_library,
    expected_trials,
    search_range,
    search_tests,
    seed_bits,
    word_tests,
)
from shared.digest import sha256
from shared.errors import InputError
from shared.exact.kernels import usable_cores
from shared.files import replace_file
from shared.terminal import Report, silent
from shared.untrusted import json_value, read_at_most

FIRST_RANGE = 1 << 14
"""Seeds in the first range; each next one is twice as large, up to ``largest_range``."""

SAVE_SECONDS = 1.0
_MAX_STATE_BYTES = 1 << 12
"""Time between two writes of the state file, and so the work that a killed search repeats."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Pace:
    """How far a search is.

    Attributes:
        next_seed: all smaller seeds were tested.
        expected: 1/P, the mean number of trials.
        rate: seeds a second since this run began.
    """

    next_seed: int
    expected: float
    rate: float

    @property
    def left_s(self) -> float:
        """Mean seconds still to come: each trial is new luck, so the past shortens nothing."""
        return self.expected / self.rate if self.rate else math.inf

    def __str__(self) -> str:
        return (
            f"{self.next_seed:,} seeds tried, one in {_number(self.expected)} is expected to do; "
            f"{self.rate / 1e6:.1f} million a second, about {duration(self.left_s)} more"
        )


def _nobody(pace: Pace) -> None:
    pass


@dataclass(frozen=True)
class StateFile:
    """The next untested seed of one search, kept in a file of JSON.

    Attributes:
        path: of the file; its folder must exist.
        intervals: SHA-256 over the intervals, so that no other search goes on from it.
    """

    path: Path
    intervals: str

    def load(self) -> int:
        """Where to go on; 0 where there is no file, a damaged one, or one of another search."""
        try:
            state = json_value(read_at_most(self.path, _MAX_STATE_BYTES))
        except (OSError, ValueError):
            return 0
        if not isinstance(state, dict) or state.get("intervals") != self.intervals:
            return 0
        seed = state.get("next_seed")
        return seed if type(seed) is int and 0 <= seed <= SEEDS else 0

    def save(self, next_seed: int) -> None:
        """Replaces the file as a whole: a kill leaves the old one or the new one.

        Raises:
            InputError: it cannot be written.
        """
        text = json.dumps({"intervals": self.intervals, "next_seed": next_seed}) + "\n"
        replace_file(self.path, text.encode(), durable=True)

    def delete(self) -> None:
        """Once the seed is found."""
        with contextlib.suppress(OSError):
            self.path.unlink()


def digest_of(intervals: Sequence[Interval]) -> str:
    """SHA-256 over the intervals as JSON without blanks, in hexadecimal."""
    numbers = [[int(number) for number in interval] for interval in intervals]
    return sha256(json.dumps(numbers, separators=(",", ":")).encode()).hex()


def largest_range() -> int:
    """Seeds in a range at most: some tenths of a second of one core."""
    return 1 << (23 if compiled_library() else 18)


def find_seed(
    intervals: Sequence[Interval],
    max_seeds: int = SEEDS,
    report: Report = silent,
    *,
    state: Path | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    tell: Callable[[Pace], None] = _nobody,
    clock: Clock = time.monotonic,
) -> int | None:
    """The smallest seed below ``max_seeds`` that draws every token, or None.

    Ranges of seeds are handed out in order, and their answers are taken in the same order, so that
    the result does not depend on which of them is ready first.

    Args:
        intervals: of the tokens, in order.
        max_seeds: seeds 0 to max_seeds - 1 are tried.
        report: told how many seeds were tried.
        state: file to go on from and to keep; deleted when a seed is found.
        executor: runs the ranges; threads over all usable cores where None.
        workers: ranges that run at once; the usable cores where None.
        tell: told the pace after each range.
        clock: seconds from any fixed moment.

    Raises:
        InputError: the state file cannot be written.
    """
    if word_tests(intervals) is None:
        return None
    kept = StateFile(state, digest_of(intervals)) if state else None
    workers = workers or usable_cores()
    done = begun = kept.load() if kept else 0
    expected = expected_trials(intervals)
    started = saved = clock()
    with contextlib.ExitStack() as stack:
        pool = executor or stack.enter_context(ThreadPoolExecutor(workers))
        answers = _in_order(pool, 2 * workers, intervals, begun, max_seeds)
        stack.enter_context(contextlib.closing(answers))
        try:
            for stop, seed in answers:
                if seed is not None:
                    if kept:
                        kept.delete()
                    return seed
                done, now = stop, clock()
                report("seeds", done, max_seeds)
                tell(Pace(done, expected, (done - begun) / (now - started or 1e-9)))
                if kept and now - saved >= SAVE_SECONDS:
                    kept.save(done)
                    saved = now
        except BaseException:  # also an interrupt from the keyboard: what was tried stays tried
            if kept:
                kept.save(done)
            raise
    if kept:
        kept.save(done)  # a higher limit goes on from here
    return None


def _in_order(
    pool: Executor, ahead: int, intervals: Sequence[Interval], start: int, stop: int
) -> Generator[tuple[int, int | None]]:
    """The end of each range with the smallest seed in it, from the lowest range on."""
    waiting: deque[tuple[int, Future[int | None]]] = deque()
    size, limit = FIRST_RANGE, largest_range()
    try:
        while start < stop or waiting:
            while start < stop and len(waiting) < ahead:
                end = min(start + size, stop)
                waiting.append((end, pool.submit(search_range, intervals, start, end)))
                start, size = end, max(min(2 * size, limit), size)
            end, future = waiting.popleft()
            yield end, future.result()
    finally:
        for _, future in waiting:
            future.cancel()


def measured_rate(
    intervals: Sequence[Interval], workers: int | None = None, clock: Clock = time.perf_counter
) -> float:
    """Seeds a second on all usable cores, from a short run of all of them.

    The last test admits a single word, so that the run is not cut short by a seed that does.
    """
    workers = workers or usable_cores()
    tests = [*(word_tests(intervals) or ()), (len(intervals), 0, 0)]
    seeds = largest_range() >> 1
    with ThreadPoolExecutor(workers) as pool:
        started = clock()
        # cores may share their arithmetic: one of them alone would promise too much for all
        list(pool.map(lambda k: search_tests(tests, k * seeds, (k + 1) * seeds), range(workers)))
        return workers * seeds / (clock() - started or 1e-9)


def check_expected(
    intervals: Sequence[Interval],
    max_seeds: int,
    rate: Callable[[], float],
    force: bool = False,
) -> None:
    """Refuses a search that is expected to take more trials than allowed.

    Args:
        intervals: of the tokens.
        max_seeds: trials allowed.
        rate: seeds a second; asked only for the refusal.
        force: refuse only what no seed at all draws.

    Raises:
        InputError: with 1/P, the rate and how long it would take.
    """
    expected = expected_trials(intervals)
    if expected <= max_seeds or (force and math.isfinite(seed_bits(intervals))):
        return
    remedy = "use --seed-source coded, which costs as many bits and needs no search"
    if not math.isfinite(seed_bits(intervals)):
        raise InputError("no seed at all draws the patch", remedy=remedy)
    speed = rate()
    raise InputError(
        f"a drawn seed takes about {_number(expected)} trials (1/P = 2^{seed_bits(intervals):.1f})"
        f": at {speed / 1e6:.1f} million seeds a second about {duration(expected / speed)}",
        expected=f"at most {max_seeds:,} trials",
        remedy=remedy + "; or raise --max-seeds, or search without a limit with --force",
    )


def _number(value: float) -> str:
    if value < 1e15:
        return f"{value:,.0f}"
    return f"{value:.2g}" if math.isfinite(value) else "more than 1e308"


def duration(seconds: float) -> str:
    """Seconds in a unit that a person reads."""
    for limit, size, unit in (
        (120, 1, "seconds"),
        (7200, 60, "minutes"),
        (172800, 3600, "hours"),
        (63115200, 86400, "days"),
    ):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    years = seconds / 31557600
    return f"{years:.2g} years" if math.isfinite(years) else "more than 1e300 years"
