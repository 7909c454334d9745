"""Read a message as the probe does, keep every decision, and tell it with another seed source.

What the model expects is the same for every source of coins.  So one reading of a coded message is
enough to know what the other sources would need: how often the first choice is wrong, which seeds
draw the tokens, and what the prompt alone takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from groundstation.replay.observe import regenerate_observed
from shared.message.recipe import Recipe
from shared.message.wire import Message
from shared.prompts.language_model.model import LanguageModel
from shared.seeds.coins import SeedSource, seed_to_bytes
from shared.seeds.decisions import Decisions
from shared.seeds.interval import IntervalEncoder
from shared.seeds.sampler import Frequencies, most_frequent, symbol_interval
from shared.terminal import Report, silent
from shared.tree import Tree

Interval = tuple[int, int, int]
"""start, frequency, total of a decision."""


@dataclass(frozen=True)
class Retelling:
    """A message that was read to its end.

    Attributes:
        target: the tree that it gives.
        patch: the canonical patch.
        prompts: the prompt decisions in order.
        tokens: the token decisions in order.
        surprises: positions of the tokens that are not the model's first choice.
    """

    target: Tree
    patch: bytes
    prompts: tuple[Interval, ...]
    tokens: tuple[Interval, ...]
    surprises: tuple[int, ...]

    def with_source(self, recipe: Recipe, source: SeedSource, seed: int = 0) -> Recipe:
        """The same patch with another seed source.

        Args:
            recipe: what was read.
            source: the new seed source; greedy gives this patch only without ``surprises``, drawn
                only with a seed that draws all ``tokens``.
            seed: the number of a drawn seed, ignored otherwise.
        """
        if source is SeedSource.CODED:
            raise ValueError("the order of prompts and tokens is not kept")
        encoder = IntervalEncoder()
        for interval in self.prompts:
            encoder.encode(*interval)
        return replace(
            recipe,
            seed_source=source,
            stream=encoder.finish(),
            seed=seed_to_bytes(seed) if source is SeedSource.DRAWN else b"",
        )


@dataclass
class _Recorder:
    """Hands on decisions and keeps them; see ``shared.seeds.decisions``."""

    reader: Decisions
    prompts: list[Interval] = field(default_factory=list)
    tokens: list[Interval] = field(default_factory=list)
    surprises: list[int] = field(default_factory=list)

    def prompt(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        index = self.reader.prompt(frequencies, wanted, label)
        self.prompts.append(symbol_interval(frequencies, index))
        return index

    def uniform(self, total: int, wanted: int | None = None, label: str = "") -> int:
        index = self.reader.uniform(total, wanted, label)
        self.prompts.append((index, 1, total))
        return index

    def token(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        index = self.reader.token(frequencies, wanted, label)
        if index != most_frequent(frequencies):
            self.surprises.append(len(self.tokens))
        self.tokens.append(symbol_interval(frequencies, index))
        return index


def retell(
    message: Message | Recipe,
    baseline: Tree,
    open_model: Callable[[], LanguageModel],
    report: Report = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Retelling:
    """Reads a message to its end, as ``shared.regenerate.regenerate``.

    Args:
        message: the message or the recipe in it.
        baseline: the tree on board.
        open_model: opens the pinned model.
        report: told of progress, in tokens.
        clock: seconds from any fixed moment.

    Raises:
        RegenerationError: the recipe leads nowhere.
        OutOfMemory: there is too little memory now.
    """
    told, recorder = regenerate_observed(message, baseline, open_model, _Recorder, report, clock)
    return Retelling(
        told.target,
        told.patch,
        tuple(recorder.prompts),
        tuple(recorder.tokens),
        tuple(recorder.surprises),
    )
