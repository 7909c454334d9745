"""What the model reads before a file's first window: excerpts of the tree on board, and a hint.

Most files have neither, and say so in a twentieth of a bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import RegenerationError
from shared.prompts.context.excerpts import LABEL as REFERENCES
from shared.prompts.context.excerpts import MAX_REFERENCES, Reference, Site, transcribe_reference
from shared.prompts.context.hint import LABEL as HINT
from shared.prompts.context.hint import transcribe_hint
from shared.prompts.context.layouts import excerpt
from shared.prompts.context.transcript import Transcript
from shared.prompts.context.transcripts import Desk
from shared.prompts.frequencies import weights
from shared.prompts.text.file_similarity import query_of, query_of_path
from shared.seeds.decisions import Decisions
from shared.tree import Tree

NONE_WEIGHTS = (24, 1)
"""No preface, some preface; each file before adds ``LEARNED`` to what it had."""

LEARNED = 8
COUNT_WEIGHTS = (12, 8, 3, 1, 1)
"""Of 0 to ``MAX_REFERENCES`` excerpts."""

HINT_WEIGHTS = (3, 1)
"""After excerpts: no hint, a hint.  Without excerpts there is a hint."""


@dataclass(frozen=True)
class Preface:
    """What a message says before one file.

    Attributes:
        references: excerpts, in the order in which they are shown.
        hint: text after the lead-in; b"" for none.
    """

    references: tuple[Reference, ...] = ()
    hint: bytes = b""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return not self.references and not self.hint


@dataclass(frozen=True)
class PrefaceWriter:
    """Writes or reads the preface of one file.

    Attributes:
        decisions: takes what is wanted, or yields what was.
        desk: of the message; remembers which files had a preface.
        baseline: the tree on board.
        path: of the file.
        old_path: its path on board; None of a new file.
        wanted: the preface on the ground; None on the probe.
    """

    decisions: Decisions
    desk: Desk
    baseline: Tree
    path: str
    old_path: str | None
    wanted: Preface | None

    def begin(
        self,
        old: Sequence[bytes] = (),
        shown: range = range(0),
        hunk: range = range(0),
    ) -> Transcript:
        """The transcript for the file's first text, with its preface.

        Args:
            old: the old lines; none of a new file.
            shown: those that the first window shows.
            hunk: those that the first hunk removes; where it is inserted, none.

        Raises:
            RegenerationError: what is shown cannot be spelled, or read, by the model.
        """
        some = self._any()
        transcript = self.desk.transcript()
        if not some:
            return transcript
        query = query_of(old, shown, hunk.start, hunk.stop) if old else query_of_path(self.path)
        site = Site(self.baseline, self.path, self.old_path, shown, query)
        count = self._transcribe_references(site, transcript)
        if count == 0 or self._has_hint():
            hint = None if self.wanted is None else self.wanted.hint
            transcribe_hint(self.decisions, transcript, hint)
        return transcript

    def _any(self) -> bool:
        past = self.desk.prefaces
        likely = weights(
            NONE_WEIGHTS[0] + LEARNED * (len(past) - sum(past)),
            NONE_WEIGHTS[1] + LEARNED * sum(past),
        )
        want = None if self.wanted is None else int(not self.wanted.is_empty)
        some = bool(self.decisions.prompt(likely, want, REFERENCES))
        past.append(some)
        return some

    def _transcribe_references(self, site: Site, transcript: Transcript) -> int:
        files = site.files()
        likely = weights(*COUNT_WEIGHTS)
        if not files:
            likely[1:] = 0
        wanted = None if self.wanted is None else self.wanted.references
        if wanted is not None and len(wanted) > (MAX_REFERENCES if files else 0):
            raise RegenerationError(
                f"{len(wanted)} excerpts were to be shown before a file",
                expected=f"at most {MAX_REFERENCES}, of texts on board",
            )
        count = self.decisions.prompt(likely, None if wanted is None else len(wanted), REFERENCES)
        shape = self.desk.settings.shape
        for k in range(count):
            reference = transcribe_reference(
                self.decisions, site, files, None if wanted is None else wanted[k]
            )
            lines = site.text(reference)
            transcript.give(excerpt(shape, reference.path, lines))
            if reference.path != self.old_path:  # the file's own lines are recalled already
                transcript.recall.read(b"".join(lines))
        return count

    def _has_hint(self) -> bool:
        want = None if self.wanted is None else int(bool(self.wanted.hint))
        return bool(self.decisions.prompt(weights(*HINT_WEIGHTS), want, HINT))
