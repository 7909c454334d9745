"""Prompt shapes: how old and new text are laid out for the model.

A window is a stretch of the old file around one or more hunks.  It opens with what both ends know,
is advanced over unchanged lines, and lets the model write the changed spans in their place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from shared.lines import split_lines
from shared.prompts.context.span import Span
from shared.prompts.context.transcript import Transcript
from shared.prompts.frequencies import weights
from shared.prompts.places.within_line import Inside
from shared.prompts.settings import Shape
from shared.seeds.decisions import Decisions

_LANGUAGES = {
    "c": "c",
    "cc": "cpp",
    "cfg": "ini",
    "cpp": "cpp",
    "h": "c",
    "hpp": "cpp",
    "json": "json",
    "md": "markdown",
    "py": "python",
    "pyi": "python",
    "pyx": "cython",
    "rs": "rust",
    "sh": "bash",
    "toml": "toml",
    "yaml": "yaml",
    "yml": "yaml",
}


def language(path: str) -> str:
    """The word that follows a code fence for a file of this name."""
    return _LANGUAGES.get(path.rpartition(".")[2].lower(), "")


def printable_path(path: str) -> bytes:
    """A path as text for the model."""
    return path.encode("utf-8", "replace").replace(b"\n", b" ")


class Window(ABC):
    """A stretch of a file as one prompt shape shows it."""

    def __init__(
        self, transcript: Transcript, path: str, old: Sequence[bytes], shown: range
    ) -> None:
        """Gives what stands before the first line of the window.

        Args:
            transcript: takes the text.
            path: the file's path.
            old: all old lines, each ended by a newline.
            shown: those of the window.
        """
        self.transcript = transcript
        self.old = old
        self.line = shown.start
        self.end = shown.stop
        self.open(path)

    @abstractmethod
    def open(self, path: str) -> None:
        """Gives what stands before the first line."""

    @abstractmethod
    def covers(self, end: int) -> bool:
        """Whether a hunk that ends at old line ``end`` is still in the window."""

    @abstractmethod
    def advance(self, line: int) -> None:
        """Gives the unchanged old lines up to ``line``."""

    @abstractmethod
    def delete(self, end: int) -> None:
        """Passes over the old lines up to ``end``, which are deleted or will be replaced."""

    @abstractmethod
    def repeat(self, end: int, text: bytes) -> None:
        """Gives what an earlier window put in place of the old lines up to ``end``."""

    @abstractmethod
    def write(self, decisions: Decisions, end: int, lines: int, wanted: bytes | None) -> bytes:
        """Lets the model write ``lines`` lines that replace the old lines up to ``end``."""

    @abstractmethod
    def close(self) -> None:
        """Ends the window, so that another text may follow in the same transcript."""

    def write_inside(self, decisions: Decisions, inside: Inside) -> bytes:
        """Lets the model write a part of the next old line; returns the whole new line."""
        self.delete(self.line + 1)
        self.begin_line(inside.head)
        middle = b""
        if inside.tokens:
            span = Span(inside.tail, tokens=inside.tokens)
            middle = self.transcript.write(decisions, span, inside.middle)
        self.transcript.give(inside.tail)
        return inside.head + middle + inside.tail

    def begin_line(self, head: bytes) -> None:
        """Gives the beginning of a new line."""
        self.transcript.give(head)

    def after(self, line: int, otherwise: bytes) -> bytes:
        """An old line, or what stands after the last one."""
        return self.old[line] if line < len(self.old) else otherwise


class VersionsWindow(Window):
    """The old version whole, then the new version, up to where the model writes."""

    opening: ClassVar[bytes] = b"%(path)s (old version):\n```%(language)s\n"
    between: ClassVar[bytes] = b"```\n\n%(path)s (new version):\n```%(language)s\n"
    closing: ClassVar[bytes] = b"```\n"

    def open(self, path: str) -> None:
        names = {b"path": printable_path(path), b"language": language(path).encode()}
        self.transcript.give(self.opening % names)
        self.transcript.give(b"".join(self.old[self.line : self.end]))
        self.transcript.give(self.between % names)

    def covers(self, end: int) -> bool:
        return end + 3 <= self.end or self.end == len(self.old)

    def advance(self, line: int) -> None:
        self.transcript.give(b"".join(self.old[self.line : line]))
        self.line = line

    def delete(self, end: int) -> None:
        self.line = end

    def repeat(self, end: int, text: bytes) -> None:
        self.delete(end)
        self.transcript.give(text)

    def write(self, decisions: Decisions, end: int, lines: int, wanted: bytes | None) -> bytes:
        # the model would rather go on with the old text; both ends know that it does not
        goes_on = self.after(self.line, self.closing)
        forbidden = transcribe_forbidden(decisions, goes_on, wanted)
        self.delete(end)
        span = Span(self.after(end, self.closing), lines=lines, forbidden=forbidden)
        return self.transcript.write(decisions, span, wanted)

    def close(self) -> None:
        rest = b"".join(self.old[self.line : self.end]) + self.closing
        self.transcript.give(rest + b"\n")


class PlainWindow(VersionsWindow):
    """The two versions under headings, without fences."""

    opening = b"%(path)s (old version):\n"
    between = b"\n%(path)s (new version):\n"
    closing = b"\nEnd of file\n"


class DiffWindow(Window):
    """A unified diff: unchanged lines behind a blank, removed behind "-", written behind "+"."""

    def open(self, path: str) -> None:
        name = printable_path(path)
        self.transcript.give(b"--- a/%b\n+++ b/%b\n@@ @@\n" % (name, name))

    def covers(self, end: int) -> bool:
        return end <= self.end

    def advance(self, line: int) -> None:
        self._give(b" ", self.old[self.line : line])
        self.line = line

    def delete(self, end: int) -> None:
        self._give(b"-", self.old[self.line : end])
        self.line = end

    def repeat(self, end: int, text: bytes) -> None:
        self.delete(end)
        self._give(b"+", split_lines(text))

    def begin_line(self, head: bytes) -> None:
        self.transcript.give(b"+" + head)

    def write(self, decisions: Decisions, end: int, lines: int, wanted: bytes | None) -> bytes:
        forbidden = b""
        if end > self.line:
            forbidden = transcribe_forbidden(decisions, self.old[self.line], wanted)
        self.delete(end)
        self.transcript.give(b"+")
        span = Span(b" " + self.after(end, b"\n"), lines=lines, forbidden=forbidden)
        marked = None if wanted is None else _mark(wanted)
        return _unmark(self.transcript.write(decisions, span, marked))

    def close(self) -> None:
        self._give(b" ", [self.after(self.line, b"\n")])

    def _give(self, mark: bytes, lines: Sequence[bytes]) -> None:
        self.transcript.give(b"".join(mark + line for line in lines))


def _mark(text: bytes) -> bytes:
    return b"+".join(split_lines(text))


def _unmark(text: bytes) -> bytes:
    lines = text.split(b"\n")
    return b"\n".join([lines[0], *(line[1:] for line in lines[1:])])


def transcribe_forbidden(decisions: Decisions, line: bytes, wanted: bytes | None) -> bytes:
    """The old line that the new text does not start with; b"" in the odd case that it does."""
    starts = None if wanted is None else int(wanted.startswith(line))
    return b"" if decisions.prompt(weights(255, 1), starts, "hunks") else line


def excerpt(shape: Shape, path: str, lines: Sequence[bytes]) -> bytes:
    """Lines of a file that are shown for what they say, as the prompt's shape shows lines."""
    name = printable_path(path)
    if shape is Shape.DIFF:
        marked = b"".join(b" " + line for line in lines)
        return b"--- a/%b\n+++ b/%b\n@@ @@\n%b" % (name, name, marked)
    heading = b"%b (excerpt):\n" % name
    if shape is Shape.PLAIN:
        return heading + b"".join(lines) + b"\nEnd of file\n\n"
    fence = b"```%b\n" % language(path).encode()
    return heading + fence + b"".join(lines) + b"```\n\n"


_WINDOWS: dict[Shape, type[Window]] = {
    Shape.FENCED: VersionsWindow,
    Shape.PLAIN: PlainWindow,
    Shape.DIFF: DiffWindow,
}


def open_window(
    transcript: Transcript,
    path: str,
    old: Sequence[bytes],
    shown: range,
    shape: Shape,
) -> Window:
    """Opens a window that shows these old lines."""
    return _WINDOWS[shape](transcript, path, old, shown)
