"""The lines of a patch file, read one after another, with refusals that say where."""

from __future__ import annotations

from shared.errors import PatchError
from shared.lines import split_lines


class Cursor:
    """A position in the lines of a patch.

    Args:
        patch: the whole patch; must end with a newline.

    Attributes:
        path: the file the current lines are about, for refusals; None between files.
    """

    def __init__(self, patch: bytes) -> None:
        self._lines = split_lines(patch)
        self._index = 0
        self.path: str | None = None
        if patch and not patch.endswith(b"\n"):
            self._index = len(self._lines) - 1
            raise self.refusal(
                "the patch ends in the middle of a line",
                expected="a newline at its end",
                remedy="get the whole patch",
            )

    @property
    def line_number(self) -> int:
        """The number of the current line, from 1."""
        return self._index + 1

    def peek(self, ahead: int = 0) -> bytes:
        """The current line, or one after it, with its newline; empty past the end."""
        index = self._index + ahead
        return self._lines[index] if index < len(self._lines) else b""

    def take(self) -> bytes:
        """The current line; the next one becomes current."""
        line = self.peek()
        self._index += 1
        return line

    def refusal(
        self,
        found: str,
        *,
        expected: str | None = None,
        remedy: str | None = None,
        line_number: int | None = None,
    ) -> PatchError:
        """An error that names the line (the current one unless told) and the file."""
        return patch_error(
            line_number or self.line_number, self.path, found, expected=expected, remedy=remedy
        )


def patch_error(
    line_number: int,
    path: str | None,
    found: str,
    *,
    expected: str | None = None,
    remedy: str | None = None,
) -> PatchError:
    """A refusal that starts with where in the patch, and for which file."""
    where = f"patch line {line_number}" + (f", {path!r}" if path is not None else "")
    return PatchError(f"{where}: {found}", expected=expected, remedy=remedy)


def shown(line: bytes, *, characters: int = 72) -> str:
    """A line as errors show it: printable, on one line, not too long."""
    text = repr(line)[1:]
    return text if len(text) <= characters else text[: characters - 4] + "..." + text[0]
