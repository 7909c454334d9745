"""Read a patch: what ``git diff``, ``git format-patch`` or ``diff -u`` wrote, as sections.

Text around the sections (mail headers, commit messages, signatures) is passed over, but nothing
that could be a lost part of a diff is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from shared.diff.binary import read_binary_hunk
from shared.diff.cursor import Cursor, shown
from shared.diff.headings import Headings
from shared.diff.hunks import is_hunk_heading, read_hunks
from shared.diff.sections import Section, header_pairs, read_name_line, usable_path
from shared.digest import git_blob_id
from shared.tree import Mode, path_bytes

_COMMIT = re.compile(
    rb"From [0-9a-f]{40}(?:[0-9a-f]{24})? "  # git format-patch
    rb"|From \S+ +\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}"  # any other mailbox
    rb"|commit [0-9a-f]{40}"  # git show, git log -p
)
_MESSAGE = re.compile(rb"(?:From|Subject|Date): ")
_WITHOUT_CONTENTS = re.compile(rb"Binary files .* differ\n|Files .* differ\n|Only in .*: ")
_STRAYS = (b"--- ", b"+++ ", b"GIT binary patch", b"rename from ", b"new file mode ")
_COMBINED = (b"diff --cc ", b"diff --combined ")


def read_patch(patch: bytes) -> tuple[Section, ...]:
    """All sections of ``patch``, in its order.

    Raises:
        PatchError: the patch is damaged, holds no change at all (unless it is empty), or says that
            something changed without saying how.
    """
    cursor = Cursor(patch)
    sections = tuple(_sections(cursor))
    if patch and not sections:
        raise cursor.refusal(
            "no change in the patch",
            expected="'diff --git' sections, or '---' and '+++' lines with hunks",
            remedy="give the output of git diff, git format-patch or diff -ruN",
        )
    return sections


def _sections(cursor: Cursor) -> Iterator[Section]:
    starts_commit = in_message = False
    while cursor.peek():
        line = cursor.peek()
        if line.startswith(b"diff --git "):
            section = _git_section(cursor)
        elif _starts_plain(cursor, in_message):
            section = _plain_section(cursor)
        else:
            if _COMMIT.match(line):
                starts_commit = in_message = True
            elif _MESSAGE.match(line):
                in_message = True
            elif not in_message:
                _refuse_lost_part(cursor)
            cursor.take()
            continue
        yield replace(section, starts_commit=starts_commit)
        starts_commit = in_message = False
        cursor.path = None


def _starts_plain(cursor: Cursor, in_message: bool) -> bool:
    """Whether ``---`` and ``+++`` lines follow; in a commit message, hunks must, too."""
    return (
        cursor.peek().startswith(b"--- ")
        and cursor.peek(1).startswith(b"+++ ")
        and (not in_message or is_hunk_heading(cursor.peek(2)))
    )


def _refuse_lost_part(cursor: Cursor) -> None:
    """Refuse a line outside of all sections that tells of a change."""
    line = cursor.peek()
    if is_hunk_heading(line) or line.startswith(_STRAYS):
        raise cursor.refusal(
            f"found {shown(line)} outside of any file's section",
            expected="'diff --git', or '---' and '+++' lines with hunks after them",
            remedy="get the whole patch",
        )
    if _WITHOUT_CONTENTS.match(line):
        raise cursor.refusal(
            f"found {shown(line)}",
            expected="the contents of every file that changes",
            remedy="use git diff --binary, or diff -ruNa for text only",
        )
    if line.startswith(_COMBINED):
        raise cursor.refusal(
            "a combined diff of a merge",
            expected="the difference of two trees",
            remedy="use git diff BASE TARGET",
        )


def _plain_section(cursor: Cursor) -> Section:
    """A section of ``diff -u``; what is missing on one side is dated 1970 or ``/dev/null``."""
    at = cursor.line_number
    old = read_name_line(cursor, b"--- ")
    cursor.path = old.path
    new = read_name_line(cursor, b"+++ ")
    cursor.path = new.path if new.path is not None else old.path
    if old.path != new.path and old.path is not None and new.path is not None:
        raise cursor.refusal(
            f"{old.path!r} and {new.path!r} in one section",
            expected="the same path below a/ and b/",
            line_number=at,
        )
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


def _git_section(cursor: Cursor) -> Section:
    """A section that starts with ``diff --git``."""
    at = cursor.line_number
    line = cursor.peek()
    if line.endswith(b"\r\n"):
        raise cursor.refusal(
            "the lines of the patch end in CR LF",
            expected="LF, as git wrote them",
            remedy="get the patch without conversion of its line ends",
        )
    pairs = header_pairs(line[len(b"diff --git ") : -1])
    same = next((usable_path(cursor, old) for old, new in pairs if old == new), None)
    cursor.path = same
    cursor.take()
    headings = Headings()
    while headings.take(cursor):
        pass
    section = headings.section(cursor, same, at)
    if not _agree(section, pairs):
        raise cursor.refusal(
            f"{section.old_path!r} and {section.path!r}, but other paths after 'diff --git'",
            expected="the same paths in all headings",
            remedy="get the patch as git wrote it",
            line_number=at,
        )
    cursor.path = section.path
    line = cursor.peek()
    if line.startswith(b"--- "):
        _check_names(cursor, section)
        return replace(section, hunks=read_hunks(cursor))
    if line == b"GIT binary patch\n":
        cursor.take()
        return replace(section, binary=read_binary_hunk(cursor))
    if _WITHOUT_CONTENTS.match(line):
        raise cursor.refusal(
            "the patch has no contents for this file",
            expected="'GIT binary patch'",
            remedy="use git diff --binary",
        )
    _check_complete(cursor, section, headings.tell_of_edit)
    return section


def _agree(section: Section, pairs: list[tuple[bytes, bytes]]) -> bool:
    """Whether the paths of ``rename`` and ``copy`` lines are those of the ``diff --git`` line."""
    if section.old_path is None or section.new_path is None:
        return True
    return (path_bytes(section.old_path), path_bytes(section.new_path)) in pairs


def _check_names(cursor: Cursor, section: Section) -> None:
    """Take the ``---`` and ``+++`` lines; they must say what the headings said."""
    for mark, expected in ((b"--- ", section.old_path), (b"+++ ", section.new_path)):
        at = cursor.line_number
        found = read_name_line(cursor, mark).path
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
