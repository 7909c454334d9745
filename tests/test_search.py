"""The search: what it considers, that numbers of candidates decide, what an interrupt leaves."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import pytest
from codec_ends import read
from patch_of_hunks import problem, trees
from tiny_codec import random_model

from groundstation.authoring.author import Effort, author
from groundstation.scoring.cached_model import ReusingModel
from groundstation.scoring.candidate import Candidate, stable_digest
from groundstation.scoring.evaluator import InProcess
from groundstation.scoring.score import Result, Score, cost, count, settle
from groundstation.search.search import Searched, search
from groundstation.search.steps import (
    VALUES,
    Order,
    first_candidate,
    hunk_steps,
    inside_steps,
    settings_steps,
    together,
)
from shared.message.wire import encode_message
from shared.prompts.changeset import Codec
from shared.prompts.rewrite import Hunk, apply_hunks
from shared.prompts.settings import Settings, Shape
from shared.prompts.text.line_endings import TextForm
from shared.terminal import silent

MODEL = random_model(1, positions=4096)
REUSING = ReusingModel(MODEL)
WORDS = MODEL.vocabulary
PROBLEM = problem(WORDS)
FIRST = first_candidate(PROBLEM.choices)


@dataclass
class Watched:
    """Counts for real, keeps what was asked for, and is interrupted after a number of them."""

    interrupted_at: int | None = None
    inner: InProcess = field(default_factory=lambda: InProcess(PROBLEM, REUSING))
    asked: list[Candidate] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def score_all(self, candidates: Sequence[Candidate]) -> Generator[Result]:
        self.batches.append(len(candidates))
        for candidate, result in zip(candidates, self.inner.score_all(candidates), strict=True):
            if len(self.asked) == self.interrupted_at:
                raise KeyboardInterrupt
            self.asked.append(candidate)
            yield result


def searched(
    watched: Watched, most: int = 1 << 20, order: Order | None = None, **more: Callable[[int], None]
) -> Searched:
    return search(PROBLEM, watched, WORDS, lambda n: n >= most, silent, order, **more)


@pytest.fixture(scope="module")
def whole() -> tuple[Watched, Searched]:
    watched = Watched()
    return watched, searched(watched)


@cache
def price(candidate: Candidate) -> tuple[float, float]:
    """By a model that remembers nothing."""
    return cost(PROBLEM.choices, count(PROBLEM, candidate, MODEL).score)


# --- candidates -----------------------------------------------------------------------------------


def test_a_digest_names_every_part_of_a_candidate() -> None:
    plan = FIRST.plans[0]
    hunk = replace(plan.hunks[0], text=plan.hunks[0].text + b"x\n")
    others = [
        replace(FIRST, settings=Settings(after=1)),
        replace(FIRST, settings=Settings(before=1)),
        replace(FIRST, settings=Settings(shape=Shape.PLAIN)),
        replace(FIRST, plans=FIRST.plans[:-1]),
        replace(FIRST, plans=(replace(plan, hunks=(hunk, *plan.hunks[1:])), *FIRST.plans[1:])),
        replace(FIRST, plans=(replace(plan, codec=Codec.DELTA), *FIRST.plans[1:])),
        replace(FIRST, plans=(replace(plan, blob=b"\0"), *FIRST.plans[1:])),
    ]
    digests = [each.digest for each in (FIRST, *others)]
    assert len(set(digests)) == len(digests)
    assert Candidate(Settings(), (*FIRST.plans,)).digest == FIRST.digest


def test_digests_tell_values_apart_that_are_written_alike() -> None:
    values = (
        1,
        True,
        "1",
        b"1",
        1.0,
        None,
        (1,),
        ((1,),),
        (1, 1),
        ("", "1"),
        ("1", ""),
        "None",
        (),
    )
    assert len({stable_digest(value) for value in values}) == len(values)
    assert stable_digest((1, [2])) == stable_digest([1, (2,)])
    assert stable_digest(Shape.DIFF) == stable_digest(int(Shape.DIFF))
    # the same in every process, so it may be written to a file: a literal
    assert stable_digest((7, "é", b"\0")) == (
        "ecdf8754e2c9bfc1edb25440361fd809804645d9c0facac253d4dc23af3c23b2"
    )
    with pytest.raises(TypeError, match="set has no stable digest"):
        stable_digest({1})


# --- steps ----------------------------------------------------------------------------------------


def test_steps_of_settings_are_all_other_values() -> None:
    start = replace(FIRST, settings=Settings(shape=Shape.PLAIN, after=2))
    for coordinate, size in VALUES.items():
        steps = settings_steps(start, coordinate, Order())
        assert len(steps) == size - 1
        for step in steps:
            differing = [
                name
                for name in VALUES
                if getattr(step.candidate.settings, name) != getattr(start.settings, name)
            ]
            assert differing == [coordinate]
            assert step.what == f"{coordinate}={int(getattr(step.candidate.settings, coordinate))}"


def test_an_order_puts_first_what_it_names_and_leaves_nothing_out() -> None:
    order = Order(("recall", "nonsense", "shape"), {"recall": (3, 77, 1)})
    assert order.all_coordinates() == ("recall", "shape", "temperature", "before", "after")
    assert order.all_values("recall") == (3, 1, 0, 2)
    assert order.all_values("shape") == (0, 1, 2)


def texts(candidate: Candidate) -> list[bytes | None]:
    """What the hunks of each change lead to; None where another codec carries it."""
    found: list[bytes | None] = []
    for choice, plan in zip(PROBLEM.choices, candidate.plans, strict=True):
        assert choice.change.old is not None
        old = TextForm.of(choice.change.old.data).normalise(choice.change.old.data)
        found.append(apply_hunks(old, plan.hunks) if plan.codec is Codec.MODEL else None)
    return found


def test_every_step_of_hunks_leads_to_the_same_text() -> None:
    wanted = texts(FIRST)
    steps = [*inside_steps(FIRST, PROBLEM.choices), *hunk_steps(FIRST, PROBLEM.choices, 0, WORDS)]
    assert {step.what for step in steps} >= {"all inside", "inside", "slide -1", "slide -2"}
    for step in steps:
        assert step.candidate != FIRST
        assert texts(step.candidate) == wanted
        if step.hunk >= 0:
            pairs = zip(FIRST.plans[0].hunks, step.candidate.plans[0].hunks, strict=True)
            assert [n for n, (one, two) in enumerate(pairs) if one != two] == [step.hunk]


def test_steps_together_are_all_that_stay_apart() -> None:
    steps = hunk_steps(FIRST, PROBLEM.choices, 0, WORDS)
    chosen = list({step.hunk: step for step in steps}.values())
    joined = together(FIRST, 0, chosen)
    assert joined is not None
    assert texts(joined.candidate) == texts(FIRST)
    for step in chosen:
        at = step.hunk
        assert joined.candidate.plans[0].hunks[at] == step.candidate.plans[0].hunks[at]
    assert together(FIRST, 0, chosen[:1]) is None


def test_hunks_that_slide_towards_each_other_do_not_meet() -> None:
    """Two insertions among equal lines, with three lines between them: both may move two."""
    plan = FIRST.plans[0]
    start = replace(
        FIRST,
        plans=(replace(plan, hunks=(Hunk(2, 2, b"x\n"), Hunk(5, 5, b"x\n"))), *FIRST.plans[1:]),
    )
    down, up = (
        next(s for s in hunk_steps(start, PROBLEM.choices, 0, WORDS) if (s.hunk, s.what) == wanted)
        for wanted in ((0, "slide +2"), (1, "slide -2"))
    )
    assert together(start, 0, [down, up]) is None
    assert together(start, 0, [up, down]) is None
    near = next(s for s in hunk_steps(start, PROBLEM.choices, 0, WORDS) if s.what == "slide -1")
    wide = next(s for s in hunk_steps(start, PROBLEM.choices, 0, WORDS) if s.what == "slide +1")
    both = together(start, 0, [near, wide])
    assert both is not None
    assert texts(both.candidate) == texts(start)


# --- the search -----------------------------------------------------------------------------------


def test_a_search_ends_where_no_step_gains(whole: tuple[Watched, Searched]) -> None:
    """Every neighbour of what was found, counted by a model that remembers nothing."""
    _, found = whole
    assert found.best is not None
    best, least = found.best.candidate, price(found.best.candidate)
    steps = [each for name in VALUES for each in settings_steps(best, name, Order())]
    steps += inside_steps(best, PROBLEM.choices)
    for k in range(len(PROBLEM.choices)):
        steps += hunk_steps(best, PROBLEM.choices, k, WORDS)
    assert len(steps) > 20
    assert min(price(step.candidate) for step in steps) >= least


def test_what_is_found_is_the_cheapest_of_all_that_were_asked_for(
    whole: tuple[Watched, Searched],
) -> None:
    watched, found = whole
    assert found.best is not None
    assert len(watched.asked) == found.scored == len(found.tried) + 1
    assert len({each.digest for each in watched.asked}) == found.scored
    prices = [price(each) for each in watched.asked]
    assert price(found.best.candidate) == min(prices)
    assert max(watched.batches) > 5


def test_moves_are_a_chain_from_the_first_candidate_to_the_best(
    whole: tuple[Watched, Searched],
) -> None:
    _, found = whole
    assert found.best is not None
    assert {move.kind for move in found.moves} == {"settings", "hunks"}
    assert found.moves[0].bits_before == price(FIRST)[1]
    assert found.moves[-1].bits_after == price(found.best.candidate)[1]
    for one, two in zip(found.moves, found.moves[1:], strict=False):
        assert one.bits_after == two.bits_before


def test_a_number_of_candidates_is_kept_to_the_letter(whole: tuple[Watched, Searched]) -> None:
    watched, found = whole
    for most in (1, 2, 9, 17, found.scored - 1):
        short = Watched()
        part = searched(short, most)
        assert part.scored == most
        assert short.asked == watched.asked[:most]
        assert part.best is not None
        assert price(part.best.candidate) == min(map(price, watched.asked[:most]))


def test_an_order_changes_what_is_tried_first(whole: tuple[Watched, Searched]) -> None:
    watched = Watched()
    searched(watched, 4, Order(("temperature",), {"temperature": (2, 1)}))
    # the first, then all hunks inside their lines, then the settings
    assert [each.settings.temperature for each in watched.asked] == [0, 0, 2, 1]
    assert whole[0].asked[1].settings == Settings()
    assert whole[0].asked[1].plans != whole[0].asked[0].plans
    assert whole[0].asked[2].settings == Settings(recall=1)


def test_an_interrupt_at_any_candidate_keeps_the_best_before_it(
    whole: tuple[Watched, Searched],
) -> None:
    watched, found = whole
    prices = [price(each) for each in watched.asked]
    for at in (0, 1, 2, 7, 16, 17, 30, found.scored - 1):
        told: list[int] = []
        part = searched(Watched(at), tell_interrupt=told.append)
        assert part.interrupted and told == [at] == [part.scored]
        if at == 0:
            assert part.best is None
            continue
        assert part.best is not None
        assert cost(PROBLEM.choices, part.best) == min(prices[:at])
        last = part.moves[-1].bits_after if part.moves else prices[0][1]
        assert last == cost(PROBLEM.choices, part.best)[1]


@pytest.mark.parametrize("reads", [0, 1, 2, 5, 40, 300])
def test_a_model_that_is_interrupted_anywhere_still_gives_right_numbers(reads: int) -> None:
    """Ctrl-C in the middle of reading, then the best so far is counted, written and checked."""
    base, target = trees()
    left = [reads]

    def impatient(stage: str, done: int, _: int) -> None:
        if stage == "prompts" and done > reads and left:
            left.clear()
            raise KeyboardInterrupt

    effort = Effort(max_seconds=1e9, tell_interrupt=lambda _: None)
    made = author(base, target, MODEL, effort=effort, report=impatient)
    assert made.interrupted == (not left)
    assert read(made.recipe, base, lambda: MODEL).target == target


@dataclass
class Priced:
    """Counts nothing: the bytes of the first change are what a function says."""

    bytes_of: Callable[[set[str]], int]
    asked: list[set[str]] = field(default_factory=list)

    def score_all(self, candidates: Sequence[Candidate]) -> Generator[Result]:
        for candidate in candidates:
            done = set()
            pairs = zip(FIRST.plans[0].hunks, candidate.plans[0].hunks, strict=True)
            for n, (old, new) in enumerate(pairs):
                done |= {f"{n} inside"} if new.inside else set()
                done |= {f"{n} slide {new.start - old.start}"} if new.start != old.start else set()
            self.asked.append(done)
            size = self.bytes_of(done)
            yield Result((), (8.0 * size, 8.0 * size, 8.0 * size), 0.0, 8.0 * size, 9, 9, size)


def test_what_gains_alone_is_taken_together_the_best_of_each_hunk() -> None:
    saves = {"0 inside": 3, "1 slide -2": 5, "1 slide -1": 2, "2 inside": -1, "3 slide -1": 4}
    priced = Priced(lambda done: 14 - sum(saves.get(each, -2) for each in done))
    found = search(PROBLEM, priced, WORDS, lambda _: False, silent)
    assert found.best is not None
    assert found.best.result.stream_bytes == 14 - 3 - 5 - 4
    assert [move.what for move in found.moves] == ["slide -2", "together"]
    assert [move.bits_before - move.bits_after for move in found.moves] == [40.0, 56.0]
    assert found.moves[0].where == "a.c, hunk 2"


def test_what_does_not_go_together_is_left_to_the_next_round() -> None:
    """Both gain alone, and cost more together; a third gains only beside the better of them."""

    def size(done: set[str]) -> int:
        if {"1 slide -2", "3 slide -1"} <= done:
            return 99
        if {"1 slide -2", "0 inside"} <= done:
            return 4 + len(done)
        return (
            14 - 3 * ("3 slide -1" in done) - 5 * ("1 slide -2" in done) + 7 * ("0 inside" in done)
        )

    priced = Priced(size)
    found = search(PROBLEM, priced, WORDS, lambda _: False, silent)
    assert [move.what for move in found.moves] == ["slide -2", "inside"]
    assert {"1 slide -2", "3 slide -1"} in priced.asked
    assert found.best is not None and found.best.result.stream_bytes == 6


# --- in the end -----------------------------------------------------------------------------------


def test_no_model_at_all_is_always_considered() -> None:
    """Whatever the search found, a message of deltas alone is taken where it is shorter."""
    local = InProcess(PROBLEM, MODEL)
    plain = local.recount(Candidate.classical(PROBLEM.choices))
    dear = local.recount(replace(FIRST, settings=Settings(Shape.DIFF, 3, 3, 3, 3)))
    assert settle(PROBLEM.choices, dear, local.recount).score.wire_bytes <= plain.score.wire_bytes


def test_wire_bytes_are_what_a_message_grows_by() -> None:
    """Against whole encoded messages: one with nothing in it, and the counted ones."""
    base, target = trees()
    for most in (1, 12):
        made = author(base, target, MODEL, effort=Effort(max_candidates=most))
        recipe = made.recipe
        result = Result((), (), 0.0, 0.0, 0, 0, len(recipe.stream))
        plans = (replace(FIRST.plans[0], blob=recipe.blobs),)
        score = Score(Candidate(Settings(), plans), result)
        bare = len(encode_message(replace(recipe, stream=b"", blobs=b"", seed=b""), 1))
        assert score.wire_bytes == len(encode_message(replace(recipe, seed=b""), 1)) - bare


def test_a_text_that_cannot_be_read_is_told_in_the_result() -> None:
    small = random_model(3, positions=220)
    long = problem(small.vocabulary, 12)
    first = first_candidate(long.choices)
    found = count(long, first, small)
    assert found.score.result.classical == (0,)
    assert found.score.plans[0].codec is not Codec.MODEL
    assert Score.of(long.choices, first, found.score.result) == found.score
