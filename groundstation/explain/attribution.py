"""Which file, hunk and text each recorded decision belongs to.

The decisions of a message are followed once more through the same code, now with a model that knows
nothing, since every answer is known.  A transcript that watches keeps what was shown and what was
written.  So nothing here repeats how prompts are made, and the code that both ends share need not
account for itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from groundstation.explain.blank_model import Unread
from groundstation.replay.record import Decided
from shared.prompts.changeset import transcribe
from shared.prompts.context.excerpts import LABEL as REFERENCES
from shared.prompts.context.hint import LABEL as HINT
from shared.prompts.context.span import Span
from shared.prompts.context.transcript import Transcript
from shared.prompts.context.transcripts import Desk
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.language_model.vocabulary import Vocabulary
from shared.prompts.settings import Settings
from shared.regenerate import ReceivedBlobs
from shared.seeds.decisions import Decisions
from shared.seeds.sampler import Frequencies
from shared.tree import Entry, Tree

LOCI = "loci"
HUNKS = "hunks"
PREFACE = (REFERENCES, HINT)


@dataclass(frozen=True)
class Writing:
    """A span that the model wrote.

    Attributes:
        shown: what the model was given since the span before, or since it began to read.
        first: position of the first token among the decisions.
        last: position after the last one.
        seam: bytes at the beginning of the tokens that were known already (healing).
        text: the span's text, marks of a prompt's shape included.
        span: what was known about it.
    """

    shown: bytes
    first: int
    last: int
    seam: int
    text: bytes
    span: Span


@dataclass(frozen=True)
class HunkTold:
    """A hunk as its decisions tell it.

    Attributes:
        from_end: how far from the end of the old file it starts: 2 is after the last line, 3 at it.
        removed: old lines that it removes.
        decided: positions of its decisions, tokens included.
        writing: the span in it; None for deletions, and where nothing stands between what is kept
            of a line.
    """

    from_end: int
    removed: int
    decided: tuple[int, ...] = ()
    writing: Writing | None = None


@dataclass(frozen=True)
class FileTold:
    """One change as its decisions tell it.

    Attributes:
        decided: positions of those decisions that belong to no hunk; tokens of a new file included.
        hunks: in order.
        writing: the text of a new file.
        blob: what it takes from beside the decisions; None where it takes nothing.
    """

    decided: tuple[int, ...] = ()
    hunks: tuple[HunkTold, ...] = ()
    writing: Writing | None = None
    blob: bytes | None = None


@dataclass(frozen=True)
class Telling:
    """A message told again.

    Attributes:
        files: one for each change, in order.
        paths: that change, in the order in which they are told; of a rename the old one first.
        decided: positions of decisions about no file.
        settings: how the model was asked.
    """

    files: tuple[FileTold, ...]
    paths: tuple[str, ...]
    decided: tuple[int, ...]
    settings: Settings


def tell(decided: Sequence[Decided], baseline: Tree, blobs: bytes, model: LanguageModel) -> Telling:
    """Follows recorded decisions again and says where each belongs; computes no model."""
    teller = _Teller(decided, model.vocabulary)
    unread = Unread(model.digest, model.vocabulary, model.max_positions)

    def new_desk(settings: Settings) -> Desk:
        teller.begin(settings)
        return _WatchedDesk(lambda: unread, settings, lambda _: None, teller=teller)

    watched = _WatchedBlobs(blobs, teller=teller)
    tree = _WatchedTree(baseline.entries)
    transcribe(teller, tree, new_desk, watched, None, None, teller.done)
    return teller.telling(tree.told)


@dataclass
class _Teller:
    """Gives recorded decisions once more, and keeps what each belongs to."""

    source: Sequence[Decided]
    vocabulary: Vocabulary
    place: int = 0
    shown: bytes = b""
    files: list[FileTold] = field(default_factory=list)
    message: list[int] = field(default_factory=list)
    _settings: Settings | None = None
    _file: FileTold = FileTold()
    _after_loci: int = 0

    def begin(self, settings: Settings) -> None:
        """The settings are decided; what follows is about files."""
        self._settings = settings

    def done(self, _: int) -> None:
        """A file is finished."""
        self.files.append(self._file)
        self._file = FileTold()
        self._after_loci = 0

    def telling(self, paths: Sequence[str]) -> Telling:
        """All of it: what was decided after the last file says that it was the last."""
        rest = (*self.message, *self._file.decided)
        return Telling(tuple(self.files), tuple(paths), rest, self._settings or Settings())

    def prompt(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:  # noqa: ARG002
        return self._next()

    def uniform(self, total: int, wanted: int | None = None, label: str = "") -> int:  # noqa: ARG002
        return self._next()

    def token(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:  # noqa: ARG002
        return self._next()

    def _next(self) -> int:
        decided = self.source[self.place]
        here = (self.place,)
        self.place += 1
        if self._settings is None:
            self.message += here
            return decided.index
        if decided.label in PREFACE:  # said before the file's first window, not of a hunk
            self._file = replace(self._file, decided=self._file.decided + here)
            return decided.index
        hunks = self._file.hunks
        if decided.label != LOCI:
            self._after_loci = 0
        elif self._after_loci == 0:  # where a hunk starts, or that there is none
            self._after_loci = 1
            from_end = decided.outcomes - decided.index
            if from_end == 1:
                self._file = replace(self._file, decided=self._file.decided + here)
                return decided.index
            self._file = replace(self._file, hunks=(*hunks, HunkTold(from_end, 0, here)))
            return decided.index
        elif self._after_loci == 1:
            self._after_loci = 2
            self._file = replace(
                self._file, hunks=(*hunks[:-1], replace(hunks[-1], removed=decided.index))
            )
            hunks = self._file.hunks
        if hunks:
            last = replace(hunks[-1], decided=hunks[-1].decided + here)
            self._file = replace(self._file, hunks=(*hunks[:-1], last))
        else:
            self._file = replace(self._file, decided=self._file.decided + here)
        return decided.index

    def wrote(self, first: int, text: bytes, ahead: int, span: Span) -> None:
        """A span was written, and with it so many bytes of what follows."""
        tokens = [decided.index for decided in self.source[first : self.place]]
        seam = len(self.vocabulary.spell(tokens)) - len(text) - ahead
        writing = Writing(self.shown, first, self.place, seam, text, span)
        self.shown = b""
        if any(decided.label for decided in self.source[first : self.place]):
            return  # a text that is not of the file: its label says what it is
        hunks = self._file.hunks
        if hunks:
            last = replace(hunks[-1], writing=writing)
            self._file = replace(self._file, hunks=(*hunks[:-1], last))
        else:
            self._file = replace(self._file, writing=writing)

    def took(self, blob: bytes) -> None:
        """The file takes these bytes from beside the decisions."""
        self._file = replace(self._file, blob=blob)


@dataclass(frozen=True, eq=False)
class _WatchedTree(Tree):
    """The tree on board, and the paths that are told to change."""

    told: list[str] = field(default_factory=list)

    def replace(self, edits: Mapping[str, Entry | None]) -> Tree:
        self.told.extend(edits)
        return super().replace(edits)


@dataclass
class _WatchedBlobs(ReceivedBlobs):
    """The blobs of a message, and whose they are."""

    teller: _Teller = field(kw_only=True)

    def take(self, size: int, wanted: bytes | None) -> bytes:
        blob = super().take(size, wanted)
        self.teller.took(blob)
        return blob


@dataclass
class _WatchedTranscript(Transcript):
    """Tells what it is given and what is written in it."""

    teller: _Teller = field(kw_only=True)

    def give(self, text: bytes) -> None:
        self.teller.shown += text
        super().give(text)

    def write(self, decisions: Decisions, span: Span, wanted: bytes | None) -> bytes:
        first = self.teller.place
        text = super().write(decisions, span, wanted)
        self.teller.wrote(first, text, len(self._ahead), span)
        return text


@dataclass
class _WatchedDesk(Desk):
    """Hands out watched transcripts."""

    teller: _Teller = field(kw_only=True)

    def transcript(self) -> Transcript:
        made = super().transcript()
        if not isinstance(made, _WatchedTranscript):
            made = _WatchedTranscript(
                made.model,
                made.session,
                made.inverse_temperature,
                made.spend,
                made.recall,
                teller=self.teller,
            )
            self.teller.shown = b""  # what was given to another is not seen in this one
            self._current = made
        return made
