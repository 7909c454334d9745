"""What a patch says about one file, as a frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from shared.diff.reading.binary import BinaryHunk
from shared.diff.reading.hunks import Hunk
from shared.tree import Mode


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
