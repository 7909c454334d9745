"""The search over prompts: batches of candidates are counted, what costs least is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from groundstation.scoring.candidate import Candidate, Problem
from groundstation.scoring.evaluator import Evaluator
from groundstation.scoring.score import Result, Score, cost
from groundstation.search.excerpts import (
    longer_hints,
    more_references,
    single_hints,
    single_references,
    with_hint,
    with_references,
    worth_it,
)
from groundstation.search.steps import (
    HINTS,
    REFERENCES,
    SAMPLER,
    Order,
    Step,
    expected_steps,
    first_candidate,
    hunk_steps,
    inside_steps,
    settings_steps,
    together,
)
from shared.prompts.changeset import Codec
from shared.prompts.context.excerpts import Reference
from shared.prompts.language_model.vocabulary import Vocabulary
from shared.terminal import Report


@dataclass(frozen=True)
class Move:
    """A step that was taken.

    Attributes:
        kind: what sort of step, see ``Step``.
        what: which.
        where: the file and place, where there is one.
        bits_before: of the best candidate before it, each change with its cheapest codec.
        bits_after: of the candidate that it led to.
    """

    kind: str
    what: str
    where: str
    bits_before: float
    bits_after: float


@dataclass(frozen=True)
class Tried:
    """A step that was counted, taken or not.

    Attributes:
        kind: what sort of step, see ``Step``.
        what: which.
        bits_before: of the candidate from which it starts.
        bits: of the candidate that it leads to.
    """

    kind: str
    what: str
    bits_before: float
    bits: float


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        best: the cheapest candidate; None where not even the first was counted.
        scored: how many were counted.
        moves: the steps that led to it, in order.
        tried: all steps that were counted, in order; the first candidate is none.
        interrupted: whether the user ended it.
    """

    best: Score | None
    scored: int
    moves: tuple[Move, ...]
    tried: tuple[Tried, ...]
    interrupted: bool


@dataclass
class _Search:
    """The state of a search; all of it holds at any moment, also when it is interrupted."""

    problem: Problem
    evaluator: Evaluator
    stops: Callable[[int], bool]
    report: Report
    best: Score | None = None
    scored: int = 0
    expected: int = 1
    moves: list[Move] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def begin(self, candidate: Candidate) -> None:
        """Counts the first candidate, whatever the limits."""
        self.seen.add(candidate.digest)
        with closing(self.evaluator.score_all([candidate])) as results:
            self.best = self._score(candidate, next(results))

    def batch(self, start: Score, steps: Sequence[Step]) -> list[tuple[Step, Score]]:
        """Counts steps from one candidate and keeps the best: by cost, then by position.

        It depends on nothing else, so not on which result is ready first.  Candidates that were
        counted before are left out: they did not win then, and what they lost against has only
        become better.

        Returns:
            Those that cost less than ``start``, in order.
        """
        fresh = []
        for step in steps:
            if step.candidate.digest not in self.seen:
                self.seen.add(step.candidate.digest)
                fresh.append(step)
        before, won, gained = self.price(self.best or start), None, []
        from_cost = self.price(start)
        try:
            with closing(self.evaluator.score_all([step.candidate for step in fresh])) as results:
                for step in fresh:
                    if self.stops(self.scored):
                        break
                    score = self._score(step.candidate, next(results))
                    price = self.price(score)
                    self.tried.append(Tried(step.kind, step.what, from_cost[1], price[1]))
                    if price < from_cost:
                        gained.append((step, score))
                    if self.best is None or price < self.price(self.best):
                        self.best, won = score, (step, price)
        finally:  # an interrupt keeps what was counted before it
            if won:
                step, price = won
                self.moves.append(Move(step.kind, step.what, step.where, before[1], price[1]))
        return gained

    def price(self, score: Score) -> tuple[float, float]:
        """Bytes, then bits."""
        return cost(self.problem.choices, score)

    def _score(self, candidate: Candidate, result: Result) -> Score:
        self.scored += 1
        self.report("prompts", self.scored, max(self.scored, self.expected))
        return Score.of(self.problem.choices, candidate, result)


def search(
    problem: Problem,
    evaluator: Evaluator,
    vocabulary: Vocabulary,
    stops: Callable[[int], bool],
    report: Report,
    order: Order | None = None,
    hint: str = "",
    tell_interrupt: Callable[[int], None] | None = None,
) -> Searched:
    """Finds settings and hunks that make a message short.

    What the model has little to read anew for comes first: settings of the sampler, then the hunks
    of each change, then, once, what may be shown before each file (excerpts of the tree on board,
    and hints), then the settings of windows; and all again until nothing gains.  The order is
    fixed, so a number of candidates gives the same result everywhere, whoever counts them.

    Args:
        problem: the patch.
        evaluator: counts candidates.
        vocabulary: of the pinned model.
        stops: whether to stop after so many candidates were counted.
        report: told of progress.
        order: of the settings; the usual one where None.
        hint: what the engineer says of the patch, for the model to read.
        tell_interrupt: told how many were counted when the user ends the search with Ctrl-C; None
            where the best so far is of no use, and the interrupt goes on to the caller.
    """
    state = _Search(problem, evaluator, stops, report)
    interrupted = False
    try:
        _run(state, vocabulary, order or Order(), hint)
    except KeyboardInterrupt:
        if tell_interrupt is None:
            raise
        interrupted = True
        tell_interrupt(state.scored)
    return Searched(state.best, state.scored, tuple(state.moves), tuple(state.tried), interrupted)


def _run(state: _Search, vocabulary: Vocabulary, order: Order, hint: str) -> None:
    if any(choice.model for choice in state.problem.choices):
        state.expected = 1 + sum(expected_steps())
    state.begin(first_candidate(state.problem.choices))
    first_round = True
    while state.best is not None and not state.stops(state.scored):
        taken = len(state.moves)
        if any(plan.codec is Codec.MODEL for plan in state.best.plans):
            state.batch(state.best, inside_steps(state.best.candidate, state.problem.choices))
            coordinates = order.all_coordinates()
            _vary_settings(state, order, [each for each in coordinates if each in SAMPLER])
            _vary_hunks(state, state.best, vocabulary)
            if first_round:
                _vary_prefaces(state, state.best, vocabulary, hint)
                first_round = False
            _vary_settings(state, order, [each for each in coordinates if each not in SAMPLER])
        if len(state.moves) == taken:
            break


def _vary_settings(state: _Search, order: Order, coordinates: Sequence[str]) -> None:
    """All other values of one coordinate after another."""
    for coordinate in coordinates:
        if state.best is not None:
            state.batch(state.best, settings_steps(state.best.candidate, coordinate, order))


def _vary_hunks(state: _Search, best: Score, vocabulary: Vocabulary) -> None:
    """The hunks of each change."""
    choices = state.problem.choices
    for k in range(len(choices)):
        start = state.best or best
        gained = state.batch(start, hunk_steps(start.candidate, choices, k, vocabulary))
        firsts: dict[int, Step] = {}  # of each hunk the best, and those that gained most first
        for step, _ in sorted(gained, key=lambda each: state.price(each[1])):
            firsts.setdefault(step.hunk, step)
        joined = together(start.candidate, k, list(firsts.values()))
        if joined is not None:
            state.batch(state.best or start, [joined])


def _vary_prefaces(state: _Search, best: Score, vocabulary: Vocabulary, hint: str) -> None:
    """What is shown and said before each change that costs enough to gain by it."""
    for k in range(len(state.problem.choices)):
        if worth_it(state.best or best, k):
            _vary_references(state, state.best or best, k, vocabulary)
            _vary_hints(state, state.best or best, k, vocabulary, hint)


def _vary_references(state: _Search, best: Score, k: int, vocabulary: Vocabulary) -> None:
    """Each excerpt alone before the k-th change, then more while they pay."""
    found = single_references(state.problem, best.candidate, k, vocabulary)
    wanted: list[tuple[Reference, ...]] = [(each,) for each in found]
    while wanted and not state.stops(state.scored):
        taken, start = len(state.moves), (state.best or best).candidate
        where = start.plans[k].path
        steps = [
            Step(REFERENCES, f"{len(each)} shown", with_references(start, k, each), where)
            for each in wanted
        ]
        state.batch(state.best or best, steps)
        if len(state.moves) == taken:
            break
        shown = (state.best or best).plans[k].references
        wanted = more_references(state.problem, shown, found, vocabulary)


def _vary_hints(state: _Search, best: Score, k: int, vocabulary: Vocabulary, hint: str) -> None:
    """Each hint alone before the k-th change, then longer ones while they pay."""
    choice = state.problem.choices[k]
    found = single_hints(choice, best.plans[k], hint, vocabulary)
    wanted = found
    while wanted and not state.stops(state.scored):
        taken, start = len(state.moves), (state.best or best).candidate
        where = start.plans[k].path
        steps = [
            Step(HINTS, f"{len(each)} bytes", with_hint(start, k, each), where) for each in wanted
        ]
        state.batch(state.best or best, steps)
        if len(state.moves) == taken:
            break
        wanted = longer_hints((state.best or best).plans[k].hint, found, vocabulary)
