"""Random software trees with everything a patch must survive, and git as an independent oracle."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from shared.tree import Entry, Mode, Tree, path_bytes

PATIENT = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
"""For properties: a busy machine is no reason to fail."""

PATHS = (
    "a", "a.c", "a/b", "a/b/c", "d/e.py", "d/e", "z", "with space", " lead", "tail ", 'quo"te',
    "new\nline", "tab\tx", "back\\slash", "é/ü", "\udcff\udc80", "x b/x", "a b/a", "-- ", "--- a",
    "dir x/f g", "ends\r", "dev/null", "a b", "b/a",
)  # fmt: skip

LINES = (
    b"int a;", b"", b"}", b"\tif (a) {", b"  y\r", b"\xff\xfe\x80", b"-- ", b"--- a/x",
    b"+++ b/x", b"@@ -1 +1 @@", b"\\ No newline at end of file", b"diff --git a/x b/x",
    b"From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001", b"GIT binary patch",
)  # fmt: skip

LONG = tuple(b"line %d of a longer file" % number for number in range(24))

MESSAGE = b"""A change

Binary files a/x and b/x differ
Only in a: x
@@ -1 +1 @@
-x
+y
rename from x
"""


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """A file: empty, text of short or of many lines, text without a last newline, binary."""
    lines = list(draw(st.sampled_from([(), LONG, LONG[::-1], LONG[:3]])))
    for line in draw(st.lists(st.sampled_from(LINES), max_size=6)):
        lines.insert(draw(st.integers(0, len(lines))), line)
    data = b"".join(line + b"\n" for line in lines)
    ending = draw(st.sampled_from([b"", b"", b"no newline", b"\r", b"\0\x01", b"\0" * 90 + b"\n"]))
    return data + ending


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """A file of either mode, or a link."""
    mode = draw(st.sampled_from([Mode.REGULAR, Mode.REGULAR, Mode.EXECUTABLE, Mode.SYMLINK]))
    if mode is Mode.SYMLINK:
        # no link to itself: git apply cannot put a folder in the place of one
        targets = [b"d", b"../up", b"/etc/passwd", b"two\nlines", b"ends\n", b"\xff"]
        return Entry(mode, draw(st.sampled_from(targets)))
    return Entry(mode, draw(contents()))


@st.composite
def edited(draw: st.DrawFn, entry: Entry) -> Entry:
    """An entry that has something in common with ``entry``."""
    if entry.mode is Mode.SYMLINK or draw(st.integers(0, 5)) == 0:
        return draw(entries())
    lines = entry.data.split(b"\n")
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(lines)))
        lines[at : at + draw(st.integers(0, 2))] = draw(
            st.lists(st.sampled_from(LINES), max_size=2)
        )
    mode = draw(st.sampled_from([entry.mode, entry.mode, Mode.REGULAR, Mode.EXECUTABLE]))
    return Entry(mode, b"\n".join(lines))


def without_clashes(named: dict[str, Entry]) -> Tree:
    """A tree of ``named``; what comes later goes where a file and a folder have one name."""
    kept: dict[str, Entry] = {}
    for path, entry in named.items():
        is_folder = any(other.startswith(path + "/") for other in kept)
        if not is_folder and not any(path.startswith(other + "/") for other in kept):
            kept[path] = entry
    return Tree(kept)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Any small tree."""
    named = draw(st.dictionaries(st.sampled_from(PATHS), entries(), max_size=7))
    return without_clashes(named)


@st.composite
def successors(draw: st.DrawFn, tree: Tree) -> Tree:
    """A tree that ``tree`` could become: edits, renames, deletions, new files."""
    named: dict[str, Entry] = {}
    for path, entry in draw(st.permutations(list(tree.items()))):
        fate = draw(st.sampled_from(["keep", "edit", "edit", "delete", "move", "move and edit"]))
        if fate == "delete":
            continue
        new_path = draw(st.sampled_from(PATHS)) if "move" in fate else path
        named.setdefault(new_path, draw(edited(entry)) if "edit" in fate else entry)
    for path in draw(st.lists(st.sampled_from(PATHS), max_size=2)):
        named.setdefault(path, draw(entries()))
    return without_clashes(named)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Tree, Tree]:
    """A tree and one it could become."""
    base = draw(trees())
    return base, draw(successors(base))


@st.composite
def histories(draw: st.DrawFn, length: int = 5) -> list[Tree]:
    """``length`` trees, each made of the one before."""
    history = [draw(trees())]
    while len(history) < length:
        history.append(draw(successors(history[-1])))
    return history


def git(arguments: Sequence[str], folder: Path, stdin: bytes = b"") -> bytes:
    """Run git without anybody's configuration; its standard output."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
    }
    done = subprocess.run(
        ["git", *arguments], cwd=folder, input=stdin, env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def commit_history(history: Sequence[Tree], folder: Path) -> list[str]:
    """Put ``history`` into a bare git repository in ``folder``, as one line of commits.

    Returns:
        A name for each commit.
    """
    folder.mkdir()
    git(["init", "-q", "--bare", "-b", "main", "."], folder)
    stream = []
    for number, tree in enumerate(history, 1):
        stream.append(b"commit refs/heads/main\nmark :%d\n" % number)
        stream.append(b"committer A <a@example.org> %d +0000\n" % (1000000000 + number))
        stream.append(b"data %d\n%b" % (len(MESSAGE), MESSAGE))
        stream.append(b"deleteall\n")
        for path, entry in tree.items():
            quoted = path_bytes(path)
            for byte, escape in ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n")):
                quoted = quoted.replace(byte, escape)
            stream.append(b'M %06o inline "%b"\n' % (entry.mode, quoted))
            stream.append(b"data %d\n%b\n" % (len(entry.data), entry.data))
        stream.append(b"tag t%d\nfrom :%d\ntagger A <a@example.org> 0 +0000\ndata 0\n" % (
            number, number,
        ))  # fmt: skip
    git(["fast-import", "--quiet"], folder, b"".join(stream))
    return [f"t{number}" for number in range(1, len(history) + 1)]
