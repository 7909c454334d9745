"""From two trees to a recipe: search the prompt, choose the seed source, write the seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from groundstation.authoring.probe_limits import ProbeLimits, check_files, check_options
from groundstation.authoring.result import Authored, file_reports
from groundstation.scoring.cached_model import ReusingModel
from groundstation.scoring.candidate import Candidate, Problem
from groundstation.scoring.evaluator import Evaluator, InProcess
from groundstation.scoring.options import Options, options
from groundstation.scoring.score import Counted, cost, settle
from groundstation.search.greedy import search_greedy
from groundstation.search.journal import Journalled, open_journal
from groundstation.search.search import Move, Searched, search
from groundstation.search.steps import CLASSICAL, Order
from groundstation.seeds.choice import SeedEffort, with_seed
from groundstation.seeds.drawn_search import Pace
from groundstation.workers.open import Workers, open_workers
from shared.diff import unified_diff
from shared.digest import sha256
from shared.errors import BudgetExceeded, DigestMismatch, InputError, RegenerationError
from shared.message.recipe import PATCH_DIGEST_BYTES, Recipe
from shared.prompts.language_model.model import LanguageModel
from shared.regenerate import Budget, regenerate
from shared.seeds.coins import SeedSource
from shared.terminal import Report, silent
from shared.tree import Tree, changes


@dataclass(frozen=True)
class Effort:
    """How hard to search.

    Attributes:
        seed_source: the only source to use; None takes the shortest message.
        max_seconds: no new candidate is scored after this time; the best so far is used.
        max_candidates: prompts scored at most; unlike a time, the same on every machine.
        max_seeds: seeds tried for a drawn seed at most; refused at once when more are expected.
        force: search for a drawn seed however many trials are expected, up to the last seed.
        drawn_state: file from which an interrupted search for a drawn seed goes on.
        tell_pace: told how long a drawn seed will take.
        check: regenerate the message before it is handed out.
        hint: what the engineer says of the patch; the model may read it, where that pays.
        workers: who counts candidates; this process where None.
        journal: file from which a killed search goes on; the caller deletes it when the message
            is safe.
        order: of the settings that are tried.
        tell_interrupt: told how many prompts were scored when Ctrl-C ends the search, which then
            sends the best so far; None lets Ctrl-C end it all.
        limits: of the probe, by which a patch is refused before it is searched; None for none.
    """

    seed_source: SeedSource | None = None
    max_seconds: float = 60.0
    max_candidates: int = 1 << 20
    max_seeds: int = 1 << 32
    force: bool = False
    drawn_state: Path | None = None
    tell_pace: Callable[[Pace], None] | None = None
    check: bool = True
    hint: str = ""
    workers: Workers | None = None
    journal: Path | None = None
    order: Order = field(default_factory=Order)
    tell_interrupt: Callable[[int], None] | None = None
    limits: ProbeLimits | None = None


def author(
    base: Tree,
    target: Tree,
    model: LanguageModel,
    *,
    effort: Effort | None = None,
    report: Report = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Authored:
    """Finds a short recipe for the patch from ``base`` to ``target``.

    Args:
        base: the tree on board.
        target: the tree that the probe shall have.
        model: the model pinned on board.
        effort: how hard to search; the default where None.
        report: told of progress.
        clock: seconds from any fixed moment.

    Raises:
        InputError: there is nothing to send, or the wanted seed source cannot reach the patch.
        DigestMismatch: the message leads to another patch or to none: a defect, of this program or
            of the machine, and nothing was handed out.
        BudgetExceeded: to check the message takes more than a probe allows unless told otherwise;
            with ``effort.limits`` that is an InputError.
    """
    effort = effort or Effort()
    started = clock()
    patch = unified_diff(base, target)
    if not patch:
        raise InputError(
            "baseline and target are the same: there is nothing to send",
            remedy="name the changed tree with --target, or a patch that changes something",
        )
    reusing = model if isinstance(model, ReusingModel) else ReusingModel(model)
    if effort.limits is not None:
        check_files(base, target, effort.limits)
    choices = tuple(options(change, model.vocabulary) for change in changes(base, target))
    if effort.limits is not None:
        check_options(choices, model.vocabulary, effort.limits)
    problem = Problem(base, choices)

    def stops(scored: int) -> bool:
        return scored >= effort.max_candidates or clock() - started > effort.max_seconds

    local = InProcess(problem, reusing)
    with open_workers(effort.workers, problem, model.digest, local) as crew:
        found = _search(problem, crew.evaluator, model, target.digest, effort, stops, report)
        final, moves = _settled(choices, found, local)
        recipe = _write(base, patch, final, model.digest, effort, crew.executor, report)
    if effort.check:
        report("checking", 0, 1)
        # by the model itself: what is remembered from scoring would only confirm itself
        _check(recipe, base, target, patch, model, effort.limits)
        report("checking", 1, 1)
    tally = final.counter.tally
    return Authored(
        recipe,
        patch,
        final.score.settings,
        tuple(file_reports(choices, final.score)),
        tally.prompt_bits,
        tally.token_bits,
        tally.tokens,
        tally.surprises,
        found.scored,
        clock() - started,
        moves,
        found.tried,
        found.interrupted,
        dict(tally.bits_of),
    )


def _search(
    problem: Problem,
    evaluator: Evaluator,
    model: LanguageModel,
    target: bytes,
    effort: Effort,
    stops: Callable[[int], bool],
    report: Report,
) -> Searched:
    """The search, with its journal where one is wanted."""
    with ExitStack() as stack:
        order = effort.order
        if effort.journal is not None:
            journal = stack.enter_context(
                open_journal(effort.journal, problem.base.digest, target, model.digest, order)
            )
            evaluator, order = Journalled(evaluator, journal), journal.order
        if effort.seed_source is SeedSource.GREEDY:
            return search_greedy(problem, evaluator, model, stops, report, effort.hint)
        return search(
            problem,
            evaluator,
            model.vocabulary,
            stops,
            report,
            order,
            effort.hint,
            effort.tell_interrupt,
        )


def _settled(
    choices: Sequence[Options], found: Searched, local: InProcess
) -> tuple[Counted, tuple[Move, ...]]:
    """What is sent, counted here with all of its decisions, and the moves that led to it."""
    if found.best is None:  # interrupted before anything was counted
        return local.recount(Candidate.classical(choices)), ()
    best = local.recount(found.best.candidate)
    final = settle(choices, best, local.recount)
    if final.score.candidate == best.score.candidate:
        return final, found.moves
    before, after = (cost(choices, each.score)[1] for each in (best, final))
    return final, (*found.moves, Move(CLASSICAL, "codecs", "", before, after))


def _check(
    recipe: Recipe,
    base: Tree,
    target: Tree,
    patch: bytes,
    model: LanguageModel,
    limits: ProbeLimits | None,
) -> None:
    """Regenerates a message as the probe will.

    Raises:
        DigestMismatch: it leads to another patch, or nowhere.
    """
    why = "another patch comes of it"
    try:
        budget = None if limits is None else Budget(limits.max_tokens)
        again = regenerate(recipe, base, lambda: model, budget)
    except BudgetExceeded as error:
        if limits is None:
            raise
        raise InputError(
            f"to check the message: {error.found}",
            expected=error.expected,
            remedy="send it in several messages; or allow more, here and on board, with "
            "--max-tokens",
        ) from error
    except (RegenerationError, InputError) as error:  # InputError: of a tree or path that it wrote
        why, again = error.found, None
    if again is None or again.patch != patch or again.target != target:
        raise DigestMismatch(
            f"the message just written does not regenerate the patch: {why}",
            expected="the same numbers from the model each time",
            remedy="author it again; if that does not help, report a defect of this program",
        )


def _write(
    base: Tree,
    patch: bytes,
    final: Counted,
    pin: bytes,
    effort: Effort,
    executor: Executor | None,
    report: Report,
) -> Recipe:
    """The recipe, with the wanted seed source or the one that makes it shortest."""
    unseeded = Recipe(
        pin=pin,
        baseline=base.digest,
        patch_digest=sha256(patch)[:PATCH_DIGEST_BYTES],
        seed_source=SeedSource.GREEDY,
        stream=b"",
        blobs=b"".join(plan.blob for plan in final.score.plans),
    )
    seeds = SeedEffort(
        effort.seed_source,
        effort.max_seeds,
        effort.force,
        effort.drawn_state,
        effort.tell_pace,
        executor,
    )
    return with_seed(unseeded, final.counter, seeds, report)
