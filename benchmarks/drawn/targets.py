"""Targets of ``benchmarks.drawn``: token intervals of real edits, under the pinned SmolLM2.

``python -m benchmarks.drawn.targets`` writes them anew.  Each of the smallest patches of the corpus
gives one target: the run of its tokens whose -log2 P is nearest to what is wanted of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from benchmarks.archives import ArchiveCache, corpus_home, open_index
from benchmarks.patches.measure import trees
from benchmarks.patches.pairs import HELDOUT, PAIRS, Pair, load_pair, read_rows
from groundstation.authoring.author import Effort, author
from groundstation.replay.reseed import retell
from groundstation.scoring.cached_model import ReusingModel
from groundstation.seeds.drawn import Interval
from shared.errors import InputError
from shared.exact.pin import load_pin, resolve_pin
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.language_model.pinned import PinnedModel
from shared.seeds.coins import SeedSource
from shared.terminal import progress

TARGETS = Path(__file__).parents[1] / "drawn_targets.json"
COUNT = 20
LEAST_BITS, MOST_BITS = 16.5, 27.5
NEAR_BITS = 0.5
"""A run of tokens further than this from what is wanted is not taken; the next patch is asked."""


@dataclass(frozen=True)
class Target:
    """A run of tokens of a real edit: the patch's id, and the interval of each token."""

    patch: str
    intervals: tuple[Interval, ...]


def wanted_bits(number: int) -> float:
    """-log2 P that the n-th target shall have, about."""
    return LEAST_BITS + (MOST_BITS - LEAST_BITS) * number / (COUNT - 1)


def nearest_run(intervals: Sequence[Interval], bits: float) -> tuple[Interval, ...]:
    """The consecutive tokens whose -log2 P is nearest to ``bits``; the first such run on ties."""
    costs = (math.log2(total) - math.log2(freq) for _, freq, total in intervals)
    sums = [0.0, *accumulate(costs)]
    first, stop = min(
        ((a, b) for a in range(len(sums)) for b in range(a, len(sums))),
        key=lambda run: abs(sums[run[1]] - sums[run[0]] - bits),
    )
    return tuple(intervals[first:stop])


def token_intervals(pair: Pair, model: LanguageModel) -> tuple[Interval, ...]:
    """What the model expects at each token of a patch, with the settings tried first."""
    base, target = trees(pair)
    effort = Effort(SeedSource.CODED, max_candidates=1, check=False)
    reusing = ReusingModel(model)  # what was read to author it is not read again
    authored = author(base, target, reusing, effort=effort)
    return retell(authored.recipe, base, lambda: reusing).tokens


def load_targets(path: Path = TARGETS) -> tuple[Target, ...]:
    """The committed targets."""
    return tuple(
        Target(each["patch"], tuple((start, freq, total) for start, freq, total in each["tokens"]))
        for each in json.loads(path.read_text("utf-8"))
    )


def format_targets(targets: Sequence[Target]) -> str:
    """A token a line, so that a change can be read."""
    blocks = []
    for target in targets:
        tokens = ",\n".join(f"  {json.dumps(interval)}" for interval in target.intervals)
        blocks.append(f'{{"patch": {json.dumps(target.patch)}, "tokens": [\n{tokens}\n]}}')
    return "[\n" + ",\n".join(blocks) + "\n]\n"


def main() -> None:
    """Reads the model once for each patch."""
    pin = resolve_pin("smollm2-135m")
    model = PinnedModel.open(load_pin(pin))
    rows = sorted(
        [*read_rows(PAIRS), *read_rows(HELDOUT)], key=lambda row: (row.diff_bytes, row.id)
    )
    targets: list[Target] = []
    with progress() as report, open_index() as index:
        archives = ArchiveCache(corpus_home(), index)
        for row in rows:
            report("targets", len(targets), COUNT)
            if len(targets) == COUNT:
                break
            bits = wanted_bits(len(targets))
            tokens = token_intervals(load_pair(row, archives), model)
            run = nearest_run(tokens, bits)
            cost = sum(math.log2(total) - math.log2(freq) for _, freq, total in run)
            if abs(cost - bits) <= NEAR_BITS:
                targets.append(Target(row.id, run))
    if len(targets) < COUNT:
        raise InputError(f"the corpus gives {len(targets)} targets", expected=str(COUNT))
    TARGETS.write_text(format_targets(targets), "utf-8")


if __name__ == "__main__":
    main()
