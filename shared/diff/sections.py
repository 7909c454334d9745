"""What a patch says about one file, as frozen values, and how patches name files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from shared.diff.binary import BinaryHunk
from shared.diff.cursor import Cursor, shown
from shared.diff.hunks import Hunk
from shared.diff.quoting import unquote
from shared.errors import InputError
from shared.tree import Mode, check_path, path_text

_PREFIX_REMEDY = "make the patch with the usual a/ and b/ before its paths"


@dataclass(frozen=True)
class Section:
    """Everything between the names of one file and those of the next.

    Args:
        line_number: of its first line in the patch.
        old_path: where the old contents are; None for a new file.
        new_path: where the new contents go; None for a deleted file.
        is_copy: whether ``old_path`` stays as it is although ``new_path`` is another.
        old_mode: what the old entry must be, if told.
        new_mode: what the new entry is to be; None leaves the mode as it was.
        changes_mode: whether ``old_mode`` must match to the last bit.
        hunks: changed lines.
        binary: changed bytes; then there are no ``hunks``.
        old_id: git's name of the old contents, possibly abbreviated; "" if not told.
        new_id: the same of the new contents.
        starts_commit: whether the files it reads are those that all sections before it left.
        is_plain: whether it is from ``diff -u`` rather than from git.
    """

    line_number: int
    old_path: str | None
    new_path: str | None
    is_copy: bool = False
    old_mode: Mode | None = None
    new_mode: Mode | None = None
    changes_mode: bool = False
    hunks: tuple[Hunk, ...] = ()
    binary: BinaryHunk | None = None
    old_id: str = ""
    new_id: str = ""
    starts_commit: bool = False
    is_plain: bool = False

    @property
    def path(self) -> str:
        """The path to speak of."""
        path = self.new_path if self.new_path is not None else self.old_path
        return path if path is not None else ""


@dataclass(frozen=True)
class NameLine:
    """A ``---`` or ``+++`` line: the path, None for ``/dev/null``; whether it is dated 1970.

    GNU diff -N gives the first second of 1970 to a file that is not there.
    """

    path: str | None
    is_epoch: bool


def read_name_line(cursor: Cursor, mark: bytes) -> NameLine:
    """Take the line that starts with ``mark`` ("--- " or "+++ ").

    Raises:
        PatchError: another line, or a name that cannot be used.
    """
    line = cursor.peek()
    if not line.startswith(mark):
        raise cursor.refusal(
            f"found {shown(line)}" if line else "the patch ends",
            expected=f"a line that starts with {mark.decode()!r}",
        )
    text = line[len(mark) : -1]
    if text.startswith(b'"'):
        quoted = unquote(text)
        if quoted is None or quoted[1][:1] not in (b"", b"\t"):
            raise cursor.refusal(f"found {shown(line)}", expected="a quoted path")
        name, rest = quoted
    else:
        name, _, rest = text.partition(b"\t")
    if name == b"/dev/null":
        path = None
    else:
        stripped = without_prefix(name)
        if stripped is None:
            raise cursor.refusal(
                f"the path {shown(name)}",
                expected="one folder name to leave away, as in a/ and b/",
                remedy=_PREFIX_REMEDY,
            )
        path = usable_path(cursor, stripped)
    cursor.take()
    return NameLine(path, _is_epoch(rest))


def header_pairs(names: bytes) -> list[tuple[bytes, bytes]]:
    """Every way to read what follows ``diff --git `` as an old and a new path.

    Bare paths may hold spaces, so there can be several; prefixes are left away.
    """
    found = []
    for old, new in _splits(names):
        old_path, new_path = without_prefix(old), without_prefix(new)
        if old_path is not None and new_path is not None:
            found.append((old_path, new_path))
    return found


def _splits(names: bytes) -> list[tuple[bytes, bytes]]:
    """Every way to read ``names`` as two, quoted or bare."""
    quoted = unquote(names)
    if quoted is not None:
        old, rest = quoted
        if not rest.startswith(b" "):
            return []
        second = unquote(rest[1:])
        if second is None:
            return [(old, rest[1:])]
        return [(old, second[0])] if not second[1] else []
    found = []
    for match in re.finditer(b" ", names):
        old, rest = names[: match.start()], names[match.end() :]
        second = unquote(rest)
        if second is not None and not second[1]:
            found.append((old, second[0]))
        found.append((old, rest))
    return found


def bare_or_quoted(cursor: Cursor, text: bytes) -> str:
    """The path of a ``rename`` or ``copy`` line, which carries no prefix."""
    quoted = unquote(text)
    if quoted is None:
        return usable_path(cursor, text)
    if quoted[1]:
        raise cursor.refusal(f"found {shown(text)}", expected="a quoted path and no more")
    return usable_path(cursor, quoted[0])


def without_prefix(name: bytes) -> bytes | None:
    """``name`` without its first folder (``a/``, ``b/``); None if it has none."""
    prefix, slash, rest = name.partition(b"/")
    return rest if prefix and slash else None


def usable_path(cursor: Cursor, name: bytes) -> str:
    """``name`` as a key of a tree.

    Raises:
        PatchError: it is absolute, leaves the tree, or is not a path at all.
    """
    path = path_text(name)
    try:
        check_path(path)
    except InputError as error:
        raise cursor.refusal(error.found, expected=error.expected) from error
    return path


def _is_epoch(stamp: bytes) -> bool:
    """Whether a GNU diff time stamp is second 0 of Unix time, in any time zone."""
    match = re.fullmatch(
        rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.0+)? ([+-]\d{4})", stamp.removeprefix(b"\t")
    )
    if match is None:
        return False
    try:
        moment = datetime.strptime(
            f"{match[1].decode()} {match[2].decode()}", "%Y-%m-%d %H:%M:%S %z"
        )
    except ValueError:
        return False
    return moment.timestamp() == 0
