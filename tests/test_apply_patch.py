"""Patches of others: what git and GNU diff write is applied exactly, all else is refused."""

from __future__ import annotations

import random
import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tree_pairs import LINES, PATIENT, commit_history, git, histories

from shared.diff import apply_patch, unified_diff
from shared.errors import PatchError
from shared.tree import Entry, Mode, Tree, write_tree

TEN = "".join(f"{number}\n" for number in range(1, 11))


def text(data: str, mode: Mode = Mode.REGULAR) -> Entry:
    return Entry(mode, data.encode())


BASE = Tree(
    {
        "a.c": text(TEN),
        "run": text("#!/bin/sh\n", Mode.EXECUTABLE),
        "link": text("a.c", Mode.SYMLINK),
        "d/e": text("e"),
        "empty": text(""),
        "bin": Entry(Mode.REGULAR, b"\0\1\2"),
    }
)


HEAD = "diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n"
GIT = "diff --git a/{0} b/{0}\n"


# --- git as the author of patches -------------------------------------------------------------


@settings(
    PATIENT,
    max_examples=15,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking with git takes minutes
)
@given(history=histories(), options=st.permutations([
    ["--no-renames"], ["-M"], ["-C", "-C", "-M10%"], ["-U0"], ["-U9", "--histogram"],
    ["--full-index", "--src-prefix=i/", "--dst-prefix=w/"],
]))  # fmt: skip
def test_what_git_writes_is_applied_exactly(
    tmp_path_factory: pytest.TempPathFactory, history: list[Tree], options: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("history") / "repository"
    names = commit_history(history, folder)
    for (base, target), (old, new), extra in zip(
        pairwise(history), pairwise(names), options, strict=False
    ):
        patch = git(["diff", "--binary", *extra, old, new], folder)
        assert apply_patch(base, patch) == target
    span = f"{names[0]}..{names[-1]}"
    mails = git(["format-patch", "--stdout", "--cover-letter", span], folder)
    if any(base != target for base, target in pairwise(history)):
        assert apply_patch(history[0], mails) == history[-1]
        log = git(["log", "-p", "--reverse", "--binary", "--stat", span], folder)
        assert apply_patch(history[0], log) == history[-1]


def git_diff(tmp_path: Path, base: Tree, target: Tree, *options: str) -> bytes:
    names = commit_history([base, target], tmp_path / "repository")
    return git(["diff", *options, *names], tmp_path / "repository")


def test_two_files_that_swap_their_names(tmp_path: Path) -> None:
    other = "".join(f"other {number}\n" for number in range(40))
    base = Tree({"a": text(TEN * 50), "b": text(other)})
    target = Tree({"a": text(other + "x\n"), "b": text(TEN * 50)})
    patch = git_diff(tmp_path, base, target, "-B", "-M")
    assert patch.count(b"rename from") == 2
    assert apply_patch(base, patch) == target


def test_a_copy_is_made_of_the_old_file(tmp_path: Path) -> None:
    base = Tree({"m": text(TEN)})
    target = Tree({"a": text("0\n" + TEN), "m": text(TEN + "11\n"), "z": text(TEN)})
    patch = git_diff(tmp_path, base, target, "-C")
    assert patch.count(b"copy from m\n") == 2
    assert apply_patch(base, patch) == target


def test_binary_deltas(tmp_path: Path) -> None:
    noise = random.Random(5).randbytes(200_000)
    base = Tree({"bin": Entry(Mode.REGULAR, noise)})
    changed = noise[150_000:] + b"new" + noise[10:90_000] + noise[3:70_000]
    target = Tree({"bin": Entry(Mode.EXECUTABLE, changed)})
    patch = git_diff(tmp_path, base, target, "--binary")
    assert b"\nGIT binary patch\ndelta " in patch
    assert apply_patch(base, patch) == target
    wrong = Tree({"bin": Entry(Mode.REGULAR, noise[:-1] + b"\0")})
    with pytest.raises(PatchError, match="the old contents are"):
        apply_patch(wrong, patch)
    shortened = re.sub(rb"index \w+\.\.\w+\n", b"", patch)
    with pytest.raises(PatchError, match="made for 200000 bytes, not for 3"):
        apply_patch(BASE, shortened.replace(b"old mode 100644\nnew mode 100755\n", b""))


def test_binary_contents_of_a_repository_with_longer_names(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    write_tree(BASE, folder)
    git(["init", "-q", "--object-format=sha256"], folder)
    git(["add", "."], folder)
    (folder / "bin").write_bytes(b"\0\3")
    patch = git(["diff", "--binary"], folder)
    target = BASE.replace({"bin": Entry(Mode.REGULAR, b"\0\3")})
    assert apply_patch(BASE, patch) == target
    other = BASE.replace({"bin": Entry(Mode.REGULAR, b"\0\1")})
    with pytest.raises(PatchError, match=r"the old contents are [0-9a-f]{64};") as caught:
        apply_patch(other, patch)
    assert caught.value.remedy == "make the patch against exactly this baseline"


def test_a_merge_and_contents_left_out(tmp_path: Path) -> None:
    target = BASE.replace({"bin": Entry(Mode.REGULAR, b"\0\3")})
    with pytest.raises(PatchError, match="no contents for this file") as caught:
        apply_patch(BASE, git_diff(tmp_path, BASE, target))
    assert caught.value.remedy == "use git diff --binary"
    with pytest.raises(PatchError, match="combined diff"):
        apply_patch(BASE, b"diff --cc a.c\nindex 1234567,1234567..1234567\n")


# --- differences one after another --------------------------------------------------------------


@PATIENT
@given(histories(length=4))
def test_differences_one_after_another(history: list[Tree]) -> None:
    first, *_, last = history
    mails = b"".join(
        b"From %040d Mon Sep 17 00:00:00 2001\nSubject: x\n\n--- a/x is new\n---\n%b-- \n2.39.5\n\n"
        % (number, unified_diff(base, target))
        for number, (base, target) in enumerate(pairwise(history))
    )
    if first == last and all(tree == first for tree in history):
        return
    assert apply_patch(first, mails) == last


def test_differences_without_headings_between_them() -> None:
    trees = [
        BASE,
        BASE.replace({"a.c": text(TEN.replace("5", "five"))}),
        BASE.replace({"a.c": text(TEN.replace("5", "FIVE")), "new": text("1\n")}),
        BASE.replace({"a.c": None, "new": text("2\n")}),
        BASE.replace({"a.c": text("again\n"), "newer": text("2\n")}),
        BASE.replace({"newer": text("2\n", Mode.EXECUTABLE)}),
    ]
    patch = b"".join(unified_diff(base, target) for base, target in pairwise(trees))
    assert apply_patch(BASE, patch) == trees[-1]


@pytest.mark.parametrize(
    "heading",
    [
        "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001",
        "From " + "0123456789abcdef" * 4 + " Mon Sep 17 00:00:00 2001",
        "From someone@example.org Thu Feb  1 08:09:10 2024",
        "commit 0123456789012345678901234567890123456789",
        "commit 0123456789012345678901234567890123456789 (HEAD -> main)",
    ],
)
def test_each_commit_starts_from_the_one_before(heading: str) -> None:
    copy = GIT.format("a.c").replace("b/a.c", "b/copy")
    copy += "similarity index 100%\ncopy from a.c\ncopy to copy\n"
    first = HEAD + "@@ -1 +1 @@\n-1\n+one\n"
    changed = BASE.replace({"a.c": text("one\n" + TEN[2:])})
    assert apply_patch(BASE, f"{first}{heading}\n\n    x\n\n{copy}".encode()) == changed.replace(
        {"copy": changed["a.c"]}
    )
    # within one commit, and where nothing tells commits apart, it is a copy of the old file
    assert apply_patch(BASE, (first + copy).encode()) == changed.replace({"copy": BASE["a.c"]})


def test_an_empty_patch_changes_nothing() -> None:
    assert apply_patch(BASE, b"") == BASE


# --- GNU diff -----------------------------------------------------------------------------------

PLAIN_FILES = st.dictionaries(
    st.sampled_from(["a.c", "b b.c", "d/x.h", "d/y", "e/f/g"]),
    st.builds(
        lambda lines, end: Entry(Mode.REGULAR, b"\n".join(lines) + end),
        st.lists(st.sampled_from(LINES), min_size=1, max_size=12),
        st.sampled_from([b"\n", b"x"]),
    ),
    max_size=4,
).map(Tree)


@settings(PATIENT, max_examples=25)
@given(PLAIN_FILES, PLAIN_FILES, st.sampled_from([("a", "b"), ("old", "new.orig")]))
def test_what_diff_writes_is_applied_exactly(
    tmp_path_factory: pytest.TempPathFactory, base: Tree, target: Tree, names: tuple[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("plain")
    for tree, name in zip((base, target), names, strict=True):
        write_tree(tree, folder / name)
    environment = {"LC_ALL": "C", "TZ": "Asia/Kolkata", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["diff", "-ruNa", *names], cwd=folder, env=environment, capture_output=True, check=False
    )
    assert done.returncode < 2
    assert apply_patch(base, done.stdout) == target


@pytest.mark.parametrize(
    ("stamp", "is_gone"),
    [
        ("1970-01-01 00:00:00.000000000 +0000", True),
        ("1970-01-01 05:30:00.000000000 +0530", True),
        ("1969-12-31 19:00:00 -0500", True),
        ("1970-01-01 00:00:00.000000000 +0100", False),
        ("1970-01-01 00:00:01.000000000 +0000", False),
        ("1970-13-01 00:00:00.000000000 +0000", False),
        ("2024-02-29 12:00:00.000000000 +0000", False),
    ],
)
def test_files_of_the_first_second_are_not_there(stamp: str, is_gone: bool) -> None:
    patch = f"--- a/d/e\t2024-02-29 12:00:00 +0000\n+++ b/d/e\t{stamp}\n"
    patch += "@@ -1 +0,0 @@\n-e\n\\ No newline at end of file\n"
    expected = None if is_gone else text("")
    assert apply_patch(BASE, patch.encode()) == BASE.replace({"d/e": expected})


@pytest.mark.parametrize("path", ["new", "empty"])
def test_a_file_of_the_first_second_may_be_an_empty_one(path: str) -> None:
    patch = f"--- a/{path}\t1970-01-01 00:00:00 +0000\n+++ b/{path}\t2024-02-29 12:00:00 +0000\n"
    patch += "@@ -0,0 +1 @@\n+x\n"
    assert apply_patch(BASE, patch.encode()) == BASE.replace({path: text("x\n")})


def test_plain_patches_that_are_not_complete() -> None:
    for line in ("Only in b: x", "Files a/x and b/x differ", "Binary files a/x and b/x differ"):
        with pytest.raises(PatchError, match="patch line 1: found") as caught:
            apply_patch(BASE, f"{line}\n".encode())
        assert "diff -ruNa" in (caught.value.remedy or "")


# --- what is refused ----------------------------------------------------------------------------

REFUSED = {
    # damaged
    "no newline at the end": (HEAD + "@@ -1 +0,0 @@\n-1", "line 5: .* in the middle of a line"),
    "only other text": ("hello\n", "line 1: found 'hello"),
    "only empty lines": ("\n\n", "no change in the patch"),
    "a hunk without file": ("@@ -1 +1 @@\n-1\n+x\n", "line 1: .* outside of any file"),
    "a --- line alone": ("--- a/a.c\n", "line 1: .* outside of any file"),
    "names without a hunk": (HEAD, "line 4, 'a.c': the patch ends"),
    "--- without +++": ("diff --git a/a.c b/a.c\n--- a/a.c\n", "line 3, 'a.c': the patch ends"),
    "too few lines": (HEAD + "@@ -1,2 +1,2 @@\n-1\n+x\n", "line 7, 'a.c': the patch ends"),
    "too many lines": (HEAD + "@@ -1 +1 @@\n-1\n+x\n+y\n", r"line 7, 'a.c': found '\+y"),
    "a context line more": (HEAD + "@@ -1 +1 @@\n-1\n+x\n 2\n", "line 7, 'a.c': found ' 2"),
    "too many old lines": (HEAD + "@@ -1 +1,2 @@\n-1\n-2\n+x\n", "line 6, 'a.c': found '-2"),
    "an odd mark": (HEAD + "@@ -1 +1 @@\n-1\n*x\n", r"line 6, 'a.c': found '\*x"),
    "a damaged heading": (HEAD + "@@ -1 +1\n-1\n+x\n", "line 4, 'a.c': found '@@ -1 "),
    "a damaged second heading": (
        HEAD + "@@ -1 +1 @@\n-1\n+x\n@@ -3 @@\n-3\n", "line 7, 'a.c': found '@@ -3 @@"
    ),
    "old lines from line 0": (HEAD + "@@ -0 +1 @@\n-1\n+x\n", "lines from line 0"),
    "no newline inside": (
        HEAD + "@@ -1,2 +1 @@\n-1\n\\ No newline at end of file\n-2\n+x\n", "followed by others"
    ),
    "no newline in context inside": (
        HEAD + "@@ -1,2 +1,2 @@\n 1\n\\ No newline at end of file\n-2\n+x\n", "followed by others"
    ),
    "CR LF": ("diff --git a/a.c b/a.c\r\n--- a/a.c\r\n+++ b/a.c\r\n", "end in CR LF"),
    "headings that contradict": (
        GIT.format("x") + "new file mode 100644\ndeleted file mode 100644\n", "do not fit together"
    ),
    "a rename of other files than those named": (
        "diff --git a/a.c b/b.c\nsimilarity index 100%\nrename from a.c\nrename to c.c\n",
        "line 1: .* other paths after 'diff --git'",
    ),
    "half a rename": (
        "diff --git a/a.c b/b.c\nsimilarity index 100%\nrename from a.c\n", "do not fit together"
    ),
    "half a mode": (GIT.format("a.c") + "old mode 100644\n", "do not fit together"),
    "two names": ("diff --git a/a.c b/b.c\n--- a/a.c\n+++ b/b.c\n@@ -1 +0,0 @@\n-1\n",
                  "two different names"),
    "two plain names": ("--- a/a.c\n+++ b/b.c\n@@ -1 +0,0 @@\n-1\n", "in one section"),
    "other names below": (GIT.format("run") + HEAD[23:] + "@@ -1 +0,0 @@\n-1\n", "--- a.c"),
    "a new file that is old": (
        GIT.format("x") + "new file mode 100644\n--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+1\n", "--- x"
    ),
    "a rename that should have hunks": (
        "diff --git a/a.c b/b.c\nsimilarity index 90%\nrename from a.c\nrename to b.c\n",
        "no hunk says how",
    ),
    "an index without hunks": (GIT.format("a.c") + "index 1111..2222 100644\n", "no hunk says how"),
    "a name without change": (GIT.format("a.c"), "nothing changes"),
    "an unknown mode": (GIT.format("x") + "new file mode 100600\n", "mode '100600'"),
    "a submodule": (GIT.format("x") + "new file mode 160000\n", "a submodule"),
    "on neither side": ("--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+1\n", "on neither side"),
    "no prefix": ("--- a.c\n+++ a.c\n@@ -1 +0,0 @@\n-1\n", "the path 'a.c'"),
    "a badly quoted name": ('--- "a/\\q"\n+++ b/x\n@@ -1 +0,0 @@\n-1\n', "line 1: found"),
    # paths that leave the tree
    "..": ("--- a/../x\n+++ b/../x\n@@ -0,0 +1 @@\n+1\n", r"path '\.\./x'"),
    ".. further on": (GIT.format("d/../../x") + "new file mode 100644\n", r"'d/\.\./\.\./x'"),
    "absolute": ("--- /etc/passwd\n+++ /etc/passwd\n@@ -0,0 +1 @@\n+1\n", "the path '/etc"),
    "absolute after the prefix": ("--- a//x\n+++ b//x\n@@ -0,0 +1 @@\n+1\n", "path '/x'"),
    "quoted ..": (
        'diff --git "a/\\056./x" "b/\\056./x"\nnew file mode 100644\n', r"path '\.\./x'"
    ),
    "NUL": ('--- "a/x\\000"\n+++ "b/x\\000"\n@@ -0,0 +1 @@\n+1\n', "path 'x"),
    "renamed out of the tree": (
        "diff --git a/a.c b/../x\nsimilarity index 100%\nrename from a.c\nrename to ../x\n",
        r"path '\.\./x'",
    ),
    "through a link": (
        GIT.format("link/x") + "new file mode 100644\n", "'link/x' would lie below 'link'"
    ),
    "through a link made by the patch": (
        GIT.format("n") + "new file mode 120000\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+/etc\n"
        "\\ No newline at end of file\n" + GIT.format("n/x") + "new file mode 100644\n",
        "line 8, 'n/x': 'n/x' would lie below 'n'",
    ),
    "a file in the place of a folder": (
        GIT.format("d") + "new file mode 100644\n", "'d/e' would lie below 'd'"
    ),
    # does not apply
    "another line": (HEAD + "@@ -1 +1 @@\n-2\n+x\n", "line 4, 'a.c': line 1 of the file is '1"),
    "one line off": (HEAD + "@@ -2 +1 @@\n-1\n+x\n", "line 4, 'a.c': line 2 of the file is '2"),
    "another last context line": (HEAD + "@@ -1,2 +1 @@\n-1\n x\n", "line 2 of the file is '2"),
    "beyond the end": (HEAD + "@@ -10,2 +10 @@\n 10\n-11\n", "line 11 .* is the end of the file"),
    "an insertion beyond the end": (HEAD + "@@ -11,0 +12 @@\n+12\n", "the file has 10 lines"),
    "no newline, but there is one": (
        HEAD + "@@ -10 +9,0 @@\n-10\n\\ No newline at end of file\n", r"the file is '10\\n'"
    ),
    "a newline, but there is none": (
        "--- a/d/e\n+++ b/d/e\n@@ -1 +0,0 @@\n-e\n", "line 1 of the file is 'e'"
    ),
    "no newline in the middle of the file": (
        HEAD + "@@ -1 +1 @@\n-1\n+x\n\\ No newline at end of file\n", "'x' has no newline"
    ),
    "a line after one without newline": (
        "--- a/d/e\n+++ b/d/e\n@@ -1,0 +2 @@\n+f\n", "'e' has no newline"
    ),
    "hunks out of order": (
        HEAD + "@@ -5 +5 @@\n-5\n+x\n@@ -3 +3 @@\n-3\n+x\n", "line 7, 'a.c': a hunk at line 3"
    ),
    "hunks that overlap": (
        HEAD + "@@ -5,2 +5 @@\n-5\n 6\n@@ -6 +5 @@\n-6\n+x\n", "line 7, 'a.c': a hunk at line 6"
    ),
    "no such file": ("--- a/x\n+++ b/x\n@@ -1 +0,0 @@\n-1\n", "the tree has no file 'x'"),
    "a new file that is there": (
        GIT.format("a.c") + "new file mode 100644\n", "already has 'a.c'"
    ),
    "a new empty file that is there": (
        GIT.format("empty") + "new file mode 100644\n", "already has 'empty'"
    ),
    "renamed onto another file": (
        "diff --git a/a.c b/run\nsimilarity index 100%\nrename from a.c\nrename to run\n",
        "already has 'run'",
    ),
    "taken away twice": (GIT.format("empty") + "deleted file mode 100644\n"
                         + GIT.format("empty") + "deleted file mode 100644\n", "taken away twice"),
    "deleted, but lines are left": (
        GIT.format("a.c") + "deleted file mode 100644\n--- a/a.c\n+++ /dev/null\n"
        "@@ -1 +0,0 @@\n-1\n",
        "lines of it are left",
    ),
    "deleted without its lines": (
        GIT.format("a.c") + "deleted file mode 100644\n", "lines of it are left"
    ),
    "another mode": (
        GIT.format("run") + "old mode 100644\nnew mode 100755\n", "mode of 'run' is 100755"
    ),
    "a link for a file": (
        GIT.format("link") + "index 1..2 100644\n".replace("1..2", "1111..2222")
        + "--- a/link\n+++ b/link\n@@ -1 +1 @@\n-a.c\n+b\n", "mode of 'link' is 120000"
    ),
    "an empty link": (GIT.format("x") + "new file mode 120000\n", "a symbolic link to b''"),
    # binary
    "no binary hunk": (GIT.format("bin") + "GIT binary patch\n", "line 3, 'bin': the patch ends"),
    "no end of a binary hunk": (
        GIT.format("bin") + "GIT binary patch\nliteral 0\nKcmV+b0RR6000031\n", "the patch ends"
    ),
    "another size": (
        GIT.format("bin") + "GIT binary patch\nliteral 1\nKcmV+b0RR6000031\n\n", "another size"
    ),
    "damaged binary": (
        GIT.format("bin") + "GIT binary patch\nliteral 0\nKcmV+b0RR6000062\n\n", "damaged binary"
    ),
    "padding that is not zero": (
        GIT.format("bin") + "GIT binary patch\nliteral 0\nKcmV+b0RR6000041\n\n", "line 4, 'bin'"
    ),
    "a line of another length": (
        GIT.format("bin") + "GIT binary patch\nliteral 0\nLcmV+b0RR6000031x\n\n", "line 4, 'bin'"
    ),
    "a line without a letter": (
        GIT.format("bin") + "GIT binary patch\nliteral 0\n!00000\n\n", "line 4, 'bin'"
    ),
    "not base 85": (
        GIT.format("bin") + 'GIT binary patch\nliteral 0\nKcmV+b0RR60000"1\n\n', "line 4, 'bin'"
    ),
    "another binary file": (
        GIT.format("bin") + f"index {'1' * 40}..{'2' * 40} 100644\nGIT binary patch\n"
        "literal 0\nKcmV+b0RR6000031\n\n", "old contents are 8352675d67"
    ),
    "another new binary file": (
        GIT.format("x") + f"new file mode 100644\nindex {'0' * 40}..{'2' * 40}\nGIT binary patch\n"
        "literal 0\nKcmV+b0RR6000031\n\n", "new contents are e69de29bb2"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    patch, message = REFUSED[name]
    with pytest.raises(PatchError, match=message) as caught:
        apply_patch(BASE, patch.encode())
    assert caught.value.found.startswith("patch line ")
    assert caught.value.expected or caught.value.remedy


# --- what is taken although it is not canonical ---------------------------------------------------

TAKEN = {
    "context lines whose blank was stripped": (
        "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n 1\n\n-2\n+3\n", "1\n\n2\n", "1\n\n3\n"
    ),
    "text after the heading": ("--- a/f\n+++ b/f\n@@ -1 +1 @@ int f()\n-1\n+2\n", "1\n", "2\n"),
    "no context": ("--- a/f\n+++ b/f\n@@ -2,0 +3 @@\n+x\n@@ -4 +4,0 @@\n-4\n", "1\n2\n3\n4\n",
                   "1\n2\nx\n3\n"),
    "a signature": ("--- a/f\n+++ b/f\n@@ -1 +0,0 @@\n-1\n-- \n2.39.5\n\n", "1\n", ""),
    "a subject that looks like a part": (
        "Subject: x\n\n@@ -1 +1 @@\nBinary files differ\n--- a/g\n+++ b/g\n---\n f | 2 +-\n\n"
        "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n", "1\n", "2\n"
    ),
    "a message without mail heading": (
        "Subject: x\n\nOnly in a: x\n\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n", "1\n", "2\n"
    ),
    "a note in another language": (
        "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n\\ Kein Zeilenumbruch\n+2\n", "1", "2\n"
    ),
    "the mode of an executable in the index line": (
        "diff --git a/f b/f\nindex 1111..2222 100755\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n",
        "1\n", "2\n"
    ),
    "a file emptied, not deleted": ("--- a/f\n+++ b/f\n@@ -1 +0,0 @@\n-1\n", "1\n", ""),
    "lines that look like headings": (
        "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n--- a/x\n-diff --git a/x b/x\n++++ b/x\n+@@ -1 +1 @@\n",
        "-- a/x\ndiff --git a/x b/x\n", "+++ b/x\n@@ -1 +1 @@\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name: str) -> None:
    patch, old, new = TAKEN[name]
    assert apply_patch(Tree({"f": text(old)}), patch.encode()) == Tree({"f": text(new)})


# --- truncation and damage ------------------------------------------------------------------------

WHOLE = (
    BASE,
    Tree(
        {
            "a.c": text(TEN.replace("1\n", "one\n").replace("9\n", "")),
            "bin": Entry(Mode.REGULAR, b"\0\1\2\3"),
            "bin2": Entry(Mode.REGULAR, b"\0" * 60),
            "d/link": text("../empty", Mode.SYMLINK),
            "run.sh": text("#!/bin/sh\n", Mode.REGULAR),
            "empty": text("", Mode.EXECUTABLE),
        }
    ),
)


def test_every_truncation_is_noticed_unless_it_ends_a_part() -> None:
    patch = unified_diff(*WHOLE)
    assert apply_patch(WHOLE[0], patch) == WHOLE[1]
    # sections, hunks, the way there of binary files; headings that alone are a change; and a new
    # line whose note about a missing newline is lost cannot be told from one that has a newline
    ends = {match.start() for match in re.finditer(rb"(?m)^diff --git |^@@ |^literal ", patch)}
    firsts = {match.end() for match in re.finditer(rb"\+\+\+ .*\n|GIT binary patch\n", patch)}
    alone = {
        match.end() for match in re.finditer(rb"new (?:file )?mode 100\d+\n(?!similarity)", patch)
    }
    alone |= {match.end() for match in re.finditer(rb"(?m)^\+.*\n(?=\\ )", patch)}
    for end in range(len(patch)):
        if end in (ends - firsts) | alone:
            apply_patch(WHOLE[0], patch[:end])
        else:
            with pytest.raises(PatchError, match="patch line"):
                apply_patch(WHOLE[0], patch[:end])


def test_every_flipped_bit_is_noticed_or_leaves_a_tree() -> None:
    patch = unified_diff(*WHOLE)
    noticed = 0
    for at in range(len(patch)):
        for bit in (0, 3, 5):
            damaged = bytearray(patch)
            damaged[at] ^= 1 << bit
            try:
                apply_patch(WHOLE[0], bytes(damaged))
            except PatchError:
                noticed += 1
    assert noticed > len(patch)


def test_flipped_bits_in_binary_contents_change_nothing_unnoticed() -> None:
    base, target = (Tree({"b": Entry(Mode.REGULAR, data)}) for data in (b"\0old", b"\0 the new"))
    patch = unified_diff(base, target)
    start, end = patch.index(b"literal 9"), patch.index(b"\nliteral 4")
    for at in range(start, end):
        for bit in range(8):
            damaged = bytearray(patch)
            damaged[at] ^= 1 << bit
            try:
                assert apply_patch(base, bytes(damaged)) == target
            except PatchError:
                continue
