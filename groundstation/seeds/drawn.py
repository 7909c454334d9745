"""Drawn seeds: which of a range of numbers draws every token of the patch, and how rare that is."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from shared.seeds.coins import accepted_words
from shared.seeds.philox import words
from shared.system.native import load_extension

SEEDS = 1 << 64
"""How many seeds there are."""

PATHS = ("portable", "avx2", "avx512")
"""Instruction sets of the compiled search, slowest first; all give the same seed."""

_BATCH = 1 << 14  # seeds that numpy tests at a time

Interval = tuple[int, int, int]
"""(start, frequency, total) of a token."""

Test = tuple[int, int, int]
"""(position, first word, last word): what the word at a position must be, both ends inclusive."""


class _Test(ctypes.Structure):
    _fields_ = (
        ("position", ctypes.c_uint64),
        ("low", ctypes.c_uint64),
        ("high", ctypes.c_uint64),
    )


def seed_bits(intervals: Sequence[Interval]) -> float:
    """-log2 of the probability P that a seed draws every token; infinite where none can."""
    if any(accepted_words(*interval) is None for interval in intervals):
        return math.inf
    return sum(math.log2(total) - math.log2(freq) for _, freq, total in intervals)


def expected_trials(intervals: Sequence[Interval]) -> float:
    """1/P, the mean number of seeds tried until one draws every token; at least 1.

    A token of probability p is drawn by one seed in 1/p, so all by one in 1/P, P the product.
    Infinite where no seed can, and where the number is beyond floating point.
    """
    bits = seed_bits(intervals)
    return 2.0**bits if bits < 1024 else math.inf


def word_tests(intervals: Sequence[Interval]) -> list[Test] | None:
    """What each word must be, the least likely token first: most seeds fail it.

    Tokens without a choice are left out.  None where no word reaches one of the tokens.
    """
    found: list[Test] = []
    for position, interval in enumerate(intervals):
        accepted = accepted_words(*interval)
        if accepted is None:
            return None
        if accepted != (0, SEEDS - 1):
            found.append((position, *accepted))
    return sorted(found, key=lambda test: (test[2] - test[1], test[0]))


def search_range(intervals: Sequence[Interval], start: int, stop: int) -> int | None:
    """The smallest seed in [start, stop) whose words draw every token, or None.

    Raises:
        ValueError: not 0 <= start, or stop > 2**64.
    """
    tests = word_tests(intervals)
    return None if tests is None else search_tests(tests, start, stop)


def search_tests(
    tests: Sequence[Test], start: int, stop: int, path: str | None = None
) -> int | None:
    """``search_range`` for tests that were made before, in the order given.

    The compiled kernel where it was built, and numpy otherwise; both give the same answer.

    Args:
        tests: what the words must be.
        start: the first seed.
        stop: the one after the last.
        path: one of ``PATHS`` for the compiled kernel; the fastest where None.

    Raises:
        ValueError: not 0 <= start, or stop > 2**64; or this machine cannot run the path.
    """
    if start < 0 or stop > SEEDS:
        raise ValueError(f"seeds {start} to {stop - 1} are not in [0, 2**64)")
    library = compiled_library()
    if path is not None and path not in runnable_paths():
        raise ValueError(f"path {path!r} is not one of {runnable_paths()}")
    if start >= stop:
        return None
    if not tests:
        return start
    if library is None:
        return search_numpy(tests, start, stop)
    chosen = library.drawn_best_path() if path is None else PATHS.index(path)
    table = (_Test * len(tests))(*(_Test(*test) for test in tests))
    found = ctypes.c_uint64()
    # a count of 2**64 does not fit: the last seed is then tested by itself
    count = min(stop - start, SEEDS - 1)
    if library.drawn_search(chosen, table, len(tests), start, count, ctypes.byref(found)):
        return found.value
    return search_tests(tests, start + count, stop, path)


def runnable_paths() -> tuple[str, ...]:
    """Those of ``PATHS`` that this machine can run; none without the compiled kernel."""
    library = compiled_library()
    return () if library is None else PATHS[: library.drawn_best_path() + 1]


def search_numpy(tests: Sequence[Test], start: int, stop: int) -> int | None:
    """``search_tests`` without the compiled kernel: its reference, and the way without it."""
    for first in range(start, stop, _BATCH):
        size = min(_BATCH, stop - first)
        seeds = np.uint64(first) + np.arange(size, dtype=np.uint64)
        for position, low, high in tests:
            if not len(seeds):
                break
            drawn = words(seeds, position)
            seeds = seeds[(drawn >= np.uint64(low)) & (drawn <= np.uint64(high))]
        if len(seeds):
            return int(seeds[0])
    return None


@cache
def compiled_library() -> ctypes.CDLL | None:
    """The compiled search, or None where it was not built; threads can call it side by side."""
    library = load_extension("groundstation.seeds._drawn")
    if library is None:
        return None
    library.drawn_best_path.argtypes = ()
    library.drawn_best_path.restype = ctypes.c_int
    library.drawn_search.argtypes = (
        ctypes.c_int,
        ctypes.POINTER(_Test),
        ctypes.c_int64,
        ctypes.c_uint64,
        ctypes.c_uint64,
        ctypes.POINTER(ctypes.c_uint64),
    )
    library.drawn_search.restype = ctypes.c_int
    return library
