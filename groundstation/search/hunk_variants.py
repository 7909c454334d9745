"""Other ways to write the same text: hunks inside their lines, and hunks that slide.

An insertion between equal lines can be said to start at any of them; so can a deletion among equal
lines.  The probe makes the canonical patch from the text, so all of them lead to the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from groundstation.scoring.options import Options
from shared.lines import split_lines
from shared.prompts.changeset import FilePlan
from shared.prompts.language_model.vocabulary import Vocabulary
from shared.prompts.places.within_line import fits_inside
from shared.prompts.rewrite import Hunk
from shared.prompts.text.line_endings import TextForm

MOST_SLIDES = 4
"""Places tried on either side of a hunk."""


def variants(choice: Options, plan: FilePlan, vocabulary: Vocabulary) -> Iterator[FilePlan]:
    """Plans that differ from this one in one hunk and lead to the same text."""
    if choice.change.old is None:
        return
    old = TextForm.of(choice.change.old.data).normalise(choice.change.old.data)
    for k, hunk in enumerate(plan.hunks):
        low = plan.hunks[k - 1].end + 1 if k else 0
        high = plan.hunks[k + 1].start - 1 if k + 1 < len(plan.hunks) else len(old)
        for other in _other_hunks(old, hunk, low, high, vocabulary):
            yield replace(plan, hunks=(*plan.hunks[:k], other, *plan.hunks[k + 1 :]))


def _other_hunks(
    old: Sequence[bytes], hunk: Hunk, low: int, high: int, vocabulary: Vocabulary
) -> Iterator[Hunk]:
    """Hunks that do the same within old lines [low, high]."""
    if hunk.end - hunk.start == hunk.text.count(b"\n") == 1:
        if hunk.inside or fits_inside(vocabulary, old[hunk.start], hunk.text):
            yield replace(hunk, inside=not hunk.inside)
    elif hunk.start == hunk.end or not hunk.text:
        for step in (-1, 1):
            other: Hunk | None = hunk
            for _ in range(MOST_SLIDES):
                other = other and _slide(old, other, step)
                if other is None or not low <= other.start <= other.end <= high:
                    break
                yield other


def _slide(old: Sequence[bytes], hunk: Hunk, step: int) -> Hunk | None:
    """The insertion or deletion one line further up or down; None where that is another text."""
    start, end = hunk.start, hunk.end
    if (step < 0 and start == 0) or (step > 0 and end == len(old)):
        return None
    passed = old[start - 1] if step < 0 else old[end]
    if start < end:
        leaving = old[end - 1] if step < 0 else old[start]
        return Hunk(start + step, end + step, b"") if passed == leaving else None
    lines = split_lines(hunk.text)
    if passed != (lines[-1] if step < 0 else lines[0]):
        return None
    moved = [lines[-1], *lines[:-1]] if step < 0 else [*lines[1:], lines[0]]
    return Hunk(start + step, end + step, b"".join(moved))
