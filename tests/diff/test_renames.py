"""Renames are found as the page says, and without looking at every pair of files line by line."""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patch_by_the_page import renames as renames_by_the_page
from tree_pairs import PATIENT

from shared.tree import ChangeKind, Entry, Mode, Tree, changes, similarity

LINES = [b"", b"a", b"b", b"if (x) {", b"}", b"\treturn;", b"a much longer line than the others"]


@st.composite
def relatives(draw: st.DrawFn, prefix: str) -> dict[str, Entry]:
    """Files drawn from one small stock of lines, each line any number of times."""
    files = {}
    for number in range(draw(st.integers(0, 7))):
        lines = draw(st.lists(st.sampled_from(LINES), max_size=14))
        end = draw(st.sampled_from([b"", b"", b"a", b"\0"]))
        name = draw(st.sampled_from(["x", "y", f"n{number}"]))
        files[f"{prefix}{number}/{name}"] = Entry(
            Mode.REGULAR, b"".join(line + b"\n" for line in lines) + end
        )
    return files


@PATIENT
@given(relatives("o"), relatives("n"))
def test_the_pairs_are_those_of_the_page(old: dict[str, Entry], new: dict[str, Entry]) -> None:
    base, target = Tree(old), Tree(new)
    found = {
        change.path: change.old_path
        for change in changes(base, target)
        if change.kind is ChangeKind.RENAME
    }
    assert found == renames_by_the_page(base, target)


@PATIENT
@given(st.lists(st.sampled_from(LINES), max_size=40), st.lists(st.sampled_from(LINES), max_size=40))
def test_similarity_is_that_of_the_page(old: list[bytes], new: list[bytes]) -> None:
    sides = [b"".join(line + b"\n" for line in lines) for lines in (old, new)]
    common = Counter(old) & Counter(new)
    size = sum((len(line) + 1) * count for line, count in common.items())
    wanted = 100 if sides[0] == sides[1] else min(99, size * 100 // max(map(len, sides)))
    assert similarity(*sides) == wanted


def steps_of(base: Tree, target: Tree) -> int:
    """Lines of Python that comparing trees runs: the same on every machine."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if "/shared/tree/" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        changes(base, target)
    finally:
        sys.settrace(before)
    return count


def of_other_lines(prefix: str, count: int) -> Tree:
    """Files of one size that share no line with those of another prefix."""
    return Tree(
        {
            f"{prefix}{n}": Entry(
                Mode.REGULAR, b"".join(b"%b %d %d\n" % (prefix.encode(), n, k) for k in range(20))
            )
            for n in range(count)
        }
    )


def of_common_lines(prefix: str, count: int) -> Tree:
    """Files that share a third of their lines with all others."""
    common = b"".join(b"common %d\n" % k for k in range(10))
    return Tree(
        {
            path: Entry(Mode.REGULAR, common + entry.data)
            for path, entry in of_other_lines(prefix, count).items()
        }
    )


@pytest.mark.parametrize("make", [of_other_lines, of_common_lines])
def test_twice_as_many_files_are_not_four_times_the_work(make: Any) -> None:
    few, many = (steps_of(make("x", count), make("y", count)) for count in (30, 60))
    assert many < 3 * few
