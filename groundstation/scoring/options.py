"""What could be sent for each change: every codec that can carry it, with its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.diff import zstd_delta
from shared.lines import line_edits
from shared.prompts.changeset import Codec, FilePlan
from shared.prompts.context.layouts import printable_path
from shared.prompts.language_model.vocabulary import Vocabulary
from shared.prompts.places.hunk_places import MAX_REMOVED_LINES, MAX_WRITTEN_LINES
from shared.prompts.places.within_line import fits_inside
from shared.prompts.rewrite import Hunk
from shared.prompts.text.line_endings import TextForm
from shared.tree import Change, ChangeKind

MAX_MODEL_BYTES = 48_000
"""More new text than this is not offered to the model: it would take too long to regenerate."""


@dataclass(frozen=True)
class Options:
    """The ways to send one change.

    Attributes:
        change: what is to be sent.
        model: written by the model line by line; None where it cannot be.
        inside: the same with changes inside lines written alone; None where there are none.
        classical: the shortest of the others.
    """

    change: Change
    model: FilePlan | None
    inside: FilePlan | None
    classical: FilePlan

    @property
    def classical_bits(self) -> int:
        """What the classical bytes cost."""
        return 8 * len(self.classical.blob)


def options(change: Change, vocabulary: Vocabulary) -> Options:
    """The ways to send one change."""
    base = FilePlan(change.kind, change.path, change.old_path, change.new, Codec.SAME)
    if change.new is None:
        return Options(change, None, None, base)
    old = b"" if change.old is None else change.old.data
    new = change.new.data
    if change.old is not None and old == new:
        return Options(change, None, None, base)
    classical = [replace(base, codec=Codec.STORED, blob=new)]
    if new:
        classical.append(replace(base, codec=Codec.DELTA, blob=zstd_delta.encode(old, new)))
    model = _model_plan(base, change, vocabulary)
    inside = None if model is None else _inside_plan(model, change, vocabulary)
    return Options(change, model, inside, min(classical, key=lambda p: len(p.blob)))


def _model_plan(base: FilePlan, change: Change, vocabulary: Vocabulary) -> FilePlan | None:
    new, old = change.new, change.old
    if new is None or not new.mode.is_file or (old is not None and not old.mode.is_file):
        return None
    form = TextForm.of(new.data)
    if not form.fits(new.data):
        return None
    text = b"".join(form.normalise(new.data))
    if old is None or change.kind is ChangeKind.ADD:
        hunks: Sequence[Hunk] = (Hunk(0, 0, text),)
        known = b""
    else:
        lines = TextForm.of(old.data).normalise(old.data)
        hunks = hunks_between(lines, form.normalise(new.data))
        known = b"".join(lines)
    written = sum(len(hunk.text) for hunk in hunks)
    if (old is None and not text) or written > MAX_MODEL_BYTES:
        return None
    if any(hunk.end - hunk.start > MAX_REMOVED_LINES for hunk in hunks):
        return None
    if any(hunk.text.count(b"\n") > MAX_WRITTEN_LINES for hunk in hunks):
        return None
    shown = printable_path(change.path)
    if any(vocabulary.encode(piece) is None for piece in (known, text, shown)):
        return None
    return replace(base, codec=Codec.MODEL, hunks=tuple(hunks), form=form)


def _inside_plan(model: FilePlan, change: Change, vocabulary: Vocabulary) -> FilePlan | None:
    """The plan with every hunk inside its line that can be; None if none can."""
    if change.old is None:
        return None
    old = TextForm.of(change.old.data).normalise(change.old.data)
    hunks = tuple(
        replace(hunk, inside=True)
        if hunk.end - hunk.start == hunk.text.count(b"\n") == 1
        and fits_inside(vocabulary, old[hunk.start], hunk.text)
        else hunk
        for hunk in model.hunks
    )
    return None if hunks == model.hunks else replace(model, hunks=hunks)


def hunks_between(old: Sequence[bytes], new: Sequence[bytes]) -> tuple[Hunk, ...]:
    """The shortest list of changed lines, as hunks at least one line apart."""
    return tuple(
        Hunk(edit.old_start, edit.old_end, b"".join(new[edit.new_start : edit.new_end]))
        for edit in line_edits(old, new)
    )
