"""Line edits: right, shortest, and always the same ones."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patch_by_the_page import edits_of
from tree_pairs import PATIENT

import shared.lines
from shared.lines import LineEdit, line_edits, split_lines

LETTERS = st.lists(st.sampled_from([b"a\n", b"b\n", b"  c\n", b"\n", b"d"]), max_size=14)


def longest_common(old: Sequence[bytes], new: Sequence[bytes]) -> int:
    """Length of a longest common subsequence, by the plain table."""
    row = [0] * (len(new) + 1)
    for line in old:
        above = row
        row = [0]
        for column, other in enumerate(new):
            row.append(above[column] + 1 if line == other else max(above[column + 1], row[-1]))
    return row[-1]


def kept(old: Sequence[bytes], edits: Sequence[LineEdit]) -> int:
    return len(old) - sum(edit.old_end - edit.old_start for edit in edits)


def check(old: Sequence[bytes], new: Sequence[bytes], edits: Sequence[LineEdit]) -> None:
    """The edits are in order, apart, not empty, and give ``new``."""
    made: list[bytes] = []
    at = 0
    for number, edit in enumerate(edits):
        assert edit.old_start >= at + (number > 0)
        assert edit.old_end > edit.old_start or edit.new_end > edit.new_start
        made += old[at : edit.old_start]
        assert len(made) == edit.new_start
        made += new[edit.new_start : edit.new_end]
        assert len(made) == edit.new_end
        at = edit.old_end
    assert made + list(old[at:]) == list(new)


@PATIENT
@given(LETTERS, LETTERS)
def test_edits_are_right_and_shortest(old: list[bytes], new: list[bytes]) -> None:
    edits = line_edits(old, new)
    check(old, new, edits)
    assert kept(old, edits) == longest_common(old, new)
    assert line_edits(tuple(old), tuple(new)) == edits
    assert bool(edits) == (old != new)


def test_the_description_gives_the_same_edits() -> None:
    # enough blocks that slide over blank, indented and heading lines to meet every preference
    dice = random.Random(9)
    for _ in range(4000):
        lines = [b"f\n", b"  x\n", b"\n", b"@d\n", b"}\n", b" \t\n"][: dice.randrange(2, 7)]
        old = dice.choices(lines, k=dice.randrange(24))
        new = list(old)
        for _ in range(dice.randrange(4)):
            at = dice.randrange(len(new) + 1)
            new[at : at + dice.randrange(3)] = dice.choices(lines, k=dice.randrange(6))
        found = [
            (edit.old_start, edit.old_end, edit.new_start, edit.new_end)
            for edit in line_edits(old, new)
        ]
        assert found == edits_of(old, new), (old, new)


@PATIENT
@given(st.binary(max_size=40) | st.text("a\n\r\x0b\x85", max_size=40).map(str.encode))
def test_only_newlines_end_lines(data: bytes) -> None:
    lines = split_lines(data)
    assert b"".join(lines) == data
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines[:-1])
    assert not lines or lines[-1]
    assert len(lines) == data.count(b"\n") + (bool(data) and not data.endswith(b"\n"))


def test_lines_of_odd_files() -> None:
    assert split_lines(b"") == []
    assert split_lines(b"a\r\nb\rc\x0c\n\n\x85d") == [b"a\r\n", b"b\rc\x0c\n", b"\n", b"\x85d"]


def lines(text: str) -> list[bytes]:
    return split_lines(text.encode())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # the example of Myers's paper, and the script it names: 1D, 2D, 3IB, 6D, 7IC
        ("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n",
         [(0, 2, 0, 0), (3, 3, 1, 2), (5, 6, 4, 4), (7, 7, 5, 6)]),
        # a line more in a run of equal lines: at its end
        ("x\na\na\ny\n", "x\na\na\na\ny\n", [(3, 3, 3, 4)]),
        # a function more: from its own heading on, not from the brace of the one before
        ("int f() {\n  1;\n}\n\nint h() {\n  3;\n}\n",
         "int f() {\n  1;\n}\n\nint g() {\n  2;\n}\n\nint h() {\n  3;\n}\n",
         [(4, 4, 4, 8)]),
        # the same at the end of the file, and taken away again
        ("def f():\n    1\n", "def f():\n    1\n\ndef g():\n    1\n", [(2, 2, 2, 5)]),
        ("f\n  1\n\ng\n  1\n\nh\n", "f\n  1\n\nh\n", [(3, 6, 3, 3)]),
        # a block that starts with a blank line moves away from it if it can
        ("a\n\nb\n", "a\n\nc\n\nb\n", [(2, 2, 2, 4)]),
        # a decorator belongs to what follows, here and at the start of a file
        ("x\n\n@d\nclass B:\n", "x\n\n@d\nclass A:\n  1\n\n@d\nclass B:\n", [(2, 2, 2, 6)]),
        ("@d\nclass A:\n@d\nclass B:\n", "@d\nclass B:\n", [(0, 2, 0, 0)]),
        # two insertions around a decorator that may as well be one
        ("x\n\n@d\nC\n", "x\n\na\nb\n\n@d\nB\n\n@d\nC\n", [(2, 2, 2, 8)]),
        # a deletion that slides down to an insertion: one replacement
        ("a\n  1\nb\n  1\nc\n", "a\n  1\nB\nc\n", [(2, 4, 2, 3)]),
        # blank lines only: the last place
        ("a\n\nb\n", "a\n\n\n\nb\n", [(2, 2, 2, 4)]),
    ],
)  # fmt: skip
def test_which_of_several_shortest_lists(
    old: str, new: str, expected: list[tuple[int, int, int, int]]
) -> None:
    edits = line_edits(lines(old), lines(new))
    assert edits == tuple(LineEdit(*numbers) for numbers in expected)


def test_few_changes_in_a_long_file() -> None:
    old = [b"line %d\n" % (number % 3000) for number in range(20_000)]
    new = list(old)
    dice = random.Random(7)
    for number in range(40):
        new[dice.randrange(len(new))] = b"new %d\n" % number
        del new[dice.randrange(len(new))]
        new.insert(dice.randrange(len(new)), dice.choice(old))
    edits = line_edits(old, new)
    check(old, new, edits)
    assert 100 < len(edits) <= 120
    assert kept(old, edits) >= len(old) - 80


def test_lines_of_one_side_cost_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.lines, "MAX_WORK", 1200)
    old = [b"old %d\n" % number if number % 2 else b"%d\n" % number for number in range(2000)]
    new = [b"new %d\n" % number if number % 2 else b"%d\n" % number for number in range(2000)]
    edits = line_edits(old, new)
    check(old, new, edits)
    assert len(edits) == 1000


def test_beyond_the_cap_all_between_the_common_ends_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dice = random.Random(3)
    middle = [b"%d\n" % number for number in range(60)]
    other = dice.sample(middle, 60)
    old, new = [b"first\n", *middle, b"last\n"], [b"first\n", *other, b"last\n"]
    assert other[0] != middle[0]
    assert other[-1] != middle[-1]
    free = line_edits(old, new)
    assert len(free) > 1
    monkeypatch.setattr(shared.lines, "MAX_WORK", 500)
    assert line_edits(old, new) == (LineEdit(1, 61, 1, 61),)


def test_the_cap_counts_rounds_to_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # "x" moves to the end: rounds 0 and 1 look at 1 and 2 diagonals, round 2 arrives.  Steps:
    # 1 in round 0; in round 1 a step for each diagonal, and 3 more for the equal lines
    old, new = lines("x\na\nb\nc\n"), lines("a\nb\nc\nx\n")
    found = (LineEdit(0, 1, 0, 0), LineEdit(4, 4, 3, 4))
    monkeypatch.setattr(shared.lines, "MAX_WORK", 6)
    assert line_edits(old, new) == found
    monkeypatch.setattr(shared.lines, "MAX_WORK", 5)
    assert line_edits(old, new) == (LineEdit(0, 4, 0, 4),)
