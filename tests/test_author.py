"""Authoring: the seed sources, never more than the classical delta, limits, accounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from codec_ends import Recorded, files, follow, no_model, plans, read, write
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray
from tiny_codec import bigram_model, random_model, vocabulary
from tree_pairs import pairs

from groundstation.authoring.author import Effort, author
from groundstation.authoring.result import Authored
from groundstation.scoring.options import MAX_MODEL_BYTES, options
from shared.diff import unified_diff
from shared.errors import DigestMismatch, InputError
from shared.message.recipe import Recipe
from shared.prompts.language_model.model import LanguageModel, Session
from shared.prompts.language_model.wrapped import WrappedModel, WrappedSession
from shared.prompts.settings import Settings, Shape
from shared.seeds.coins import DrawnCoins, SeedSource, seed_from_bytes
from shared.tree import Entry, Mode, Tree, changes

MODEL = random_model(3, positions=8192)
WORDS = vocabulary()
ID = {text: token for token, text in enumerate(WORDS.spelling) if text}

BASE = files(f=b"a\nb\nc\n")
TARGET = files(f=b"a\nx\nc\n")
SURE = bigram_model({ID[b"```\n"]: {ID[b"a\n"]: 9.0}, ID[b"a\n"]: {ID[b"x\n"]: 20.0}}, WORDS)
"""Writes that patch by itself: the last known line again, then the new one."""
UNSURE = bigram_model(
    {
        ID[b"```\n"]: {ID[b"a\n"]: 9.0},
        ID[b"a\n"]: {ID[b"x\n"]: 8.0, ID[b"c\n"]: 8.5, ID[b"q"]: 9.0},
    },
    WORDS,
)
"""Would rather write something else, but not much rather."""


def classical(base: Tree, target: Tree, model: LanguageModel = MODEL) -> Recipe:
    """The same patch without any model."""
    found = [options(change, model.vocabulary).classical for change in changes(base, target)]
    return write(base, target, model, wanted=found)


def payload(recipe: Recipe) -> int:
    """Bytes that depend on the patch, and the length of the stream where one must be told."""
    blobs = len(recipe.blobs) + (len(recipe.blobs) > 0) * (1 + (len(recipe.stream) > 127))
    return len(recipe.stream) + len(recipe.seed) + blobs


# --- seed sources ---------------------------------------------------------------------------------


def test_greedy_when_the_model_writes_the_patch_by_itself() -> None:
    made = author(BASE, TARGET, SURE)
    assert made.recipe.seed_source is SeedSource.GREEDY
    assert made.recipe.seed == b""
    assert made.seed_bytes == 0
    assert made.surprises == 0
    assert made.tokens >= 2
    assert [file.codec for file in made.files] == ["model"]
    assert read(made.recipe, BASE, lambda: SURE).target == TARGET
    coded = author(BASE, TARGET, SURE, effort=Effort(SeedSource.CODED))
    assert coded.recipe.seed_source is SeedSource.CODED
    assert len(coded.recipe.stream) >= len(made.recipe.stream)
    assert read(coded.recipe, BASE, lambda: SURE).target == TARGET


def test_greedy_is_refused_when_the_model_would_write_something_else() -> None:
    with pytest.raises(InputError, match=r"first choice is wrong at 1 of \d+ tokens"):
        author(BASE, TARGET, UNSURE, effort=Effort(SeedSource.GREEDY))
    made = author(BASE, TARGET, UNSURE)
    assert made.recipe.seed_source is SeedSource.CODED
    assert made.surprises >= 1


def test_a_drawn_seed_is_the_first_that_draws_the_patch() -> None:
    """Found again by trying every seed with the probe's own coins."""
    effort = Effort(SeedSource.DRAWN, max_candidates=1)
    made = author(BASE, TARGET, UNSURE, effort=effort)
    assert made.recipe.seed_source is SeedSource.DRAWN
    seed = seed_from_bytes(made.recipe.seed)
    assert seed > 0
    remembered = Recorded()
    follow(remembered, BASE, plans(BASE, TARGET, UNSURE), Settings(), UNSURE)
    for tried in range(seed + 1):
        coins = DrawnCoins(tried)
        drawn = [coins.choose(frequencies) for frequencies in remembered.seen]
        assert (drawn == remembered.tokens) == (tried == seed)
    assert made.seed_bytes == len(made.recipe.seed) == 1
    assert read(made.recipe, BASE, lambda: UNSURE).target == TARGET


def test_a_seed_that_is_not_found_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"a drawn seed takes about \d+ trials \(1/P = 2\^2\.4"
    ) as raised:
        author(BASE, TARGET, UNSURE, effort=Effort(SeedSource.DRAWN, max_candidates=1, max_seeds=3))
    assert "coded" in str(raised.value.remedy)


def test_a_search_without_luck_ends_and_says_so() -> None:
    """Fewer trials were expected than there are, but the first seed that serves lies beyond."""
    unlucky = bigram_model(
        {
            ID[b"```\n"]: {ID[b"a\n"]: 9.0},
            ID[b"a\n"]: {ID[b"x\n"]: 6.7, ID[b"c\n"]: 8.5, ID[b"q"]: 9.0},
        },
        WORDS,
    )

    def drawn(max_seeds: int) -> Authored:
        effort = Effort(SeedSource.DRAWN, max_candidates=1, max_seeds=max_seeds)
        return author(BASE, TARGET, unlucky, effort=effort)

    assert seed_from_bytes(drawn(1000).recipe.seed) == 18
    assert seed_from_bytes(drawn(19).recipe.seed) == 18
    with pytest.raises(
        InputError, match=r"none of 18 seeds draws the patch; one in 2\^4\.\d"
    ) as raised:
        drawn(18)
    assert "--max-seeds" in str(raised.value.remedy)


@pytest.mark.parametrize("source", list(SeedSource))
def test_every_source_carries_a_patch_without_a_model(source: SeedSource) -> None:
    """Deletions, modes and deltas have no tokens: nothing is drawn, and any source will do."""
    base = files(a=b"x", b=bytes(range(256)))
    target = Tree({"b": Entry(Mode.EXECUTABLE, bytes(range(255, -1, -1)))})
    made = author(base, target, MODEL, effort=Effort(source))
    assert made.recipe.seed_source is source
    assert made.recipe.seed == b""
    assert read(made.recipe, base, no_model).target == target


# --- never worse ----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pair=pairs())
def test_never_more_than_the_classical_deltas(pair: tuple[Tree, Tree]) -> None:
    """With a model that knows nothing: at most the deltas alone, which are always considered."""
    base, target = pair
    if base == target:
        return
    made = author(base, target, MODEL, effort=Effort(max_candidates=3))
    assert payload(made.recipe) <= payload(classical(base, target))


@pytest.mark.parametrize("new", [b"q = %d\n" % 12345, bytes(range(97, 123)) * 3 + b"\n", b"", b"x"])
def test_one_file_costs_at_most_its_delta_and_three_bytes(new: bytes) -> None:
    """One for settings, path, mode and codec; one for the length of the stream; one of rounding."""
    old = b"".join(b"line %d of it\n" % number for number in range(50))
    base, target = files(a__py=old), files(a__py=old.replace(b"line 20 of it\n", new))
    made = author(base, target, MODEL)
    (file,) = made.files
    assert payload(made.recipe) <= file.classical_bytes + 3


def test_models_a_little_better_and_a_little_worse_than_the_delta() -> None:
    """From a sure model to one that finds the patch absurd: bytes rise up to the delta's."""
    target = files(f=b"a\nx\n}\nc\n")
    sizes, codecs = [], []
    for doubt in range(0, 31, 2):
        likely = {
            ID[b"```\n"]: {ID[b"a\n"]: 9.0},
            ID[b"a\n"]: {ID[b"x\n"]: 31.0 - doubt, ID[b"q"]: 31.0},
            ID[b"x\n"]: {ID[b"}\n"]: 31.0 - doubt, ID[b"q"]: 31.0},
        }
        model = bigram_model(likely, WORDS)
        made = author(BASE, target, model, effort=Effort(max_candidates=1))
        sizes.append(payload(made.recipe))
        codecs.append(made.files[0].codec)
    least = payload(classical(BASE, target))
    assert sizes == sorted(sizes)
    assert max(sizes) <= least + 1
    assert codecs == sorted(codecs, key=["model", "delta", "stored"].index)
    assert codecs[0] == "model" != codecs[-1]


def test_long_texts_are_not_offered_to_the_model() -> None:
    base = files(a=b"x\n")
    for lines in (MAX_MODEL_BYTES // 4, 4001):
        target = files(a=b"x\n" + b"abc\n" * (lines + 1))
        (change,) = changes(base, target)
        assert options(change, MODEL.vocabulary).model is None


def test_a_text_that_outgrows_the_model_takes_its_delta() -> None:
    """The file's window alone is longer than the model reads; the other file is still written."""
    small = random_model(3, positions=300)
    line = b"aaaa bbbb cccc dddd\n"
    base = files(a=line * 60, b=b"".join(b"%d\n" % k for k in range(9)))
    target = files(a=line * 30 + b"x\n" + line * 30, b=base["b"].data.replace(b"4\n", b""))
    made = author(base, target, small)
    assert [file.codec for file in made.files] == ["delta", "model"]
    assert read(made.recipe, base, lambda: small).target == target


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pair=pairs())
def test_a_model_of_few_positions_never_stops_the_author(pair: tuple[Tree, Tree]) -> None:
    base, target = pair
    if base == target:
        return
    small = random_model(4, positions=160)
    made = author(base, target, small, effort=Effort(max_candidates=5))
    assert read(made.recipe, base, lambda: small).target == target


# --- limits and accounts --------------------------------------------------------------------------


def test_the_same_tree_is_nothing_to_send() -> None:
    with pytest.raises(InputError, match="nothing to send"):
        author(BASE, BASE, MODEL)


def ticking(step_s: float) -> Callable[[], float]:
    """A clock that goes on by as much at every look."""
    now = [50.0]

    def clock() -> float:
        now[0] += step_s
        return now[0]

    return clock


def test_the_search_ends_with_its_time() -> None:
    slow = author(BASE, TARGET, UNSURE, effort=Effort(max_seconds=3.0), clock=ticking(1.0))
    none = author(BASE, TARGET, UNSURE, effort=Effort(max_seconds=0.0), clock=ticking(1.0))
    free = author(BASE, TARGET, UNSURE, clock=ticking(0.0))
    assert none.candidates == 1
    assert 1 < slow.candidates < free.candidates
    assert free.search_s == 0.0
    assert slow.search_s > 3.0
    assert payload(free.recipe) <= payload(slow.recipe) <= payload(none.recipe)


def test_the_search_ends_with_its_candidates() -> None:
    for most in (1, 2, 5):
        found = author(BASE, TARGET, UNSURE, effort=Effort(max_candidates=most))
        assert found.candidates == most


def test_the_same_trees_give_the_same_bytes() -> None:
    """Sessions are shared between candidates: what one has read must not show in another."""
    first = author(BASE, TARGET, UNSURE)
    assert author(BASE, TARGET, UNSURE).recipe == first.recipe
    fresh = write(BASE, TARGET, UNSURE, first.settings, wanted=None)
    inside = plans(BASE, TARGET, UNSURE, inside=True)
    again = write(BASE, TARGET, UNSURE, first.settings, wanted=inside)
    assert first.recipe in (fresh, again, replace(fresh, seed_source=first.recipe.seed_source))


def check_accounts(made: Authored) -> None:
    """Bytes of the parts and of the files add up to what is sent."""
    recipe = made.recipe
    assert made.prompt_bytes + made.seed_bytes + made.delta_bytes == made.payload_bytes
    assert made.payload_bytes == len(recipe.stream) + len(recipe.seed) + len(recipe.blobs)
    assert min(made.prompt_bytes, made.seed_bytes, made.delta_bytes) >= 0
    bits = sum(file.bits for file in made.files)
    assert made.prompt_bits + made.token_bits + 8 * made.delta_bytes == pytest.approx(bits, abs=9)
    if recipe.seed_source is SeedSource.CODED:
        assert 0 <= len(recipe.stream) + 1 - (made.prompt_bits + made.token_bits) / 8 <= 2.1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pair=pairs())
def test_accounts_of_any_patch(pair: tuple[Tree, Tree]) -> None:
    base, target = pair
    if base == target:
        return
    made = author(base, target, MODEL, effort=Effort(max_candidates=2))
    check_accounts(made)
    assert made.patch == unified_diff(base, target)
    assert [file.path for file in made.files] == [change.path for change in changes(base, target)]


def test_accounts_of_every_source() -> None:
    for source in (None, SeedSource.CODED, SeedSource.DRAWN):
        check_accounts(author(BASE, TARGET, UNSURE, effort=Effort(source)))
    check_accounts(author(BASE, TARGET, SURE))


def test_the_settings_chosen_are_those_that_cost_least() -> None:
    """A model that knows the diff shape alone: after "+" comes the new line."""
    likely = {ID[b"```\n"]: {ID[b"a\n"]: 1.0}, ID[b"+x"]: {ID[b"\n"]: 20.0}}
    likely |= {ID[b"\n"]: {ID[b"+x"]: 20.0}}
    shaped = bigram_model(likely, WORDS)
    made = author(BASE, TARGET, shaped)
    assert made.settings.shape is Shape.DIFF


# --- defects --------------------------------------------------------------------------------------


@dataclass
class Unsteady(WrappedModel):
    """A model that does not give the same numbers in batches as one by one: a broken kernel."""

    model: LanguageModel = UNSURE

    def session(self) -> Session:
        return UnsteadySession(self.model.session())


@dataclass
class UnsteadySession(WrappedSession):
    """One of its sessions."""

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        return self.inner.feed_scored(token_ids)[:, ::-1].copy()


@pytest.mark.parametrize("source", [SeedSource.CODED, SeedSource.DRAWN])
def test_a_message_that_does_not_regenerate_is_not_handed_out(source: SeedSource) -> None:
    """A coded one leads nowhere, a drawn one to another patch; it is the same defect."""
    with pytest.raises(DigestMismatch, match="just written does not regenerate") as caught:
        author(BASE, TARGET, Unsteady(), effort=Effort(source, max_candidates=1))
    assert caught.value.exit_code == 21
    unchecked = Effort(SeedSource.CODED, max_candidates=1, check=False)
    assert author(BASE, TARGET, Unsteady(), effort=unchecked).recipe.stream
