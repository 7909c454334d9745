"""Weights of places and counts: an oracle line by line, literal values, ranges, purity."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.prompts.places import hunk_places
from shared.prompts.places.hunk_place_tables import TABLES
from shared.prompts.places.hunk_places import LocusRanker
from shared.prompts.text.line_class import indent, kind_of_line, opening_word
from shared.seeds.interval import MAX_TOTAL

LINES = [
    b"#include <a.h>\n",
    b"\n",
    b"/* clip */\n",
    b"int clip(int x)\n",
    b"{\n",
    b"    return limit(x, 10);\n",
    b"}\n",
    b"static int limit(int x, int most)\n",
    b"    return clip(x) + limit(x, 12);\n",
]
WORDS = st.sampled_from(
    [b"", b"int x;", b"x = y(x);", b"return y;", b"# z", b"}", b"\xff", b"x y z", b'  """a']
)
TEXTS = st.lists(WORDS.map(lambda line: line + b"\n"), max_size=40)


def taught() -> LocusRanker:
    ranker = LocusRanker(LINES)
    ranker.learn(5, 6, b"    return clamp(x, 10);\n")
    return ranker


def sums(choice: str, rows: dict[str, list[int]], place: int) -> int:
    return sum(int(TABLES[choice][name][values[place]]) for name, values in rows.items())


def plain_weight(score: int) -> int:
    return round(256 * 2 ** ((score & 7) / 8)) << (score >> 3)


def test_the_first_place_by_hand() -> None:
    """Near 0, an include after what counts as blank: first word ``include``, 14 letters."""
    opening = opening_word(b"include")
    assert opening > 1
    rows = {
        "head_near": [0], "head_here": [1], "head_before": [0], "opening": [opening],
        "length": [1], "indent": [0], "quoted": [0],
    }  # fmt: skip
    found = LocusRanker(LINES).start_features(0)
    assert {name: values[:1].tolist() for name, values in found.items()} == rows
    weights = LocusRanker(LINES).starts(0)
    assert weights[0] == plain_weight(sums("start", rows, 0) + 96)
    assert weights[-1] == sum(weights[:-1].tolist()) // 4096


def test_features_of_places_after_a_hunk() -> None:
    """A removed line that called ``limit`` draws attention to the others that name it."""
    found = {name: rows.tolist() for name, rows in taught().start_features(6).items()}
    include = opening_word(b"static")
    assert found == {
        "near": [0, 1, 1, 2],
        "here": [7, 12, 8, 0],
        "before": [8, 7, 12, 8],
        "opening": [0, include, opening_word(b"return"), 0],
        "length": [0, 2, 2, 0],
        "indent": [0, 0, 1, 0],
        "quoted": [0, 0, 0, 0],
        "kind_seen": [0, 0, 1, 0],
        "as_last": [0, 0, 3, 0],
        "same_step": [0, 0, 0, 0],
        "gone": [0, 4, 4, 0],  # limit, in three lines
        "come": [0, 0, 0, 0],  # clamp, in none
        "resembling": [0, 2, 4, 0],
        "below_resembling": [0, 0, 0, 0],
    }


def test_places_and_no_more_weigh_their_tables() -> None:
    ranker = taught()
    rows = {name: values.tolist() for name, values in ranker.start_features(6).items()}
    weights = ranker.starts(6).tolist()
    assert weights[:-1] == [plain_weight(sums("start", rows, k) + 96) for k in range(4)]
    ahead = {name: values.tolist() for name, values in ranker.end_features(6).items()}
    assert ahead == {
        "hunks": [0], "lines_ahead": [2], "gone_ahead": [4], "resembling_ahead": [4],
        "below_ahead": [0],
    }  # fmt: skip
    score = sums("end", ahead, 0)
    expected = sum(weights[:-1]) * plain_weight(score % 8) * 2.0 ** (score // 8) / 256
    assert weights[-1] == int(expected)


def test_what_was_written_again_is_not_gone() -> None:
    again = LocusRanker(LINES)
    again.learn(5, 6, b"    return limit(x, 11);\n")
    assert not again.start_features(6)["gone"].any()
    assert (again.starts(6)[1:3] < taught().starts(6)[1:3]).all()


def test_regular_steps_and_lines_below_alike_ones() -> None:
    """Insertions below lines 1 and 4 of a regular list: the next is expected below line 7."""
    text = [b"entry(a, %d)\n" % k if k % 3 == 1 else b"\n" for k in range(12)]
    ranker = LocusRanker(text)
    ranker.learn(2, 2, b"x\n")
    assert not ranker.start_features(3)["same_step"].any()
    assert np.flatnonzero(ranker.start_features(3)["below_resembling"]).tolist() == [2, 5, 8]
    ranker.learn(5, 5, b"x\n")
    assert np.flatnonzero(ranker.start_features(6)["same_step"]).tolist() == [2]
    assert ranker.starts(6)[:-1].argmax() == 2


def test_words_that_come_are_found_again_by_rarity() -> None:
    text = [b"b\n"] * 3 + [b"c\n"] * 9 + [b"a\n"]
    ranker = LocusRanker(text)
    ranker.learn(12, 13, b"a = b + c\n")
    assert ranker.start_features(0)["come"].tolist() == [4] * 3 + [2] * 9 + [0, 0]


def test_features_of_removed_lines() -> None:
    """From a line that names what is gone, over all that is left of the file."""
    found = {k: rows.tolist() for k, rows in taught().removed_features(7, 2).items()}
    assert found == {
        "removed_last": [1, 9, 17],
        "removed_marked": [1, 4, 7],
        "after_removed": [12, 13 + 8, 13 + 0],
        "last_removed": [0, 13, 9],
        "deeper": [0, 3, 2],
        "brackets": [0, 2, 2],
        "all_marked": [2, 3, 1],
        "removed_before": [0, 2, 1],
    }


def test_features_of_written_lines() -> None:
    found = {k: rows.tolist() for k, rows in taught().written_features(8, 1, 2).items()}
    assert found == {
        "written_removed": [1, 8, 15],
        "written_last": [1, 9, 17],
        "written_before": [0, 5, 0],
        "written_here": [8, 21, 34],
        "written_below": [12, 25, 38],
    }


def test_counts_weigh_their_tables() -> None:
    """Small counts plainly, large ones less and less."""
    text = [b"x = 1\n"] * 5000
    ranker = LocusRanker(text)
    rows = {k: v.tolist() for k, v in ranker.removed_features(10, 30).items()}
    removed = ranker.removed(10).tolist()
    assert len(removed) == 4001
    for count, share in ((0, 1.0), (1, 1.0), (8, 1.0), (9, 1.0), (20, 82 / 401), (30, 82 / 901)):
        expected = plain_weight(sums("removed", rows, count) + 128) * share
        assert removed[count] == pytest.approx(expected + 1, abs=1)
    rows = {k: v.tolist() for k, v in ranker.written_features(10, 2, 30).items()}
    written = ranker.written(10, 2).tolist()
    assert len(written) == 4001
    for count, share in ((0, 1.0), (8, 1.0), (9, 1.0), (20, 90 / 420), (30, 90 / 930)):
        expected = plain_weight(sums("written", rows, count) + 128) * share
        assert written[count] == pytest.approx(expected + 1, abs=1)
    assert ranker.written(10, 0)[0] == 0
    assert len(LocusRanker(text[:7]).removed(5)) == 3


def test_a_habit_gets_cheaper() -> None:
    """After three hunks that took two lines for three, so is the fourth likelier to be."""
    text = [b"value(%d)\n" % k for k in range(60)]
    chances = []
    ranker = LocusRanker(text)
    for start in (5, 15, 25, 35):
        removed, written = ranker.removed(start), ranker.written(start, 2)
        chances.append((removed[2] / removed.sum(), written[3] / written.sum()))
        ranker.learn(start, start + 2, b"new\nold\nother\n")
    assert chances[3][0] > chances[0][0]
    assert chances[3][1] > chances[0][1]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"", 0), (b" \t\n", 0), (b"import x", 1), (b"  from x import y", 1), (b"#include <x>", 1),
        (b"def f():", 2), (b"async def f():", 2), (b"class A:", 3), (b"# why", 4), (b" * x", 4),
        (b"#", 4), (b"//x", 4), (b"/* Version */", 4), (b"__version__ = 1", 5), (b'"""A"""', 6),
        (b"});", 7), (b"1, 2", 7), (b"return x", 8), (b"raise X", 8), (b"passed()", 8),
        (b"if x:", 9), (b"if(x)", 9), (b"} else {", 12), (b"else {", 9), (b"try {", 9),
        (b"@property", 10), (b"#define X", 11), (b"#!/bin/sh", 11), (b"int x;", 12), (b"\xff", 7),
    ],
)  # fmt: skip
def test_kinds_of_lines(line: bytes, kind: int) -> None:
    assert kind_of_line(line) == kind


@pytest.mark.parametrize(
    ("line", "columns"), [(b"x", 0), (b"   x\n", 3), (b"\tx", 8), (b"  \tx", 8), (b" \t\n", None)]
)
def test_indents(line: bytes, columns: int | None) -> None:
    assert indent(line) == columns


@given(text=TEXTS, data=st.data())
def test_every_place_can_be_chosen(text: list[bytes], data: st.DataObject) -> None:
    """Whatever was learned: all weights positive, as many as there are places, and one for none."""
    ranker, twin = LocusRanker(text), LocusRanker(tuple(text))
    first = 0
    for _ in range(data.draw(st.integers(0, 8))):
        start = data.draw(st.integers(first, len(text)))
        end = data.draw(st.integers(start, len(text)))
        written = data.draw(TEXTS.map(b"".join))
        ranker.learn(start, end, written)
        twin.learn(start, end, written)
        first = end
    weights = ranker.starts(first)
    assert weights.dtype == np.int64
    assert len(weights) == len(text) - first + 2
    assert (weights > 0).all()
    assert weights.tolist() == ranker.starts(first).tolist() == twin.starts(first).tolist()
    removed = ranker.removed(first)
    assert len(removed) == len(text) - first + 1
    assert (removed > 0).all()
    assert removed.tolist() == twin.removed(first).tolist()
    for count in (0, len(text) - first):
        written_lines = ranker.written(first, count)
        assert (written_lines[1:] > 0).all()
        assert (written_lines[0] > 0) == (count > 0)
        assert written_lines.tolist() == twin.written(first, count).tolist()


def test_every_row_of_every_table_is_in_reach_of_the_octaves() -> None:
    """No sum of scores can leave the range where a weight is a weight."""
    for choice, offset in (("start", 96), ("removed", 128), ("written", 128)):
        for extreme in (min, max):
            total = offset + sum(extreme(table.tolist()) for table in TABLES[choice].values())
            clipped = min(max(total, 0), hunk_places._LARGEST)
            assert 256 <= plain_weight(clipped) < 1 << 37


def test_a_long_file_stays_below_the_coders_limit() -> None:
    """20,000 lines, each as likely as a line can be, and thousands that were learned."""
    text = [b"def gone(): return gone\n"] * 20_000
    ranker = LocusRanker(text)
    ranker.learn(0, 3, b"")
    assert total(ranker.starts(0)) < MAX_TOTAL // 1000
    assert total(ranker.removed(0)) < MAX_TOTAL
    assert total(ranker.written(0, 3)) < MAX_TOTAL
    assert (ranker.starts(0) > 0).all()


def total(weights: Iterable[int]) -> int:
    return sum(int(weight) for weight in weights)
