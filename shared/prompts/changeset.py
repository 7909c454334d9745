"""All changes of a patch as decisions: which files, what happens to them, and how each is coded.

Both ends run ``transcribe``: the ground passes the plan of every change, the probe passes None and
reads them.  The tree-level weights below belong to the codec's version
(``shared.message.codec_version``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np

from shared.diff import zstd_delta
from shared.errors import InputError, RegenerationError
from shared.prompts.context.excerpts import Reference
from shared.prompts.context.preface import Preface, PrefaceWriter
from shared.prompts.context.transcripts import Desk
from shared.prompts.frequencies import transcribe_count, weights
from shared.prompts.new_file import compose
from shared.prompts.places.paths import transcribe_path
from shared.prompts.rewrite import Hunk, apply_hunks, rewrite
from shared.prompts.settings import Settings, transcribe_settings
from shared.prompts.text.line_endings import TextForm
from shared.seeds.decisions import Decisions
from shared.tree import ChangeKind, Entry, Mode, Tree

KINDS = (ChangeKind.MODIFY, ChangeKind.ADD, ChangeKind.DELETE, ChangeKind.RENAME)
MODES = (Mode.REGULAR, Mode.EXECUTABLE, Mode.SYMLINK)
MAX_BLOB_BYTES = 1 << 40

_KIND_WEIGHTS = (56, 4, 3, 1)
_CODE_SUFFIXES = (".py", ".c", ".h", ".pyx", ".cpp", ".hpp", ".cc", ".rs", ".pyi")


PLAIN = TextForm()


class Codec(IntEnum):
    """How a file's new contents travel."""

    MODEL = 0
    DELTA = 1
    STORED = 2
    SAME = 3


_CODEC_WEIGHTS = (56, 6, 1, 1)


@dataclass(frozen=True)
class FilePlan:
    """One change and how it is coded.

    Attributes:
        kind: what happens to the path.
        path: in the target; for a deletion in the baseline.
        old_path: in the baseline, None for an addition.
        entry: the new entry, None for a deletion.
        codec: how its contents travel.
        hunks: with ``Codec.MODEL``, the lines that change (of an addition: one hunk at line 0).
        form: with ``Codec.MODEL``, the form of the new text.
        blob: with ``Codec.DELTA`` and ``Codec.STORED``, the bytes that travel.
        references: with ``Codec.MODEL``, excerpts that the model reads before the file.
        hint: with ``Codec.MODEL``, what the message spells before it; b"" for nothing.
    """

    kind: ChangeKind
    path: str
    old_path: str | None
    entry: Entry | None
    codec: Codec = Codec.STORED
    hunks: tuple[Hunk, ...] = ()
    form: TextForm = PLAIN
    blob: bytes = b""
    references: tuple[Reference, ...] = ()
    hint: bytes = b""

    @property
    def preface(self) -> Preface:
        """What the model reads before the file."""
        return Preface(self.references, self.hint)


class Blobs(Protocol):
    """The bytes that travel beside the decisions."""

    def left(self) -> int:
        """Bytes not taken yet; on the ground, bytes still to come after those put so far."""

    def take(self, size: int, wanted: bytes | None) -> bytes:
        """The next ``size`` bytes."""


def transcribe(
    decisions: Decisions,
    baseline: Tree,
    new_desk: Callable[[Settings], Desk],
    blobs: Blobs,
    wanted: Sequence[FilePlan] | None,
    wanted_settings: Settings | None,
    done: Callable[[int], None],
    admit: Callable[[str], None] = lambda _: None,
) -> Tree:
    """Writes or reads a whole patch.

    Args:
        decisions: takes what is wanted, or yields what was.
        baseline: the onboard tree.
        new_desk: opens the desk for the message's settings.
        blobs: takes or yields the classical deltas.
        wanted: the plans in canonical order of ``shared.tree.changes``; None on the probe.
        wanted_settings: the settings; None on the probe.
        done: called with the number of files finished.
        admit: called with each new path before its contents; may raise what it likes.

    Returns:
        The target.

    Raises:
        RegenerationError: a decision leads outside the tree or a file.
    """
    desk = new_desk(transcribe_settings(decisions, wanted_settings))
    edits: dict[str, Entry | None] = {}
    count = 0
    while True:
        more = None if wanted is None else int(count < len(wanted))
        if not decisions.prompt(weights(*_more_files(count)), more, "files"):
            return _replace(baseline, edits)
        plan = None if wanted is None else wanted[count]
        _transcribe_change(decisions, baseline, desk, blobs, edits, plan, admit)
        count += 1
        done(count)


def _more_files(count: int) -> tuple[int, int]:
    """Weights of (no more, one more) after so many changes: a patch is not empty."""
    return (2, count) if count else (1, 1 << 12)


def _replace(baseline: Tree, edits: dict[str, Entry | None]) -> Tree:
    try:
        return baseline.replace(edits)
    except InputError as error:
        raise RegenerationError(f"the changes do not make a tree: {error.found}") from error


def _transcribe_change(
    decisions: Decisions,
    baseline: Tree,
    desk: Desk,
    blobs: Blobs,
    edits: dict[str, Entry | None],
    plan: FilePlan | None,
    admit: Callable[[str], None],
) -> None:
    kind = KINDS[
        decisions.prompt(
            weights(*_KIND_WEIGHTS), None if plan is None else KINDS.index(plan.kind), "files"
        )
    ]
    old_path = None
    old = None
    if kind is not ChangeKind.ADD:
        old_path = _transcribe_old_path(
            decisions, baseline, edits, None if plan is None else plan.old_path
        )
        old = baseline.get(old_path)
    if kind in (ChangeKind.DELETE, ChangeKind.RENAME) and old_path is not None:
        edits.setdefault(old_path, None)
    if kind is ChangeKind.DELETE:
        return
    if kind is ChangeKind.MODIFY and old_path is not None:
        path = old_path
    else:
        path = transcribe_path(
            decisions, tuple(baseline), old_path, None if plan is None else plan.path
        )
        admit(path)
    mode = _transcribe_mode(decisions, old, None if plan is None else plan.entry)
    data = _transcribe_contents(decisions, baseline, desk, blobs, path, old_path, mode, plan)
    try:
        edits[path] = Entry(mode, data)
    except InputError as error:
        raise RegenerationError(f"{path!r} cannot be: {error.found}") from error


def _transcribe_old_path(
    decisions: Decisions, baseline: Tree, edits: dict[str, Entry | None], wanted: str | None
) -> str:
    """One of the baseline's paths that no change has named yet; source files are likelier."""
    paths = [path for path in baseline if path not in edits]
    if not paths:
        raise RegenerationError("a change names a file, but every file was named before")
    likely = np.array([8 if path.endswith(_CODE_SUFFIXES) else 2 for path in paths], dtype=np.int64)
    return paths[decisions.prompt(likely, None if wanted is None else paths.index(wanted), "files")]


def _transcribe_mode(decisions: Decisions, old: Entry | None, new: Entry | None) -> Mode:
    usual = Mode.REGULAR if old is None else old.mode
    likely = weights(*(60 if mode is usual else 1 for mode in MODES))
    return MODES[decisions.prompt(likely, None if new is None else MODES.index(new.mode), "files")]


def _transcribe_contents(
    decisions: Decisions,
    baseline: Tree,
    desk: Desk,
    blobs: Blobs,
    path: str,
    old_path: str | None,
    mode: Mode,
    plan: FilePlan | None,
) -> bytes:
    old = None if old_path is None else baseline.get(old_path)
    likely = weights(*_CODEC_WEIGHTS)
    if old is None:
        likely[Codec.SAME] = 0
    if mode is Mode.SYMLINK or (old is not None and not old.mode.is_file):
        likely[Codec.MODEL] = 0
    codec = Codec(decisions.prompt(likely, None if plan is None else plan.codec, "files"))
    before = b"" if old is None else old.data
    if codec is Codec.SAME:
        return before
    if codec is Codec.MODEL:
        preface = PrefaceWriter(
            decisions, desk, baseline, path, old_path, None if plan is None else plan.preface
        )
        return _transcribe_text(decisions, desk, path, old, plan, preface)
    blob = _transcribe_blob(decisions, blobs, None if plan is None else plan.blob)
    return blob if codec is Codec.STORED else zstd_delta.decode(before, blob)


def _transcribe_text(
    decisions: Decisions,
    desk: Desk,
    path: str,
    old: Entry | None,
    plan: FilePlan | None,
    preface: PrefaceWriter,
) -> bytes:
    desk.read_near(preface.baseline, path, preface.old_path)
    usual = PLAIN if old is None else TextForm.of(old.data)
    form = _transcribe_form(decisions, usual, None if plan is None else plan.form)
    if old is None:
        text = compose(decisions, preface.begin, path, None if plan is None else plan.hunks[0].text)
    else:
        lines = usual.normalise(old.data)
        desk.read(b"".join(lines))
        hunks = rewrite(
            decisions,
            desk.transcript,
            preface.begin,
            path,
            lines,
            desk.settings,
            None if plan is None else plan.hunks,
        )
        text = apply_hunks(lines, hunks)
    return form.restore(text)


def _transcribe_form(decisions: Decisions, usual: TextForm, wanted: TextForm | None) -> TextForm:
    def choose(likely: bool, value: bool | None) -> bool:
        pair = weights(1, 63) if likely else weights(63, 1)
        return bool(decisions.prompt(pair, None if value is None else int(value), "files"))

    return TextForm(
        crlf=choose(usual.crlf, None if wanted is None else wanted.crlf),
        unended=choose(usual.unended, None if wanted is None else wanted.unended),
    )


def _transcribe_blob(decisions: Decisions, blobs: Blobs, wanted: bytes | None) -> bytes:
    """Bytes from beside the decisions: all that are left, or as many as is said."""
    left = blobs.left()
    last = None if wanted is None else int(left == len(wanted))
    if decisions.prompt(weights(1, 15), last, "files"):
        return blobs.take(left, wanted)
    size = transcribe_count(
        decisions, MAX_BLOB_BYTES, None if wanted is None else len(wanted), "files"
    )
    if size > left:
        raise RegenerationError(f"a file takes {size} bytes where {left} are left")
    return blobs.take(size, wanted)
