"""What both ends know about a piece of text before the model writes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A span of a transcript.

    Attributes:
        lines: it ends after this many newlines; 0 when ``tokens`` counts.
        tokens: it ends after this many tokens; 0 when ``lines`` counts.
        resume: the known text that follows: one line that no later hunk touches.
        forbidden: a line, newline included, that the span does not start with; b"" if any may.
    """

    resume: bytes
    lines: int = 0
    tokens: int = 0
    forbidden: bytes = b""

    def __post_init__(self) -> None:
        if (self.lines > 0) == (self.tokens > 0):
            raise ValueError("a span ends after lines or after tokens")

    def end(self, written: bytes, tokens: int) -> int | None:
        """Where the span ends in what was written, or None while it goes on."""
        if self.tokens:
            return len(written) if tokens == self.tokens else None
        place = 0
        for _ in range(self.lines):
            place = written.find(b"\n", place) + 1
            if not place:
                return None
        return place
