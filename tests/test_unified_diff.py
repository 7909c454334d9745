"""The canonical patch: its bytes case by case, and git as the judge of what they mean."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from patch_by_the_page import patch_by_the_page
from tree_pairs import PATIENT, git, histories, pairs

from shared.diff import apply_patch, unified_diff
from shared.tree import Entry, Mode, Tree, read_tree, write_tree

TEN = "".join(f"{number}\n" for number in range(1, 11))


def text(data: str) -> Entry:
    return Entry(Mode.REGULAR, data.encode())


def script(data: str) -> Entry:
    return Entry(Mode.EXECUTABLE, data.encode())


def link(target: str) -> Entry:
    return Entry(Mode.SYMLINK, target.encode())


LITERAL_CASES = {
    "nothing changes": ({"a": text("1\n")}, {"a": text("1\n")}, ""),
    "one line of a longer file": (
        {"src/a.c": text(TEN)},
        {"src/a.c": text(TEN.replace("6\n", "six\nand\n"))},
        """\
diff --git a/src/a.c b/src/a.c
--- a/src/a.c
+++ b/src/a.c
@@ -3,7 +3,8 @@
 3
 4
 5
-6
+six
+and
 7
 8
 9
""",
    ),
    "six lines between two changes: one hunk": (
        {"a": text(TEN)},
        {"a": text(TEN.replace("2\n", "").replace("9\n", "nine\n"))},
        """\
diff --git a/a b/a
--- a/a
+++ b/a
@@ -1,10 +1,9 @@
 1
-2
 3
 4
 5
 6
 7
 8
-9
+nine
 10
""",
    ),
    "seven lines between two changes: two hunks": (
        {"a": text(TEN)},
        {"a": text("0\n" + TEN.replace("8\n", ""))},
        """\
diff --git a/a b/a
--- a/a
+++ b/a
@@ -1,3 +1,4 @@
+0
 1
 2
 3
@@ -5,6 +6,5 @@
 5
 6
 7
-8
 9
 10
""",
    ),
    "no newline on the old side": (
        {"a": text("1\n2")},
        {"a": text("1\n2\n3\n")},
        """\
diff --git a/a b/a
--- a/a
+++ b/a
@@ -1,2 +1,3 @@
 1
-2
\\ No newline at end of file
+2
+3
""",
    ),
    "no newline on the new side": (
        {"a": text("1\n")},
        {"a": text("2")},
        """\
diff --git a/a b/a
--- a/a
+++ b/a
@@ -1 +1 @@
-1
+2
\\ No newline at end of file
""",
    ),
    "no newline on either side": (
        {"a": text("1\n2")},
        {"a": text("0\n2")},
        """\
diff --git a/a b/a
--- a/a
+++ b/a
@@ -1,2 +1,2 @@
-1
+0
 2
\\ No newline at end of file
""",
    ),
    "new files, one empty": (
        {},
        {"a": text("1\n2\n"), "b": script(""), "c": link("a")},
        """\
diff --git a/a b/a
new file mode 100644
--- /dev/null
+++ b/a
@@ -0,0 +1,2 @@
+1
+2
diff --git a/b b/b
new file mode 100755
diff --git a/c b/c
new file mode 120000
--- /dev/null
+++ b/c
@@ -0,0 +1 @@
+a
\\ No newline at end of file
""",
    ),
    "deleted files, one empty": (
        {"a": script("1\n2\n"), "b": text("")},
        {},
        """\
diff --git a/a b/a
deleted file mode 100755
--- a/a
+++ /dev/null
@@ -1,2 +0,0 @@
-1
-2
diff --git a/b b/b
deleted file mode 100644
""",
    ),
    "emptied and filled": (
        {"a": text("1\n"), "b": text("")},
        {"a": text(""), "b": text("2\n3\n")},
        """\
diff --git a/a b/a
--- a/a
+++ b/a
@@ -1 +0,0 @@
-1
diff --git a/b b/b
--- a/b
+++ b/b
@@ -0,0 +1,2 @@
+2
+3
""",
    ),
    "modes, with and without other contents": (
        {"a": text("1\n"), "b": script("2\n")},
        {"a": script("1\n"), "b": text("3\n")},
        """\
diff --git a/a b/a
old mode 100644
new mode 100755
diff --git a/b b/b
old mode 100755
new mode 100644
--- a/b
+++ b/b
@@ -1 +1 @@
-2
+3
""",
    ),
    "renamed: as it was, and with another mode and line": (
        {"old/a": text("1\n"), "old/b": text(TEN)},
        {"new/a": text("1\n"), "new/b": script(TEN.replace("10\n", "ten\n"))},
        """\
diff --git a/old/a b/new/a
similarity index 100%
rename from old/a
rename to new/a
diff --git a/old/b b/new/b
old mode 100644
new mode 100755
similarity index 81%
rename from old/b
rename to new/b
--- a/old/b
+++ b/new/b
@@ -7,4 +7,4 @@
 7
 8
 9
-10
+ten
""",
    ),
    "a file becomes a link, a link a file, a link points elsewhere": (
        {"a": text("x\n"), "b": link("x"), "c": link("old")},
        {"a": link("x"), "b": text("x\n"), "c": link("new")},
        """\
diff --git a/a b/a
deleted file mode 100644
--- a/a
+++ /dev/null
@@ -1 +0,0 @@
-x
diff --git a/a b/a
new file mode 120000
--- /dev/null
+++ b/a
@@ -0,0 +1 @@
+x
\\ No newline at end of file
diff --git a/b b/b
deleted file mode 120000
--- a/b
+++ /dev/null
@@ -1 +0,0 @@
-x
\\ No newline at end of file
diff --git a/b b/b
new file mode 100644
--- /dev/null
+++ b/b
@@ -0,0 +1 @@
+x
diff --git a/c b/c
--- a/c
+++ b/c
@@ -1 +1 @@
-old
\\ No newline at end of file
+new
\\ No newline at end of file
""",
    ),
    "a file gives way to a folder and a folder to a file": (
        {"a": text("1\n"), "b/c": text("2\n")},
        {"a/c": text("3\n"), "b": text("4\n")},
        """\
diff --git a/a b/a
deleted file mode 100644
--- a/a
+++ /dev/null
@@ -1 +0,0 @@
-1
diff --git a/a/c b/a/c
new file mode 100644
--- /dev/null
+++ b/a/c
@@ -0,0 +1 @@
+3
diff --git a/b b/b
new file mode 100644
--- /dev/null
+++ b/b
@@ -0,0 +1 @@
+4
diff --git a/b/c b/b/c
deleted file mode 100644
--- a/b/c
+++ /dev/null
@@ -1 +0,0 @@
-2
""",
    ),
    "odd paths": (
        {"é": text("1\n"), 'a "b"\\': text("2\n"), "t\ta\n": text(""), "a b": text("3\n")},
        {"é": text("0\n"), 'a "b"\\': text("0\n"), "t\ta\r": text(""), "a b": text("0\n")},
        # after a path with a space comes a tab, quoted or not
        """\
diff --git "a/a \\"b\\"\\\\" "b/a \\"b\\"\\\\"
--- "a/a \\"b\\"\\\\"\t
+++ "b/a \\"b\\"\\\\"\t
@@ -1 +1 @@
-2
+0
diff --git a/a b b/a b
--- a/a b\t
+++ b/a b\t
@@ -1 +1 @@
-3
+0
diff --git "a/t\\ta\\n" "b/t\\ta\\r"
similarity index 100%
rename from "t\\ta\\n"
rename to "t\\ta\\r"
diff --git "a/\\303\\251" "b/\\303\\251"
--- "a/\\303\\251"
+++ "b/\\303\\251"
@@ -1 +1 @@
-1
+0
""",
    ),
    "line ends": (
        {"a": text("1\r\n2\r\n")},
        {"a": text("1\r\n2\n")},
        "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n 1\r\n-2\r\n+2\n",
    ),
    "bytes that are not text": (
        # names by git hash-object; in base 85: 78010103 00fcff01 00020008 0004, where 00080004 is
        # Adler-32 of 01 00 02; then the way back: 78010102 00fdff78 0a00fc00 83
        {"b": text("x\n")},
        {"b": text("\x01\0\x02")},
        """\
diff --git a/b b/b
index 587be6b4c3f93f93c489c0111bba5596147a26cb..c3027df660b44a7a17b1411eed91fe252dd4f46b 100644
GIT binary patch
literal 3
NcmV+e0Q~;}00ICA00aO4

literal 2
McmV+d0R8`X3IO~7g8%>k

""",
    ),
}


@pytest.mark.parametrize("name", LITERAL_CASES)
def test_the_patch_byte_by_byte(name: str, tmp_path: Path) -> None:
    base, target, patch = LITERAL_CASES[name]
    found = unified_diff(Tree(base), Tree(target))
    assert found == patch.encode()
    assert apply_patch(Tree(base), found) == Tree(target)
    if patch:
        write_tree(Tree(base), tmp_path / "tree")
        git(["apply", "-"], tmp_path / "tree", found)
        assert read_tree(tmp_path / "tree") == Tree(target)


@PATIENT
@given(pairs())
def test_applying_the_patch_gives_the_target(pair: tuple[Tree, Tree]) -> None:
    base, target = pair
    patch = unified_diff(base, target)
    assert bool(patch) == (base != target)
    assert apply_patch(base, patch) == target


@PATIENT
@given(pairs())
def test_the_description_gives_the_same_bytes(pair: tuple[Tree, Tree]) -> None:
    assert unified_diff(*pair) == patch_by_the_page(*pair)


SHORT_LINES = st.lists(st.sampled_from(["a", "b", " c", "", "d", "e"]), max_size=30).map("\n".join)


@settings(PATIENT, max_examples=200)
@given(SHORT_LINES, SHORT_LINES)
def test_the_description_gives_the_same_bytes_for_repetitive_files(old: str, new: str) -> None:
    pair = Tree({"f": text(old)}), Tree({"f": text(new)})
    assert unified_diff(*pair) == patch_by_the_page(*pair)


def test_the_example_of_the_description() -> None:
    page = Path(__file__).parents[1].joinpath("docs", "canonical-patch.md").read_text("utf-8")
    example = page.split("## 5. An example", 1)[1].split("## 6.", 1)[0]
    patch = "".join(line[4:] + "\n" for line in example.splitlines() if line.startswith("    "))
    limits = "#define MIN_MV 3100\n#define MAX_MV 4200\n#define MAX_MA {}\n"
    base = Tree({"v1/limits.h": text(limits.format("900"))})
    target = Tree(
        {
            "latest": link("v2/limits.h"),
            "v2/limits.h": text(limits.format("12000 /* pulse */")),
        }
    )
    assert unified_diff(base, target).decode() == patch


@settings(
    PATIENT,
    max_examples=30,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking with git takes minutes
)
@given(histories())
def test_git_applies_the_patch_and_takes_it_back(
    tmp_path_factory: pytest.TempPathFactory, history: list[Tree]
) -> None:
    folder = tmp_path_factory.mktemp("history") / "tree"
    write_tree(history[0], folder)
    steps = list(pairwise(history))
    for base, target in steps:
        if base != target:
            git(["apply", "-"], folder, unified_diff(base, target))
        assert read_tree(folder) == target
    for base, target in reversed(steps):
        if base != target:
            git(["apply", "-R", "-"], folder, unified_diff(base, target))
        assert read_tree(folder) == base
