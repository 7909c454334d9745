"""Prompt shapes: how old and new text are laid out for the model.

A window is a stretch of the old file around one or more hunks.  It opens with what both ends know,
is advanced over unchanged lines, and lets the model write the changed spans in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from shared.prompts.settings import Settings, Shape
from shared.prompts.transcript import Span, Transcript
from shared.prompts.weights import weights
from shared.seeds.decisions import Decisions

LANDMARK_BYTES = 24
RESUME_LINES = 12

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


class Window(Protocol):
    """A stretch of a file as one prompt shape shows it."""

    transcript: Transcript

    def covers(self, end: int) -> bool:
        """Whether a hunk that ends at old line ``end`` is still in the window."""

    def advance(self, line: int) -> None:
        """Gives the unchanged old lines up to ``line``."""

    def write(self, decisions: Decisions, start: int, end: int, wanted: bytes | None) -> bytes:
        """Lets the model write what replaces the old lines [start, end)."""

    def delete(self, start: int, end: int) -> None:
        """Passes over the old lines [start, end), which are deleted."""

    def close(self) -> None:
        """Ends the window, so that another text may follow in the same transcript."""


class VersionsWindow:
    """The old version whole, then the new version, up to where the model writes."""

    opening: ClassVar[bytes] = b"%(path)s (old version):\n```%(language)s\n"
    between: ClassVar[bytes] = b"```\n\n%(path)s (new version):\n```%(language)s\n"
    closing: ClassVar[bytes] = b"```\n"

    def __init__(
        self,
        transcript: Transcript,
        path: str,
        old: Sequence[bytes],
        shown: range,
    ) -> None:
        self.transcript = transcript
        self._old = old
        self._line = shown.start
        self._end = shown.stop
        names = {b"path": printable_path(path), b"language": language(path).encode()}
        transcript.give(self.opening % names)
        transcript.give(b"".join(old[self._line : self._end]))
        transcript.give(self.between % names)

    def covers(self, end: int) -> bool:
        return end + 3 <= self._end or self._end == len(self._old)

    def advance(self, line: int) -> None:
        self.transcript.give(b"".join(self._old[self._line : line]))
        self._line = line

    def delete(self, start: int, end: int) -> None:  # noqa: ARG002
        self._line = end

    def close(self) -> None:
        rest = b"".join(self._old[self._line : self._end]) + self.closing
        self.transcript.give(rest + b"\n")

    def write(self, decisions: Decisions, start: int, end: int, wanted: bytes | None) -> bytes:
        old = self._old
        resume = b"".join(old[end : end + RESUME_LINES])
        if end + RESUME_LINES >= len(old):
            resume += self.closing
        length = landmark(resume)
        # the model would rather go on with the old text; both ends know that it does not
        forbidden = old[start] if end > start else resume[:length]
        unusual = None if wanted is None else int(wanted.startswith(forbidden))
        if decisions.prompt(weights(255, 1), unusual, "locus"):
            forbidden = b""
        span = Span(resume, length, False, forbidden, certainty(resume[:length]))
        self._line = end
        return self.transcript.write(decisions, span, wanted)


class PlainWindow(VersionsWindow):
    """The two versions under special-purpose headings, without fences."""

    opening = b"%(path)s (old version):\n"
    between = b"\n%(path)s (new version):\n"
    closing = b"\nEnd of file\n"


class DiffWindow:
    """A unified diff: unchanged lines behind a blank, removed behind "-", written behind "+"."""

    def __init__(
        self,
        transcript: Transcript,
        path: str,
        old: Sequence[bytes],
        shown: range,
    ) -> None:
        self.transcript = transcript
        self._old = old
        self._line = shown.start
        self._end = shown.stop
        name = printable_path(path)
        transcript.give(b"--- a/%b\n+++ b/%b\n@@ @@\n" % (name, name))

    def covers(self, end: int) -> bool:
        return end <= self._end

    def advance(self, line: int) -> None:
        self._give(b" ", self._old[self._line : line])
        self._line = line

    def delete(self, start: int, end: int) -> None:
        self._give(b"-", self._old[start:end])
        self._line = end

    def write(self, decisions: Decisions, start: int, end: int, wanted: bytes | None) -> bytes:
        self.delete(start, end)
        self.transcript.give(b"+")
        forbidden = self._old[start] if end > start else b""
        unusual = None if wanted is None else int(bool(forbidden) and wanted.startswith(forbidden))
        if forbidden and decisions.prompt(weights(255, 1), unusual, "locus"):
            forbidden = b""
        resume = b" " + b" ".join(self._old[end : end + RESUME_LINES])
        span = Span(
            resume=resume if end < len(self._old) else b"@@ @@\n",
            landmark=1 if end < len(self._old) else 2,
            anywhere=False,
            forbidden=forbidden,
            resume_weights=(0, 1),
        )
        marked = None if wanted is None else _mark(wanted)
        return _unmark(self.transcript.write(decisions, span, marked))

    def close(self) -> None:
        self.advance(min(len(self._old), self._line + RESUME_LINES))

    def _give(self, mark: bytes, lines: Sequence[bytes]) -> None:
        self.transcript.give(b"".join(mark + line for line in lines))


def _mark(text: bytes) -> bytes:
    return b"+".join(text.splitlines(keepends=True))


def _unmark(text: bytes) -> bytes:
    lines = text.split(b"\n")
    return b"\n".join([lines[0], *(line[1:] for line in lines[1:])])


def landmark(resume: bytes) -> int:
    """Bytes of a resuming text that end a span: up to the end of its first line with text in it,
    or 24 bytes of that."""
    start = len(resume) - len(resume.lstrip(b" \t\n"))
    line_end = resume.find(b"\n", start)
    whole = len(resume) if line_end < 0 else line_end + 1
    return max(1, min(whole, start + LANDMARK_BYTES))


def certainty(landmark_text: bytes) -> tuple[int, int]:
    """Weights of (going on, ending) when a landmark was written: a short one is less certain."""
    letters = len(landmark_text.strip())
    return (1, 1) if letters < 4 else (1, 4) if letters < 10 else (1, 15)


_WINDOWS: dict[Shape, type[VersionsWindow] | type[DiffWindow]] = {
    Shape.FENCED: VersionsWindow,
    Shape.PLAIN: PlainWindow,
    Shape.DIFF: DiffWindow,
}


def open_window(
    transcript: Transcript,
    path: str,
    old: Sequence[bytes],
    start: int,
    end: int,
    settings: Settings,
    later: bool,
) -> Window:
    """Opens a window around the hunk that replaces old lines [start, end).

    ``later`` says that it is not the first of its file.
    """
    before = settings.lines_before_later if later else settings.lines_before
    shown = range(max(0, start - before), min(len(old), end + settings.lines_after))
    return _WINDOWS[settings.shape](transcript, path, old, shown)
