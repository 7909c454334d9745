"""The text that the model reads, letter by letter, for each prompt shape; a change is a new wire
format, since both ends must lay out the same text."""

from __future__ import annotations

import pytest
from codec_ends import Recorder, files, plans, write
from tiny_codec import random_model

from shared.prompts.context import language, printable_path
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
