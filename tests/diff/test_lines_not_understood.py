"""Between sections every line is known to carry nothing, or the patch is refused by its number."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tree_pairs import git

from shared.diff import apply_patch
from shared.errors import PatchError
from shared.tree import Entry, Mode, Tree, read_tree, write_tree


def text(data: str, mode: Mode = Mode.REGULAR) -> Entry:
    return Entry(mode, data.encode())


BASE = Tree(
    {
        "a.c": text("int limit = 3;\n"),
        "src/a.c": text("int limit = 3;\n"),
        "run.sh": text("echo\n"),
        "f": text("1\n"),
    }
)
SECTION = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-1\n+2\n"
MADE = BASE.replace({"f": text("2\n")})
MAIL = "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
HEAD = MAIL + "From: a <a@b>\nDate: x\nSubject: [PATCH] x\n y\n\n"

TAKEN = {
    "a mail with all that git writes": HEAD + "body\nOnly in b: x\n- item\n---\n\nNotes:\n"
    "    a note\n\n"
    " f   | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\n" + SECTION
    + "\nbase-commit: 1b70a60969fa89a50ab4dcf1358e5df56fa62721\n-- \n2.39.5\n\n",
    "what an engineer adds after the message": HEAD + "---\nv2: other words\nCc: me\n\n f | 2 +-\n"
    "\n" + SECTION,
    "a mail without diffstat": HEAD + "body\n\n" + SECTION + "-- \n2.39.5\n\n",
    "a range-diff": HEAD + "---\nRange-diff against v1:\n"
    "1:  7ebcdfd = 1:  7ebcdfd x\n\n f | 2 +-\n\n"
    + SECTION,
    "an indented difference in a message": HEAD + "    diff --git a/a.c b/a.c\n    --- a/a.c\n"
    "---\n\n" + SECTION,
    "a cover letter": HEAD + "*** BLURB ***\n\na (1):\n  x\n\n f | 2 +-\n\n-- \n2.39.5\n\n" + HEAD
    + "---\n\n" + SECTION,
    "a mail whose first line is lost": HEAD.partition("\n")[2] + "---\n f | 2 +-\n\n" + SECTION,
    "git log": "commit 0123456789012345678901234567890123456789 (HEAD -> main)\nAuthor: a\n"
    "Date:   x\n\n    x\n    \n    Only in b: x\n\nNotes:\n    n\n---\n f | 2 +-\n\n" + SECTION,
    "summaries": ":100644 100644 d00491f 0cfbf08 M\tf\n1\t1\tf\n f | 2 +-\n"
    " 1 file changed, 1 insertion(+), 1 deletion(-)\n\n" + SECTION,
    "the command of diff -r": "diff -ruN '--exclude=x' a/f b/f\n" + SECTION.partition("\n")[2],
    "an Index line": "Index: p/f\n" + "=" * 67 + "\n" + SECTION.partition("\n")[2],
    "Debian's fields": "Description: x\n more\nAuthor: a\n---\n" + SECTION.partition("\n")[2],
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_known_to_carry_nothing(name: str) -> None:
    assert apply_patch(BASE, TAKEN[name].encode()) == MADE


REFUSED = {
    "text before": ("see below\n\n" + SECTION, 1),
    "text between": (SECTION + "see above\n", 7),
    "a byte order mark": ("\ufeff" + SECTION, 1),
    "a first line that is lost": ("old mode 100644\nnew mode 100755\n" + SECTION, 1),
    "one side only, in German": (SECTION + "Nur in new: x.\n", 7),
    "a folder for a file, in French": (
        "Le fichier a/conf est un fichier alors que le fichier b/conf est un répertoire\n"
        + SECTION, 1
    ),
    "binary files, in Spanish": ("Los archivos binarios a/x y b/x son distintos\n" + SECTION, 1),
    "a submodule at the end": (SECTION + "Submodule sub 0000000...1234567 (new submodule)\n", 7),
    "a submodule that a message adjoins": (
        HEAD + "body\n\nSubmodule sub 1234567..2345678:\n  > x\n" + SECTION, 9
    ),
    "a submodule after the diffstat": (
        HEAD + "---\n f   | 2 +-\n sub | 2 +-\n\nSubmodule sub 1..2:\n" + SECTION, 11
    ),
    "a mail that only tells": (
        HEAD + "---\n f | 2 +-\n\n-- \n2.39.5\n\n" + HEAD + "---\n" + SECTION, 8
    ),
    "a difference in a message": (
        HEAD + SECTION.replace("/f", "/run.sh").replace("1\n+", "echo\n+")
        + "\n---\n f | 2 +-\n\n" + SECTION, 14
    ),
    "an encoded mail": (
        MAIL + "Subject: x\nContent-Transfer-Encoding: quoted-printable\n\n---\n" + SECTION, 3
    ),
    "a mail in parts": (MAIL + "Content-Type: multipart/mixed; boundary=x\n\n" + SECTION, 2),
    "a merge": (
        "commit 0123456789012345678901234567890123456789\nMerge: 1234567 2345678\n\n    x\n\n"
        + SECTION,
        2,
    ),
    "a graph": ("* commit 0123456789012345678901234567890123456789\n" + SECTION, 1),
    "colours": ("\x1b[1mdiff --git a/f b/f\x1b[m\n" + SECTION, 1),
    "a prefix of lines": ("".join(f" {line}\n" for line in SECTION.splitlines()), 1),
    "a context diff": ("*** a/f\n--- b/f\n***************\n*** 1 ****\n! 1\n--- 1 ----\n! 2\n", 1),
    "an ed script": ("diff -re a/f b/f\n1c\n2\n.\n", 1),
    "a normal diff": ("1c1\n< 1\n---\n> 2\n", 1),
    "properties": (SECTION + "\nProperty changes on: f\n____\nAdded: svn:executable\n", 8),
    "hg export": ("# HG changeset patch\n# User a\nx\n\n" + SECTION, 1),
    "an unmerged path": ("* Unmerged path f\n" + SECTION, 1),
    "words": (SECTION.replace("-1\n+2\n", "[-1-]{+2+}\n"), 5),
    "words in an indented line": (
        "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n [-1-]{+2+}\n", 4
    ),
    "other indicators": (SECTION.replace("+2", ">2"), 6),
    "a second heading": ("diff --git a/f b/f\nold mode 100644\nold mode 100755\n", 3),
    "text after a signature": (SECTION + "-- \n2.39.5\n\n_____\nlist@example.org\n", 10),
    "a part in a signature": (SECTION + "-- \n+x\n", 8),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_the_number_of_the_line(name: str) -> None:
    patch, line = REFUSED[name]
    with pytest.raises(PatchError, match=rf"^patch line {line}[,:]") as caught:
        apply_patch(BASE, patch.encode())
    assert caught.value.remedy


def test_utf_16_is_refused() -> None:
    with pytest.raises(PatchError, match=r"^patch line 1: .* UTF-16"):
        apply_patch(BASE, (SECTION + "\n").encode("utf-16"))


# --- prefixes -----------------------------------------------------------------------------------

NO_PREFIX = (
    "diff --git src/a.c src/a.c\n--- src/a.c\n+++ src/a.c\n@@ -1 +1 @@\n-int limit = 3;\n+x\n"
)


def test_a_folder_is_not_taken_for_a_prefix() -> None:
    with pytest.raises(
        PatchError, match=r"^patch line 1, 'a\.c': both sides have 'src/'"
    ) as caught:
        apply_patch(BASE, NO_PREFIX.encode())
    assert "--strip 0" in (caught.value.remedy or "")
    assert apply_patch(BASE, NO_PREFIX.encode(), 0) == BASE.replace({"src/a.c": text("x\n")})
    assert apply_patch(BASE, NO_PREFIX.encode(), 1) == BASE.replace({"a.c": text("x\n")})


def test_a_new_file_without_prefix_is_refused_too() -> None:
    patch = b"--- /dev/null\n+++ src/new.py\n@@ -0,0 +1 @@\n+x\n"
    with pytest.raises(PatchError, match="the prefix 'src/'"):
        apply_patch(BASE, patch)
    assert "src/new.py" in apply_patch(BASE, patch, 0)
    assert "new.py" in apply_patch(BASE, patch.replace(b"src/", b"b/"))


def test_prefixes_that_change_from_section_to_section_are_refused() -> None:
    glued = NO_PREFIX.replace(" src/", " asrc/", 1).replace(" src/", " bsrc/", 1)
    glued = glued.replace("--- src/", "--- asrc/").replace("+++ src/", "+++ bsrc/")
    with pytest.raises(PatchError, match=r"^patch line 7, .*'asrc/'.*; expected: 'a/' and 'b/'"):
        apply_patch(BASE, (SECTION + glued).encode())


def test_more_folders_are_left_away_where_asked() -> None:
    patch = SECTION.replace("a/f", "a/x/f").replace("b/f", "b/y/f").encode()
    with pytest.raises(PatchError, match="two different names"):
        apply_patch(BASE, patch)
    assert apply_patch(BASE, patch, 2) == MADE
    renamed = b"diff --git a/x/f b/x/g\nsimilarity index 100%\nrename from x/f\nrename to x/g\n"
    assert apply_patch(BASE, renamed, 2) == BASE.replace({"f": None, "g": BASE["f"]})


# --- real tools ---------------------------------------------------------------------------------

CHANGED = BASE.replace(
    {"src/a.c": text("int limit = 4;\n"), "run.sh": text("echo\n", Mode.EXECUTABLE),
     "new.py": text("x = 1\n")}
)  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A work tree with ``CHANGED`` in the index, ``BASE`` committed."""
    folder = tmp_path / "repository"
    write_tree(BASE, folder)
    git(["init", "-q", "."], folder)
    git(["add", "-A"], folder)
    git(["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"], folder)
    for path in ("src/a.c", "run.sh", "new.py"):
        (folder / path).write_bytes(CHANGED[path].data)
    (folder / "run.sh").chmod(0o755)
    git(["add", "-A"], folder)
    return folder


@pytest.mark.parametrize("options", [
    ["--stat", "-p"], ["--patch-with-raw"], ["--numstat", "-p"], ["--summary", "-p"],
    ["--dirstat", "-p"], ["--shortstat", "-p"], ["--compact-summary", "-p"],
    ["--full-index"], ["--abbrev=4"], ["-W"], ["-U0"], ["--inter-hunk-context=9"],
    ["--src-prefix=x/", "--dst-prefix=y/"], ["--ws-error-highlight=all"], ["--text"],
])  # fmt: skip
def test_forms_of_git_diff_that_are_taken(repository: Path, options: list[str]) -> None:
    assert apply_patch(BASE, git(["diff", "--cached", *options], repository)) == CHANGED


def test_mnemonic_prefixes_are_taken(repository: Path) -> None:
    patch = git(["-c", "diff.mnemonicPrefix=true", "diff", "--cached"], repository)
    assert b" c/src/a.c i/src/a.c\n" in patch
    assert apply_patch(BASE, patch) == CHANGED


@pytest.mark.parametrize("options", [
    ["--no-prefix"], ["--src-prefix=x/", "--dst-prefix=x/"], ["--line-prefix=> "], ["--color"],
    ["--line-prefix= "], ["--word-diff"], ["--word-diff=porcelain"], ["--output-indicator-new=>"],
    ["--output-indicator-context=.", "--output-indicator-old=<"],
    ["--src-prefix=", "--dst-prefix="],
    ["--src-prefix=x", "--dst-prefix=y"],
])  # fmt: skip
def test_forms_of_git_diff_that_are_refused(repository: Path, options: list[str]) -> None:
    patch = git(["diff", "--cached", *options], repository)
    with pytest.raises(PatchError, match=r"^patch line \d+[,:]"):
        apply_patch(BASE, patch)


@pytest.mark.parametrize("form", ["log", "diff", "short"])
@pytest.mark.parametrize("made", ["diff", "format-patch"])
def test_submodules_are_refused_in_every_form(repository: Path, form: str, made: str) -> None:
    gitlink = "160000,0123456789012345678901234567890123456789,sub"
    git(["update-index", "--add", "--cacheinfo", gitlink], repository)
    command = ["diff", "--cached", f"--submodule={form}"]
    if made == "format-patch":
        git(["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "y"], repository)
        command = ["format-patch", "--stdout", "-1", f"--submodule={form}"]
    with pytest.raises(PatchError, match=r"^patch line \d+[,:].*submodule"):
        apply_patch(BASE, git(command, repository))


def diff(folder: Path, *options: str, **environment: str) -> bytes:
    """What GNU diff writes of the folders ``old`` and ``new``."""
    done = subprocess.run(
        ["diff", *options, "old", "new"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", **environment},
        capture_output=True,
        check=False,
    )
    assert done.returncode < 2
    return done.stdout


def file_for_folder(folder: Path) -> None:
    (folder / "old/conf").write_text("cfg\n")
    (folder / "new/conf").mkdir()
    (folder / "new/conf/main").write_text("x\n")


def folder_for_file(folder: Path) -> None:
    (folder / "new/conf").write_text("cfg\n")
    (folder / "old/conf").mkdir()
    (folder / "old/conf/main").write_text("x\n")


def binary(folder: Path) -> None:
    (folder / "old/bin").write_bytes(b"\0\1")
    (folder / "new/bin").write_bytes(b"\0\2")


@pytest.mark.parametrize("kind", [file_for_folder, folder_for_file, binary])
@pytest.mark.parametrize("locale", ["C", "de_DE.UTF-8", "fr_FR.UTF-8", "ja_JP.UTF-8"])
def test_what_diff_says_in_words_is_refused(
    tmp_path: Path, kind: Callable[[Path], None], locale: str
) -> None:
    write_tree(BASE, tmp_path / "old")
    write_tree(CHANGED, tmp_path / "new")
    kind(tmp_path)
    patch = diff(tmp_path, "-ruN", LC_ALL=locale)
    with pytest.raises(PatchError, match=r"^patch line \d+[,:]"):
        apply_patch(read_tree(tmp_path / "old"), patch)


@pytest.mark.parametrize("options", [["-rc"], ["-re"], ["-r"], ["-ry"], ["-rq"], ["-rn"], ["-ru"]])
def test_forms_of_diff_that_are_refused(tmp_path: Path, options: list[str]) -> None:
    write_tree(BASE, tmp_path / "old")
    write_tree(CHANGED, tmp_path / "new")
    with pytest.raises(PatchError, match=r"^patch line \d+[,:]"):
        apply_patch(BASE, diff(tmp_path, *options))


@pytest.mark.parametrize("options", [["-ruN"], ["-ruNp"], ["-rNU0"], ["-ruNd"], ["-ruNa"]])
def test_forms_of_diff_that_are_taken(tmp_path: Path, options: list[str]) -> None:
    """As far as such a difference goes: it tells of no mode."""
    write_tree(BASE, tmp_path / "old")
    write_tree(CHANGED, tmp_path / "new")
    assert apply_patch(BASE, diff(tmp_path, *options)) == CHANGED.replace(
        {"run.sh": BASE["run.sh"]}
    )
