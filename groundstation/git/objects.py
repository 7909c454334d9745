"""A git repository's objects, by git's own plumbing and nothing else.

Nothing is checked out, nothing in the repository is obeyed (``git_stand_in``), and nothing is
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

from groundstation.git.program import run_git, start_git
from groundstation.git.stand_in import find_repository, stand_in
from shared.errors import InputError
from shared.tree import Mode, path_bytes, path_text

GITLINK = 0o160000
RAW_CHANGES = (
    "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-ext-diff", "--no-textconv",
    "--ignore-submodules=none", "--no-relative",
)  # fmt: skip
"""The command that lists changed files, two fields a file, ended by zeros (git-diff-tree(1))."""

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
        command: options of git that choose this repository.
        borrows: whether some of its objects lie in another repository, which is not read.
    """

    folder: Path
    command: tuple[str, ...]
    borrows: bool = False
    _readers: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Standard output of a git command.

        Raises:
            InputError: git fails; with its own words.
        """
        return run_git([*self.command, *arguments], stdin)

    def read(self, name: str) -> tuple[str, bytes]:
        """Type and contents of an object.

        Raises:
            InputError: the repository does not have it.
        """
        asked = path_bytes(name)
        if b"\n" in asked:  # would be two questions
            raise self.missing(name)
        if not self._readers:
            self._readers.append(start_git([*self.command, "cat-file", "--batch"]))
        reader = self._readers[0]
        if reader.stdin is None or reader.stdout is None:
            raise ValueError("the reader has no pipes")
        try:
            reader.stdin.write(asked + b"\n")
            reader.stdin.flush()
            line = reader.stdout.readline()
            head = line.split(b" ")
            if line.endswith(b"\n") and (len(head) != 3 or not head[2].strip().isdigit()):
                raise self.missing(name)
            data = reader.stdout.read(int(head[2]) + 1) if len(head) == 3 else b""
        except BrokenPipeError:
            data = b""
        except KeyboardInterrupt:
            self.close()  # between a question and its answer: it cannot be asked again
            raise
        if not data.endswith(b"\n") or len(data) != int(head[2]) + 1:
            self.close()  # git ends at a damaged object; the next one has a reader of its own
            raise InputError(
                f"git cannot read the object {name} of {self.folder}",
                expected="a repository that is whole",
                remedy="see what `git fsck` says of it",
            )
        return head[1].decode(), data[:-1]

    def close(self) -> None:
        """Ends the process that reads objects; the next reading begins another."""
        while self._readers:
            with self._readers.pop() as reader:
                reader.kill()

    def missing(self, name: str) -> InputError:
        """The error for an object that is not there."""
        if self.borrows:
            return InputError(
                f"the repository {self.folder} does not have the object {name}; it borrows objects "
                "from another repository (objects/info/alternates), which are not read",
                expected="a complete clone",
                remedy="let it have its own: `git repack -a -d`, then delete that file",
            )
        return InputError(
            f"the repository {self.folder} does not have the object {name}",
            expected="a complete clone",
            remedy="fetch what is missing (`git fetch --refetch`, `git fsck`)",
        )

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
        raw = self.run(*RAW_CHANGES, self._empty_tree, tree, "--", *paths)
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

    Nothing in it is obeyed and nothing of it but objects and refs is read; see ``git_stand_in``.

    Raises:
        InputError: there is none, its form is not understood, or git is not installed.
    """
    found = find_repository(repository, os.environ)
    with stand_in(found) as folder:
        command = (f"--git-dir={folder}",)
        objects = GitObjects(found.folder, command, found.borrows)
        try:
            yield objects
        finally:
            objects.close()


def _mode(number: int) -> Mode:
    """A mode that git gives now or gave once: old trees have files that a group may write."""
    if number & _TYPE_MASK == _LINK_TYPE:
        return Mode.SYMLINK
    return Mode.EXECUTABLE if number & _OWNER_EXECUTES else Mode.REGULAR
