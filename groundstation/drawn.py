"""Drawn seeds: try numbers until one draws every token of the patch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shared.seeds.coins import accepted_words
from shared.seeds.philox import words
from shared.terminal import Report, silent

BATCH_SEEDS = 1 << 14


def find_seed(
    intervals: Sequence[tuple[int, int, int]], max_seeds: int, report: Report = silent
) -> int | None:
    """The smallest seed whose words draw every token, or None.

    A token of probability p is drawn by one seed in 1/p, so the whole patch by one in 1/P, P the
    product: this buys no bytes over a coded seed of log2(1/P) bits, it only costs the search.

    Args:
        intervals: (start, frequency, total) of each token.
        max_seeds: seeds 0 to max_seeds - 1 are tried.
        report: told of progress.
    """
    accepted = [accepted_words(*interval) for interval in intervals]
    if any(pair is None for pair in accepted):
        return None
    # the least likely token first: most seeds fail it
    order = sorted(range(len(accepted)), key=lambda k: intervals[k][1] / intervals[k][2])
    for start in range(0, max_seeds, BATCH_SEEDS):
        seeds = np.arange(start, min(start + BATCH_SEEDS, max_seeds), dtype=np.uint64)
        for position in order:
            pair = accepted[position]
            if pair is None or not len(seeds):
                break
            drawn = words(seeds, position)
            seeds = seeds[(drawn >= np.uint64(pair[0])) & (drawn <= np.uint64(pair[1]))]
        if len(seeds):
            return int(seeds[0])
        report("seeds", min(start + BATCH_SEEDS, max_seeds), max_seeds)
    return None
