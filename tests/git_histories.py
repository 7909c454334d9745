"""Small git repositories, written as a stream of commits with dates, modes, merges, submodules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tree_pairs import git

from shared.tree import Tree, path_text, read_tree

Change = tuple[str, bytes] | None
"""Octal mode and contents (of a submodule: the commit in hexadecimal); None deletes."""


@dataclass(frozen=True)
class Step:
    """One commit of a history.

    Attributes:
        label: names it in tests.
        changes: by path; the path as git's fast-import quotes it, if it must be.
        parents: labels; None for the step before.
        date: when it was committed, UTC.
        message: its whole message.
    """

    label: str
    changes: Mapping[str, Change]
    date: str
    parents: Sequence[str] | None = None
    message: str = field(default="")


def write_history(steps: Sequence[Step], folder: Path, *, bare: bool = False) -> dict[str, str]:
    """Makes a repository whose HEAD is the last step.

    Returns:
        The hash of each step.
    """
    folder.mkdir()
    git(["init", "-q", "-b", "main", *(["--bare"] if bare else []), "."], folder)
    marks = {step.label: number for number, step in enumerate(steps, 1)}
    stream = b""
    for number, step in enumerate(steps, 1):
        seconds = int(datetime.fromisoformat(step.date).replace(tzinfo=UTC).timestamp())
        message = (step.message or step.label).encode()
        stream += b"commit refs/heads/main\nmark :%d\n" % number
        stream += b"author B <b@example.org> 981173106 +0000\n"
        stream += b"committer A <a@example.org> %d -0330\n" % seconds
        stream += b"data %d\n%b\n" % (len(message), message)
        parents = step.parents
        if parents is None:
            parents = [steps[number - 2].label] if number > 1 else []
        for word, parent in zip(["from", "merge", "merge"], parents, strict=False):
            stream += b"%b :%d\n" % (word.encode(), marks[parent])
        for path, change in step.changes.items():
            if change is None:
                stream += b"D %b\n" % path.encode()
            elif change[0] == "160000":
                stream += b"M 160000 %b %b\n" % (change[1], path.encode())
            else:
                mode, data = change
                stream += b"M %b inline %b\n" % (mode.encode(), path.encode())
                stream += b"data %d\n%b\n" % (len(data), data)
        stream += b"\n"
    marks_file = folder.parent / f"{folder.name}.marks"
    git(["fast-import", "--quiet", "--force", f"--export-marks={marks_file}"], folder, stream)
    names = dict(line.split() for line in marks_file.read_text().splitlines())
    return {label: names[f":{number}"] for label, number in marks.items()}


def checked_out(repository: Path, commit: str, folder: Path, *paths: str) -> Tree:
    """What git itself puts into a working tree, restricted to pathspecs."""
    folder.mkdir()
    git(["init", "-q", "."], folder)
    git(["fetch", "-q", str(repository), commit], folder)
    git(["-c", "advice.detachedHead=false", "checkout", "-q", commit], folder)
    tree = read_tree(folder)
    if not paths:
        return tree
    listed = git(["ls-files", "-z", "--", *paths], folder).split(b"\0")
    names = {path_text(name) for name in listed}  # submodules are among them
    return Tree({name: entry for name, entry in tree.items() if name in names})
