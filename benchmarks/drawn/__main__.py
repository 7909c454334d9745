"""Drawn seeds: how fast they are searched, how many trials they take, and what bytes they buy.

The 20 targets are of real edits (``drawn_targets.py``); the many others are of tokens that a fixed
generator made up, because only their number shows the law.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.drawn.page import draw, page
from benchmarks.drawn.results import Cut, Measured, Rate, Trial
from benchmarks.drawn.targets import Target, load_targets
from groundstation.seeds.drawn import (
    SEEDS,
    Interval,
    Test,
    expected_trials,
    runnable_paths,
    search_numpy,
    search_tests,
    seed_bits,
    word_tests,
)
from groundstation.seeds.drawn_search import find_seed
from shared.errors import InputError
from shared.seeds.interval import IntervalEncoder
from shared.seeds.philox import word
from shared.system.processes import begin_worker
from shared.terminal import progress

HERE = Path(__file__).parents[1]
RESULT = HERE / "DRAWN.md"
PICTURE = HERE.parent / "docs" / "images" / "drawn-seeds.svg"
PROCESSES = (1, 2)
MANY = 400
MANY_MOST_BITS = 20
SEGMENT_BITS = (8, 12, 16, 20, 24)
MOST_SEGMENT_BITS = 34.0
"""A cut with a rarer segment is left out: its last token may be rare, and the search take hours."""
_TOTAL = (1 << 40) + 12345  # as the totals of real tokens: beyond 2**40 and no power of two
_TOKENS = 5


def made_up(number: int, of: int = MANY) -> tuple[Interval, ...]:
    """Tokens of a given rarity at places that no one chose; the same in every run."""
    bits = MANY_MOST_BITS * number / of
    frequency = round(_TOTAL / 2 ** (bits / _TOKENS))
    places = (word(2026 + number, n) % (_TOTAL - frequency + 1) for n in range(_TOKENS))
    return tuple((place, frequency, _TOTAL) for place in places)


def coded_bytes(intervals: Sequence[Interval]) -> int:
    """What the tokens alone take as a coded seed."""
    encoder = IntervalEncoder()
    for interval in intervals:
        encoder.encode(*interval)
    return len(encoder.finish())


def trial(intervals: Sequence[Interval], name: str = "") -> Trial:
    """Searches for the seed of a target.

    Raises:
        InputError: there is none, against all likelihood.
    """
    expected = expected_trials(intervals)
    seed = find_seed(intervals, min(SEEDS, math.ceil(100 * expected)))
    if seed is None:
        raise InputError(f"none of {100 * expected:.0f} seeds draws target {name!r}")
    bits = seed_bits(intervals)
    return Trial(name, len(intervals), bits, expected, seed, coded_bytes(intervals))


def segments(intervals: Sequence[Interval], bits: float) -> list[list[Interval]]:
    """Cuts after each token with which -log2 P reaches ``bits``; both ends can know where."""
    parts: list[list[Interval]] = [[]]
    for interval in intervals:
        if seed_bits(parts[-1]) >= bits:
            parts.append([])
        parts[-1].append(interval)
    return parts


def feasible(intervals: Sequence[Interval], most_bits: float) -> tuple[list[int], dict[int, float]]:
    """Where segments may end, of ``SEGMENT_BITS`` up to ``most_bits``.

    Returns:
        Those whose segments can all be drawn; and of the others -log2 P of the rarest segment.
    """
    rarest = {
        bits: max(seed_bits(part) for part in segments(intervals, bits))
        for bits in SEGMENT_BITS
        if bits <= most_bits
    }
    left_out = {bits: most for bits, most in rarest.items() if most > MOST_SEGMENT_BITS}
    return [bits for bits in rarest if bits not in left_out], left_out


def cut(intervals: Sequence[Interval], bits: int) -> Cut:
    """All tokens drawn by a seed a segment."""
    trials = [trial(part) for part in segments(intervals, bits)]
    return Cut(
        bits,
        len(trials),
        sum(each.expected for each in trials),
        sum(each.trials for each in trials),
        sum(each.drawn_bytes for each in trials),
    )


def rate(name: str, tests: Sequence[Test], seeds: int, processes: int) -> Rate:
    """Tests ranges of seeds in several processes at once.

    Args:
        name: one of the paths of the compiled search, or "numpy".
        tests: of a target; that of a last word which no seed has makes the run last to its end.
        seeds: for each process.
        processes: how many.
    """
    ranges = [(name, tests, k * seeds, (k + 1) * seeds) for k in range(processes)]
    with ProcessPoolExecutor(processes, get_context("spawn"), begin_worker) as pool:
        list(pool.map(_search, [(name, tests, 0, 1)] * processes))  # they exist, and are loaded
        started = time.perf_counter()
        used = sum(pool.map(_search, ranges))
        wall = time.perf_counter() - started
    return Rate(name, processes, processes * seeds / wall, processes * seeds / used)


def _search(job: tuple[str, Sequence[Test], int, int]) -> float:
    """Processor seconds for a range."""
    name, tests, start, stop = job
    began = time.process_time()
    found = (
        search_numpy(tests, start, stop)
        if name == "numpy"
        else search_tests(tests, start, stop, name)
    )
    if found is not None:
        raise InputError(f"seed {found} draws what none should")
    return time.process_time() - began


def rates(targets: Sequence[Target], seeds: int) -> list[Rate]:
    """Every path with one and two processes, on the rarest of the real targets."""
    hardest = max(targets, key=lambda target: seed_bits(target.intervals)).intervals
    tests = [*(word_tests(hardest) or ()), (len(hardest), 0, 0)]
    return [
        rate(name, tests, seeds // (16 if name == "numpy" else 1), processes)
        for name in (*reversed(runnable_paths()), "numpy")
        for processes in PROCESSES
    ]


def measure(seeds: int, most_bits: float, many: int) -> Measured:
    """Everything that the page tells.

    Args:
        seeds: tested by each process for the rates.
        most_bits: rarer targets, and rarer segments, are left out.
        many: made-up targets.
    """
    targets = load_targets()
    chosen = [target for target in targets if seed_bits(target.intervals) <= most_bits]
    joined = [interval for target in targets for interval in target.intervals]
    ends, left_out = feasible(joined, most_bits)
    with progress() as report:
        found = []
        for done, target in enumerate(chosen, start=1):
            found.append(trial(target.intervals, target.patch))
            report("targets", done, len(chosen))
        return Measured(
            rates=rates(targets, seeds),
            real=found,
            made_up=[trial(made_up(k, many)) for k in range(many)],
            joined_bits=seed_bits(joined),
            joined_coded_bytes=coded_bytes(joined),
            cuts=[cut(joined, bits) for bits in ends],
            left_out=left_out,
        )


def main(
    quick: Annotated[
        bool, typer.Option("--quick", help="Targets up to 20 bits and short runs; some seconds.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULT,
    picture: Annotated[Path, typer.Option(help="Where the plots go.")] = PICTURE,
) -> None:
    """Measure the search for drawn seeds; a minute or two on two idle cores."""
    measured = measure(1 << 22, 20.0, 60) if quick else measure(1 << 28, math.inf, MANY)
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(measured, picture)
    out.write_text(page(measured), "utf-8")
    typer.echo(out.read_text("utf-8"))


if __name__ == "__main__":
    typer.run(main)
