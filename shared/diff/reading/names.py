"""How patches name files: quoted or bare, with a prefix such as ``a/`` before each path.

A prefix is never guessed.  One folder is left away, as ``git apply`` and ``patch -p1`` do, where it
shows that it is a prefix: the two sides have different ones, the same in all sections.  What could
as well be a folder of the tree is refused, until the caller says how many to leave away.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from shared.diff.quoting import unquote
from shared.diff.reading.cursor import Cursor, shown
from shared.errors import InputError, PatchError
from shared.tree import check_path, path_text

_USUAL = (b"a", b"b")
_REMEDY = (
    "say how many folders to leave away before each path: --strip 0 for none, --strip 1 for one;"
    " or make the patch with the usual a/ and b/"
)


@dataclass(frozen=True)
class NameLine:
    """A ``---`` or ``+++`` line.

    Attributes:
        path: below the prefix; None for ``/dev/null``.
        prefix: what was left away; None for ``/dev/null``.
        is_epoch: whether it is dated 1970; GNU diff -N gives that time to a file that is not there.
    """

    path: str | None
    prefix: bytes | None
    is_epoch: bool


@dataclass(frozen=True)
class HeaderPair:
    """One way to read the names after ``diff --git``: two paths, and the prefixes before them."""

    old: bytes
    new: bytes
    prefixes: tuple[bytes, bytes]


class Names:
    """How the names of one patch are read.

    Args:
        strip: folders to leave away before each path; None leaves one away where the patch itself
            shows that it is a prefix.
    """

    def __init__(self, strip: int | None = None) -> None:
        self._asked = strip is not None
        self._strip = 1 if strip is None else strip
        self._seen: tuple[bytes, bytes] | None = None
        self._seen_at = 0

    def forget(self) -> None:
        """Expect any prefixes from here on: another commit begins."""
        self._seen = None

    def stripped(self, name: bytes) -> tuple[bytes, bytes] | None:
        """Give prefix and path of ``name``; None if it has fewer folders than are to go."""
        at = 0
        for _ in range(self._strip):
            at = name.find(b"/", at) + 1
            if not at:
                return None
        # "/x" has nothing before its slash: an absolute path is no prefix
        return None if name.startswith(b"/") and not self._asked else (name[:at], name[at:])

    def renamed(self, name: bytes) -> bytes | None:
        """Give the path of a ``rename`` or ``copy`` line, which has no ``a/`` before its folders.

        As ``git apply -pN`` does: one folder less is left away.
        """
        at = 0
        for _ in range(self._strip - 1):
            at = name.find(b"/", at) + 1
            if not at:
                return None
        return name[at:]

    def check_prefixes(
        self, cursor: Cursor, old: bytes | None, new: bytes | None, line_number: int
    ) -> None:
        """Refuse prefixes that may be folders of the tree.

        Args:
            cursor: to say where.
            old: what was left away on the old side; None if there is no name.
            new: the same of the new side.
            line_number: where the names stand.

        Raises:
            PatchError: both sides have the same one, or another section had others.
        """
        if self._asked or (old is None and new is None):
            return
        if old == new:
            raise cursor.refusal(
                f"both sides have {shown(old or b'')} before the path: a prefix or a folder",
                expected="two different prefixes, as a/ and b/",
                remedy=_REMEDY,
                line_number=line_number,
            )
        usual = (_USUAL[0] + b"/", _USUAL[1] + b"/")
        known = self._seen or (usual if old is None or new is None else None)
        if known is not None and (old not in (None, known[0]) or new not in (None, known[1])):
            where = f", as in line {self._seen_at}" if self._seen else ""
            raise cursor.refusal(
                f"the prefix {shown(old if old not in (None, known[0]) else new or b'')}",
                expected=f"{shown(known[0])} and {shown(known[1])}{where}",
                remedy=_REMEDY,
                line_number=line_number,
            )
        if self._seen is None and old is not None and new is not None:
            self._seen, self._seen_at = (old, new), line_number

    def read_line(self, cursor: Cursor, mark: bytes) -> NameLine:
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
        if line.endswith(b"\r\n"):
            raise crlf_refusal(cursor)
        text = line[len(mark) : -1]
        if text.startswith(b'"'):
            quoted = unquote(text)
            if quoted is None or quoted[1][:1] not in (b"", b"\t"):
                raise cursor.refusal(f"found {shown(line)}", expected="a quoted path")
            name, rest = quoted
        else:
            name, _, rest = text.partition(b"\t")
        path = prefix = None
        if name != b"/dev/null":
            parts = self.stripped(name)
            if parts is None:
                raise cursor.refusal(
                    f"the path {shown(name)}",
                    expected=f"{self._strip} folder name to leave away, as in a/ and b/",
                    remedy=_REMEDY,
                )
            prefix, path = parts[0], usable_path(cursor, parts[1])
        cursor.take()
        return NameLine(path, prefix, _is_epoch(rest))

    def header_pairs(self, names: bytes) -> list[HeaderPair]:
        """Give every way to read what follows ``diff --git `` as an old and a new path.

        Bare paths may hold spaces, so there can be several.
        """
        found = []
        for names_of_both in _splits(names):
            old, new = (self.stripped(name) for name in names_of_both)
            if old is not None and new is not None:
                found.append(HeaderPair(old[1], new[1], (old[0], new[0])))
        return found


def bare_or_quoted(cursor: Cursor, text: bytes, names: Names) -> str:
    """Give the path of a ``rename`` or ``copy`` line.

    Raises:
        PatchError: it cannot be used.
    """
    quoted = unquote(text)
    if quoted is not None and quoted[1]:
        raise cursor.refusal(f"found {shown(text)}", expected="a quoted path and no more")
    path = names.renamed(text if quoted is None else quoted[0])
    if path is None:
        raise cursor.refusal(
            f"the path {shown(text)}", expected="more folders before it", remedy=_REMEDY
        )
    return usable_path(cursor, path)


def usable_path(cursor: Cursor, name: bytes) -> str:
    """Give ``name`` as a key of a tree.

    Raises:
        PatchError: it is absolute, leaves the tree, or is not a path at all.
    """
    path = path_text(name)
    try:
        check_path(path)
    except InputError as error:
        raise cursor.refusal(error.found, expected=error.expected) from error
    return path


def crlf_refusal(cursor: Cursor) -> PatchError:
    """Tell that the line ends of the patch were converted."""
    return cursor.refusal(
        "the lines of the patch end in CR LF",
        expected="LF, as git wrote them",
        remedy="get the patch without conversion of its line ends",
    )


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
