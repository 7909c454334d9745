"""Excerpts and hints: both ends rank alike, everything can be said, and saying nothing is free."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import pytest
from codec_ends import Recorder, files, follow, plans, read, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_codec import random_model

from groundstation.scoring.options import options
from groundstation.search.excerpts import site_of
from shared.diff import unified_diff
from shared.errors import RegenerationError, RehydrationError
from shared.prompts.changeset import FilePlan
from shared.prompts.context.excerpts import MAX_REFERENCES, Reference, ranked_weight
from shared.prompts.context.hint import MAX_TOKENS
from shared.prompts.context.preface import NONE_WEIGHTS
from shared.prompts.settings import Settings, Shape
from shared.prompts.text.blocks import MAX_BLOCK_LINES, block_end, blocks, text_lines
from shared.prompts.text.file_similarity import query_of, rank_blocks, rank_files
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import DecisionCounter
from shared.tree import Entry, Mode, Tree, changes

MODEL = random_model(3)
SHAPES = pytest.mark.parametrize("shape", list(Shape), ids=lambda shape: shape.name.lower())

QUEUE = b"""\
#include "queue.h"

#define LIMIT 12

static int wrap(int place)
{
    return place % LIMIT;
}

int queue_take(struct queue *q, int *out)
{
    if (q->count == 0) {
        return -1;
    }
    q->head = wrap(q->head + 1);
    return 0;
}
"""
POLL = b"""\
import time


@cached(
    size=3,
)
def poll(bus, seconds):
    # asks again
    while not bus.ready:
        time.sleep(seconds)

    return bus.value


class Bus:
    def ready(self):
        return self.value is not None


LIMIT = 3
OTHER = 4
"""
BASE = Tree(
    {
        "src/queue.c": Entry(Mode.REGULAR, QUEUE),
        "src/queue.h": Entry(Mode.REGULAR, b"struct queue {\r\n    int head, count;\r\n};"),
        "py/poll.py": Entry(Mode.EXECUTABLE, POLL),
        "py/empty": Entry(Mode.REGULAR, b""),
        "py/binary": Entry(Mode.REGULAR, b"queue\xff\xfe\nqueue_take\n"),
        "py/link": Entry(Mode.SYMLINK, b"poll.py"),
        "notes": Entry(Mode.REGULAR, "é\nqueue_take\n\n\nwrap x".encode()),
    }
)
TEXTS = ("notes", "py/poll.py", "src/queue.c", "src/queue.h")
TARGET = BASE.replace(
    {
        "src/queue.c": Entry(Mode.REGULAR, QUEUE.replace(b"return -1", b"return -2")),
        "py/poll.py": Entry(Mode.EXECUTABLE, POLL.replace(b"LIMIT = 3", b"LIMIT = 5;\nx")),
        "src/new.c": Entry(Mode.REGULAR, b"int x;\n"),
    }
)


@st.composite
def references(draw: st.DrawFn) -> Reference:
    path = draw(st.sampled_from(TEXTS))
    lines = len(text_lines(BASE[path].data) or ())
    start = draw(st.integers(0, lines - 1))
    return Reference(path, start, draw(st.integers(1, lines - start)))


HINTS = st.sampled_from(
    [b"", b" wrap", b"x", "é😀".encode(), b"\n\n", b" int y = 3;\n+x", b"`" * 23]
)
PREFACES = st.tuples(st.lists(references(), max_size=MAX_REFERENCES).map(tuple), HINTS)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    prefaces=st.tuples(PREFACES, PREFACES, PREFACES),
    shape=st.sampled_from(list(Shape)),
    before=st.integers(0, 3),
    recall=st.sampled_from([0, 3]),
    inside=st.booleans(),
)
def test_any_preface_comes_back(
    prefaces: tuple[tuple[tuple[Reference, ...], bytes], ...],
    shape: Shape,
    before: int,
    recall: int,
    inside: bool,
) -> None:
    """Old and new files, excerpts of themselves and of others, in each shape."""
    wanted = [
        replace(plan, references=some, hint=hint)
        for plan, (some, hint) in zip(
            plans(BASE, TARGET, MODEL, inside=inside), prefaces, strict=True
        )
    ]
    chosen = Settings(shape, before=before, recall=recall)
    recipe = write(BASE, TARGET, MODEL, chosen, wanted=wanted)
    recorder = Recorder(MODEL)
    made = read(recipe, BASE, lambda: recorder)
    assert made.target == TARGET
    assert made.patch == unified_diff(BASE, TARGET)
    text = b"".join(recorder.read(k) for k in range(len(recorder.texts)))
    for plan in wanted:
        assert b"Subject:" + plan.hint + b"\n\n" in text or not plan.hint
        for each in plan.references:
            lines = (text_lines(BASE[each.path].data) or ())[each.start : each.start + each.lines]
            mark = b" " if shape is Shape.DIFF else b""
            assert b"\n" + b"".join(mark + line for line in lines) in text


def one_file(**more: object) -> list[FilePlan]:
    """The plan of the change in C alone."""
    base, target = BASE, BASE.replace({"src/queue.c": TARGET["src/queue.c"]})
    (plan,) = plans(base, target, MODEL)
    return [replace(plan, **more)]  # type: ignore[arg-type]


def bits(wanted: list[FilePlan], chosen: Settings | None = None) -> dict[str, float]:
    counter = DecisionCounter()
    follow(counter, BASE, wanted, chosen or Settings(), MODEL)
    assert not math.isnan(counter.tally.bits)
    return dict(counter.tally.bits_of)


def test_no_preface_is_nearly_free() -> None:
    found = bits(one_file())
    assert found["references"] == pytest.approx(math.log2(25 / 24)) and found["references"] < 0.1
    assert "hint" not in found
    three = bits(plans(BASE, TARGET, MODEL))
    assert three["references"] == pytest.approx(math.log2(25 / 24 * 33 / 32 * 41 / 40))
    assert NONE_WEIGHTS == (24, 1)


def test_a_likely_definition_is_cheap() -> None:
    """The function that the changed lines call, then the first one of another file."""
    small = Settings(before=3, after=2)  # 12 lines above, 4 below
    lines = QUEUE.splitlines(keepends=True)
    plain = bits(one_file(), small)["references"]
    used = math.log2(25 / 1)
    count = math.log2(25 / 8)
    hint = bits(one_file(references=(Reference("src/queue.c", 2, 1),)), small)["hint"]
    assert hint == pytest.approx(math.log2(4 / 3))
    # the window starts at line 0: its own file comes last, and others are shown from
    for reference, most in (
        (Reference("src/queue.h", 0, 3), 4.0),
        (Reference("py/poll.py", 3, 9), 8.0),
    ):
        found = bits(one_file(references=(reference,)), small)["references"]
        assert plain < found - used - count < most, reference
    assert len(lines) == 17


@SHAPES
def test_every_rank_is_reached(shape: Shape) -> None:
    """Every line and every length of every text, and the probe reads back the same."""
    for path in TEXTS:
        lines = len(text_lines(BASE[path].data) or ())
        for start in range(lines):
            for count in {1, 2, lines - start} & set(range(1, lines - start + 1)):
                wanted = one_file(references=(Reference(path, start, count),))
                counter = DecisionCounter()
                tree, _ = follow(counter, BASE, wanted, Settings(shape), MODEL)
                assert tree["src/queue.c"] == TARGET["src/queue.c"]
                assert 0 < counter.tally.bits_of["references"] < 40


@pytest.mark.parametrize(
    "wrong",
    [
        {"references": (Reference("py/binary", 0, 1),)},
        {"references": (Reference("py/empty", 0, 1),)},
        {"references": (Reference("py/link", 0, 1),)},
        {"references": (Reference("no such file", 0, 1),)},
        {"references": (Reference("notes", 5, 1),)},
        {"references": (Reference("notes", 4, 2),)},
        {"references": (Reference("notes", 2, 0),)},
        {"references": (Reference("notes", -1, 1),)},
        {"references": (Reference("notes", 0, 1),) * (MAX_REFERENCES + 1)},
        {"hint": b"\x04"},
        {"hint": b"\xff"},
        {"hint": b"z" * (MAX_TOKENS + 1)},
    ],
)
def test_what_cannot_be_said_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RegenerationError):
        bits(one_file(**wrong))


def test_excerpts_that_do_not_fit_are_refused() -> None:
    """The positions of the model are the limit, on both ends."""
    big = BASE.replace({"big": Entry(Mode.REGULAR, b"int some = value;\n" * 190)})
    target = big.replace({"notes": Entry(Mode.REGULAR, b"x\n")})
    (plan,) = plans(big, target, MODEL)
    wanted = [replace(plan, references=(Reference("big", 0, 80),) * 2)]
    recipe = write(big, target, MODEL, wanted=wanted)
    assert read(recipe, big, lambda: MODEL).target == target
    narrow = random_model(3, positions=1024)
    with pytest.raises(RegenerationError, match="1024 tokens"):
        write(big, target, narrow, wanted=wanted)
    with pytest.raises(RegenerationError, match="1024 tokens"):
        read(recipe, big, lambda: narrow)


def test_no_excerpt_of_nothing() -> None:
    """A tree without texts: a hint may come, an excerpt cannot be meant."""
    base, target = files(b=b"\xff"), files(b=b"\xff", c__py=b"x\n")
    wanted = [replace(plan, hint=b" x") for plan in plans(base, target, MODEL)]
    assert read(write(base, target, MODEL, wanted=wanted), base, lambda: MODEL).target == target
    with pytest.raises(RegenerationError, match="excerpts"):
        write(base, target, MODEL, wanted=[
            replace(plan, references=(Reference("b", 0, 1),)) for plan in wanted
        ])  # fmt: skip


def test_a_damaged_stream_is_refused_or_gives_another_tree() -> None:
    """Never anything but the project's own errors."""
    wanted = one_file(references=(Reference("py/poll.py", 3, 9),), hint=b" wrap")
    target = BASE.replace({"src/queue.c": TARGET["src/queue.c"]})
    recipe = write(BASE, target, MODEL, wanted=wanted)
    damage = random.Random(5)
    refused = 0
    for cut in range(0, len(recipe.stream), 2):
        flipped = bytearray(recipe.stream)
        flipped[cut] ^= 1 << damage.randrange(8)
        for stream in (recipe.stream[:cut], bytes(flipped)):
            try:
                made = read(replace(recipe, stream=stream), BASE, lambda: MODEL)
            except RehydrationError:
                refused += 1
            else:
                assert made.target != target
    assert refused


def test_hints_are_coded_with_a_greedy_seed_too() -> None:
    """What steers the model is never left to what the model would say."""
    counter = DecisionCounter()
    follow(counter, BASE, one_file(hint=b" wrap x"), Settings(), MODEL)
    plain = DecisionCounter()
    follow(plain, BASE, one_file(), Settings(), MODEL)
    assert counter.tally.tokens == plain.tally.tokens
    longer = len(counter.stream(SeedSource.GREEDY)) - len(plain.stream(SeedSource.GREEDY))
    assert longer >= counter.tally.bits_of["hint"] / 8 - 1 > 1


# --- ranking ------------------------------------------------------------------------------------


def test_blocks_of_python_and_c() -> None:
    """By hand: first line and line after the last."""
    assert [(each.start, each.end) for each in blocks(POLL)] == [
        (0, 1), (3, 12), (6, 12), (14, 17), (15, 17), (19, 21)
    ]  # fmt: skip
    assert [(each.start, each.end) for each in blocks(QUEUE)] == [(2, 3), (4, 8), (9, 17)]
    lines = (b"f(\n", b"x\n", b")\n", b"y\n") + (b"  z\n",) * 300
    assert block_end(lines, 0) == MAX_BLOCK_LINES


def test_ranks_do_not_depend_on_order_or_repetition() -> None:
    """The same for a tree made in another order, and again."""
    query = query_of(QUEUE.splitlines(keepends=True), range(9, 16), 11, 12)
    first = rank_files(BASE, "src/queue.c", "src/queue.c", True, query)
    assert first[0] == "src/queue.c"
    assert first[1] == "src/queue.h"
    assert sorted(first) == sorted(TEXTS)
    again = Tree(dict(reversed(list(BASE.items()))))
    shuffled = dict(sorted(query.items(), reverse=True))
    assert rank_files(again, "src/queue.c", "src/queue.c", True, shuffled) == first
    assert rank_files(BASE, "src/queue.c", "src/queue.c", False, query)[-1] == "src/queue.c"
    ranked = rank_blocks(QUEUE, range(9, 16), query)
    assert ranked == rank_blocks(QUEUE, range(9, 16), shuffled)
    assert ranked[0].start == 4  # wrap is called
    weights = [ranked_weight(rank) for rank in range(6000)]
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] == 1 and weights[0] == 1 << 23


def test_the_ground_foresees_what_the_probe_ranks() -> None:
    """Its site is that of the transcription: the likeliest file is coded as the first."""
    base, target = BASE, BASE.replace({"src/queue.c": TARGET["src/queue.c"]})
    (choice,) = (options(change, MODEL.vocabulary) for change in changes(base, target))
    for before, after in itertools.product(range(4), range(4)):
        chosen = Settings(before=before, after=after)
        assert choice.model is not None
        site, old = site_of(base, choice, choice.model, chosen)
        assert old == "src/queue.c"
        ranks = site.files()
        found = [
            bits([replace(choice.model, references=(Reference(path, 0, 1),))], chosen)["references"]
            - math.log2(site.starts(path).sum() / site.starts(path)[0])
            - math.log2(site.lengths(path, 0).sum() / site.lengths(path, 0)[0])
            for path in ranks
        ]
        assert found == sorted(found)
        assert len({round(each, 9) for each in found}) == len(found)
