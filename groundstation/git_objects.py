"""A git repository's objects, by git's own plumbing and nothing else.

Nothing is checked out, no filter, attribute or hook of the repository runs, and nothing is
written.  Trees are compared with the empty tree, because that is the one way to list a tree with
every kind of pathspec.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from shared.errors import InputError
from shared.tree import Mode, path_text

GITLINK = 0o160000
_LINK_TYPE = 0o120000
_TYPE_MASK = 0o170000
_OWNER_EXECUTES = 0o100


@dataclass(frozen=True)
class Listing:
    """What a tree holds.

    Attributes:
        files: mode and object id of each file or link, by path.
        submodules: paths of submodules, which are no part of a software tree.
    """

    files: Mapping[str, tuple[Mode, str]]
    submodules: frozenset[str]


@dataclass
class GitObjects:
    """Reads objects through one ``git cat-file --batch``; see ``open_objects``.

    Attributes:
        folder: the repository's git folder.
        command: git with the options that choose this repository.
    """

    folder: Path
    command: tuple[str, ...]
    _reader: subprocess.Popen[bytes] = field(repr=False)

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Standard output of a git command.

        Raises:
            InputError: git fails; with its own words.
        """
        return _run([*self.command, *arguments], stdin)

    def read(self, name: str) -> tuple[str, bytes]:
        """Type and contents of an object.

        Raises:
            InputError: the repository does not have it.
        """
        stdin, stdout = self._reader.stdin, self._reader.stdout
        if stdin is None or stdout is None:
            raise ValueError("the reader has no pipes")
        try:
            os.write(stdin.fileno(), name.encode() + b"\n")
            head = stdout.readline().split()
            if len(head) != 3:
                raise InputError(
                    f"the repository {self.folder} does not have the object {name}",
                    expected="a complete clone",
                    remedy="fetch what is missing (`git fetch --refetch`, `git fsck`)",
                )
            size = int(head[2])
            data = stdout.read(size + 1)
        except BrokenPipeError as error:
            raise InputError(f"git stopped while it read objects of {self.folder}") from error
        if len(data) != size + 1:
            raise InputError(f"git stopped in the middle of the object {name}")
        return head[1].decode(), data[:-1]

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Sizes in bytes of objects, without reading them; missing ones are left out."""
        asked = "".join(f"{name}\n" for name in names).encode()
        told = self.run("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=asked)
        rows = (line.split() for line in told.decode().splitlines())
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}

    def listing(self, tree: str, paths: Sequence[str]) -> Listing:
        """What a tree (or a commit's tree) holds.

        Args:
            tree: name of a tree or a commit.
            paths: pathspecs from the root of the repository; none for everything.
        """
        raw = self.run(
            "diff-tree", "-r", "-z", "--no-renames", self._empty_tree, tree, "--", *paths
        )
        files: dict[str, tuple[Mode, str]] = {}
        submodules = set()
        fields = raw.split(b"\0")
        for head, name in zip(fields[0:-1:2], fields[1::2], strict=True):
            _, octal, _, object_id, _ = head.decode("ascii").split(" ")
            mode, path = int(octal, 8), path_text(name)
            if mode == GITLINK:
                submodules.add(path)
            else:
                files[path] = (_mode(mode), object_id)
        return Listing(files, frozenset(submodules))

    @cached_property
    def _empty_tree(self) -> str:
        """The name of the empty tree, which depends on the repository's hash function."""
        return self.run("hash-object", "-t", "tree", "--stdin").decode().strip()


@contextmanager
def open_objects(repository: Path) -> Iterator[GitObjects]:
    """Opens the repository that a folder belongs to, bare or not.

    Raises:
        InputError: there is none, or git is not installed.
    """
    if not repository.is_dir():
        raise _no_repository(repository, "there is no such folder")
    try:
        found = _run(["git", "-C", str(repository), "rev-parse", "--absolute-git-dir"])
    except InputError as error:
        raise _no_repository(repository, error.found) from error
    folder = Path(path_text(found.rstrip(b"\n")))
    # named outright, so that pathspecs are counted from the root wherever this process stands
    command = ("git", f"--git-dir={folder}")
    with subprocess.Popen(
        [*command, "cat-file", "--batch"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,  # an interrupt is for us alone: what is done is still reported
    ) as reader:
        yield GitObjects(folder, command, reader)


def _no_repository(folder: Path, why: str) -> InputError:
    return InputError(
        f"{folder} is no git repository: {why}",
        expected="a folder of a git repository",
        remedy="name a clone with --repo",
    )


def _run(command: Sequence[str], stdin: bytes = b"") -> bytes:
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            check=False,
            env=_environment(),
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise InputError("git is not installed", remedy="install git 2.30 or later") from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise InputError(f"git says: {words}")
    return done.stdout


def _environment() -> dict[str, str]:
    """Ours, without variables that would choose another repository or change what git prints."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(("GIT_CONFIG", "GIT_CEILING"))
    }
    return kept | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def _mode(number: int) -> Mode:
    """A mode that git gives now or gave once: old trees have files that a group may write."""
    if number & _TYPE_MASK == _LINK_TYPE:
        return Mode.SYMLINK
    return Mode.EXECUTABLE if number & _OWNER_EXECUTES else Mode.REGULAR
