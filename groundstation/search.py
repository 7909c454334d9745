"""The search over prompts: score candidates by counting their bits, keep what costs least."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from groundstation.enrich import vary_hints, vary_references
from groundstation.plan import Options
from groundstation.score import Score, cost, count, settle
from groundstation.variants import variants
from shared.prompts.changeset import Codec, FilePlan
from shared.prompts.model import LanguageModel
from shared.prompts.settings import (
    INVERSE_TEMPERATURES,
    LINES_AFTER,
    LINES_BEFORE,
    RECALL_SHIFTS,
    Settings,
    Shape,
)
from shared.terminal import Report
from shared.tree import Tree

ORDER = ("before", "after", "shape", "recall", "temperature")
"""Coordinates of the settings, those first that have gained most."""

_VALUES = {
    "shape": len(Shape),
    "before": len(LINES_BEFORE),
    "after": len(LINES_AFTER),
    "recall": len(RECALL_SHIFTS),
    "temperature": len(INVERSE_TEMPERATURES),
}


@dataclass
class _Best:
    """The cheapest candidate so far, and what was scored.

    Attributes:
        score: the candidate.
        scored: how many were.
    """

    base: Tree
    choices: Sequence[Options]
    model: LanguageModel
    stops: Callable[[int], bool]
    report: Report
    score: Score
    scored: int = 1
    expected: int = 1

    def stopped(self) -> bool:
        """Whether no further candidate is to be scored."""
        return self.stops(self.scored)

    def try_out(self, plans: Sequence[FilePlan], settings: Settings) -> bool:
        """Scores a candidate and keeps it if it costs less; whether it did."""
        found = count(self.base, self.choices, plans, settings, self.model)
        self.scored += 1
        self.report("prompts", self.scored, max(self.scored, self.expected))
        if cost(self.choices, found) >= cost(self.choices, self.score):
            return False
        self.score = found
        return True


def search(
    base: Tree,
    choices: Sequence[Options],
    model: LanguageModel,
    stops: Callable[[int], bool],
    report: Report,
    hint: str = "",
) -> tuple[Score, int]:
    """Finds settings, codecs and hunks that make a message short.

    One coordinate of the settings after another is varied, then each hunk, and all again until
    nothing gains.  The order is fixed, so a number of candidates gives the same result everywhere.

    Args:
        base: the tree on board.
        choices: the ways to send each change.
        model: the pinned model; one that remembers what it has read makes this much faster.
        stops: whether to stop after so many candidates were scored.
        report: told of progress.
        hint: what the engineer says of the patch, for the model to read.

    Returns:
        The best candidate, and how many were scored.
    """
    plans = [choice.model or choice.classical for choice in choices]
    first = count(base, choices, plans, Settings(), model)
    best = _Best(base, choices, model, stops, report, first)
    if any(choice.model for choice in choices):
        best.expected = 1 + sum(size - 1 for size in _VALUES.values())
        report("prompts", 1, best.expected)
        tried = {first.settings}
        gained = True
        while gained and not best.stopped():
            gained = _vary_settings(best, tried)
            gained |= _vary_hunks(best)
        vary_references(best)
        vary_hints(best, hint)
    return settle(base, choices, best.score, model), best.scored


def _vary_settings(best: _Best, tried: set[Settings]) -> bool:
    gained = False
    for coordinate in ORDER:
        for settings in list(neighbours(best.score.settings, coordinate)):
            if best.stopped():
                return gained
            if settings not in tried:
                tried.add(settings)
                gained |= best.try_out(best.score.plans, settings)
    return gained


def _vary_hunks(best: _Best) -> bool:
    """First all hunks inside their lines that can be, then hunk by hunk."""
    gained = False
    inside = [
        choice.inside if choice.inside and plan.codec is Codec.MODEL else plan
        for choice, plan in zip(best.choices, best.score.plans, strict=True)
    ]
    if inside != list(best.score.plans) and not best.stopped():
        gained = best.try_out(inside, best.score.settings)
    for k, choice in enumerate(best.choices):
        plan = best.score.plans[k]
        if plan.codec is not Codec.MODEL:
            continue
        for other in variants(choice, plan, best.model.vocabulary):
            if best.stopped():
                return gained
            gained |= _try_hunk(best, k, plan, other)
    return gained


def _try_hunk(best: _Best, k: int, plan: FilePlan, other: FilePlan) -> bool:
    """Takes over the one hunk in which ``other`` differs from ``plan``, where that gains."""
    mine = best.score.plans[k]
    hunks = tuple(
        mine_k if before == after else after
        for mine_k, before, after in zip(mine.hunks, plan.hunks, other.hunks, strict=True)
    )
    if hunks == mine.hunks:
        return False
    plans = list(best.score.plans)
    plans[k] = replace(mine, hunks=hunks)
    return best.try_out(plans, best.score.settings)


def neighbours(settings: Settings, coordinate: str) -> Iterator[Settings]:
    """Settings that differ in this coordinate alone."""
    for value in range(_VALUES[coordinate]):
        changed: dict[str, Any] = {coordinate: Shape(value) if coordinate == "shape" else value}
        if getattr(settings, coordinate) != value:
            yield replace(settings, **changed)
