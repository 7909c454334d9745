"""What a search tries next: batches of candidates, each one step away from the best so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeVar

from groundstation.scoring.candidate import Candidate
from groundstation.scoring.options import Options
from groundstation.search.hunk_variants import variants
from shared.prompts.changeset import Codec, FilePlan
from shared.prompts.language_model.vocabulary import Vocabulary
from shared.prompts.rewrite import Hunk
from shared.prompts.settings import (
    INVERSE_TEMPERATURES,
    LINES_AFTER,
    LINES_BEFORE,
    RECALL_SHIFTS,
    Settings,
    Shape,
)

T = TypeVar("T")

VALUES = {
    "recall": len(RECALL_SHIFTS),
    "temperature": len(INVERSE_TEMPERATURES),
    "before": len(LINES_BEFORE),
    "after": len(LINES_AFTER),
    "shape": len(Shape),
}
"""Coordinates of the settings, and how many values each has."""

SAMPLER = ("recall", "temperature")
"""Coordinates for which the model has nothing to read that it has not read before."""

SETTINGS = "settings"
HUNKS = "hunks"
REFERENCES = "references"
HINTS = "hints"
CLASSICAL = "classical"


@dataclass(frozen=True)
class Order:
    """In which order settings are varied; a value that is not named comes after those that are.

    Attributes:
        coordinates: names out of ``VALUES``.
        values: of a coordinate, its values.
    """

    coordinates: tuple[str, ...] = tuple(VALUES)
    values: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def all_coordinates(self) -> tuple[str, ...]:
        """Every coordinate once."""
        return _leading(self.coordinates, tuple(VALUES))

    def all_values(self, coordinate: str) -> tuple[int, ...]:
        """Every value of a coordinate once."""
        return _leading(self.values.get(coordinate, ()), tuple(range(VALUES[coordinate])))


def _leading(first: Sequence[T], everything: Sequence[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys([*(each for each in first if each in everything), *everything]))


@dataclass(frozen=True)
class Step:
    """A candidate and what is new in it.

    Attributes:
        kind: what sort of thing: "settings", "hunks", "references", "hints" or "classical".
        what: which, as ``before=1`` or ``slide -2``: comparable between patches.
        candidate: to be counted.
        where: the file and place, where there is one.
        hunk: position of the changed hunk, where it is one.
    """

    kind: str
    what: str
    candidate: Candidate
    where: str = ""
    hunk: int = -1


def settings_steps(best: Candidate, coordinate: str, order: Order) -> list[Step]:
    """All other values of one coordinate."""
    return [
        Step(SETTINGS, f"{coordinate}={value}", replace(best, settings=settings))
        for value in order.all_values(coordinate)
        if (settings := with_value(best.settings, coordinate, value)) != best.settings
    ]


def with_value(settings: Settings, coordinate: str, value: int) -> Settings:
    """The settings with another value of one coordinate."""
    changed: dict[str, Any] = {coordinate: Shape(value) if coordinate == "shape" else value}
    return replace(settings, **changed)


def inside_steps(best: Candidate, choices: Sequence[Options]) -> list[Step]:
    """All hunks inside their lines that can be; at most one step."""
    plans = tuple(
        choice.inside if choice.inside and plan.codec is Codec.MODEL else plan
        for choice, plan in zip(choices, best.plans, strict=True)
    )
    if plans == best.plans:
        return []
    return [Step(HUNKS, "all inside", replace(best, plans=plans))]


def hunk_steps(
    best: Candidate, choices: Sequence[Options], k: int, vocabulary: Vocabulary
) -> list[Step]:
    """Every way to say one hunk of the k-th change otherwise."""
    plan = best.plans[k]
    if plan.codec is not Codec.MODEL:
        return []
    return [_hunk_step(best, k, other) for other in variants(choices[k], plan, vocabulary)]


def _hunk_step(best: Candidate, k: int, other: FilePlan) -> Step:
    plan = best.plans[k]
    n = next(n for n, pair in enumerate(zip(plan.hunks, other.hunks, strict=True)) if _differ(pair))
    old, new = plan.hunks[n], other.hunks[n]
    if old.inside != new.inside:
        what = "inside" if new.inside else "whole line"
    else:
        what = f"slide {new.start - old.start:+d}"
    where = f"{plan.path}, hunk {n + 1}"
    return Step(HUNKS, what, _with_hunks(best, k, other.hunks), where, n)


def _differ(pair: tuple[Hunk, Hunk]) -> bool:
    return pair[0] != pair[1]


def together(best: Candidate, k: int, steps: Sequence[Step]) -> Step | None:
    """One step that does as many of several as can be done at once, the first of them surely.

    Args:
        best: what all of them start from.
        k: the change that they are about.
        steps: those that gained alone, the best first, at most one a hunk.

    Returns:
        None where only the first can be done.
    """
    hunks = best.plans[k].hunks
    taken = 0
    for step in steps:
        new = step.candidate.plans[k].hunks[step.hunk]
        tried = (*hunks[: step.hunk], new, *hunks[step.hunk + 1 :])
        if _apart(tried):  # two that slide towards each other may meet
            hunks, taken = tried, taken + 1
    if taken < 2:
        return None
    return Step(HUNKS, "together", _with_hunks(best, k, hunks), best.plans[k].path)


def _apart(hunks: Sequence[Hunk]) -> bool:
    """Whether at least one line lies between any two."""
    return all(one.end < two.start for one, two in pairwise(hunks))


def _with_hunks(best: Candidate, k: int, hunks: tuple[Hunk, ...]) -> Candidate:
    plan = replace(best.plans[k], hunks=hunks)
    return replace(best, plans=(*best.plans[:k], plan, *best.plans[k + 1 :]))


def first_candidate(choices: Sequence[Options]) -> Candidate:
    """Where a search begins: the model writes all that it can, with the usual settings."""
    return Candidate(Settings(), tuple(choice.model or choice.classical for choice in choices))


def expected_steps() -> Iterator[int]:
    """How many other values each coordinate has."""
    return (size - 1 for size in VALUES.values())
