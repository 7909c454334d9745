"""Patches of git and GNU diff under random options: refused with a line, or what git makes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from tree_pairs import PATIENT

from benchmarks.strange_patches.__main__ import Outcome, judge, page
from benchmarks.strange_patches.tools import (
    Made,
    ToolError,
    by_diff,
    by_git,
    by_git_of_folders,
    mangled,
)
from benchmarks.strange_patches.trees import successor, tree
from shared.tree import Entry, Mode, Tree

Maker = Callable[[Random, Tree, Tree, Path], Made]


@settings(
    PATIENT,
    max_examples=20,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a seed has no smaller form
)
@given(seed=st.integers(0, 1 << 60), mangles=st.booleans())
@pytest.mark.parametrize("maker", [by_git, by_git_of_folders, by_diff])
def test_refused_with_a_line_or_as_git_says(
    tmp_path_factory: pytest.TempPathFactory, maker: Maker, seed: int, mangles: bool
) -> None:
    rng = Random(seed)
    base = tree(rng)
    target = successor(rng, base)
    folder = tmp_path_factory.mktemp("strange")
    try:
        made = maker(rng, base, target, folder / "made")
    except ToolError:
        assume(False)
    made = mangled(rng, made) if mangles else made
    assume(made.patch)
    found = judge(made, base, target, folder)
    assert found.refused or found.second or found.is_as_git, made
    shutil.rmtree(folder)


def test_a_reader_with_a_fault_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = Tree({"f": Entry(Mode.REGULAR, b"1\n")})
    monkeypatch.setattr("benchmarks.strange_patches.__main__.apply_patch", lambda *_: base)
    made = Made(b"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n", "git diff")
    found = judge(made, base, base, tmp_path)
    assert found == Outcome("git diff", "", "git makes another tree", False, True)
    text = page([found, Outcome("git diff"), Outcome("git diff", "", "", True, True)], 1)
    assert "| **others** | **1** |" in text
    assert "| second reading: git makes another tree | 1 |" in text
