"""Random small trees with everything that a patch must survive."""

from __future__ import annotations

from random import Random

from shared.tree import Entry, Mode, Tree

PATHS = (
    "a", "a.c", "a/b", "a/b/c", "b/a", "d/e.py", "d/e", "src/a.c", "src/run.sh", "z", "with space",
    " lead", "tail ", 'quo"te', "new\nline", "tab\tx", "back\\slash", "é/ü", "\udcff\udc80",
    "x b/x", "a b/a", "--- a", "dir x/f g", "ends\r", "dev/null", ".gitattributes", "conf",
    "conf/main",
)  # fmt: skip

LINES = (
    b"int a;", b"int limit = 3;", b"", b"}", b"\tif (a) {", b"  y\r", b"\xff\xfe\x80", b"-- ",
    b"--", b"--- a/x", b"+++ b/x", b"@@ -1 +1 @@", b"\\ No newline at end of file", b"  x = [-1-]",
    b"diff --git a/x b/x", b"From " + b"0123456789" * 4 + b" Mon Sep 17 00:00:00 2001",
    b"GIT binary patch", b"Only in a: x", b"\x1b[1m", b"* text eol=crlf",
)  # fmt: skip

_ENDS = (b"", b"", b"", b"no newline", b"\r", b"\0\x01", b"\0" * 90 + b"\n")
_MODES = (Mode.REGULAR, Mode.REGULAR, Mode.REGULAR, Mode.EXECUTABLE, Mode.SYMLINK)
_LINKS = (b"d", b"../up", b"/etc/passwd", b"two\nlines", b"ends\n", b"\xff")


def tree(rng: Random) -> Tree:
    """Draw a tree."""
    return _tree({path: _entry(rng) for path in rng.sample(PATHS, rng.randint(1, 8))})


def successor(rng: Random, base: Tree) -> Tree:
    """Draw a tree that ``base`` could become: edits, moves, copies, deletions, new files."""
    named: dict[str, Entry] = {}
    for path, entry in rng.sample(list(base.items()), len(base)):
        fate = rng.choice(("keep", "keep", "edit", "edit", "edit", "delete", "move", "copy"))
        if fate == "delete":
            continue
        if fate in ("move", "copy"):
            named.setdefault(rng.choice(PATHS), _edited(rng, entry))
        if fate != "move":
            named.setdefault(path, _edited(rng, entry) if fate == "edit" else entry)
    for path in rng.sample(PATHS, rng.randint(0, 2)):
        named.setdefault(path, _entry(rng))
    return _tree(named)


def _entry(rng: Random) -> Entry:
    mode = rng.choice(_MODES)
    if mode is Mode.SYMLINK:
        return Entry(mode, rng.choice(_LINKS))
    lines = [b"line %d of a longer file" % number for number in range(rng.choice((0, 0, 3, 24)))]
    for _ in range(rng.randint(0, 6)):
        lines.insert(rng.randint(0, len(lines)), rng.choice(LINES))
    return Entry(mode, b"".join(line + b"\n" for line in lines) + rng.choice(_ENDS))


def _edited(rng: Random, entry: Entry) -> Entry:
    if entry.mode is Mode.SYMLINK or not rng.randrange(6):
        return _entry(rng)
    lines = entry.data.split(b"\n")
    for _ in range(rng.randint(0, 3)):
        at = rng.randint(0, len(lines))
        lines[at : at + rng.randint(0, 2)] = rng.choices(LINES, k=rng.randint(0, 2))
    mode = rng.choice((entry.mode, entry.mode, Mode.REGULAR, Mode.EXECUTABLE))
    return Entry(mode, b"\n".join(lines))


def _tree(named: dict[str, Entry]) -> Tree:
    """A tree of ``named``; what comes later goes where a file and a folder have one name."""
    kept: dict[str, Entry] = {}
    for path, entry in named.items():
        is_folder = any(other.startswith(path + "/") for other in kept)
        if not is_folder and not any(path.startswith(other + "/") for other in kept):
            kept[path] = entry
    return Tree(kept)
