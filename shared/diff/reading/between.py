"""What may stand between the sections of a patch: known by grammar to carry nothing, or refused.

Known are blank lines, mail (RFC 5322 fields, the message up to ``---``, what follows up to the
patch, the signature), the heads of ``git log`` and ``git show``, git's summaries of a difference,
the command lines of ``diff -r`` and the ``Index:`` lines of Subversion and quilt.  No rule depends
on the language of a tool: GNU diff tells in the user's that a file is on one side only.
"""

from __future__ import annotations

import re

from shared.diff.reading.cursor import Cursor
from shared.diff.reading.hunks import is_hunk_heading
from shared.diff.reading.strays import stray

_MAIL = re.compile(
    rb"From [0-9a-f]{40}(?:[0-9a-f]{24})? "  # git format-patch
    rb"|From \S+ +\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}"  # any other mailbox
)
_FIELD = re.compile(rb"([!-9;-~]+):(?: .*)?\n")  # RFC 5322, 2.2
_MAIL_FIELDS = (b"from", b"subject", b"date", b"description", b"author")  # the last two: DEP-3
_COMMIT = re.compile(rb"commit [0-9a-f]{40}(?:[0-9a-f]{24})?(?: \(.*\))?\n")
_NOTES = re.compile(rb"Notes(?: \(.*\))?:\n")
_TRAILER = re.compile(rb"(?:base-commit|prerequisite-patch-id): [0-9a-f]{40,64}\n")
_RULER = re.compile(rb"={20,}\n")
_SUMMARY = re.compile(
    rb" .* \| +(?:\d+(?: [+-]+)?|Bin(?: \d+ -> \d+ bytes)?)\n"  # --stat
    rb"| \.\.\.\n| \d+ files? changed(?:, \d+ \w+\([+-]\)){0,2}\n"
    rb"| (?:create|delete) mode \d{6} .+\n| mode change \d{6} => \d{6} .+\n"  # --summary
    rb"| (?:rename|copy|rewrite) .+ \(\d{1,3}%\)\n"
    rb"| +\d+\.\d% .+\n"  # --dirstat
    rb"|(?:\d+|-)\t(?:\d+|-)\t.+\n"  # --numstat
    rb"|:[0-7]{6} [0-7]{6} [0-9a-f]+(?:\.\.\.)? [0-9a-f]+(?:\.\.\.)? [A-Z]\d*\t.+\n"  # --raw
)
_SIGNATURES = (b"-- \n", b"--\n")


def pass_over(cursor: Cursor, *, is_first: bool) -> bool:
    """Take all lines before the next section, or to the end.

    Args:
        cursor: after a section, or at the start of the patch.
        is_first: whether no section came yet.

    Returns:
        Whether a commit begins among them.

    Raises:
        PatchError: a line that is not known to carry nothing.
    """
    starts_commit = False
    may_sum_up = is_first
    if is_first and _mail_starts(cursor):
        _mail(cursor)
    while (line := cursor.peek()) and not _starts_section(cursor):
        if _MAIL.match(line):
            cursor.take()
            _mail(cursor)
            starts_commit = True
        elif _COMMIT.fullmatch(line):
            cursor.take()
            _log_head(cursor)
            starts_commit = True
        elif line in _SIGNATURES:
            _signature(cursor)
        elif _is_known(cursor) or (may_sum_up and _SUMMARY.fullmatch(line)):
            cursor.take()
        else:
            raise stray(cursor)
    return starts_commit


def _starts_section(cursor: Cursor) -> bool:
    """Whether names of a file follow."""
    line = cursor.peek()
    is_plain = line.startswith(b"--- ") and cursor.peek(1).startswith(b"+++ ")
    return line.startswith(b"diff --git ") or is_plain


def _is_known(cursor: Cursor) -> bool:
    """Whether the current line carries nothing wherever it stands."""
    line, after = cursor.peek(), cursor.peek(1)
    if line == b"\n" or _TRAILER.fullmatch(line):
        return True
    if line.startswith(b"diff ") and not line.startswith((b"diff --cc ", b"diff --combined ")):
        return after.startswith(b"--- ")  # the command of diff -r; more than its names follow
    if line.startswith(b"Index: "):
        return _RULER.fullmatch(after) is not None
    return _RULER.fullmatch(line) is not None and after.startswith((b"--- ", b"diff --git "))


def _mail_starts(cursor: Cursor) -> bool:
    """Whether the patch starts with the fields of a mail whose ``From`` line is not there."""
    ahead = 0
    names = []
    while cursor.peek(ahead) not in (b"", b"\n"):
        line = cursor.peek(ahead)
        field = _FIELD.fullmatch(line)
        if field:
            names.append(field[1].lower())
        elif not (names and line[:1] in (b" ", b"\t")):
            break
        ahead += 1
    ends = cursor.peek(ahead) in (b"\n", b"---\n") or cursor.peek(ahead).startswith(b"--- ")
    return ends and any(name in _MAIL_FIELDS for name in names)


def _mail(cursor: Cursor) -> None:
    """Take a mail up to its patch, its signature, or the next mail."""
    _fields(cursor)
    in_message = True
    told = 0  # the first line after "---"
    loose = before_signature = 0  # the first line of the text that what follows adjoins
    while (line := cursor.peek()) and not _MAIL.match(line) and not _begins_patch(cursor):
        if in_message and line == b"---\n":
            in_message, loose = False, 0
        elif line == b"\n":
            loose = 0
        elif line in _SIGNATURES:
            if not in_message:
                break
            before_signature = loose
        elif not (loose or line[:1] == b" " or _is_known(cursor) or _SUMMARY.fullmatch(line)):
            loose = cursor.line_number
        if not in_message and line not in (b"\n", b"---\n"):
            told = told or cursor.line_number
        cursor.take()
    if not _begins_patch(cursor):
        loose = before_signature if in_message else loose
        if told and not loose:
            raise cursor.refusal(
                "a mail that tells of a change but has no difference",
                expected="'diff --git' after the line '---' and what follows it",
                remedy="get the whole patch",
                line_number=told,
            )
    if loose:
        raise cursor.refusal(
            "text that touches the difference, and may be a part of it that is not understood",
            expected="an empty line between a message and its patch",
            remedy="put an empty line after the text if it carries nothing; else make the patch "
            "with git diff --binary, which tells of every change",
            line_number=loose,
        )


def _begins_patch(cursor: Cursor) -> bool:
    """Whether a difference starts in the text of a mail; ``git am`` ends the message there too."""
    line = cursor.peek()
    if line.startswith(b"--- "):
        return cursor.peek(1).startswith(b"+++ ") and is_hunk_heading(cursor.peek(2))
    return line.startswith(b"diff --git ")


def _fields(cursor: Cursor) -> None:
    """Take the fields of a mail and the blank line after them."""
    while (line := cursor.peek()) and line not in (b"\n", b"---\n"):
        field = _FIELD.fullmatch(line)
        if field is None and line[:1] not in (b" ", b"\t"):
            if _begins_patch(cursor):
                return
            raise stray(cursor)
        name = field[1].lower() if field else b""
        is_coded = name == b"content-transfer-encoding" and re.search(
            rb"quoted-printable|base64", line, re.IGNORECASE
        )
        if is_coded or (name == b"content-type" and b"multipart" in line.lower()):
            raise cursor.refusal(
                "a mail whose text is encoded or in several parts",
                expected="the patch as it is, as git format-patch writes it",
                remedy="decode it first: git mailinfo msg patch < mail, then give patch",
            )
        cursor.take()
    if cursor.peek() == b"\n":
        cursor.take()


def _log_head(cursor: Cursor) -> None:
    """Take what ``git log`` and ``git show`` write of a commit before its difference."""
    while (line := cursor.peek()) and line != b"\n":
        field = _FIELD.fullmatch(line)
        if field is None or field[1] == b"Merge":
            if field is None:
                raise stray(cursor)
            raise cursor.refusal(
                "a merge, whose own changes a log does not show",
                expected="commits of one parent",
                remedy="use git diff BASE TARGET",
            )
        cursor.take()
    has_ruler = False
    while line := cursor.peek():
        is_ruler = line == b"---\n" and not has_ruler
        has_ruler |= is_ruler
        text = line == b"\n" or line.startswith(b"    ") or _NOTES.fullmatch(line)
        if not (is_ruler or text or _SUMMARY.fullmatch(line)):
            return
        cursor.take()


def _signature(cursor: Cursor) -> None:
    """Take ``-- `` and the lines that sign a mail, to a blank line."""
    cursor.take()
    while (line := cursor.peek()) and line != b"\n":
        if _starts_section(cursor) or _MAIL.match(line) or line[:1] in b" +-@\\":
            raise stray(cursor)
        cursor.take()
