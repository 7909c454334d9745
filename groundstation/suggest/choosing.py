"""Which proposals to make: count each alone, take the best, count what is left again."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from groundstation.suggest.finding import Thought, find
from groundstation.suggest.proof import Judge
from groundstation.suggest.proposals import Kind, Proposal, with_proposals
from groundstation.suggest.scoring import Cost, Scorer
from shared.errors import InputError
from shared.prompts.language_model.model import LanguageModel
from shared.terminal import Report, silent
from shared.tree import Tree

LEAST_BITS = 2.0
"""A proposal that saves less is not worth an engineer's time."""

ALONE_SHARE = 0.7
"""Of the budget: for counting proposals alone; the rest is for counting them together."""


@dataclass(frozen=True)
class Choice:
    """A proposal and what it saves.

    Attributes:
        proposal: the change, proven equivalent.
        alone_bits: saved when it is the only one.
        saved_bits: saved when it is made after those before it in the list; 0.0 if not chosen.
    """

    proposal: Proposal
    alone_bits: float
    saved_bits: float = 0.0


@dataclass(frozen=True)
class Suggested:
    """What was found.

    Attributes:
        before: cost of the engineer's target.
        after: cost with all of ``chosen``: what ``author`` needs with as much effort.
        chosen: the set, in the order in which it was put together.
        others: proposals that save something alone and are not in the set, the best first.
        proposals: how many were proven and counted.
        refused: changes thought of that were not proven equivalent.
        scored: targets that were counted.
        finished: neither the budget nor the user ended the search.
        interrupted: the user did.
        search_s: seconds spent.
    """

    before: Cost
    after: Cost
    chosen: tuple[Choice, ...]
    others: tuple[Choice, ...]
    proposals: int
    refused: int
    scored: int
    finished: bool
    interrupted: bool
    search_s: float


@dataclass
class _Search:
    """The state of a search; everything in it holds at any moment."""

    base: Tree
    judge: Judge
    scorer: Scorer
    stops: Callable[[float], bool]
    report: Report
    before: Cost
    now: Cost
    thoughts: tuple[tuple[Thought, ...], ...] = ()
    refused: int = 0
    alone: dict[Proposal, float] = field(default_factory=dict)
    chosen: list[Choice] = field(default_factory=list)

    def count_alone(self, most: int) -> bool:
        """Proves and counts each alone, one of each group at a time; whether it got to all."""
        rounds = zip_longest(*self.thoughts)
        order = [each for round_ in rounds for each in round_ if each is not None]
        for done, thought in enumerate(order):
            self.report("proposals", done, len(order))
            if self.stops(ALONE_SHARE) or len(self.alone) >= most:
                return False
            proposal = thought.proven(self.judge)
            if proposal is None:
                self.refused += 1
                continue
            cost = self._cost([proposal])
            if cost is not None:
                self.alone[proposal] = self.before.bits - cost.bits
        self.report("proposals", len(order), len(order))
        return True

    def combine(self) -> bool:
        """Takes the proposal that saves most, then counts the next again; whether it finished."""
        queue = [
            (-saved, k, proposal)
            for k, (proposal, saved) in enumerate(self.alone.items())
            if saved >= LEAST_BITS
        ]
        heapq.heapify(queue)
        total = len(queue)
        while queue:
            self.report("together", total - len(queue), total)
            if self.stops(1.0):
                return False
            _, k, proposal = heapq.heappop(queue)
            taken = [choice.proposal for choice in self.chosen]
            if any(proposal.meets(other) for other in taken):
                continue
            cost = self._cost([*taken, proposal])
            if cost is None:
                continue
            saved = self.now.bits - cost.bits
            if saved < LEAST_BITS or cost.payload_bytes > self.now.payload_bytes:
                continue
            if queue and saved < -queue[0][0]:
                heapq.heappush(queue, (-saved, k, proposal))  # another may be better now
                continue
            self.chosen.append(Choice(proposal, self.alone[proposal], saved))
            self.now = cost
        return True

    def _cost(self, proposals: Sequence[Proposal]) -> Cost | None:
        """None where the proposals are not equivalent together, or leave nothing to send."""
        if len(proposals) > 1 and not self.judge.accepts(proposals):
            return None
        target = with_proposals(self.judge.target, proposals)
        return None if target == self.base else self.scorer.cost(target)


def suggest(
    base: Tree,
    target: Tree,
    model: LanguageModel,
    *,
    kinds: frozenset[Kind] = frozenset(Kind) - {Kind.DOCSTRING},
    budget_s: float = float("inf"),
    trials: int = 1,
    most: int = 1 << 20,
    report: Report = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Suggested:
    """Proposes equivalent targets that cost fewer bytes.

    Args:
        base: the tree on board.
        target: as the engineer wrote it.
        model: the model pinned on board.
        kinds: which proposals are wanted; docstrings only where asked for.
        budget_s: seconds after which nothing more is counted but the patch as it is.
        trials: prompts that are tried for each count.
        most: proposals counted alone at most; unlike a time, the same on every machine.
        report: told of progress.
        clock: seconds from any fixed moment.

    Raises:
        InputError: there is nothing to send.
    """
    if base == target:
        raise InputError(
            "baseline and target are the same: there is nothing to send",
            remedy="name the changed tree with --target, or a patch that changes something",
        )

    started = clock()

    def stops(share: float) -> bool:
        return clock() - counted > share * budget_s

    scorer = Scorer(base, model, trials)
    report("the patch as it is", 0, 1)
    before = scorer.cost(target)
    report("the patch as it is", 1, 1)
    counted = clock()
    search = _Search(base, Judge.of(target), scorer, stops, report, before, before)
    interrupted = finished = False

    def expected(text: bytes) -> list[str]:
        return [] if stops(ALONE_SHARE / 2) else scorer.expected_names(text)

    try:
        search.thoughts = find(base, target, expected, kinds)
        finished = search.count_alone(most)
        finished = search.combine() and finished
    except KeyboardInterrupt:
        interrupted, finished = True, False
    chosen = {choice.proposal for choice in search.chosen}
    others = [
        Choice(proposal, saved)
        for proposal, saved in search.alone.items()
        if saved >= LEAST_BITS and proposal not in chosen
    ]
    return Suggested(
        before,
        search.now,
        tuple(search.chosen),
        tuple(sorted(others, key=lambda choice: -choice.alone_bits)),
        len(search.alone),
        search.refused,
        scorer.scored,
        finished,
        interrupted,
        clock() - started,
    )
