"""Drawn seeds: how fast they are searched, and how many trials targets of known rarity take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from groundstation.drawn import Test, expected_trials, search_numpy, search_tests, seed_bits
from groundstation.drawn_search import find_seed
from shared.errors import InputError
from shared.seeds.philox import word

HERE = Path(__file__).parent
RESULT = HERE / "DRAWN.md"
PICTURE = HERE.parent / "docs" / "images" / "drawn-seeds.svg"
TARGETS = 20
LEAST_BITS, MOST_BITS = 16, 28
TOTAL = 1 << 40
TOKENS = 4

Interval = tuple[int, int, int]


@dataclass(frozen=True)
class Trial:
    """One target: its rarity in bits, 1/P, and the smallest seed that draws it."""

    bits: float
    expected: float
    seed: int

    @property
    def trials(self) -> int:
        """Seeds tried, the last one included."""
        return self.seed + 1


def target(number: int) -> list[Interval]:
    """Tokens of a known probability at places that no one chose; the same in every run."""
    bits = LEAST_BITS + (MOST_BITS - LEAST_BITS) * number / (TARGETS - 1)
    frequency = round(TOTAL / 2 ** (bits / TOKENS))
    places = (word(2026 + number, n) % (TOTAL - frequency) for n in range(TOKENS))
    return [(place, frequency, TOTAL) for place in places]


def trial(number: int) -> Trial:
    """Searches for the seed of a target.

    Raises:
        InputError: there is none, against all likelihood.
    """
    intervals = target(number)
    seed = find_seed(intervals, 1 << 40)
    if seed is None:
        raise InputError(f"no seed below 2^40 draws target {number}")
    return Trial(seed_bits(intervals), expected_trials(intervals), seed)


def speed(
    search: Callable[[Sequence[Test], int, int], int | None], seeds: int, threads: int
) -> tuple[float, float]:
    """Seeds a second by the clock, and by the processor's time of the process, of all threads."""
    tests = [(3, 1 << 50, 1 << 50)]  # a single word: no range is cut short

    def run(thread: int) -> None:
        search(tests, thread * seeds, (thread + 1) * seeds)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))  # the threads exist, the library is loaded
        started, used = time.perf_counter(), time.process_time()
        list(pool.map(run, range(threads)))
        wall, processor = time.perf_counter() - started, time.process_time() - used
    return threads * seeds / wall, threads * seeds / processor


def draw(trials: Sequence[Trial], path: Path) -> None:
    """Both plots; the same trials give the same bytes."""
    import matplotlib
    from matplotlib.figure import Figure

    settings: dict[str, Any] = {"svg.hashsalt": "drawn-seeds", "svg.fonttype": "none"}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(9, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        bits = [each.bits for each in trials]
        left.plot([14, 30], [14, 30], color="#64748b", linestyle=":", label="equal")
        left.scatter(bits, [math.log2(each.trials) for each in trials], color="#c2410c")
        left.set_xlabel("-log2 P: bits of a coded seed")
        left.set_ylabel("log2 of the trials: bits of the drawn seed")
        left.legend()
        expected = [each.expected for each in trials]
        right.plot([2**14, 2**30], [2**14, 2**30], color="#64748b", linestyle=":", label="equal")
        right.scatter(expected, [each.trials for each in trials], color="#c2410c")
        right.set_xscale("log", base=2)
        right.set_yscale("log", base=2)
        right.set_xlabel("1/P")
        right.set_ylabel("trials")
        right.legend()
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def page(speeds: Sequence[tuple[str, int, float, float]], trials: Sequence[Trial]) -> str:
    """The results as Markdown."""
    lines = [
        "# Measured search for drawn seeds",
        "",
        "Written by `python -m benchmarks.drawn`; do not edit. What it means:",
        "[docs/drawn-seeds.md](../docs/drawn-seeds.md). Rates are millions of seeds a second, of",
        "one test a seed; the right column is per second of processor time, which other programs",
        "on the machine do not take away.",
        "",
        "| search | threads | by the clock | of processor time |",
        "|---|---|---|---|",
        *(
            f"| {name} | {threads} | {wall / 1e6:.1f} | {processor / 1e6:.1f} |"
            for name, threads, wall, processor in speeds
        ),
        "",
        f"{len(trials)} targets of {TOKENS} tokens each. Mean of trials times P: "
        f"**{mean(each.trials / each.expected for each in trials):.2f}** (1 is expected). Mean of "
        f"the seed's bits less -log2 P: "
        f"**{mean(math.log2(each.trials) - each.bits for each in trials):+.2f}** (-0.83 is "
        "expected: minus Euler's constant over ln 2).",
        "",
        "| -log2 P | 1/P | trials | log2 of trials | trials times P |",
        "|---|---|---|---|---|",
        *(
            f"| {each.bits:.2f} | {each.expected:,.0f} | {each.trials:,} | "
            f"{math.log2(each.trials):.2f} | {each.trials / each.expected:.2f} |"
            for each in trials
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures and writes."""
    speeds = [
        (name, threads, *speed(search, seeds, threads))
        for name, search, seeds in (
            ("C", search_tests, 1 << 25),
            ("numpy", search_numpy, 1 << 20),
        )
        for threads in (1, 2)
    ]
    trials = [trial(number) for number in range(TARGETS)]
    PICTURE.parent.mkdir(exist_ok=True)
    draw(trials, PICTURE)
    RESULT.write_text(page(speeds, trials), "utf-8")


if __name__ == "__main__":
    main()
