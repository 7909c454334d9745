"""A patch read a second time, by ``git apply`` or ``patch``, before it is believed.

Nothing of our own reader is used: git stores both trees, applies the patch to the first and says
whether the second came out.  It works in an empty repository of its own, below a temporary folder,
without anybody's configuration, attributes, templates or hooks; no file is checked out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.errors import InputError
from shared.tree import Entry, Tree, path_bytes, path_text, read_tree, write_tree

_MAILBOX = re.compile(rb"From |(?:From|Subject|Date): ")
_COMMIT = re.compile(rb"^(?=commit [0-9a-f]{40})", re.MULTILINE)
_WORD = re.compile(rb"[\w.+-]+")
_ANY_NAME = ("-c", "core.protectNTFS=false", "-c", "core.protectHFS=false")


@dataclass(frozen=True)
class Disagreement:
    """What another program makes of a patch that we read otherwise.

    Attributes:
        tool: the program.
        words: why it does not take the patch; empty where it gives another tree.
        paths: where its tree differs from ours.
    """

    tool: str
    words: str = ""
    paths: tuple[str, ...] = ()


class _ToolError(Exception):
    """A program ended with an error; the text is its own first line."""


def disagreement(
    base: Tree, patch: bytes, target: Tree, strip: int, *, path: str | None = None
) -> Disagreement | None:
    """Ask another program what ``patch`` makes of ``base``.

    Args:
        base: the tree before.
        patch: all of it.
        target: what we made of it.
        strip: folders to leave away before each path.
        path: where to look for the programs, in the form of the variable PATH; None takes that.

    Returns:
        None where it makes ``target`` too, or where neither git nor GNU patch can tell.

    Raises:
        InputError: no temporary files can be written, or the program does not work.
    """
    far = _never_named(base, patch)
    changed = tuple(name for name in far if target.get(name) != base[name])
    if changed:
        return Disagreement("a search for their names in the patch", paths=changed)
    before, after = (
        {name: entry for name, entry in tree.items() if name not in far} for tree in (base, target)
    )
    try:
        with tempfile.TemporaryDirectory(prefix="rehydration-") as folder:
            if git := shutil.which("git", path=path):
                return _by_git(_Tool(git, Path(folder)), before, after, patch, strip)
            if tool := shutil.which("patch", path=path):
                return _by_patch(_Tool(tool, Path(folder)), before, after, patch, strip)
    except (OSError, _ToolError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"the patch cannot be checked by a second program: {why}",
            expected="git 2.30 or GNU patch 2.7, and room in the folder of temporary files",
            remedy="set TMPDIR to a folder with room, or name the changed tree with --target",
        ) from error
    return None


def _never_named(tree: Tree, patch: bytes) -> frozenset[str]:
    """Paths of a tree that the patch cannot be about: their last part does not occur in it.

    It spares the programs the rest of a large tree.  Names that could be quoted are never told.
    """
    words = frozenset(_WORD.findall(patch))
    names = ((path, path_bytes(path).rpartition(b"/")[2]) for path in tree)
    return frozenset(path for path, name in names if _WORD.fullmatch(name) and name not in words)


@dataclass(frozen=True)
class _Tool:
    """A program, and the folder that it works in."""

    program: str
    folder: Path

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Its standard output.

        Raises:
            _ToolError: it ends with an error.
        """
        done = subprocess.run(
            [self.program, *arguments],
            cwd=self.folder,
            input=stdin,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "LC_ALL": "C",
                "HOME": str(self.folder),
                "GIT_DIR": str(self.folder),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_ATTR_NOSYSTEM": "1",
            },
            capture_output=True,
            check=False,
        )
        if done.returncode:
            words = (done.stderr or done.stdout).decode(errors="replace").splitlines()
            raise _ToolError(words[0] if words else f"exit code {done.returncode}")
        return done.stdout


def _by_git(
    git: _Tool, base: Mapping[str, Entry], target: Mapping[str, Entry], patch: bytes, strip: int
) -> Disagreement | None:
    """What ``git apply`` makes of the patch, or ``git am`` of mails."""
    git.run("init", "-q", "--bare", "--template=", ".")
    git.run("fast-import", "--quiet", stdin=b"".join(_commit(base, b"base")))
    git.run(*_ANY_NAME, "read-tree", "base")
    how = ("--cached", "--unidiff-zero", "--whitespace=nowarn", f"-p{strip}", "-")
    try:
        for part in _parts(git, patch):
            git.run(*_ANY_NAME, "apply", *how, stdin=part)
    except _ToolError as error:
        return Disagreement("git", words=str(error))
    made = git.run("write-tree").decode().strip()
    # only now: new contents of a binary file that are stored already git takes from the store
    git.run("fast-import", "--quiet", stdin=b"".join(_commit(target, b"target")))
    names = git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", made, "target^{tree}")
    paths = tuple(path_text(name) for name in names.split(b"\0") if name)
    return Disagreement("git", paths=paths) if paths else None


def _parts(git: _Tool, patch: bytes) -> Iterator[bytes]:
    """What is applied one after another: the patches of mails, the commits of a log, or all."""
    if not _MAILBOX.match(patch):
        parts = _COMMIT.split(patch)
        yield from (part for part in parts if len(parts) == 1 or b"\n+++ " in part
                    or b"\ndiff --git " in part)  # fmt: skip
        return
    mails = git.folder / "mails"
    mails.mkdir()
    git.run("mailsplit", "-b", "--keep-cr", f"-o{mails}", stdin=patch)
    for mail in sorted(mails.iterdir()):
        text = mails / "patch"
        git.run("mailinfo", "-n", os.devnull, str(text), stdin=mail.read_bytes())
        if part := text.read_bytes():
            yield part
        text.unlink()


def _commit(entries: Mapping[str, Entry], name: bytes) -> Iterator[bytes]:
    """A commit without parents, in the form of git fast-import."""
    yield b"commit refs/heads/%b\ncommitter - <-> 0 +0000\ndata 0\n" % name
    for path, entry in entries.items():
        quoted = path_bytes(path)
        for byte, escape in ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n")):
            quoted = quoted.replace(byte, escape)
        yield b'M %06o inline "%b"\n' % (entry.mode, quoted)
        yield b"data %d\n%b\n" % (len(entry.data), entry.data)


def _by_patch(
    tool: _Tool, base: Mapping[str, Entry], target: Mapping[str, Entry], patch: bytes, strip: int
) -> Disagreement | None:
    """What GNU patch makes of the patch; it knows only a part of git's own form."""
    if b"GNU patch" not in tool.run("--version"):
        return None
    files, text = tool.folder / "files", tool.folder / "patch"
    write_tree(Tree(base), files)
    text.write_bytes(patch)
    how = ("-u", "--force", "--fuzz=0", "--get=0", "--no-backup-if-mismatch", "--reject-file=-")
    try:
        tool.run(f"-p{strip}", *how, f"--directory={files}", f"--input={text}")
    except _ToolError as error:
        is_own_form = b"diff --git " in patch
        return None if is_own_form else Disagreement("patch", words=str(error))
    made = read_tree(files)
    paths = tuple(name for name in {**made.entries, **target} if made.get(name) != target.get(name))
    return Disagreement("patch", paths=paths) if paths else None
