"""Patches as git and GNU diff write them under any options, and what git or patch makes of them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.strange_patches.trees import successor
from shared.tree import Tree, path_bytes, read_tree, write_tree

_Options = tuple[tuple[str, ...], ...]
USUAL: _Options = (
    ("--text",), ("--full-index",), ("--abbrev=4",), ("-M",), ("-M10%",), ("-C",), ("-C", "-C"),
    ("--no-renames",), ("-B",), ("-B10%", "-M"), ("-U0",), ("-U1",), ("-U9",), ("-W",),
    ("--inter-hunk-context=5",), ("--minimal",), ("--patience",), ("--histogram",),
    ("--anchored=}",), ("--no-indent-heuristic",), ("--src-prefix=x/", "--dst-prefix=y/"),
    ("--stat", "-p"), ("--patch-with-raw",), ("--numstat", "-p"), ("--shortstat", "-p"),
    ("--summary", "-p"), ("--dirstat", "-p"), ("--compact-summary", "-p"), ("--relative",),
    ("--ignore-submodules",), ("--ws-error-highlight=all",),
)  # fmt: skip
"""Options of git that change the form of a difference and keep what it says."""

UNUSUAL: _Options = (
    ("-D",), ("-w",), ("-b",), ("--ignore-blank-lines",), ("--ignore-cr-at-eol",), ("-I^int",),
    ("--no-prefix",), ("--src-prefix=x/", "--dst-prefix=x/"), ("--src-prefix=x", "--dst-prefix=y"),
    ("--src-prefix=", "--dst-prefix=y/"), ("--src-prefix=x/y/", "--dst-prefix=x/z/"),
    ("--line-prefix=> ",), ("--line-prefix= ",), ("--color=always",), ("--word-diff",),
    ("--word-diff=porcelain",), ("--color-words",), ("--output-indicator-new=>",),
    ("--output-indicator-old=<",), ("--output-indicator-context=.",), ("-z", "-p"), ("-R",),
    ("--submodule=log",), ("--submodule=diff",), ("--color-moved", "--color=always"),
    ("-Slimit",), ("--diff-filter=AM",),
)  # fmt: skip
"""Options that leave something out, or that no reader of patches understands."""

SETTINGS = (
    "diff.mnemonicPrefix=true", "core.quotePath=false", "diff.renames=copies", "diff.context=1",
    "diff.suppressBlankEmpty=true", "format.signature=a\nb", "diff.noprefix=true",
    "diff.submodule=log", "diff.wordRegex=.", "color.diff=always", "format.noprefix=true",
)  # fmt: skip
MAIL_OPTIONS = (
    ("--cover-letter",), ("--attach",), ("--inline",), ("--no-signature",), ("-p",),
    ("--signoff",), ("--base=t1",), ("--zero-commit",), ("--keep-subject",), ("--thread",),
)  # fmt: skip
DIFF_STYLES = ("-ruN",) * 8 + ("-ruNa",) * 4 + (
    "-ru", "-uN", "-rcN", "-rNe", "-rNn", "-rN", "-rNq", "-ryN"
)  # fmt: skip
DIFF_OPTIONS = (
    "-p", "-U0", "-U1", "-d", "-a", "--suppress-blank-empty", "--no-dereference", "-Fint", "-s",
    "-p", "-U9", "--speed-large-files", "--horizon-lines=2", "-w", "-b", "-B", "-i", "-E", "-Z",
    "-T", "-t", "-l", "-P", "--strip-trailing-cr", "--color=always", "-I^int", "-xconf",
    "--label=a/x",
)  # fmt: skip
LOCALES = ("C", "C.UTF-8", "de_DE.UTF-8", "fr_FR.UTF-8", "ja_JP.UTF-8", "zh_CN.UTF-8")
_GITLINK = b'M 160000 0123456789012345678901234567890123456789 "module"\n'
_COMMIT = re.compile(rb"^(?=commit [0-9a-f]{40})", re.MULTILINE)


class ToolError(Exception):
    """A program ended with an error; the text is its own."""


@dataclass(frozen=True)
class Made:
    """A patch, the tool and the options that made it, and what was done to it afterwards."""

    patch: bytes
    how: str


def run(
    arguments: Sequence[str],
    folder: Path,
    stdin: bytes = b"",
    *,
    may_differ: bool = False,
    variables: Mapping[str, str] | None = None,
) -> bytes:
    """Give a program's standard output; it has nobody's configuration.

    Raises:
        ToolError: it ends with 2 or more, or with 1 where that does not say that files differ.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
        **(variables or {}),
    }
    done = subprocess.run(
        arguments, cwd=folder, input=stdin, env=environment, capture_output=True, check=False
    )
    if done.returncode > may_differ:
        raise ToolError(done.stderr.decode(errors="replace"))
    return done.stdout


def options_of_git(rng: Random) -> list[str]:
    """Draw options that change the form of a difference."""
    pools = rng.choices((USUAL, UNUSUAL), weights=(5, 1), k=rng.choice((0, 1, 1, 2, 3)))
    return [word for pool in pools for word in rng.choice(pool)]


def by_git(rng: Random, base: Tree, target: Tree, folder: Path) -> Made:
    """Draw options and let git write the patch.

    Raises:
        ToolError: git does not know these options together.
    """
    folder.mkdir()
    run(["git", "init", "-q", "--bare", "--template=", "."], folder)
    command = rng.choice(("diff", "diff", "diff", "format-patch", "format-patch", "log", "show"))
    middle = base if command == "show" else successor(rng, base)
    has_module = not rng.randrange(10)
    stream = b"".join(
        _commit(tree, number, module=has_module and number == 3)
        for number, tree in enumerate((base, middle, target), 1)
    )
    run(["git", "fast-import", "--quiet"], folder, stream)
    options = ["--binary"] * (rng.randrange(8) > 0) + options_of_git(rng)
    settings = rng.sample(SETTINGS, rng.choice((0, 0, 0, 0, 1, 2)))
    span = {"diff": ["t1", "t3"], "show": ["t3"]}.get(command, ["t1..t3"])
    tail = {"format-patch": ["--stdout"], "log": ["-p", "--reverse"]}.get(command, [])
    if command == "format-patch":
        drawn = rng.sample(MAIL_OPTIONS, rng.choice((0, 0, 1, 2)))
        options += [word for words in drawn for word in words]
    git = ["git", *(word for setting in settings for word in ("-c", setting))]
    words = [*git, command, *tail, *options, *span]
    patch = run(words, folder, variables={"LC_ALL": rng.choice(LOCALES)})
    return Made(patch, " ".join(words))


def by_git_of_folders(rng: Random, base: Tree, target: Tree, folder: Path) -> Made:
    """Draw options and let ``git diff --no-index`` write the patch.

    Raises:
        ToolError: git does not know these options together.
    """
    for tree, name in ((base, "old"), (target, "new")):
        write_tree(tree, folder / name)
    options = ["--no-prefix"] * (rng.randrange(4) > 0) + options_of_git(rng)
    words = ["git", "diff", "--no-index", "--binary", *options, "old", "new"]
    return Made(run(words, folder, may_differ=True), " ".join(words))


def by_diff(rng: Random, base: Tree, target: Tree, folder: Path) -> Made:
    """Draw options and let GNU diff write the patch.

    Raises:
        ToolError: diff does not know these options together.
    """
    names = rng.choice((("a", "b"), ("old", "new"), ("pkg.orig", "pkg"), ("old", "sub/new")))
    for tree, name in ((base, names[0]), (target, names[1])):
        write_tree(tree, folder / name)
    options = [rng.choice(DIFF_STYLES), *rng.sample(DIFF_OPTIONS, rng.choice((0, 0, 1, 1, 2, 3)))]
    words = ["diff", *options, *names]
    variables = {"LC_ALL": rng.choice(LOCALES), "TZ": "Asia/Kolkata"}
    return Made(run(words, folder, may_differ=True, variables=variables), " ".join(words))


def mangled(rng: Random, made: Made) -> Made:
    """Do to a patch what shells, editors and scripts do."""
    lines = made.patch.splitlines(keepends=True)
    if not lines:
        return made
    at = rng.randrange(len(lines))
    ways = {
        "a byte order mark": b"\xef\xbb\xbf" + made.patch,
        "CR LF": made.patch.replace(b"\n", b"\r\n"),
        "without its first line": b"".join(lines[1:]),
        "without one line": b"".join(lines[:at] + lines[at + 1 :]),
        "cut off": b"".join(lines[:at]),
        "a line of text": b"".join([*lines[:at], b"see the ticket\n", *lines[at:]]),
        "a blank line": b"".join([*lines[:at], b"\n", *lines[at:]]),
        "trailing blanks gone": re.sub(rb"[ \t]+\n", b"\n", made.patch),
        "twice": made.patch * 2,
        "a mail around it": b"From: a@b\nSubject: x\n\nOnly in b: x\n---\n\n" + made.patch,
    }
    way = rng.choice(list(ways))
    return Made(ways[way], f"{made.how}; {way}")


def applied(patch: bytes, base: Tree, folder: Path, *, tool: str) -> Tree:
    """Give the tree that git (``git am``'s way for mails) or GNU patch makes, in plain files.

    Raises:
        ToolError: it does not take the patch.
    """
    files = folder / "files"
    write_tree(base, files)
    if tool == "patch":
        run(["patch", "-p1", "-u", "--force", "--fuzz=0", "--no-backup-if-mismatch"], files, patch)
        return read_tree(files)
    for part in _parts(patch, folder):
        run(["git", "apply", "-p1", "--unidiff-zero", "--whitespace=nowarn", "-"], files, part)
    return read_tree(files)


def _parts(patch: bytes, folder: Path) -> Iterator[bytes]:
    if not patch.startswith((b"From ", b"From: ", b"Subject: ", b"Date: ")):
        commits = _COMMIT.split(patch)
        yield from (part for part in commits if len(commits) == 1 or b"\n@@ " in part
                    or b"\ndiff --git " in part)  # fmt: skip
        return
    mails = folder / "mails"
    mails.mkdir()
    run(["git", "mailsplit", "-b", "--keep-cr", f"-o{mails}"], folder, patch)
    for mail in sorted(mails.iterdir()):
        run(["git", "mailinfo", "-n", os.devnull, str(folder / "part")], folder, mail.read_bytes())
        if part := (folder / "part").read_bytes():
            yield part


def _commit(tree: Tree, number: int, *, module: bool) -> bytes:
    """A commit and its tag, for git fast-import."""
    message = b"A change\n\nOnly in a: x\n@@ -1 +1 @@\n-x\n+y\nrename from x\n"
    out = [b"commit refs/heads/main\nmark :%d\n" % number]
    out.append(b"committer A <a@example.org> %d +0000\n" % (1000000000 + number))
    out.append(b"data %d\n%b\ndeleteall\n" % (len(message), message))
    for path, entry in tree.items():
        quoted = path_bytes(path)
        for byte, escape in ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n")):
            quoted = quoted.replace(byte, escape)
        out.append(b'M %06o inline "%b"\n' % (entry.mode, quoted))
        out.append(b"data %d\n%b\n" % (len(entry.data), entry.data))
    out.append(_GITLINK if module else b"")
    out.append(b"reset refs/tags/t%d\nfrom :%d\n\n" % (number, number))
    return b"".join(out)
