"""A file's new text, written by the model beside the old one: loci, removed lines, written spans.

Both ends run the same function.  The ground passes the hunks that it wants and gets them back;
the probe passes None and reads them.  Decisions come in the order of the text, so that a later
hunk's locus is ranked, and its text predicted, in the light of the earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.prompts.context import Window, open_window
from shared.prompts.loci import LocusRanker
from shared.prompts.settings import Settings
from shared.prompts.transcript import Transcript
from shared.prompts.weights import weights
from shared.seeds.decisions import Decisions

MAX_REMOVED_LINES = 4000


@dataclass(frozen=True)
class Hunk:
    """Old lines [start, end) give way to ``text``.

    Attributes:
        start: first old line, counted from 0.
        end: the old line after the last removed one; start for an insertion.
        text: the new lines, each ended by a newline; b"" for a deletion.
    """

    start: int
    end: int
    text: bytes


def rewrite(
    decisions: Decisions,
    new_transcript: Callable[[], Transcript],
    path: str,
    old: Sequence[bytes],
    settings: Settings,
    wanted: Sequence[Hunk] | None,
) -> tuple[Hunk, ...]:
    """Writes or reads the hunks of one file.

    Args:
        decisions: takes what is wanted, or yields what was.
        new_transcript: starts a transcript on an empty session.
        path: the file's path, shown to the model.
        old: the old lines, each ended by a newline.
        settings: how the model is asked.
        wanted: the hunks in order, at least one line apart; None on the probe.

    Returns:
        The hunks; none when nothing but the form of the text changes.

    Raises:
        RegenerationError: a text around a hunk cannot be spelled by the model.
    """
    ranker = LocusRanker(old)
    hunks: list[Hunk] = []
    window: Window | None = None
    first = 0
    while first <= len(old):
        locus = _locus(decisions, ranker, first, len(old), hunks, wanted)
        if locus is None:
            break
        start, end = locus
        want = None if wanted is None else wanted[len(hunks)]
        if window is None or not window.covers(end):
            if window is not None:
                window.close()
            later = window is not None
            window = open_window(new_transcript(), path, old, start, end, settings, later)
        window.advance(start)
        deletion = None if want is None else int(not want.text)
        if end > start and decisions.prompt(weights(22, 3), deletion, "locus"):
            window.delete(start, end)
            text = b""
        else:
            text = window.write(decisions, start, end, None if want is None else want.text)
        ranker.learn(range(start, end), text)
        hunks.append(Hunk(start, end, text))
        first = end + 1
    return tuple(hunks)


def _locus(
    decisions: Decisions,
    ranker: LocusRanker,
    first: int,
    lines: int,
    hunks: Sequence[Hunk],
    wanted: Sequence[Hunk] | None,
) -> tuple[int, int] | None:
    """Writes or reads the next hunk's old lines [start, end); None after the last hunk."""
    want = None
    if wanted is not None:
        want = wanted[len(hunks)] if len(hunks) < len(wanted) else Hunk(lines + 1, lines + 1, b"")
    start = first + decisions.prompt(
        ranker.starts(first, len(hunks)),
        None if want is None else want.start - first,
        "locus",
    )
    if start > lines:
        return None
    limit = min(lines - start, MAX_REMOVED_LINES)
    removed = decisions.prompt(
        ranker.removed(limit), None if want is None else want.end - want.start, "locus"
    )
    return start, start + removed


def apply_hunks(old: Sequence[bytes], hunks: Sequence[Hunk]) -> bytes:
    """The new text: old lines with each hunk's lines replaced.  ``hunks`` are as from rewrite."""
    parts: list[bytes] = []
    place = 0
    for hunk in hunks:
        parts += old[place : hunk.start]
        parts.append(hunk.text)
        place = hunk.end
    return b"".join([*parts, *old[place:]])
