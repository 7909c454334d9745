"""Weights of places: literal values (a change is a change of the wire format), ranges, purity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.prompts.loci import LocusRanker, kind_of_line
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
    [b"", b"int x;", b"x = y(x);", b"return y;", b"# z", b"}", b"\xff", b"x y z"]
)
TEXTS = st.lists(WORDS.map(lambda line: line + b"\n"), max_size=40)


def test_weights_of_starts_are_these() -> None:
    """The first by hand: head 22, an include 7, as after a blank line 5, and 96: 130 eighths."""
    ranker = LocusRanker(LINES)
    weights = ranker.starts(0, 0)
    assert weights[0] == 304 << 16 == round(256 * 2 ** (2 / 8)) << 16
    assert weights.tolist() == [
        *(19922944, 3235840, 5439488, 4571136, 2719744),
        *(5931008, 2965504, 3235840, 2285568, 1617920, 12677),
    ]


def test_weights_after_a_hunk_are_these() -> None:
    """A removed line that called ``limit`` draws attention to the others that name it."""
    ranker = LocusRanker(LINES)
    ranker.learn(range(5, 6), b"    return clamp(x, 10);\n")
    weights = ranker.starts(6, 1)
    assert weights.tolist() == [15400960, 246415360, 536870912, 4194304, 200720384]
    unaware = LocusRanker(LINES).starts(6, 1)
    assert weights[0] == unaware[0]
    assert (weights[1:3] > 8 * unaware[1:3]).all()
    assert weights[3] == unaware[3]
    # what was written again is not gone
    again = LocusRanker(LINES)
    again.learn(range(5, 6), b"    return limit(x, 11);\n")
    assert (again.starts(6, 1)[1:3] < weights[1:3]).all()


def test_no_more_hunks_weighs_more_and_more() -> None:
    """Beside the sum of all places: a 4096th at first, then a fourth or a third."""
    ranker = LocusRanker(LINES)
    shares = []
    for hunks in (0, 1, 2, 3, 4, 5, 9):
        weights = ranker.starts(2, hunks)
        shares.append(int(weights[:-1].sum()) // int(weights[-1]))
    assert shares == [4096, 4, 3, 3, 4, 3, 3]


def test_weights_of_removed_lines_are_these() -> None:
    ranker = LocusRanker(LINES)
    assert ranker.removed(12).tolist() == [
        *(18688, 33408, 4992, 2432, 1600, 576, 448, 384, 256, 125, 101, 84, 71)
    ]
    assert ranker.removed(2).tolist() == [18688, 33408, 4992]
    assert ranker.removed(0).tolist() == [18688]
    assert (ranker.removed(4000) > 0).all()


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


@given(text=TEXTS, data=st.data())
def test_every_place_can_be_chosen(text: list[bytes], data: st.DataObject) -> None:
    """Whatever was learned: all weights positive, as many as there are places, and one for none."""
    ranker, twin = LocusRanker(text), LocusRanker(tuple(text))
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        written = data.draw(TEXTS.map(b"".join))
        ranker.learn(range(start, end), written)
        twin.learn(range(start, end), written)
    first = data.draw(st.integers(0, len(text)))
    hunks = data.draw(st.integers(0, 9))
    weights = ranker.starts(first, hunks)
    assert weights.dtype == np.int64
    assert len(weights) == len(text) - first + 2
    assert (weights > 0).all()
    assert weights.tolist() == ranker.starts(first, hunks).tolist()
    assert weights.tolist() == twin.starts(first, hunks).tolist()


def degrees(lines: list[bytes], removed: Sequence[int]) -> list[int]:
    """What ``learn`` marks, line against line."""
    sets = [set(re.findall(rb"[A-Za-z_][A-Za-z0-9_]*", line)) for line in lines]
    found = []
    for line, words in zip(lines, sets, strict=True):
        best = 0
        for place in removed:
            if not words & sets[place]:
                continue
            share = Fraction(len(words & sets[place]), len(words | sets[place]))
            limits = (Fraction(1, 5), Fraction(1, 3), Fraction(1, 2), Fraction(3, 4))
            degree = 5 if line == lines[place] else sum(share >= limit for limit in limits)
            best = max(best, degree)
        found.append(best)
    return [*found, 0]


LETTERS = st.lists(st.sampled_from([b"a", b"b", b"c", b"dd", b"e1", b"9", b"+"]), max_size=6)


@given(text=st.lists(LETTERS.map(lambda w: b" ".join(w) + b"\n"), max_size=14), data=st.data())
def test_lines_that_resemble_removed_ones(text: list[bytes], data: st.DataObject) -> None:
    ranker = LocusRanker(text)
    removed: list[int] = []
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        removed += range(start, data.draw(st.integers(start, min(len(text), start + 3))))
        ranker.learn(removed, b"")
    assert ranker.features(0)[4].tolist() == degrees(text, removed)


def test_places_are_described_by_five_features() -> None:
    ranker = LocusRanker(LINES)
    ranker.learn(range(5, 6), b"    return clamp(x, 10);\n")
    assert ranker.features(6).tolist() == [
        [0, 1, 1, 2],
        [7, 12, 8, 0],
        [8, 7, 12, 8],
        [0, 1, 1, 0],
        [0, 2, 4, 0],
    ]
    assert LocusRanker([b"x\n"] * 5000).features(0)[0].tolist() == [
        min(11, (distance + 1).bit_length() - 1) for distance in range(5001)
    ]


def test_thousands_of_removed_lines_are_learnt() -> None:
    """Every second line of 6,000 is the same as one that went."""
    text = [b"value_%d = value(%d)\n" % (k % 1500, k % 1500) for k in range(6000)]
    ranker = LocusRanker(text)
    ranker.learn(range(3000), b"")
    assert ranker.features(0)[4].tolist() == [5] * 6000 + [0]


def test_a_long_file_stays_below_the_coders_limit() -> None:
    """20,000 lines, each as likely as a line can be."""
    text = [b"def gone(): return gone\n"] * 20_000
    ranker = LocusRanker(text)
    ranker.learn(range(3), b"")
    total = sum(ranker.starts(0, 1).tolist())
    assert total < MAX_TOTAL // 1000
    assert (ranker.starts(0, 1) > 0).all()
