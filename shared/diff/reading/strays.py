"""Refusals of lines that are not understood: what they look like, and what to do.

Nothing is decided here: a line comes here because no grammar knows it.  That some of the patterns
are English only makes the advice better where they match.
"""

from __future__ import annotations

import re

from shared.diff.reading.cursor import Cursor, patch_error, shown
from shared.diff.reading.names import crlf_refusal
from shared.errors import PatchError

_GET_WHOLE = "get the whole patch, unedited, from its first line on"
_UNIFIED = "make it with git diff --binary, or with diff -ruNa"

_KINDS: tuple[tuple[re.Pattern[bytes], str, str, str], ...] = (
    (
        re.compile(rb".*\x1b\["),
        "colours",
        "a patch without escape codes",
        "use git diff --no-color, or diff --color=never",
    ),
    (
        re.compile(rb"diff --(?:cc|combined) "),
        "a combined diff of a merge",
        "the difference of two trees",
        "use git diff BASE TARGET",
    ),
    (
        re.compile(rb"---$"),
        "'---' after a difference: the one above stands in the message of the mail",
        "no difference before the line '---' of a mail; git am would apply it too",
        "take it out of the message, or indent it",
    ),
    (
        re.compile(rb"Submodule "),
        "a submodule",
        "files and links",
        "leave it out of the patch",
    ),
    (
        re.compile(rb"Binary files .* differ$|Files .* differ$|Only in .*: "),
        "",
        "the contents of every file that changes",
        "use git diff --binary, or diff -ruNa for text only",
    ),
    (
        re.compile(rb"\*\*\* |\*{15}$|\d+(?:,\d+)?[acd]\d+(?:,\d+)?$|[<>] "),
        "",
        "a unified diff",
        _UNIFIED,
    ),
    (
        re.compile(rb"Property changes on: |Added: |Modified: |Deleted: |## -"),
        "",
        "contents and modes of files; properties are not carried",
        "leave them out: svn diff --ignore-properties, then set modes in the target",
    ),
    (
        re.compile(rb"# (?:HG changeset patch|User |Date |Node ID |Parent )"),
        "",
        "a difference without the head of hg export",
        "use hg diff --git",
    ),
    (
        re.compile(
            rb"@@ |--- |\+\+\+ |GIT binary patch$|(?:rename|copy) (?:from|to) |(?:dis)?similarity "
            rb"index |index [0-9a-f]+\.\.|(?:old|new|new file|deleted file) mode \d"
        ),
        " outside of any file's section",
        "'diff --git', or '---' and '+++' lines with hunks after them",
        _GET_WHOLE,
    ),
    (
        re.compile(rb" ?(?:diff --git |--- [^ ])"),
        "",
        "'diff --git' at the start of a line",
        "make the patch without --line-prefix, and without --graph",
    ),
)


_MARKS = ((b"\xef\xbb\xbf", "a byte order mark"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))


def refuse_encoding(patch: bytes) -> None:
    """Refuse a patch that an editor or a shell has saved in an encoding of its own.

    Raises:
        PatchError: it starts with a byte order mark.
    """
    for mark, name in _MARKS:
        if patch.startswith(mark):
            raise patch_error(
                1,
                None,
                f"the patch starts with {name}",
                expected="its bytes as the tool wrote them",
                remedy="make it again without conversion (git diff --binary --output=FILE)",
            )


def stray(cursor: Cursor) -> PatchError:
    """Tell that the current line is not known to carry nothing."""
    line = cursor.peek()
    if line.endswith(b"\r\n"):
        return crlf_refusal(cursor)
    for pattern, what, expected, remedy in _KINDS:
        if pattern.match(line.rstrip(b"\n")):
            found = what if what and not what.startswith(" ") else f"found {shown(line)}{what}"
            return cursor.refusal(found, expected=expected, remedy=remedy)
    return cursor.refusal(
        f"found {shown(line)}, which belongs to no change that is understood",
        expected="'diff --git' sections, or '---' and '+++' lines with hunks",
        remedy="take the line away if it carries nothing; else make the patch with git diff "
        "--binary, git format-patch or, for text only, diff -ruNa",
    )
