"""Definitions against Python's own parser, and what the author makes of excerpts and hints."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from codec_ends import files, plans, read, write
from hypothesis import given
from hypothesis import strategies as st
from test_explain import MODEL, check
from tiny_codec import bigram_model, vocabulary

from groundstation.authoring.author import Effort, author
from groundstation.scoring.candidate import Problem
from groundstation.scoring.evaluator import InProcess
from groundstation.scoring.options import options
from groundstation.scoring.score import count
from groundstation.search.excerpts import (
    candidate_hints,
    candidate_references,
    fits,
    site_of,
    with_hint,
    with_references,
)
from groundstation.search.greedy import search_greedy, surprised
from groundstation.search.retrieval import Definition, Wanted, cut, offered, rank
from groundstation.search.search import search
from groundstation.search.steps import first_candidate
from shared.errors import InputError
from shared.exact.pin import load_pin, resolve_pin
from shared.prompts.changeset import Codec, FilePlan
from shared.prompts.context.excerpts import Reference
from shared.prompts.language_model.pinned import PinnedModel
from shared.prompts.settings import Settings
from shared.seeds.coins import SeedSource
from shared.terminal import silent
from shared.tree import Entry, Mode, Tree, changes

SOURCES = sorted((Path(__file__).parents[1] / "groundstation").rglob("*.py"))[::4]


def by_ast(text: bytes) -> set[tuple[int, int]]:
    """First line, decorators included, and line after the last, of every def and class."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {
        (min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1, node.end_lineno)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, kinds) and node.end_lineno is not None
    }


def spans(path: str, text: bytes) -> list[tuple[int, int]]:
    return [(each.start, each.end) for each in cut(path, text)]


def test_python_is_cut_as_its_own_parser_does() -> None:
    assert len(SOURCES) > 30
    for source in SOURCES:
        text = source.read_bytes()
        assert set(spans("x.py", text)) == by_ast(text), source
        assert spans("x.py", text.replace(b"\n", b"\r\n")) == spans("x.py", text)


PIECES = st.lists(
    st.sampled_from(
        [
            "def a(x):\n    return x\n", "@b\n@c(1,\n   2)\ndef d():\n    def e(): pass\n\n",
            "class F(G):\n    h = 1\n\n    async def i(self):\n        '''\n def no():\n'''\n",
            "x = [\n1]\n", "# def j():\n", "\n", "if x:\n    class K: pass\n",
        ]
    ),
    max_size=6,
)  # fmt: skip


@given(PIECES)
def test_any_python_is_cut_as_its_own_parser_does(pieces: list[str]) -> None:
    text = "".join(pieces).encode()
    assert set(spans("a/b.PY", text)) == by_ast(text)


def test_c_and_other_texts() -> None:
    """By hand; what is only named is no definition; a typedef is one with what it holds."""
    text = b"""\
#define A 1
struct named;
typedef struct {
    int x;
} pair_t;

static struct named *f(int a)
{
    return 0;
}
enum e {
    B,
};
"""
    assert spans("a.c", text) == [(0, 1), (2, 5), (6, 10), (10, 13)]
    cpp = b"template <class T>\nclass P {\n  int q() { return 1; }\n};\n"
    assert spans("a.hpp", cpp) == [(0, 4), (2, 3)]
    assert spans("a.txt", b"x\n" * 20) == [(0, 16), (8, 20)]
    assert spans("a.txt", b"x") == [(0, 1)]
    assert spans("a.py", b"\xff") == [] == spans("a.py", b"")
    assert offered(Definition("a", 5, 500)) == Definition("a", 5, 29)


NEEDED = b"def retry_after(seconds):\n    return clamp(seconds, 1, 60)\n"
BUS = b"class Bus:\n    def poll(self):\n        return self.value\n"
OTHER = b"def other(a, b):\n    return a + b\n"


def test_the_definition_that_a_patch_calls_comes_first() -> None:
    tree = files(a__py=OTHER + NEEDED + BUS, b__py=OTHER)
    wanted = Wanted("a.py", BUS, b"        return retry_after(self.value)\n")
    found = rank(tree, wanted, {"a.py": range(4, 7)}, list(tree), 8)
    assert found[0] == Definition("a.py", 2, 4)
    hidden = {"a.py": range(2, 4)}
    assert Definition("a.py", 2, 4) not in rank(tree, wanted, hidden, list(tree), 8)
    assert len(rank(tree, wanted, {}, list(tree), 1)) == 1
    assert found == rank(tree, wanted, {"a.py": range(4, 7)}, list(reversed(list(tree))), 8)


def one_choice(old: bytes, new: bytes) -> tuple[Tree, list[FilePlan], object]:
    base, target = files(a__py=old), files(a__py=new)
    (choice,) = (options(change, MODEL.vocabulary) for change in changes(base, target))
    return base, plans(base, target, MODEL), choice


def test_candidates_can_all_be_said() -> None:
    old = OTHER + b"x = 1\n" * 90 + NEEDED + b"x = 2\n" * 40 + BUS
    new = old.replace(b"return self.value", b"return retry_after(self.value)")
    base, (plan,), choice = one_choice(old, new)
    found = candidate_references(base, choice, plan, Settings(before=3, after=2))  # type: ignore[arg-type]
    assert found[0] == Reference("a.py", 92, 2)
    _, (idle,), other = one_choice(old, old + b"        return self\n")
    assert candidate_references(base, other, idle, Settings()) == []  # type: ignore[arg-type]
    site, _ = site_of(base, choice, plan, Settings())  # type: ignore[arg-type]
    assert all(site.can_name(each, site.files()) for each in found)


def test_hints_are_what_is_said_then_what_is_repeated() -> None:
    """Names on board are no hints; the longest that comes most often is first."""
    new = b"clock = tick + tick\nseconds = longer(tick, longer, other)\n"
    _, (plan,), choice = one_choice(OTHER, OTHER + new)
    found = list(candidate_hints(choice, plan, "Use  longer tick\nnow"))  # type: ignore[arg-type]
    assert found == [b" Use longer tick now", b" longer", b" tick"]
    assert list(candidate_hints(choice, plan, "")) == [b" tick", b" longer"]  # type: ignore[arg-type]
    assert fits(MODEL.vocabulary, b" tick") and not fits(MODEL.vocabulary, b"z" * 25)
    assert not fits(MODEL.vocabulary, b"\x04") and not fits(MODEL.vocabulary, b"")


# --- what the author makes of them --------------------------------------------------------------

REPEATED = b"alpha = 1\n" + b"y = 2\n" * 30


def test_a_name_that_was_said_is_recalled_where_it_is_written() -> None:
    """With a model that knows nothing each letter costs a byte; what was said is recalled."""
    base = files(a__py=REPEATED)
    new = REPEATED.replace(b"y = 2\n", b"zqjwkvx = zqjwkvx\n", 3)
    target = files(a__py=new)
    choices = [options(change, MODEL.vocabulary) for change in changes(base, target)]
    problem = Problem(base, tuple(choices))
    local = InProcess(problem, MODEL)
    found = search(problem, local, MODEL.vocabulary, lambda n: n >= 90, silent, hint="zqjwkvx")
    first = first_candidate(choices)
    told = count(problem, with_hint(first, 0, b" zqjwkvx"), MODEL)
    plain = count(problem, first, MODEL).counter.tally
    assert told.counter.tally.token_bits < plain.token_bits - 50
    assert told.counter.tally.prompt_bits > plain.prompt_bits + 50
    assert found.scored > 10
    assert {"references", "hints"} & {step.kind for step in found.tried}
    made = author(base, target, MODEL, effort=Effort(hint="zqjwkvx", max_candidates=90))
    assert read(made.recipe, base, lambda: MODEL).target == target


def test_explain_tells_excerpts_and_hints_by_cause() -> None:
    """Its sums are the message's bits; the hint's tokens are not the file's."""

    base, target = (
        files(a__py=REPEATED, b__c=BUS),
        files(a__py=REPEATED + b"z\n", b__c=BUS + b"z\n"),
    )
    for hint, references in (
        (b" a hint", (Reference("b.c", 0, 2),)),
        (b"", (Reference("a.py", 3, 2), Reference("b.c", 1, 1))),
        (b"```\n", ()),
    ):
        wanted = [
            replace(plan, hint=hint, references=references) for plan in plans(base, target, MODEL)
        ]
        found = check(base, target, MODEL, wanted, Settings())
        causes = {part.name: part for part in found.parts}
        assert causes["references"].bits > 5 and causes["references"].meaning
        assert ("hint" in causes) == (bool(hint) or bool(references))
        for file in found.files:
            assert dict(file.bits_of)["references"] > 0
            for hunk in file.hunks:
                assert {"references", "hint"}.isdisjoint(dict(hunk.bits_of))


WORDS = vocabulary()
ID = {text: token for token, text in enumerate(WORDS.spelling) if text}
SMALL, CHANGED = files(f=b"a\nb\nc\n"), files(f=b"a\nx\nc\n")


def nearly(logit: float) -> PinnedModel:
    """Would rather write "q" than "x" after "a", whose logit this is."""
    likely = {ID[b"```\n"]: {ID[b"a\n"]: 9.0}, ID[b"a\n"]: {ID[b"x\n"]: logit, ID[b"q"]: 9.0}}
    return bigram_model(likely, WORDS)


CHOICES = tuple(options(change, WORDS) for change in changes(SMALL, CHANGED))
PROBLEM = Problem(SMALL, CHOICES)


def test_a_hint_makes_the_first_choice_right() -> None:
    """Told "a" and "x" in the hint, it recalls that the one follows the other."""
    model = nearly(8.99)
    start = count(PROBLEM, first_candidate(CHOICES), model)
    assert surprised(SMALL, start.score, model) == [(b"a\n", b"x\n")]
    local = InProcess(PROBLEM, model)
    found = search_greedy(PROBLEM, local, model, lambda n: n > 300, silent)
    assert found.best is not None and not found.best.result.surprises
    assert found.best.plans[0].codec is Codec.MODEL
    assert found.best.plans[0].hint
    assert found.scored > 1
    effort = Effort(seed_source=SeedSource.GREEDY, max_candidates=300)
    made = author(SMALL, CHANGED, model, effort=effort)
    assert made.recipe.seed_source is SeedSource.GREEDY
    assert not made.recipe.seed
    assert made.files[0].hint == found.best.plans[0].hint.decode().strip()
    assert read(made.recipe, SMALL, lambda: model).target == CHANGED


@pytest.mark.parametrize("most", [3, 25])
def test_greedy_is_refused_clearly(most: int) -> None:
    """A model that will not be persuaded."""
    model = nearly(6.5)
    with pytest.raises(InputError, match="the budget ended") as refusal:
        search_greedy(PROBLEM, InProcess(PROBLEM, model), model, lambda n: n >= most, silent)
    assert "first choice is wrong at 1 of 2 tokens" in refusal.value.found
    assert "--seed-source coded" in str(refusal.value)
    effort = Effort(seed_source=SeedSource.GREEDY, max_candidates=3)
    with pytest.raises(InputError, match="the budget ended"):
        author(SMALL, CHANGED, model, effort=effort)


# --- with the real model ------------------------------------------------------------------------

CLOCK = b"""\
import time


def monotonic_seconds_since_reboot(counter, ticks_per_second):
    return counter.ticks / ticks_per_second


def wait(seconds):
    time.sleep(seconds)
"""
LOOP = b"""\
from clock import wait


def run(bus, counter):
    while True:
        bus.poll()
        wait(1)
"""


@pytest.mark.model
def test_an_excerpt_of_the_module_that_is_called_pays() -> None:
    """The name and the arguments stand on board, but not in the changed file."""
    model = PinnedModel.open(load_pin(resolve_pin("smollm2-135m")))
    base = files(clock__py=CLOCK, loop__py=LOOP)
    new = LOOP.replace(b"import wait", b"import monotonic_seconds_since_reboot, wait").replace(
        b"        wait(1)\n",
        b"        bus.time = monotonic_seconds_since_reboot(counter, bus.ticks_per_second)\n"
        b"        wait(1)\n",
    )
    target = base.replace({"loop.py": Entry(Mode.REGULAR, new)})
    choices = [options(change, model.vocabulary) for change in changes(base, target)]
    plain = choices[0].model
    assert plain is not None
    found = candidate_references(base, choices[0], plain, Settings())
    assert found[0] == Reference("clock.py", 3, 2)
    problem = Problem(base, tuple(choices))
    first = first_candidate(choices)
    without = count(problem, first, model)
    with_one = count(problem, with_references(first, 0, tuple(found[:1])), model)
    assert with_one.counter.tally.bits < without.counter.tally.bits - 10
    recipe = write(base, target, model, wanted=with_one.score.plans)
    assert read(recipe, base, lambda: model).target == target


@pytest.mark.model
def test_a_real_model_is_persuaded_to_write_a_patch_without_a_seed() -> None:
    """It would rather leave the number as it is; told the line, it writes the line."""
    model = PinnedModel.open(load_pin(resolve_pin("smollm2-135m")))
    base = files(a__py=b"import time\n\ndef f(x):\n    return x + 1\n")
    target = files(a__py=b"import time\n\ndef f(x):\n    return x + 2\n")
    coded = author(base, target, model, effort=Effort(max_candidates=4, check=False))
    assert coded.surprises
    made = author(
        base, target, model, effort=Effort(seed_source=SeedSource.GREEDY, max_candidates=60)
    )
    assert not made.surprises and not made.recipe.seed
    assert made.recipe.seed_source is SeedSource.GREEDY
    assert b"2" in made.files[0].hint.encode()
    assert made.payload_bytes > coded.payload_bytes
    assert read(made.recipe, base, lambda: model).target == target
