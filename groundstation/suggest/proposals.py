"""Proposals: other bytes for the target that mean the same, as edits of one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import InputError
from shared.tree import Entry, Tree


class Kind(StrEnum):
    """What a proposal changes."""

    NAME = "name"
    COMMENT = "comment"
    DOCSTRING = "docstring"
    FORMATTING = "formatting"


class NotProvenError(InputError):
    """A change was not shown to keep the meaning, so it is no proposal."""


@dataclass(frozen=True, order=True)
class Edit:
    """``data[start:end]`` becomes ``text``; offsets in bytes of the engineer's file."""

    start: int
    end: int
    text: bytes

    def meets(self, other: Edit) -> bool:
        """Whether the two cannot both be made: they overlap, or begin at one place."""
        overlap = self.start < other.end and other.start < self.end
        return overlap or self.start == other.start


@dataclass(frozen=True)
class Proposal:
    """One change to one file of the target.

    Attributes:
        kind: what it changes.
        path: the file, in the target.
        line: where it begins in the engineer's file, counted from 1.
        what: the change in a few words.
        edits: the change, in order, none meeting another.
        rename: the local name as it is and as it would be; None unless ``kind`` is NAME.
    """

    kind: Kind
    path: str
    line: int
    what: str
    edits: tuple[Edit, ...]
    rename: tuple[str, str] | None = None

    def meets(self, other: Proposal) -> bool:
        """Whether the two exclude each other."""
        return self.path == other.path and any(
            mine.meets(theirs) for mine in self.edits for theirs in other.edits
        )


def edited(data: bytes, edits: Sequence[Edit]) -> bytes:
    """The file with all edits made.

    Raises:
        InputError: two of them meet, or one lies outside the file.
    """
    pieces, end = [], 0
    last: Edit | None = None
    for edit in sorted(edits):
        if (last is not None and last.meets(edit)) or not end <= edit.start <= edit.end <= len(
            data
        ):
            raise InputError(
                f"the edit of bytes {edit.start} to {edit.end} meets another, or the file's end",
                remedy="choose proposals that do not touch the same text",
            )
        pieces += [data[end : edit.start], edit.text]
        last, end = edit, edit.end
    return b"".join([*pieces, data[end:]])


def with_proposals(target: Tree, proposals: Sequence[Proposal]) -> Tree:
    """The target with these proposals in it.

    Raises:
        InputError: two of them meet, or a file is not in the target.
    """
    files: dict[str, Entry | None] = {}
    for path in {proposal.path for proposal in proposals}:
        entry = target.get(path)
        if entry is None:
            raise InputError(f"the target has no file {path!r}")
        edits = [edit for proposal in proposals if proposal.path == path for edit in proposal.edits]
        files[path] = Entry(entry.mode, edited(entry.data, edits))
    return target.replace(files)


def line_of(data: bytes, offset: int) -> int:
    """The line of a byte, counted from 1."""
    return data.count(b"\n", 0, offset) + 1
