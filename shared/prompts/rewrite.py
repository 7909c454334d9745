"""A file's new text, written by the model beside the old one: loci, removed lines, written spans.

Both ends run the same function.  The ground passes the hunks that it wants and gets them back;
the probe passes None and reads them.  Decisions come in the order of the text, so that a later
hunk's locus is ranked, and its text predicted, in the light of the earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.prompts.context.layouts import Window, open_window
from shared.prompts.context.transcript import Transcript
from shared.prompts.frequencies import weights
from shared.prompts.places.hunk_places import LocusRanker
from shared.prompts.places.within_line import transcribe_inside
from shared.prompts.settings import Settings
from shared.seeds.decisions import Decisions


@dataclass(frozen=True)
class Hunk:
    """Old lines [start, end) give way to ``text``.

    Attributes:
        start: first old line, counted from 0.
        end: the old line after the last removed one; start for an insertion.
        text: the new lines, each ended by a newline; b"" for a deletion.
        inside: the one removed and the one new line share most of their text, and only the part
            between is written.
    """

    start: int
    end: int
    text: bytes
    inside: bool = False


def rewrite(
    decisions: Decisions,
    new_transcript: Callable[[], Transcript],
    begin: Callable[[Sequence[bytes], range, range], Transcript],
    path: str,
    old: Sequence[bytes],
    settings: Settings,
    wanted: Sequence[Hunk] | None,
) -> tuple[Hunk, ...]:
    """Writes or reads the hunks of one file.

    Args:
        decisions: takes what is wanted, or yields what was.
        new_transcript: hands out a transcript, a new one when the last has grown long.
        begin: hands out the transcript of the first window, after what is shown before it; told of
            the old lines, those that the window shows, and those that the first hunk removes.
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
        if window is None or not window.covers(end):
            before, shown = _shown_before(start, settings.lines_before, hunks)
            lines = range(before, min(len(old), end + settings.lines_after))
            if window is None:
                transcript = begin(old, lines, range(start, end))
            else:
                window.close()
                transcript = new_transcript()
            window = open_window(transcript, path, old, lines, settings.shape)
            for past in shown:
                window.advance(past.start)
                window.repeat(past.end, past.text)
        window.advance(start)
        want = wanted[len(hunks)] if wanted else None
        hunk = _write(decisions, ranker, window, start, end, want)
        ranker.learn(start, end, hunk.text)
        hunks.append(hunk)
        first = end + 1
    if window is not None:
        window.close()
    return tuple(hunks)


def _shown_before(start: int, most: int, hunks: Sequence[Hunk]) -> tuple[int, Sequence[Hunk]]:
    """What a new window shows above the hunk at ``start``.

    Args:
        start: the hunk's first old line.
        most: lines that either version may show there.
        hunks: all hunks before it.

    Returns:
        The window's first old line, and the hunks that come after it.  A hunk is shown whole or
        not at all; the window begins below one that has too many lines.
    """
    left = most
    first = start
    for k, hunk in reversed(list(enumerate(hunks))):
        unchanged = first - hunk.end
        changed = max(hunk.end - hunk.start, hunk.text.count(b"\n"))
        if unchanged + changed > left:
            return max(first - left, hunk.end), hunks[k + 1 :]
        left -= unchanged + changed
        first = hunk.start
    return max(0, first - left), hunks


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
    place = None if want is None else want.start - first
    start = first + decisions.prompt(ranker.starts(first), place, "loci")
    if start > lines:
        return None
    removed = None if want is None else want.end - want.start
    return start, start + decisions.prompt(ranker.removed(start), removed, "loci")


def _write(
    decisions: Decisions,
    ranker: LocusRanker,
    window: Window,
    start: int,
    end: int,
    want: Hunk | None,
) -> Hunk:
    """Writes or reads what replaces the old lines [start, end)."""
    removed = end - start
    text = None if want is None else want.text
    lines = decisions.prompt(
        ranker.written(start, removed), None if text is None else text.count(b"\n"), "hunks"
    )
    if not lines:
        window.delete(end)
        return Hunk(start, end, b"")
    if removed == lines == 1 and decisions.prompt(
        weights(15, 1), None if want is None else int(want.inside), "hunks"
    ):
        vocabulary = window.transcript.model.vocabulary
        inside = transcribe_inside(decisions, vocabulary, window.old[start], text)
        return Hunk(start, end, window.write_inside(decisions, inside), inside=True)
    return Hunk(start, end, window.write(decisions, end, lines, text))


def apply_hunks(old: Sequence[bytes], hunks: Sequence[Hunk]) -> bytes:
    """The new text: old lines with each hunk's lines replaced.  ``hunks`` are as from rewrite."""
    parts: list[bytes] = []
    place = 0
    for hunk in hunks:
        parts += old[place : hunk.start]
        parts.append(hunk.text)
        place = hunk.end
    return b"".join([*parts, *old[place:]])
