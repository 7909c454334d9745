"""The canonical patch: one unified diff, in git's format, for each pair of trees.

A pure function of the two trees, described in docs/canonical-patch.md well enough to be written
again; a change here changes what onboard digests of patches mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.diff.quoting import quote
from shared.diff.reading.binary import literal_hunk
from shared.digest import GIT_NULL_ID, git_blob_id
from shared.lines import LineEdit, line_edits, split_lines
from shared.tree import Change, Entry, Tree, changes, path_bytes, similarity

CONTEXT_LINES = 3
"""Unchanged lines shown before and after each change."""


def unified_diff(base: Tree, target: Tree) -> bytes:
    """The canonical patch from ``base`` to ``target``; empty if they are equal.

    ``git apply`` accepts it in a folder that holds ``base`` and leaves ``target``.
    """
    return b"".join(
        part for change in changes(base, target) for piece in _pieces(change) for part in piece
    )


def _pieces(change: Change) -> Iterator[Iterator[bytes]]:
    """The sections of one change: a file that becomes a link is deleted, then made anew."""
    old_path, old, new = change.old_path, change.old, change.new
    if old is not None and new is not None and old.mode.is_file != new.mode.is_file:
        yield _section(change.path, change.path, old, None)
        yield _section(change.path, change.path, None, new)
    else:
        yield _section(old_path or change.path, change.path, old, new)


def _section(old_path: str, new_path: str, old: Entry | None, new: Entry | None) -> Iterator[bytes]:
    """All lines about one file; ``old_path == new_path`` unless it is renamed."""
    old_name, new_name = quote(b"a/" + path_bytes(old_path)), quote(b"b/" + path_bytes(new_path))
    yield b"diff --git %b %b\n" % (old_name, new_name)
    yield from _headings(old_path, new_path, old, new)
    before, after = old.data if old else b"", new.data if new else b""
    if before == after:
        return
    if _is_binary(old) or _is_binary(new):
        yield _index_line(old, new)
        yield b"GIT binary patch\n" + literal_hunk(after) + literal_hunk(before)
        return
    # git ends a name that holds a space with a tab, so that readers see where it ends
    old_end, new_end = (b"\t\n" if b" " in name else b"\n" for name in (old_name, new_name))
    yield b"--- " + (old_name + old_end if old else b"/dev/null\n")
    yield b"+++ " + (new_name + new_end if new else b"/dev/null\n")
    yield from _hunks(split_lines(before), split_lines(after))


def _headings(
    old_path: str, new_path: str, old: Entry | None, new: Entry | None
) -> Iterator[bytes]:
    """Git's extended header lines: what happens to the file besides its contents."""
    if new and not old:
        yield b"new file mode %06o\n" % new.mode
    if old and not new:
        yield b"deleted file mode %06o\n" % old.mode
    if old and new and old.mode != new.mode:
        yield b"old mode %06o\nnew mode %06o\n" % (old.mode, new.mode)
    if old and new and old_path != new_path:
        yield b"similarity index %d%%\n" % similarity(old.data, new.data)
        yield b"rename from %b\n" % quote(path_bytes(old_path))
        yield b"rename to %b\n" % quote(path_bytes(new_path))


def _index_line(old: Entry | None, new: Entry | None) -> bytes:
    """Git's full object names before and after, without which it refuses binary hunks."""
    ids = [git_blob_id(entry.data) if entry else GIT_NULL_ID for entry in (old, new)]
    mode = f" {old.mode.octal}" if old and new and old.mode == new.mode else ""
    return f"index {ids[0]}..{ids[1]}{mode}\n".encode()


def _is_binary(entry: Entry | None) -> bool:
    """A file with a NUL byte anywhere; a link never is."""
    return entry is not None and b"\0" in entry.data


def _hunks(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[bytes]:
    """Hunks with three lines of context; changes whose contexts touch share one hunk."""
    group: list[LineEdit] = []
    for edit in line_edits(old, new):
        if group and edit.old_start - group[-1].old_end > 2 * CONTEXT_LINES:
            yield _hunk(old, new, group)
            group = []
        group.append(edit)
    if group:
        yield _hunk(old, new, group)


def _hunk(old: Sequence[bytes], new: Sequence[bytes], edits: Sequence[LineEdit]) -> bytes:
    """One hunk: its ``@@`` line, then context, deleted and inserted lines."""
    lead = min(CONTEXT_LINES, edits[0].old_start)
    tail = min(CONTEXT_LINES, len(old) - edits[-1].old_end)
    old_start, old_end = edits[0].old_start - lead, edits[-1].old_end + tail
    new_start, new_end = edits[0].new_start - lead, edits[-1].new_end + tail
    lines = [
        b"@@ -%b +%b @@\n"
        % (_range(old_start, old_end - old_start), _range(new_start, new_end - new_start))
    ]
    at = old_start
    for edit in edits:
        lines += [_marked(b" ", line) for line in old[at : edit.old_start]]
        lines += [_marked(b"-", line) for line in old[edit.old_start : edit.old_end]]
        lines += [_marked(b"+", line) for line in new[edit.new_start : edit.new_end]]
        at = edit.old_end
    lines += [_marked(b" ", line) for line in old[at:old_end]]
    return b"".join(lines)


def _range(start: int, count: int) -> bytes:
    """``start,count`` as GNU diff writes it: from 1, no count of 1, the line before an empty range.

    Args:
        start: index of the first line, from 0.
        count: number of lines.
    """
    if count == 1:
        return b"%d" % (start + 1)
    return b"%d,%d" % (start + 1 if count else start, count)


def _marked(mark: bytes, line: bytes) -> bytes:
    """A line of a hunk; one without a newline is followed by the note that says so."""
    if line.endswith(b"\n"):
        return mark + line
    return mark + line + b"\n\\ No newline at end of file\n"
