"""Any tree pair round-trips: what the ground writes, the probe regenerates, byte for byte.

The codec is run with models that know nothing, so that no text is likely and every path through it
is taken; classical deltas, which such models always lose to, are forced out of the way.
"""

from __future__ import annotations

import itertools

import pytest
from codec_ends import check_round_trip, files, plans, read, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_codec import random_model
from tree_pairs import pairs

from groundstation.authoring.author import Effort, author
from shared.diff import unified_diff
from shared.errors import PinError
from shared.exact.pin import load_pin, resolve_pin
from shared.prompts.changeset import Codec
from shared.prompts.language_model.pinned import PinnedModel
from shared.prompts.settings import INVERSE_TEMPERATURES, LINES_AFTER, LINES_BEFORE, Settings, Shape
from shared.tree import Entry, Mode, Tree


def gentle(examples: int) -> settings:
    """So many examples, however long each takes."""
    return settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


MODELS = {"crossing": random_model(3), "words": random_model(5, words=True)}
MODEL = MODELS["crossing"]

SETTINGS = st.builds(
    Settings,
    shape=st.sampled_from(list(Shape)),
    before=st.integers(0, len(LINES_BEFORE) - 1),
    after=st.integers(0, len(LINES_AFTER) - 1),
    temperature=st.integers(0, len(INVERSE_TEMPERATURES) - 1),
)
SHAPES = pytest.mark.parametrize("shape", list(Shape), ids=lambda shape: shape.name.lower())

WORDS = [
    b"", b"x", b"y", b"}", b"    x", b"        return aa;", b"int x = y;", b"\tif (a) {", b"  ",
    b"\t", b"+x", b"-y", b" x", b"+", b"@@ @@", b"```", b"End of file", b"<|endoftext|>",
    "é😀".encode(), "é".encode(), b"a\rb", b"\r", b"x\r", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    b"a (old version):", b"\\ No newline at end of file", b"    \\",
]  # fmt: skip


@st.composite
def edits(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A text and another that shares lines with it, drawn so that lines often repeat."""
    few = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6))
    old = draw(st.lists(st.sampled_from(few), max_size=draw(st.sampled_from([3, 12, 60, 150]))))
    new = list(old)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(new)))
        removed = draw(st.sampled_from([0, 0, 1, 1, 2, 5]))
        new[at : at + removed] = draw(st.lists(st.sampled_from(few + WORDS), max_size=3))
    ends = draw(st.sampled_from([(b"\n", b"\n")] * 3 + [(b"\r\n", b"\r\n"), (b"\r\n", b"\n")]))
    made = []
    for lines, end in zip((old, new), ends, strict=True):
        data = b"".join(line + end for line in lines)
        unended = draw(st.sampled_from([False, False, True]))
        made.append(data[: -len(end)] if unended and data else data)
    return made[0], made[1]


@gentle(200)
@given(pair=edits(), setting=SETTINGS, inside=st.booleans(), words=st.booleans())
def test_any_edit_of_a_text_is_written_by_the_model(
    pair: tuple[bytes, bytes], setting: Settings, inside: bool, words: bool
) -> None:
    old, new = pair
    model = MODELS["words" if words else "crossing"]
    base, target = files(a__c=old), files(a__c=new)
    if old == new:
        return
    wanted = plans(base, target, model, inside=inside)
    assert [plan.codec for plan in wanted] == [Codec.MODEL]
    made = read(write(base, target, model, setting, wanted=wanted), base, lambda: model)
    assert made.target == target
    assert made.patch == unified_diff(base, target)


@gentle(60)
@given(pair=pairs(), setting=SETTINGS, inside=st.booleans())
def test_any_pair_of_trees_is_written_by_the_model_where_it_can(
    pair: tuple[Tree, Tree], setting: Settings, inside: bool
) -> None:
    """Several files, renames, links, modes, binary files and odd paths, all in one message."""
    check_round_trip(*pair, MODEL, setting, inside=inside)


@gentle(40)
@given(pair=pairs())
def test_any_pair_of_trees_is_authored(pair: tuple[Tree, Tree]) -> None:
    """The author's own choice of codecs and settings, checked here once more."""
    base, target = pair
    if base == target:
        return
    made = author(base, target, MODEL, effort=Effort(check=True))
    again = read(made.recipe, base, lambda: MODEL)
    assert again.target == target
    assert again.patch == made.patch == unified_diff(base, target)


QUEUE = b"""\
#include "queue.h"

int queue_take(struct queue *q, int *out)
{
    if (q->count == 0) {
        return -1;
    }
    *out = q->items[q->head];
    q->head = (q->head + 1) % QUEUE_SIZE;
    q->count--;
    return 0;
}
"""
QUEUE_H = b"""\
#define QUEUE_SIZE 16

struct queue {
    int items[QUEUE_SIZE];
    int head, count;
};
"""
OLD = b"int x;\n\nint y(void)\n{\n    return 1;\n}\n\nint z;\n"
LINK = Entry(Mode.SYMLINK, b"a.c")


def regular(data: bytes) -> Entry:
    """A plain file."""
    return Entry(Mode.REGULAR, data)


CASES: dict[str, tuple[dict[str, Entry], dict[str, Entry | None]]] = {
    "two hunks": (
        {"a.c": regular(OLD)},
        {"a.c": regular(OLD.replace(b"1", b"x + 2").replace(b"int z", b"char z"))},
    ),
    "first line": ({"a.c": regular(OLD)}, {"a.c": regular(b"char" + OLD[3:])}),
    "before the first line": ({"a.c": regular(OLD)}, {"a.c": regular(b"/* new */\n" + OLD)}),
    "last line": ({"a.c": regular(OLD)}, {"a.c": regular(OLD[:-2] + b" = 3;\n")}),
    "after the last line": ({"a.c": regular(OLD)}, {"a.c": regular(OLD + b"\nint w;\n")}),
    "first and last line deleted": (
        {"a.c": regular(OLD)},
        {"a.c": regular(OLD[7:].replace(b"int z;\n", b""))},
    ),
    "all lines deleted": ({"a.c": regular(OLD)}, {"a.c": regular(b"")}),
    "all lines replaced": ({"a.c": regular(OLD)}, {"a.c": regular(b"nothing\nof it\n")}),
    "hunks one line apart": (
        {"a.c": regular(b"a\nx\nb\n\nc\n    d\n    e\nf\n")},
        {"a.c": regular(b"A\nx\nB\n\n    d\nE\nf\nf\n")},
    ),
    "replaced, blank line, deleted": (
        {"a.c": regular(b"a\n\n    b\nc\n")},
        {"a.c": regular(b"A\n\nc\n")},
    ),
    "inserted text equals what follows": (
        {"a.c": regular(b"a\nint x;\nb\nc\n")},
        {"a.c": regular(b"a\nint x;\nb\nint x;\nb\nc\n")},
    ),
    "inserted text holds what follows": (
        {"a.c": regular(b"a\n\nb\n\nc\n")},
        {"a.c": regular(b"a\n\nx\n\nb\ny\n\nb\n\nc\n")},
    ),
    "starts with the line that is replaced": (
        {"a.c": regular(b"a\nb\nc\n")},
        {"a.c": regular(b"a\nb b\nb\nc\n")},
    ),
    "blank lines among blank lines": (
        {"a.c": regular(b"a\n" + b"\n" * 30 + b"b\n")},
        {"a.c": regular(b"a\n" + b"\n" * 32 + b"b\n" + b"\n" * 9)},
    ),
    "blank lines only": ({"a.c": regular(b"\n" * 40)}, {"a.c": regular(b"\n" * 41)}),
    "fences": (
        {"a.md": regular(b"```\nx\n```\n")},
        {"a.md": regular(b"```\nx\n```\n```\n```\n```")},
    ),
    "end of file": (
        {"a": regular(b"x\n\nEnd of file\n")},
        {"a": regular(b"x\n\nEnd of file\n\nEnd of file\n\n")},
    ),
    "a diff": (
        {"a": regular(b"@@ @@\n+x\n-y\n z\n")},
        {"a": regular(b"@@ @@\n+x\n+x\n z\n--- a\n+++ a\n\n")},
    ),
    "lone carriage returns": (
        {"a": regular(b"a\rb\nc\n")},
        {"a": regular(b"a\rb\rb\r\r\n\rc\nd\r\n")},
    ),
    "CRLF stays": (
        {"a.c": regular(OLD.replace(b"\n", b"\r\n"))},
        {"a.c": regular(OLD.replace(b"\n", b"\r\n").replace(b"z", b"zz"))},
    ),
    "CRLF to LF": ({"a": regular(b"a\r\nb\r\n")}, {"a": regular(b"a\nb\n")}),
    "LF to CRLF and an edit": ({"a": regular(b"a\nb\n")}, {"a": regular(b"a\r\nc\r\n")}),
    "mixed line ends": ({"a": regular(b"a\r\nb\nc\r\n")}, {"a": regular(b"a\r\nb\r\nc\n")}),
    "CRLF without the last": ({"a": regular(b"a\r\nb\r\n")}, {"a": regular(b"a\r\nb")}),
    "no final newline, old": ({"a": regular(b"a\nb")}, {"a": regular(b"a\nb\n")}),
    "no final newline, new": ({"a": regular(b"a\nb\n")}, {"a": regular(b"a\nb")}),
    "no final newline, both": ({"a": regular(b"a\nb")}, {"a": regular(b"a\nc")}),
    "unended carriage return": ({"a": regular(b"a\r\nb\r")}, {"a": regular(b"a\r\nc\r\r")}),
    "not UTF-8": ({"a": regular(b"a\n\xff\xfe\n")}, {"a": regular(b"b\n\xff\xfe\n")}),
    "becomes UTF-8": ({"a": regular(b"a\n\xff\n")}, {"a": regular(b"a\n\xc3\xa9\n")}),
    "a byte that no token has": ({"a": regular(b"a\nb\n")}, {"a": regular(b"a\n\x04\n")}),
    "binary": ({"a": regular(bytes(range(256)))}, {"a": regular(bytes(range(255, -1, -1)))}),
    "empty to text": ({"a": regular(b"")}, {"a": regular(b"a\n")}),
    "text to empty": ({"a": regular(b"a")}, {"a": regular(b"")}),
    "new empty file": ({"a": regular(b"a")}, {"b": regular(b"")}),
    "new file": ({"a": regular(OLD)}, {"d/b.c": regular(OLD + b"```\nx\n")}),
    "new file of one newline": ({"a": regular(OLD)}, {"b": regular(b"\n")}),
    "new file that does not end its line": ({}, {"b": regular(b"```")}),
    "new script": ({}, {"bin/run.sh": Entry(Mode.EXECUTABLE, b"#!/bin/sh\r\nexec x\r\n")}),
    "deleted": ({"a": regular(OLD), "b": regular(b"b")}, {"a": None}),
    "all deleted": ({"a": regular(OLD), "b": LINK}, {"a": None, "b": None}),
    "renamed": ({"a.c": regular(OLD)}, {"a.c": None, "src/b.c": regular(OLD)}),
    "renamed and edited": (
        {"a.c": regular(OLD)},
        {"a.c": None, "src/b.c": Entry(Mode.EXECUTABLE, OLD.replace(b"1", b"2"))},
    ),
    "two swap their names": (
        {"a": regular(OLD), "b": regular(b"b\n")},
        {"b": regular(OLD), "a": regular(b"b\n")},
    ),
    "mode": ({"a": regular(OLD)}, {"a": Entry(Mode.EXECUTABLE, OLD)}),
    "mode and text": ({"a": Entry(Mode.EXECUTABLE, b"x\n")}, {"a": regular(b"y\n")}),
    "new link": ({"a.c": regular(OLD)}, {"l": LINK}),
    "link moves": ({"l": LINK}, {"l": Entry(Mode.SYMLINK, b"../b \xff\n")}),
    "file to link": ({"l": regular(b"a.c")}, {"l": LINK}),
    "link to file": ({"l": LINK}, {"l": regular(b"a.c")}),
    "link to script": ({"l": LINK}, {"l": Entry(Mode.EXECUTABLE, b"#!x\n")}),
    "link deleted": ({"l": LINK}, {"l": None}),
    "a file where a folder was": ({"d/a": regular(OLD)}, {"d/a": None, "d": regular(OLD)}),
    "a folder where a file was": ({"d": regular(OLD)}, {"d": None, "d/a/b": regular(b"x\n")}),
    "odd paths": (
        {'a "b"\n\t\\é': regular(OLD), "\udcff": regular(b"x\n"), "--- a": regular(b"y\n")},
        {'a "b"\n\t\\é': regular(OLD + b"x\n"), "\udcff": None, "x\udcfe": regular(b"z\n")},
    ),
    "a path that no token can spell": (
        {"\x04": regular(OLD), "\U00040000": regular(OLD)},
        {"\x04": regular(OLD + b"x\n"), "\U00040000": regular(b"y\n"), "\x04\x04": regular(b"z\n")},
    ),
    "unicode at the seams": (
        {"a": regular("é\nxé\n😀 a\n".encode())},
        {"a": regular("éé\nxéé\n😀😀 a\n".encode())},
    ),
    "special tokens": (
        {"a": regular(b"<|endoftext|>\nx\n")},
        {"a": regular(b"<|endoftext|><|im_start|>\nx<|im_end|>\n")},
    ),
}
"""Name: baseline, and what changes in it."""


@pytest.mark.parametrize("name", CASES)
def test_every_case_round_trips(name: str) -> None:
    """Each in every prompt shape, by words and by bytes, by lines and inside them; and authored."""
    entries, edits = CASES[name]
    base = Tree(entries)
    target = base.replace(edits)
    assert base != target
    for shape, model, inside in itertools.product(Shape, MODELS.values(), (False, True)):
        check_round_trip(base, target, model, Settings(shape=shape, after=2), inside=inside)
    made = author(base, target, MODEL)
    assert read(made.recipe, base, lambda: MODEL).target == target


# --- with the real model ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def smollm2() -> PinnedModel:
    """The default model, as ``make test`` fetches it."""
    try:
        return PinnedModel.open(load_pin(resolve_pin("smollm2-135m")))
    except PinError as error:
        pytest.fail(f"{error}; run `groundstation model fetch smollm2-135m` first")


REAL = {
    "a rule in C": (
        {"fsw/src/queue.c": regular(QUEUE)},
        {"fsw/src/queue.c": regular(QUEUE.replace(b"count == 0", b"count == 0 || out == NULL"))},
    ),
    "two files and a name": (
        {"fsw/src/queue.c": regular(QUEUE), "fsw/src/queue.h": regular(QUEUE_H)},
        {
            "fsw/src/queue.c": regular(QUEUE.replace(b"QUEUE_SIZE", b"QUEUE_DEPTH")),
            "fsw/src/queue.h": regular(QUEUE_H.replace(b"QUEUE_SIZE 16", b"QUEUE_DEPTH 32")),
        },
    ),
    "Windows line ends": (
        {"tool/sum.py": regular(b"import sys\r\n\r\nprint(len(sys.argv))\r\n")},
        {"tool/sum.py": regular(b"import sys\r\n\r\nprint(sum(map(int, sys.argv[1:])))\r\n")},
    ),
    "a new file": ({}, {"fsw/version.py": regular(b'__version__ = "1.2.0"\n')}),
}


@pytest.mark.model
@pytest.mark.parametrize("name", REAL)
def test_the_real_model_writes_patches(smollm2: PinnedModel, name: str) -> None:
    """In fewer bytes than zstd needs with the old file, and back byte for byte."""
    entries, edits = REAL[name]
    base = Tree(entries)
    target = base.replace(edits)
    made = author(base, target, smollm2, effort=Effort(max_candidates=2, check=False))
    assert [file.codec for file in made.files] == ["model"] * len(edits)
    assert made.payload_bytes < sum(file.classical_bytes for file in made.files)
    again = read(made.recipe, base, lambda: smollm2)
    assert again.target == target
    assert again.patch == made.patch


@pytest.mark.model
@SHAPES
def test_the_real_vocabulary_has_no_seams(smollm2: PinnedModel, shape: Shape) -> None:
    """Lines, blanks and letters that its tokens join with what follows, in each shape."""
    old = "if x:\n    y = 1\n\n\n    z()\n\n        é = 2  # 😀\n\treturn\n<|endoftext|>\n".encode()
    new = "if xx:\n    y = 1\n\n\n\n    z()\n        ê = 22  # 😀😀\n\t\treturn\n<|im_end|>\n\n"
    base, target = files(a__py=old, b=b"x  \n"), files(a__py=new.encode(), b=b"x \r \n\n")
    for inside in (False, True):
        check_round_trip(base, target, smollm2, Settings(shape=shape, after=2), inside=inside)
