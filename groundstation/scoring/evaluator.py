"""Who counts candidates: this process, or others by way of ``groundstation.workers.open``."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from groundstation.scoring.candidate import Candidate, Problem
from groundstation.scoring.score import Counted, Result, cost, count
from shared.prompts.language_model.model import LanguageModel


class Evaluator(Protocol):
    """Counts candidates of one patch."""

    def score_all(self, candidates: Sequence[Candidate]) -> Generator[Result]:
        """The result of each candidate, in order; closed where no more are wanted."""
        ...


@dataclass
class InProcess:
    """Counts one candidate after another, here, and only those that are asked for.

    Attributes:
        problem: the patch.
        model: the pinned model; one that remembers what it has read makes this much faster.
    """

    problem: Problem
    model: LanguageModel
    _best: tuple[tuple[float, float], str, Counted] | None = field(default=None)

    def score_all(self, candidates: Sequence[Candidate]) -> Generator[Result]:
        """See ``Evaluator``."""
        for candidate in candidates:
            yield self.recount(candidate).score.result

    def recount(self, candidate: Candidate) -> Counted:
        """What a candidate costs, with its decisions; those of the cheapest so far are kept."""
        if self._best and self._best[1] == candidate.digest:
            return self._best[2]
        counted = count(self.problem, candidate, self.model)
        price = cost(self.problem.choices, counted.score)
        if self._best is None or price < self._best[0]:
            # by its name after counting: what could not be read is classical in what is kept
            self._best = price, counted.score.candidate.digest, counted
        return counted
