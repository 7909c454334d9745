"""Apply a patch to a tree: pure, strict, all or nothing.

The sections of one commit all read the tree before that commit, as git means them, so renames may
swap two files.  A patch of several commits applies one after another.
"""

from __future__ import annotations

from shared.diff.reading.binary import apply_delta
from shared.diff.reading.cursor import patch_error
from shared.diff.reading.hunks import apply_hunks
from shared.diff.reading.reader import read_patch
from shared.diff.reading.sections import Section
from shared.digest import git_blob_id
from shared.errors import InputError, PatchError
from shared.tree import Entry, Mode, Tree
from shared.tree.entries import blocked_path

_WRONG_BASELINE = "make the patch against exactly this baseline"


def apply_patch(base: Tree, patch: bytes, strip: int | None = None) -> Tree:
    """Make the tree that ``patch`` makes of ``base``.

    Args:
        base: the tree before.
        patch: output of ``git diff`` or ``git format-patch`` (with ``--binary`` for files that
            are not text; several mails one after another are applied in turn), or of
            ``diff -ruN`` with one folder name before each path.  Empty for no change.
        strip: folders to leave away before each path; None takes one where the patch shows that
            it is no folder of the tree.

    Raises:
        PatchError: the patch is malformed, leaves the tree, or does not apply exactly.
    """
    tree = base
    step = _Step(tree)
    for section in read_patch(patch, strip):
        if step.ends_before(section):
            tree = step.result()
            step = _Step(tree)
        step.add(section)
    return step.result()


class _Step:
    """One commit's sections on the tree before it."""

    def __init__(self, before: Tree) -> None:
        self._before = before
        self._written: dict[str, Entry] = {}
        self._removed: set[str] = set()
        self._sections: dict[str, Section] = {}  # what wrote or removed each path, last

    def ends_before(self, section: Section) -> bool:
        """Whether ``section`` belongs to the next commit.

        A mail or commit heading says so.  Without one (differences simply concatenated), so does
        a path that this step has written and that is written again, taken away, or read although
        it was not there before.  What cannot be told apart is a copy of a file that an earlier
        difference changed; it is then made of the file before that change.
        """
        old_path = section.old_path
        last = self._sections.get(old_path) if old_path in self._written else None
        return (
            section.starts_commit
            or section.path in self._written
            or (last is not None and old_path not in self._before)
            # a name that another file took over may still be renamed: two files that swap names
            or (last is not None and not section.is_copy and last.old_path == last.new_path)
        )

    def add(self, section: Section) -> None:
        """Apply one section.

        Raises:
            PatchError: it does not fit the tree before this step.
        """
        old = self._old_entry(section)
        data = _new_data(section, old)
        if section.new_path is not None:
            mode = section.new_mode or (old.mode if old else Mode.REGULAR)
            try:
                self._written[section.new_path] = Entry(mode, data)
            except InputError as error:
                raise _refusal(section, error.found, expected=error.expected) from error
        elif data:
            raise _refusal(
                section,
                "the file is deleted, but lines of it are left",
                expected="hunks that take away all of it",
                remedy=_WRONG_BASELINE,
            )
        self._sections[section.path] = section
        old_path = section.old_path
        if old_path is not None and old_path != section.new_path and not section.is_copy:
            if old_path in self._removed:
                raise _refusal(
                    section,
                    f"{old_path!r} is taken away twice",
                    expected="each file to be deleted or renamed once",
                )
            self._removed.add(old_path)
            self._sections.setdefault(old_path, section)

    def _old_entry(self, section: Section) -> Entry | None:
        """The entry that ``section`` starts from."""
        if section.old_path is None:
            return None
        old = self._before.get(section.old_path)
        if old is None:
            raise _refusal(
                section,
                f"the tree has no file {section.old_path!r}",
                expected="the file that the patch changes",
                remedy=_WRONG_BASELINE,
            )
        wanted = section.old_mode
        if wanted is None:
            return old
        if old.mode.is_file != wanted.is_file or (section.changes_mode and old.mode != wanted):
            raise _refusal(
                section,
                f"the mode of {section.old_path!r} is {old.mode.octal}",
                expected=wanted.octal,
                remedy=_WRONG_BASELINE,
            )
        return old

    def result(self) -> Tree:
        """The tree after this step.

        Raises:
            PatchError: a new file is in the way of another entry.
        """
        for path in self._written:
            section = self._sections[path]
            there = self._before.get(path)
            if there is None or section.old_path == path or path in self._removed:
                continue
            # an old file that diff -N dated 1970 may also be an empty one of that date
            if section.is_plain and there == Entry(Mode.REGULAR, b""):
                continue
            raise _refusal(
                section,
                f"the tree already has {path!r}",
                expected="no file in the place of a new one",
                remedy=_WRONG_BASELINE,
            )
        gone = self._removed - self._written.keys()
        edits: dict[str, Entry | None] = {**dict.fromkeys(gone), **self._written}
        kept = {path: entry for path, entry in self._before.items() if path not in gone}
        clash = blocked_path([*kept, *self._written], {**kept, **self._written})
        if clash is not None:
            path, blocker = clash
            section = self._sections.get(path) or self._sections[blocker]
            raise _refusal(
                section,
                f"{path!r} would lie below {blocker!r}, which is not a folder",
                expected="each path to be a file, a link or a folder",
                remedy=_WRONG_BASELINE,
            )
        return self._before.replace(edits)


def _new_data(section: Section, old: Entry | None) -> bytes:
    """The contents after ``section``."""
    before = old.data if old else b""
    if section.binary is None:
        return apply_hunks(before, section.hunks, section.path)
    _check_id(section, section.old_id, old, "old")
    after = section.binary.data
    if section.binary.is_delta:
        try:
            after = apply_delta(before, after)
        except ValueError as error:
            raise patch_error(
                section.binary.line_number,
                section.path,
                f"the binary delta does not apply: {error}",
                remedy=_WRONG_BASELINE,
            ) from error
    made = None if section.new_path is None else Entry(Mode.REGULAR, after)
    _check_id(section, section.new_id, made, "new")
    return after


def _check_id(section: Section, stated: str, entry: Entry | None, side: str) -> None:
    """Refuse contents that are not the ones a full index line of a binary file names."""
    algorithm = {40: "sha1", 64: "sha256"}.get(len(stated))
    if algorithm is None:
        return
    found = "0" * len(stated) if entry is None else git_blob_id(entry.data, algorithm=algorithm)
    if found != stated:
        raise _refusal(
            section,
            f"the {side} contents are {found}",
            expected=f"{stated}, as the index line says",
            remedy=_WRONG_BASELINE if side == "old" else "get the patch again",
        )


def _refusal(
    section: Section, found: str, *, expected: str | None = None, remedy: str | None = None
) -> PatchError:
    return patch_error(section.line_number, section.path, found, expected=expected, remedy=remedy)
