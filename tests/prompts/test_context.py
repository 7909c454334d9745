"""The text that the model reads, letter by letter, for each prompt shape; a change is a new wire
format, since both ends must lay out the same text."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from codec_ends import Recorder, files, plans, write
from hypothesis import given
from hypothesis import strategies as st
from tiny_codec import random_model

from shared.prompts.context.layouts import language, printable_path
from shared.prompts.rewrite import Hunk, _shown_before
from shared.prompts.settings import Settings, Shape
from shared.regenerate import regenerate

MODEL = random_model(3)

OLD = b"".join(b"line %d;\n" % number for number in range(1, 10))
NEW = OLD.replace(b"line 3;", b"    3;\n    more;").replace(b"line 5;\n", b"") + b"last;\n"
BASE = files(a__py=OLD, b__C=b"int x;\n")
TARGET = BASE.replace(dict(files(a__py=NEW, b__C=b"int xx;\n", n__md=b"# new\nx\n").items()))

NEW_FILE = b"""\
n.md (new file):
```markdown
# new
x
"""

TEXTS = {
    Shape.FENCED: b"""\
a.py (old version):
```python
line 1;
line 2;
line 3;
line 4;
line 5;
line 6;
line 7;
line 8;
line 9;
```

a.py (new version):
```python
line 1;
line 2;
    3;
    more;
line 4;
line 6;
line 7;
line 8;
line 9;
last;
```

b.C (old version):
```c
int x;
```

b.C (new version):
```c
int xx;
```

"""
    + NEW_FILE,
    Shape.PLAIN: b"""\
a.py (old version):
line 1;
line 2;
line 3;
line 4;
line 5;
line 6;
line 7;
line 8;
line 9;

a.py (new version):
line 1;
line 2;
    3;
    more;
line 4;
line 6;
line 7;
line 8;
line 9;
last;

End of file

b.C (old version):
int x;

b.C (new version):
int xx;

End of file

"""
    + NEW_FILE,
    Shape.DIFF: b"""\
--- a/a.py
+++ b/a.py
@@ @@
 line 1;
 line 2;
-line 3;
+    3;
+    more;
 line 4;
-line 5;
 line 6;
 line 7;
 line 8;
 line 9;
+last;
 \n\
--- a/b.C
+++ b/b.C
@@ @@
-int x;
+int xx;
 \n\
"""
    + NEW_FILE,
}


def text_read(settings: Settings, *, inside: bool = False) -> bytes:
    """What the model has read in the end, and its last token, which it need not read."""
    wanted = plans(BASE, TARGET, MODEL, inside=inside)
    recorder = Recorder(MODEL)
    made = regenerate(write(BASE, TARGET, MODEL, settings, wanted=wanted), BASE, lambda: recorder)
    assert made.target == TARGET
    assert len(recorder.texts) == 1
    return recorder.read()


@pytest.mark.parametrize("shape", list(Shape), ids=lambda shape: shape.name.lower())
def test_text_of_each_shape(shape: Shape) -> None:
    """Known and written text join without a seam: hunks, a deletion, an append, a new file."""
    expected = TEXTS[shape]
    text = text_read(Settings(shape=shape))
    assert text == expected[: len(text)]
    assert len(expected) - len(text) <= 4


@pytest.mark.parametrize("shape", [Shape.FENCED, Shape.PLAIN])
def test_a_change_inside_a_line_gives_the_same_text(shape: Shape) -> None:
    text = text_read(Settings(shape=shape), inside=True)
    assert text == TEXTS[shape][: len(text)]


def test_windows_show_as_many_lines_as_the_settings_say() -> None:
    """Twelve lines before the hunk and four after it; a second window where the first ends."""
    old = b"".join(b"%d\n" % number for number in range(1, 60))
    base = files(a=old)
    target = files(a=old.replace(b"20\n", b"x\n").replace(b"50\n", b"y\n"))
    recorder = Recorder(MODEL)
    recipe = write(base, target, MODEL, Settings(before=3, after=2))
    assert regenerate(recipe, base, lambda: recorder).target == target
    text = recorder.read()
    first, second = (b"\n".join(b"%d" % k for k in range(*part)) for part in ((8, 25), (38, 55)))
    assert text.startswith(
        b"a (old version):\n```\n" + first + b"\n```\n\na (new version):\n```\n8\n"
    )
    assert b"\n19\nx\n21\n22\n23\n24\n```\n\na (old version):\n```\n" + second + b"\n```\n" in text
    assert text.rstrip(b"y\n").endswith(b"\n48\n49")


NUMBERS = [b"%d\n" % number for number in range(1, 61)]


def listing(*parts: range | bytes) -> bytes:
    """Numbered lines, and others between."""
    return b"".join(
        b"".join(NUMBERS[k - 1] for k in p) if isinstance(p, range) else p for p in parts
    )


LATER = {
    Shape.FENCED: b"a (old version):\n```\n"
    + listing(range(19, 35), b"```\n\na (new version):\n```\n")
    + listing(b"19\nx\nxx\n", range(21, 25), range(26, 30), b"y\n", range(31, 35), b"```\n\n"),
    Shape.PLAIN: b"a (old version):\n"
    + listing(range(19, 35), b"\na (new version):\n")
    + listing(b"19\nx\nxx\n", range(21, 25), range(26, 30), b"y\n", range(31, 35))
    + b"\nEnd of file\n\n",
    Shape.DIFF: b"--- a/a\n+++ b/a\n@@ @@\n 19\n-20\n+x\n+xx\n 21\n 22\n 23\n 24\n-25\n"
    b" 26\n 27\n 28\n 29\n-30\n+y\n 31\n",
}


@pytest.mark.parametrize("shape", list(Shape), ids=lambda shape: shape.name.lower())
def test_a_later_window_shows_what_an_earlier_one_changed(shape: Shape) -> None:
    """Twelve lines above: 19, x, xx, 21 to 24, 26 to 29, and one that was deleted."""
    old = listing(range(1, 61))
    new = old.replace(b"20\n", b"x\nxx\n").replace(b"25\n", b"").replace(b"30\n", b"y\n")
    base, target = files(a=old, b=b"q\n"), files(a=new, b=b"r\n")
    recorder = Recorder(MODEL)
    recipe = write(base, target, MODEL, Settings(shape, before=3, after=2))
    assert regenerate(recipe, base, lambda: recorder).target == target
    text = recorder.read()
    heading = LATER[shape].partition(b"\n")[0]
    windows = [heading + window for window in text.split(heading)[1:]]
    assert len(windows) == 3
    assert windows[2].startswith(LATER[shape])


HUNKS = st.lists(
    st.tuples(st.integers(1, 9), st.integers(0, 5), st.integers(0, 5)).filter(
        lambda t: t[1] + t[2]
    ),
    max_size=6,
)


@given(parts=HUNKS, gap=st.integers(1, 20), most=st.integers(0, 30))
def test_lines_above_a_hunk(parts: list[tuple[int, int, int]], gap: int, most: int) -> None:
    """As many lines as may be shown, whole hunks only, and none of the old lines twice."""
    hunks, place = list[Hunk](), 0
    for unchanged, removed, written in parts:
        start = place + unchanged
        hunks.append(Hunk(start, start + removed, b"n\n" * written))
        place = start + removed
    start = place + gap
    first, shown = _shown_before(start, most, hunks)
    assert list(shown) == hunks[len(hunks) - len(shown) :]
    above = hunks[: len(hunks) - len(shown)]
    assert all(hunk.end <= first for hunk in above)
    assert all(first <= hunk.start for hunk in shown)

    def lines(first: int, shown: Sequence[Hunk]) -> int:
        """The longer side of each hunk, and what is unchanged."""
        sides = [(hunk.end - hunk.start, hunk.text.count(b"\n")) for hunk in shown]
        return start - first - sum(old for old, _ in sides) + sum(max(side) for side in sides)

    assert lines(first, shown) <= most
    if first == 0 and len(shown) == len(hunks):
        return
    if above and first == above[-1].end:  # the next line up belongs to a hunk: it does not fit
        assert lines(above[-1].start, [above[-1], *shown]) > most
    else:
        assert lines(first - 1, shown) == most + 1


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(
    ("new", "end"),
    [(b"a b c\na b d\n", b"\n+a b d\n \n"), (b"a b c\n", b"\n-a b c d\n \n")],
    ids=["change", "deletion"],
)
def test_the_diff_shape_closes_the_end_of_a_file(new: bytes, end: bytes, inside: bool) -> None:
    """With a line of one blank, however the last line was changed."""
    old = b"a b c\na b c d\n"
    base, target = files(a=old, b=b"q\n"), files(a=new, b=b"r\n")
    wanted = plans(base, target, MODEL, inside=inside)
    recorder = Recorder(MODEL)
    recipe = write(base, target, MODEL, Settings(Shape.DIFF), wanted=wanted)
    assert regenerate(recipe, base, lambda: recorder).target == target
    assert end + b"--- a/b\n" in recorder.read()


@pytest.mark.parametrize(
    ("shape", "line", "lines", "windows"),
    [
        # the window of a hunk in line 9 shows the lines up to 21
        (Shape.FENCED, 18, 40, 1),
        (Shape.FENCED, 19, 40, 2),
        (Shape.PLAIN, 18, 40, 1),
        (Shape.PLAIN, 19, 40, 2),
        (Shape.DIFF, 21, 40, 1),
        (Shape.DIFF, 22, 40, 2),
        # near the end of a file nothing more could be shown
        (Shape.FENCED, 19, 21, 1),
        (Shape.FENCED, 21, 21, 1),
        (Shape.PLAIN, 20, 20, 1),
    ],
)
def test_which_hunks_share_a_window(shape: Shape, line: int, lines: int, windows: int) -> None:
    old = [b"%d\n" % number for number in range(1, lines + 1)]
    new = [*old]
    new[9 - 1], new[line - 1] = b"x\n", b"y\n"
    base, target = files(a=b"".join(old)), files(a=b"".join(new))
    recorder = Recorder(MODEL)
    recipe = write(base, target, MODEL, Settings(shape, before=3))
    assert regenerate(recipe, base, lambda: recorder).target == target
    assert len(recorder.texts) == 1
    heading = {Shape.DIFF: b"--- a/a\n"}.get(shape, b"(old version)")
    assert recorder.read().count(heading) == windows


@pytest.mark.parametrize(
    ("path", "word"),
    [("a/b.PY", "python"), ("x.tar.h", "c"), ("Makefile", ""), (".c", "c"), ("é.rs", "rust")],
)
def test_languages(path: str, word: str) -> None:
    assert language(path) == word


def test_paths_are_shown_on_one_line() -> None:
    assert printable_path("a\nb/é\udcff") == "a b/é?".encode()
