"""Text as the model sees it: each line ends in one newline; what differs is set aside."""

from __future__ import annotations

from dataclasses import dataclass

from shared.lines import split_lines


@dataclass(frozen=True)
class TextForm:
    """What a file's lines have in common and the model need not write.

    Attributes:
        crlf: every line ends in a carriage return and a newline.
        unended: the last line has no newline.
    """

    crlf: bool = False
    unended: bool = False

    @classmethod
    def of(cls, data: bytes) -> TextForm:
        """The form of a file; a file without lines has the plain one."""
        unended = bool(data) and not data.endswith(b"\n")
        whole = data + b"\r\n" * unended
        ends = whole.count(b"\n")
        return cls(crlf=ends > unended and whole.count(b"\r\n") == ends, unended=unended)

    def normalise(self, data: bytes) -> list[bytes]:
        """The file's lines, each ended by a newline alone.

        ``restore`` gives ``data`` back if this is its form or could be (see ``fits``).
        """
        end = b"\r\n" if self.crlf else b"\n"
        whole = data + end * self.unended
        return split_lines(whole.replace(b"\r\n", b"\n") if self.crlf else whole)

    def restore(self, text: bytes) -> bytes:
        """The file of a text whose lines all end in newlines."""
        whole = text.replace(b"\n", b"\r\n") if self.crlf else text
        return whole[: len(whole) - (2 if self.crlf else 1)] if self.unended and text else whole

    def fits(self, data: bytes) -> bool:
        """Whether a file survives ``normalise`` and ``restore``."""
        return self.restore(b"".join(self.normalise(data))) == data
