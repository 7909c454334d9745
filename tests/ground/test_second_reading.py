"""What we make of a patch is compared with what git or GNU patch makes of it."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tree_pairs import PATIENT, commit_history, git, histories, pairs

from groundstation.inputs import read_trees
from groundstation.second_reading import disagreement
from shared.diff import unified_diff
from shared.errors import InputError, PatchError
from shared.tree import Entry, Mode, Tree, write_tree

PATCH = b"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n"
BASE = Tree({"f": Entry(Mode.REGULAR, b"1\n"), "d/g": Entry(Mode.REGULAR, b"1\n")})
MADE = BASE.replace({"f": Entry(Mode.REGULAR, b"2\n")})
OTHER = BASE.replace({"d/g": Entry(Mode.REGULAR, b"2\n")})


@pytest.fixture(params=["git", "patch"])
def tools(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder with one program in it."""
    program = shutil.which(request.param)
    assert program is not None
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / request.param).symlink_to(program)
    return str(folder)


def test_both_programs_confirm_and_contradict(tools: str) -> None:
    assert disagreement(BASE, PATCH, MADE, 1, path=tools) is None
    for wrong in (BASE, MADE.replace({"f": Entry(Mode.EXECUTABLE, b"2\n")})):
        found = disagreement(BASE, PATCH, wrong, 1, path=tools)
        assert found is not None
        assert found.paths == ("f",)
    found = disagreement(BASE, PATCH, OTHER, 1, path=tools)
    assert found is not None
    assert found.paths  # "d/g" is not named in the patch, "f" is as well another


def test_both_programs_leave_away_as_many_folders_as_we_do(tools: str) -> None:
    patch = PATCH.replace(b"a/f", b"d/g").replace(b"b/f", b"d/g")
    assert disagreement(BASE, patch, OTHER, 0, path=tools) is None
    found = disagreement(BASE, patch, OTHER, 1, path=tools)
    assert found is not None


def test_a_patch_that_they_do_not_take(tools: str) -> None:
    found = disagreement(BASE, PATCH.replace(b"-1", b"-x"), MADE, 1, path=tools)
    assert found is not None
    assert found.words


def test_without_programs_nothing_is_said(tmp_path: Path) -> None:
    assert disagreement(BASE, PATCH, BASE, 1, path=str(tmp_path)) is None


def test_a_file_that_the_patch_does_not_name_must_not_change() -> None:
    base = BASE.replace({"far.c": Entry(Mode.REGULAR, b"1\n")})
    found = disagreement(base, PATCH, MADE, 1)
    assert found is not None
    assert found.paths == ("far.c",)


@settings(PATIENT, max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(pairs())
def test_git_confirms_canonical_patches_of_any_tree(pair: tuple[Tree, Tree]) -> None:
    base, target = pair
    patch = unified_diff(base, target)
    if patch:
        assert disagreement(base, patch, target, 1) is None
        assert disagreement(base, patch, base, 1) is not None


@settings(PATIENT, max_examples=8, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(histories(), st.booleans())
def test_git_confirms_mails_and_logs(
    tmp_path_factory: pytest.TempPathFactory, history: list[Tree], mails: bool
) -> None:
    if all(base == target for base, target in pairwise(history)):
        return
    folder = tmp_path_factory.mktemp("history") / "repository"
    names = commit_history(history, folder)
    span = f"{names[0]}..{names[-1]}"
    form = ["format-patch", "--stdout"] if mails else ["log", "-p", "--reverse", "--binary"]
    assert disagreement(history[0], git([*form, span], folder), history[-1], 1) is None


def test_nobodys_configuration_and_no_attributes_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text("[apply]\n\twhitespace = fix\n[core]\n\tautocrlf = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    attributes = Entry(Mode.REGULAR, b"* text eol=crlf filter=x ident\n")
    base = BASE.replace({".gitattributes": attributes, "f": Entry(Mode.REGULAR, b"1 \r\n$Id$\n")})
    target = base.replace({"f": Entry(Mode.REGULAR, b"2 \r\n$Id$ \n")})
    assert disagreement(base, unified_diff(base, target), target, 1) is None


# --- where a patch is named ---------------------------------------------------------------------


def trees(tmp_path: Path, patch: bytes, strip: int | None = None) -> tuple[Tree, Tree]:
    write_tree(BASE, tmp_path / "base")
    (tmp_path / "patch").write_bytes(patch)
    return read_trees(tmp_path / "base", None, tmp_path / "patch", strip)


def test_a_patch_is_read_twice(tmp_path: Path) -> None:
    assert trees(tmp_path, PATCH) == (BASE, MADE)


def test_what_only_we_would_take_is_refused(tmp_path: Path) -> None:
    patch = b"diff --git a/.git/x b/.git/x\nnew file mode 100644\n"
    with pytest.raises(PatchError, match=r"^patch line 1: git does not take it: .*\.git/x"):
        trees(tmp_path, patch)


def test_another_tree_is_refused_with_the_line_of_its_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = PATCH.replace(b"a/f", b"a/d/g").replace(b"b/f", b"b/d/g")
    monkeypatch.setattr(  # a reader with a fault
        "groundstation.inputs.apply_patch", lambda *_: MADE
    )
    with pytest.raises(PatchError, match=r"^patch line 6: git makes other files of it: 'd/g'"):
        trees(tmp_path, PATCH + other)


def test_strip_is_for_patches(tmp_path: Path) -> None:
    patch = PATCH.replace(b"a/f", b"d/g").replace(b"b/f", b"d/g")
    assert trees(tmp_path, patch, 0) == (BASE, OTHER)
    with pytest.raises(InputError, match="--strip without --patch"):
        read_trees(tmp_path, tmp_path, None, 0)
