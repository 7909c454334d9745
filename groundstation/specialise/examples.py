"""Training examples, built by the very code that builds prompts when a patch is authored.

A patch is transcribed with a model that knows nothing and only listens: what it reads, and which
of the tokens it was to write.  So an example has the shapes, windows, order of files, healing and
preface of a real message, whatever they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from groundstation.scoring.candidate import Candidate
from groundstation.scoring.options import options
from shared.errors import RegenerationError
from shared.prompts.changeset import transcribe
from shared.prompts.context.transcripts import Desk
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.language_model.ngrams import ONE, Recall, Recollection
from shared.prompts.language_model.vocabulary import Vocabulary
from shared.prompts.settings import Settings
from shared.regenerate import ReceivedBlobs
from shared.seeds.decisions import DecisionCounter
from shared.seeds.sampler import Frequencies
from shared.tree import Tree, changes

HEALED = 4096
"""Where fewer tokens than this are legal they are noted, else all count as legal."""


@dataclass(frozen=True, eq=False)
class Example:
    """One text that the model reads, and what it has to write of it.

    Attributes:
        tokens: int32 [n].
        places: int32 [w], rising: which of them the model writes; the others are given.
        recalled: float32 [w]: share of the recalled text's weight that the written token has.
        assigned: float32 [w]: of that weight, how much any legal token has.
        score: float32 [w]: how much the recalled text counts before the model's certainty is
            known, in eighths of an octave; -inf where nothing is recalled.
        legal: for each written token the legal ones, rising, int32; None for (nearly) all.
    """

    tokens: NDArray[np.int32]
    places: NDArray[np.int32]
    recalled: NDArray[np.float32]
    assigned: NDArray[np.float32]
    score: NDArray[np.float32]
    legal: tuple[NDArray[np.int32] | None, ...]

    def cut(self, most: int) -> Iterator[Example]:
        """Pieces of at most ``most`` tokens, each with something to write.

        A piece ends where the next ``most`` tokens would begin, and begins a half of that earlier,
        so that what is written late in it still has something before it.
        """
        start = 0
        done = 0
        while done < len(self.tokens):
            stop = min(len(self.tokens), start + most)
            # the first token of a text has nothing before it to be expected from
            here = (self.places >= max(done, start + 1)) & (self.places < stop)
            if here.any():
                yield Example(
                    self.tokens[start:stop],
                    self.places[here] - np.int32(start),
                    self.recalled[here],
                    self.assigned[here],
                    self.score[here],
                    tuple(self.legal[i] for i in np.flatnonzero(here)),
                )
            done = stop
            start = max(0, stop - most // 2)


def examples(
    base: Tree, target: Tree, vocabulary: Vocabulary, settings: Settings, max_positions: int
) -> list[Example]:
    """What the model would read and write for a patch.

    Args:
        base: the tree on board.
        target: the tree that the probe shall have.
        vocabulary: of the model that is to be trained.
        settings: how it is asked.
        max_positions: of the model.

    Returns:
        One example a transcript, none where nothing is written by the model.
    """
    listener = Listener(vocabulary, max_positions)
    choices = tuple(options(change, vocabulary) for change in changes(base, target))
    candidate = Candidate(settings, tuple(each.model or each.classical for each in choices))
    try:
        transcribe(
            _Noting(listener),
            base,
            lambda chosen: _ListeningDesk(lambda: listener, chosen, lambda _: None),
            ReceivedBlobs(b"".join(plan.blob for plan in candidate.plans)),
            candidate.plans,
            settings,
            lambda _: None,
        )
    except RegenerationError:
        return []  # longer than the model can read
    return [each for session in listener.sessions if (each := session.example()) is not None]


@dataclass
class Listener:
    """A model without weights: every legal token is as likely as any other.

    Attributes:
        sessions: in the order in which they were begun.
        asked: the session that was last asked what comes next.
        recollection: what the old texts suggest for the token that is to be decided.
        legal: which tokens are legal there; None for (nearly) all.
    """

    vocabulary: Vocabulary
    max_positions: int
    sessions: list[ListeningSession] = field(default_factory=list)
    asked: ListeningSession | None = None
    recollection: Recollection | None = None
    legal: NDArray[np.int32] | None = None

    @property
    def digest(self) -> bytes:
        """Of no pin."""
        return bytes(32)

    def session(self) -> ListeningSession:
        """Begins a text."""
        self.sessions.append(ListeningSession(self))
        return self.sessions[-1]

    def frequencies(
        self,
        logits: NDArray[np.float64],  # noqa: ARG002
        legal: NDArray[np.bool_],
        inverse_temperature: float,  # noqa: ARG002
    ) -> NDArray[np.int64]:
        """The same for each legal token."""
        few = np.count_nonzero(legal) < HEALED
        self.legal = np.flatnonzero(legal).astype(np.int32) if few else None
        return legal.astype(np.int64) << 40

    def written(self, token: int) -> None:
        """Notes a token that is decided, in the session that was last asked."""
        if self.asked is None:
            raise ValueError("a token was decided before any session was asked")
        self.asked.note(Written(token, self.recollection, self.legal))
        self.recollection = None


@dataclass(frozen=True, eq=False)
class Written:
    """One token that the model has to write, and what else is known about it."""

    token: int
    recollection: Recollection | None
    legal: NDArray[np.int32] | None


@dataclass
class ListeningSession:
    """Notes what is read and what is written."""

    owner: Listener = field(repr=False)
    tokens: list[int] = field(default_factory=list)
    _places: dict[int, Written] = field(default_factory=dict)
    _next: int = 0

    @property
    def length(self) -> int:
        """Tokens read so far."""
        return len(self.tokens)

    def feed(self, token_ids: Sequence[int]) -> None:
        """Notes tokens."""
        self.tokens += [int(token) for token in token_ids]

    def logits(self) -> NDArray[np.float64]:
        """Zeros; a span begins here."""
        self.owner.asked = self
        self._next = len(self.tokens)
        return np.zeros(len(self.owner.vocabulary))

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        """Notes tokens; zeros."""
        self.feed(token_ids)
        return np.zeros((len(token_ids), len(self.owner.vocabulary)))

    def truncate(self, length: int) -> None:
        """Forgets what was read ahead."""
        del self.tokens[length:]

    def note(self, written: Written) -> None:
        """A token that is decided at the next place of the span."""
        self._places[self._next] = written
        self._next += 1

    def example(self) -> Example | None:
        """What was read and written; None where nothing was written."""
        if not self._places:
            return None
        tokens = list(self.tokens)
        last = max(self._places)
        tokens += [self._places[place].token for place in range(len(tokens), last + 1)]
        places = sorted(self._places)
        noted = [self._places[place] for place in places]
        shares = [_shares(each) for each in noted]
        recalled, assigned, score = np.array(shares, dtype=np.float32).T
        return Example(
            np.array(tokens, dtype=np.int32),
            np.array(places, dtype=np.int32),
            recalled,
            assigned,
            score,
            tuple(each.legal for each in noted),
        )


def _shares(written: Written) -> tuple[float, float, float]:
    """Of what is recalled: the share of the token, that of all, and how much it counts."""
    found = written.recollection
    if found is None:
        return 0.0, 0.0, -math.inf
    own = sum(float(share[tokens == written.token].sum()) / ONE for tokens, share in found.shares)
    every = sum(float(share.sum()) / ONE for _, share in found.shares)
    return own, every, float(found.score)


class _ListeningRecall(Recall):
    """Tells the listener what it would mix in."""

    listener: Listener

    def mix(self, frequencies: NDArray[np.int64], context: Sequence[int]) -> NDArray[np.int64]:
        """See ``Recall``; the frequencies stay as they are."""
        self.listener.recollection = self.recollect(frequencies, context)
        return frequencies


class _ListeningDesk(Desk):
    """Hands out what listens."""

    def new_recall(self, model: LanguageModel) -> Recall:
        """See ``Desk``."""
        recall = _ListeningRecall(model.vocabulary, self.settings.recall_shift)
        assert isinstance(model, Listener)
        recall.listener = model
        return recall


class _Noting(DecisionCounter):
    """Tells the listener of every token."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener

    def token(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        """See ``Decisions``."""
        index = super().token(frequencies, wanted, label)
        self._listener.written(index)
        return index
