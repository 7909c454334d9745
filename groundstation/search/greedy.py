"""Prompts after which the model's first choice is right at every token: no seed is needed at all.

What is searched are settings, hunks inside their lines, excerpts, and a hint that grows by the
tokens that the model would not have written: each candidate is transcribed, and the one with the
fewest surprises is kept, of equal ones the one whose tokens have the fewest bits.  What surprises
nowhere is then made shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from groundstation.scoring.candidate import Candidate, Problem
from groundstation.scoring.evaluator import Evaluator
from groundstation.scoring.score import Score, cheapest
from groundstation.search.excerpts import (
    candidate_hints,
    fits,
    more_references,
    single_references,
    with_hint,
    with_plan,
    with_references,
)
from groundstation.search.search import Searched, Tried
from groundstation.search.steps import (
    HINTS,
    REFERENCES,
    Order,
    Step,
    first_candidate,
    hunk_steps,
    inside_steps,
    settings_steps,
)
from shared.errors import InputError
from shared.lines import split_lines
from shared.prompts.changeset import Codec, FilePlan, transcribe
from shared.prompts.context.transcripts import Desk
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.text.line_class import WORD
from shared.regenerate import ReceivedBlobs
from shared.seeds.decisions import DecisionCounter
from shared.seeds.sampler import Frequencies, most_frequent
from shared.terminal import Report
from shared.tree import Tree

MOST_PIECES = 12
"""Additions to a hint that are tried before the best of them is taken."""

CONTEXT_TOKENS = 2
"""Tokens before a surprising one that a hint says with it."""

_NEEDLESS = ("temperature",)
"""Settings that rarely change a first choice are tried last."""


@dataclass
class _Greediest:
    """The candidate with the fewest surprises so far."""

    problem: Problem
    evaluator: Evaluator
    model: LanguageModel
    stops: Callable[[int], bool]
    report: Report
    score: Score
    scored: int = 1
    tried: list[Tried] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def done(self) -> bool:
        """Whether no first choice is wrong."""
        return not self.score.result.surprises

    def stopped(self) -> bool:
        """Whether nothing is to be tried any more."""
        return self.done() or self.stops(self.scored)

    def try_out(self, kind: str, what: str, candidate: Candidate) -> bool:
        """Counts a candidate and keeps it if it has fewer surprises; whether it did."""
        if candidate.digest in self._seen:
            return False
        self._seen.add(candidate.digest)
        found = score_one(self.problem, self.evaluator, candidate)
        self.scored += 1
        surprises = self.score.result.surprises
        self.report("surprises left", self.scored, self.scored + surprises)
        self.tried.append(Tried(kind, what, _bits(self.score), _bits(found)))
        # a file that had to take its delta has no surprises, and is not what was looked for
        if found.plans != candidate.plans or key(found) >= key(self.score):
            return False
        self.score = found
        return True


def score_one(problem: Problem, evaluator: Evaluator, candidate: Candidate) -> Score:
    """The score of a single candidate."""
    with closing(evaluator.score_all([candidate])) as results:
        return Score.of(problem.choices, candidate, next(results))


def key(score: Score) -> tuple[int, float]:
    """What is made small: surprises; then the tokens' bits, or bytes where nothing surprises."""
    if score.result.surprises:
        return score.result.surprises, score.result.token_bits
    return 0, score.wire_bytes


def _bits(score: Score) -> float:
    return score.result.prompt_bits + score.result.token_bits


def search_greedy(
    problem: Problem,
    evaluator: Evaluator,
    model: LanguageModel,
    stops: Callable[[int], bool],
    report: Report,
    hint: str = "",
) -> Searched:
    """Finds a prompt after which the model writes the patch by itself.

    Args:
        problem: the patch.
        evaluator: counts candidates.
        model: the pinned model, which says where it is surprised.
        stops: whether to stop after so many candidates were counted.
        report: told of progress.
        hint: what the engineer says of the patch.

    Raises:
        InputError: none was found before the budget ended, or before nothing was left to try.
    """
    first = first_candidate(problem.choices)
    score = score_one(problem, evaluator, first)
    # what a classical codec sends in fewer bytes is sent by it: nothing in it can surprise
    plans = cheapest(problem.choices, score)
    if plans != list(score.plans):
        score = score_one(problem, evaluator, replace(first, plans=tuple(plans)))
    best = _Greediest(problem, evaluator, model, stops, report, score)
    gained = True
    while gained and not best.stopped():
        gained = _vary_hunks(best)
        gained |= _grow_hints(best, hint)
        gained |= _vary_settings(best)
        gained |= not best.stopped() and _vary_references(best)
    if not best.done():
        result = best.score.result
        why = "the budget ended" if stops(best.scored) else "nothing was left to try"
        raise InputError(
            f"the model's first choice is wrong at {result.surprises} of {result.tokens} tokens "
            f"after the best of {best.scored} prompts; {why}",
            expected="a prompt after which the model writes the patch by itself",
            remedy="use --seed-source coded, raise --budget, or say with --hint what changes",
        )
    _shorten(best)
    return Searched(best.score, best.scored, (), tuple(best.tried), False)


def _shorten(best: _Greediest) -> None:
    """Leaves out of the prompt what it does not need, as long as nothing surprises."""
    for k in range(len(best.problem.choices)):
        for shorter in (_without_reference, _without_word):
            for other in shorter(best.score.plans[k]):
                if best.stops(best.scored):
                    return
                candidate = with_plan(best.score.candidate, k, other)
                best.try_out(HINTS, "left out", candidate)


def _without_reference(plan: FilePlan) -> Iterator[FilePlan]:
    for each in plan.references:
        yield replace(plan, references=tuple(one for one in plan.references if one != each))


def _without_word(plan: FilePlan) -> Iterator[FilePlan]:
    """Shorter and shorter hints, from either end."""
    words = plan.hint.split(b" ")
    for kept in range(1, len(words)):
        yield replace(plan, hint=b" ".join(words[:kept]))
        yield replace(plan, hint=b"".join(b" " + word for word in words[-kept:]))


def surprised(base: Tree, score: Score, model: LanguageModel) -> list[tuple[bytes, bytes]]:
    """The tokens that are not the model's first choice, in order, each once.

    Returns:
        What the tokens written just before it spell, and what it spells.
    """
    watcher = _Watcher()
    transcribe(
        watcher,
        base,
        lambda settings: Desk(lambda: model, settings, lambda _: None),
        ReceivedBlobs(b"".join(plan.blob for plan in score.plans)),
        score.plans,
        score.settings,
        lambda _: None,
    )
    spell = model.vocabulary.spell
    found = [
        (spell(watcher.tokens[max(0, place - CONTEXT_TOKENS) : place]), spell([token]))
        for place, token in enumerate(watcher.tokens)
        if place in watcher.surprised
    ]
    return list(dict.fromkeys(found))


class _Watcher(DecisionCounter):
    """Keeps the tokens, and the places of those that surprise."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[int] = []
        self.surprised: set[int] = set()

    def token(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        index = super().token(frequencies, wanted, label)
        if most_frequent(frequencies) != index:
            self.surprised.add(len(self.tokens))
        self.tokens.append(index)
        return index


def _vary_hunks(best: _Greediest) -> bool:
    """Inside their lines fewer tokens are written, so fewer can be wrong."""
    choices, vocabulary = best.problem.choices, best.model.vocabulary
    gained = _try_steps(best, inside_steps(best.score.candidate, choices))
    for k in range(len(choices)):
        gained |= _try_steps(best, hunk_steps(best.score.candidate, choices, k, vocabulary))
    return gained


def _vary_settings(best: _Greediest) -> bool:
    gained = False
    order = Order()
    for coordinate in sorted(order.all_coordinates(), key=lambda name: name in _NEEDLESS):
        gained |= _try_steps(best, settings_steps(best.score.candidate, coordinate, order))
    return gained


def _try_steps(best: _Greediest, steps: Sequence[Step]) -> bool:
    """Tries one step after another; whether any was kept."""
    gained = False
    for step in steps:
        if best.stopped():
            break
        gained |= best.try_out(step.kind, step.what, step.candidate)
    return gained


def _vary_references(best: _Greediest) -> bool:
    """Each excerpt alone, then one more beside the best."""
    gained = False
    vocabulary = best.model.vocabulary
    for k in range(len(best.problem.choices)):
        if best.score.plans[k].codec is not Codec.MODEL or not best.score.plans[k].hunks:
            continue
        found = single_references(best.problem, best.score.candidate, k, vocabulary)
        for wanted in ([(each,) for each in found], None):
            shown = best.score.plans[k].references
            for each in wanted or more_references(best.problem, shown, found, vocabulary):
                if best.stopped():
                    return gained
                candidate = with_references(best.score.candidate, k, each)
                gained |= best.try_out(REFERENCES, f"{len(each)} shown", candidate)
    return gained


def _grow_hints(best: _Greediest, text: str) -> bool:
    """Lengthens the hints, each time by the piece that leaves the fewest surprises."""
    gained = False
    for k, choice in enumerate(best.problem.choices):
        if best.score.plans[k].codec is not Codec.MODEL:
            continue
        said = candidate_hints(choice, best.score.plans[k], text)
        for hint in (*_surprising_lines(best, k), *said):
            gained |= _try_hint(best, k, hint)
        growing = True
        while growing and not best.stopped():
            now = best.score.plans[k].hint
            growing = False
            for piece in _pieces(best, k)[:MOST_PIECES]:
                growing |= _try_hint(best, k, now + piece)
            gained |= growing
    return gained


def _try_hint(best: _Greediest, k: int, hint: bytes) -> bool:
    if best.stopped() or not fits(best.model.vocabulary, hint):
        return False
    candidate = with_hint(best.score.candidate, k, hint)
    return best.try_out(HINTS, f"{len(hint)} bytes", candidate)


def _surprising_lines(best: _Greediest, k: int) -> list[bytes]:
    """Hints that say a new line beforehand, those first that surprise first."""
    new = b"".join(hunk.text for hunk in best.score.plans[k].hunks)
    lines = [b" " + line.strip() for line in split_lines(new)]
    hearts = [token.strip() for _, token in surprised(best.problem.base, best.score, best.model)]
    found = [line for heart in hearts if heart for line in lines if heart in line]
    return list(dict.fromkeys(found))[:MOST_PIECES]


def _pieces(best: _Greediest, k: int) -> list[bytes]:
    """What a hint may grow by: a surprising token, the same with what comes before, word, line."""
    new = b"".join(hunk.text for hunk in best.score.plans[k].hunks)
    lines, words = split_lines(new), WORD.findall(new)
    pieces: list[bytes] = []
    for before, token in surprised(best.problem.base, best.score, best.model):
        heart = token.strip()
        if not heart or heart not in new:
            continue
        pieces += [token, before + token]  # what stood so before is recalled
        pieces += [b" " + word for word in words if heart in word]
        pieces += [b" " + line.strip() for line in lines if heart in line]
    return list(dict.fromkeys(pieces))
