"""A new file, written by the model from its first line to its last."""

from __future__ import annotations

from collections.abc import Callable

from shared.errors import RegenerationError
from shared.prompts.context.layouts import language, printable_path
from shared.prompts.context.span import Span
from shared.prompts.context.transcript import Transcript
from shared.prompts.frequencies import transcribe_count
from shared.seeds.decisions import Decisions

CLOSING = b"```\n"
MAX_LINES = 1 << 16


def compose(
    decisions: Decisions,
    begin: Callable[[], Transcript],
    path: str,
    wanted: bytes | None,
) -> bytes:
    """Writes or reads the whole text of a new file.

    Args:
        decisions: takes what is wanted, or yields what was.
        begin: hands out a transcript, after what is shown before the file.
        path: the file's path, shown to the model.
        wanted: the text, not empty, every line ended by a newline; None on the probe.

    Returns:
        The text.

    Raises:
        RegenerationError: the text cannot be spelled in the model's vocabulary, or has no lines.
    """
    lines = transcribe_count(
        decisions, MAX_LINES, None if wanted is None else wanted.count(b"\n"), "files"
    )
    if not lines:
        raise RegenerationError("a new file of no lines was to be written by the model")
    transcript = begin()
    transcript.give(
        b"%b (new file):\n```%b\n" % (printable_path(path), language(path).encode("ascii"))
    )
    text = transcript.write(decisions, Span(CLOSING, lines=lines), wanted)
    transcript.give(CLOSING + b"\n")
    return text
