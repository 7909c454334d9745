"""Training examples, built by the very code that builds prompts when a patch is authored.

A patch is transcribed with a model that knows nothing and only listens: what it reads, and which
of the tokens it was to write.  So an example has the shapes, windows, order of files, healing and
preface of a real message, whatever they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from groundstation.candidate import Candidate
from groundstation.plan import options
from shared.errors import RegenerationError
from shared.prompts.changeset import transcribe
from shared.prompts.desk import Desk
from shared.prompts.settings import RECALL_SHIFTS, Settings
from shared.prompts.vocabulary import Vocabulary
from shared.regenerate import ReceivedBlobs
from shared.seeds.decisions import DecisionCounter
from shared.seeds.sampler import Frequencies
from shared.tree import Tree, changes

NOTHING_RECALLED = RECALL_SHIFTS.index(None)
"""The listener needs no counts, which would take most of its time."""


@dataclass(frozen=True)
class Example:
    """One text that the model reads.

    Attributes:
        tokens: int32 [n].
        written: bool [n]: which of them the model has to write; the others are given.
    """

    tokens: NDArray[np.int32]
    written: NDArray[np.bool_]

    def cut(self, most: int) -> Iterator[Example]:
        """Pieces of at most ``most`` tokens, each with something to write.

        A piece ends where the next ``most`` tokens would begin, and begins a half of that earlier,
        so that what is written late in it still has something before it.
        """
        start = 0
        done = 0
        while done < len(self.tokens):
            stop = min(len(self.tokens), start + most)
            written = self.written[start:stop].copy()
            written[: done - start] = False
            if written.any():
                yield Example(self.tokens[start:stop], written)
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
        settings: how it is asked; what is recalled is left out.
        max_positions: of the model.

    Returns:
        One example a transcript, none where nothing is written by the model.
    """
    listener = Listener(vocabulary, max_positions)
    choices = tuple(options(change, vocabulary) for change in changes(base, target))
    candidate = Candidate(settings, tuple(each.model or each.classical for each in choices))
    plain = Settings(
        shape=settings.shape,
        before=settings.before,
        after=settings.after,
        recall=NOTHING_RECALLED,
    )
    try:
        transcribe(
            _Noting(listener),
            base,
            lambda chosen: Desk(lambda: listener, chosen, lambda _: None),
            ReceivedBlobs(b"".join(plan.blob for plan in candidate.plans)),
            candidate.plans,
            plain,
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
    """

    vocabulary: Vocabulary
    max_positions: int
    sessions: list[ListeningSession] = field(default_factory=list)
    asked: ListeningSession | None = None

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
        """One for each legal token."""
        return legal.astype(np.int64)

    def written(self, token: int) -> None:
        """Notes a token that is decided, in the session that was last asked."""
        if self.asked is None:
            raise ValueError("a token was decided before any session was asked")
        self.asked.note(token)


@dataclass
class ListeningSession:
    """Notes what is read and what is written."""

    owner: Listener = field(repr=False)
    tokens: list[int] = field(default_factory=list)
    _places: dict[int, int] = field(default_factory=dict)
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

    def note(self, token: int) -> None:
        """A token that is decided at the next place of the span."""
        self._places[self._next] = token
        self._next += 1

    def example(self) -> Example | None:
        """What was read and written; None where nothing was written."""
        if not self._places:
            return None
        tokens = list(self.tokens)
        last = max(self._places)
        tokens += [self._places[place] for place in range(len(tokens), last + 1)]
        written = np.zeros(len(tokens), dtype=np.bool_)
        written[list(self._places)] = True
        return Example(np.array(tokens, dtype=np.int32), written)


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
