"""Read a patch: what ``git diff``, ``git format-patch`` or ``diff -u`` wrote, as sections.

Nothing is passed over: a line is a part of a section, known to carry nothing
(``shared.diff.reading.between``), or refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from shared.diff.reading.between import pass_over
from shared.diff.reading.binary import read_binary_hunk
from shared.diff.reading.cursor import Cursor
from shared.diff.reading.headings import Headings
from shared.diff.reading.hunks import read_hunks
from shared.diff.reading.names import HeaderPair, Names, crlf_refusal, usable_path
from shared.diff.reading.sections import Section
from shared.diff.reading.strays import refuse_encoding
from shared.digest import git_blob_id
from shared.tree import Mode, path_bytes


def read_patch(patch: bytes, strip: int | None = None) -> tuple[Section, ...]:
    """Read all sections of ``patch``, in its order.

    Args:
        patch: all of it.
        strip: folders to leave away before each path; None takes one where it is no folder for
            sure (see ``shared.diff.reading.names``).

    Raises:
        PatchError: the patch is damaged, holds a line that is not understood or no change at all
            (unless it is empty), or says that something changed without saying how.
    """
    refuse_encoding(patch)
    cursor = Cursor(patch)
    sections = tuple(_sections(cursor, Names(strip)))
    if patch and not sections:
        raise cursor.refusal(
            "no change in the patch",
            expected="'diff --git' sections, or '---' and '+++' lines with hunks",
            remedy="give the output of git diff, git format-patch or diff -ruN",
        )
    return sections


def _sections(cursor: Cursor, names: Names) -> Iterator[Section]:
    is_first = True
    while True:
        starts_commit = pass_over(cursor, is_first=is_first)
        line = cursor.peek()
        if not line:
            return
        if starts_commit:
            names.forget()
        is_git = line.startswith(b"diff --git ")
        section = _git_section(cursor, names) if is_git else _plain_section(cursor, names)
        yield replace(section, starts_commit=starts_commit)
        is_first = False
        cursor.path = None


def _plain_section(cursor: Cursor, names: Names) -> Section:
    """A section of ``diff -u``; what is missing on one side is dated 1970 or ``/dev/null``."""
    at = cursor.line_number
    old = names.read_line(cursor, b"--- ")
    cursor.path = old.path
    new = names.read_line(cursor, b"+++ ")
    cursor.path = new.path if new.path is not None else old.path
    if old.path != new.path and old.path is not None and new.path is not None:
        raise cursor.refusal(
            f"{old.path!r} and {new.path!r} in one section",
            expected="the same path below a/ and b/",
            remedy="say with --strip how many folders to leave away before each path",
            line_number=at,
        )
    names.check_prefixes(cursor, old.prefix, new.prefix, at)
    hunks = read_hunks(cursor)
    one = len(hunks) == 1
    is_new = old.path is None or (old.is_epoch and one and not hunks[0].old)
    is_gone = new.path is None or (new.is_epoch and one and not hunks[0].new)
    if is_new and is_gone:
        raise cursor.refusal(
            "a file that is on neither side",
            expected="a path in the line '---' or '+++'",
            line_number=at,
        )
    return Section(
        line_number=at,
        old_path=None if is_new else old.path or new.path,
        new_path=None if is_gone else new.path or old.path,
        new_mode=Mode.REGULAR if is_new else None,
        hunks=hunks,
        is_plain=True,
    )


def _git_section(cursor: Cursor, names: Names) -> Section:
    """A section that starts with ``diff --git``."""
    at = cursor.line_number
    line = cursor.peek()
    if line.endswith(b"\r\n"):
        raise crlf_refusal(cursor)
    pairs = names.header_pairs(line[len(b"diff --git ") : -1])
    same = sorted({pair.old for pair in pairs if pair.old == pair.new})
    path = usable_path(cursor, same[0]) if len(same) == 1 else None
    cursor.path = path
    cursor.take()
    headings = Headings(names)
    while headings.take(cursor):
        pass
    section = headings.section(cursor, path, at)
    _check_pair(cursor, names, section, pairs)
    cursor.path = section.path
    line = cursor.peek()
    if line.startswith(b"--- "):
        _check_names(cursor, names, section)
        return replace(section, hunks=read_hunks(cursor))
    if line == b"GIT binary patch\n":
        cursor.take()
        return replace(section, binary=read_binary_hunk(cursor))
    _check_complete(cursor, section, headings.tell_of_edit)
    return section


def _check_pair(cursor: Cursor, names: Names, section: Section, pairs: list[HeaderPair]) -> None:
    """Refuse names after ``diff --git`` other than those of ``rename`` and ``copy`` lines."""
    old, new = (
        path_bytes(section.path if path is None else path)
        for path in (section.old_path, section.new_path)
    )
    fitting = [pair for pair in pairs if (pair.old, pair.new) == (old, new)]
    if not fitting:
        raise cursor.refusal(
            f"{section.old_path!r} and {section.path!r}, but other paths after 'diff --git'",
            expected="the same paths in all headings",
            remedy="get the patch as git wrote it; if it has no a/ and b/, use --strip 0",
            line_number=section.line_number,
        )
    names.check_prefixes(cursor, *fitting[0].prefixes, section.line_number)


def _check_names(cursor: Cursor, names: Names, section: Section) -> None:
    """Take the ``---`` and ``+++`` lines; they must say what the headings said."""
    for mark, expected in ((b"--- ", section.old_path), (b"+++ ", section.new_path)):
        at = cursor.line_number
        found = names.read_line(cursor, mark).path
        if found != expected:
            raise cursor.refusal(
                f"{mark.decode()}{found or '/dev/null'}",
                expected=expected or "/dev/null",
                remedy="get the patch as git wrote it",
                line_number=at,
            )


def _check_complete(cursor: Cursor, section: Section, tell_of_edit: bool) -> None:
    """Refuse a section without contents if it should have some, or if it changes nothing."""
    empty_ids = [git_blob_id(b"", algorithm=name) for name in ("sha1", "sha256")]
    there = section.new_id if section.old_path is None else section.old_id
    is_one_sided = section.old_path is None or section.new_path is None
    is_empty = is_one_sided and any(full.startswith(there) for full in empty_ids)
    if tell_of_edit and not is_empty and cursor.peek().startswith(b"Binary files "):
        raise cursor.refusal(
            "the patch has no contents for this file",
            expected="'GIT binary patch'",
            remedy="use git diff --binary",
        )
    if tell_of_edit and not is_empty:
        found = "the contents change, but no hunk says how"
    elif not is_one_sided and section.old_path == section.new_path and not section.changes_mode:
        found = "a file is named, but nothing changes"
    else:
        return
    raise cursor.refusal(
        found,
        expected="hunks or 'GIT binary patch' after the headings",
        remedy="get the whole patch; git diff without options that hide changes",
        line_number=section.line_number,
    )
