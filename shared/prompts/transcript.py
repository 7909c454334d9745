"""A text that both ends read and the model continues: known pieces are given, others are written.

The transcript is a byte string.  ``give`` appends what both ends know already; ``write`` lets the
model go on, token by token, until the text comes back to what is known to follow.  Two rules keep
the tokens natural at the seams, where a byte-pair vocabulary would rather merge across:

- *Healing.*  The last token of the known text is taken back, and the model starts with the tokens
  that can spell those bytes; the bytes cost (almost) nothing, and the seam is gone.
- *Resuming.*  A written span ends when the model has written the beginning of the known text that
  follows.  Nothing is spent on a length or an end mark; one cheap decision confirms the end.

What the model is sure of but both ends know to be false (that the old text simply goes on) is
taken out of the distribution, so the bits of that belief are not paid for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.errors import RegenerationError
from shared.prompts.model import LanguageModel, Session
from shared.prompts.weights import weights
from shared.seeds.decisions import Decisions

FORBIDDEN_TOKENS = 48
"""A longer forbidden continuation is not taken out: scoring it would cost more than it saves."""

BATCH_TOKENS = 32
"""How far the ground scores ahead in a span that it knows."""


@dataclass(frozen=True)
class Span:
    """What both ends know about a span before it is written.

    Attributes:
        resume: the known text that follows the span.
        landmark: how many bytes of ``resume``, once written, may end the span (at least 1).
        anywhere: the span may end inside a line, else only where a line starts.
        forbidden: the span followed by ``resume`` does not start so; b"" where nothing is known.
        resume_weights: weights of (going on, ending) when the landmark has been written.
    """

    resume: bytes
    landmark: int
    anywhere: bool
    forbidden: bytes
    resume_weights: tuple[int, int]

    def ends(self, written: bytes, before: int) -> list[int]:
        """Places where the span may have ended, now that ``written`` is there.

        Args:
            written: all that was written.
            before: its length before the last token.

        Returns:
            Lengths p > 0 such that written[p:] has just become a beginning of ``resume`` at least
            ``landmark`` bytes long.
        """
        first = max(1, before - self.landmark + 1)
        last = len(written) - self.landmark
        return [
            place
            for place in range(first, last + 1)
            if (self.anywhere or written[place - 1 : place] == b"\n")
            and self.resume.startswith(written[place:])
        ]


@dataclass
class Transcript:
    """The text so far, and the model session that has read it.

    Attributes:
        model: the pinned model.
        session: its key-value cache.
        inverse_temperature: sharpens (above 1) or flattens (below 1) the model's distribution.
        spend: called with the number of tokens before the model reads them; raises when the
            budget is used up.
    """

    model: LanguageModel
    session: Session
    inverse_temperature: float
    spend: Callable[[int], None]
    _known: bytearray = field(default_factory=bytearray)
    _ahead: bytes = b""
    _unread: list[int] = field(default_factory=list)
    _logits: NDArray[np.float64] | None = None

    @property
    def tokens(self) -> int:
        """Tokens read or waiting to be; known text that was not tokenised yet is not counted."""
        return self.session.length + len(self._unread)

    def give(self, text: bytes) -> None:
        """Appends text that both ends know.

        After a written span this must be the ``resume`` text of that span, or its beginning.
        """
        both = min(len(self._ahead), len(text))
        if self._ahead[:both] != text[:both]:
            raise RegenerationError("the text given is not the text that the span resumed with")
        self._known += text[both:]
        self._ahead = self._ahead[both:]

    def write(self, decisions: Decisions, span: Span, wanted: bytes | None) -> bytes:
        """Lets the model write a span.

        Args:
            decisions: takes the tokens, or yields them.
            span: what is known about it.
            wanted: the span's text on the ground; None on the probe.

        Returns:
            The span's text.

        Raises:
            RegenerationError: the text around cannot be spelled in the model's vocabulary, or
                (ground only) ``wanted`` cannot be.
        """
        heal = self._settle()
        plan = None if wanted is None else self._plan(heal, span, wanted)
        forbidden = self._score_forbidden(heal, span.forbidden)
        follows = True
        logits = self._steps(plan)
        written = b""
        for step in itertools.count():
            frequencies = self._frequencies(next(logits), heal[len(written) :])
            if follows and step < len(forbidden):
                frequencies = forbidden[step].exclude(frequencies)
            token = decisions.token(frequencies, None if plan is None else plan[step])
            follows = follows and step < len(forbidden) and token == forbidden[step].token
            self._unread.append(token)
            before = max(0, len(written) - len(heal))
            written += self.model.vocabulary.spelling[token]
            for place in span.ends(written[len(heal) :], before):
                ended = None if wanted is None else int(place == len(wanted))
                if decisions.prompt(weights(*span.resume_weights), ended, "end"):
                    logits.close()
                    self._ahead = written[len(heal) + place :]
                    return written[len(heal) : len(heal) + place]
        raise AssertionError("unreachable: the loop above only ends by returning")

    def _frequencies(self, logits: NDArray[np.float64], prefix: bytes) -> NDArray[np.int64]:
        legal = self.model.vocabulary.legal(prefix)
        return self.model.frequencies(logits, legal, self.inverse_temperature)

    def _settle(self) -> bytes:
        """Tokenises the known text, all but its last token; returns the bytes taken back."""
        encoded = self.model.vocabulary.encode(bytes(self._known))
        if encoded is None:
            raise RegenerationError("the text around a span cannot be spelled in this vocabulary")
        heal = b""
        while encoded:
            heal = self.model.vocabulary.spelling[encoded.pop()] + heal
            if not 0x80 <= heal[0] < 0xC0:  # a whole UTF-8 character starts here
                break
        self._unread += encoded
        self._known.clear()
        return heal

    def _plan(self, heal: bytes, span: Span, wanted: bytes) -> list[int]:
        """The tokens by which the ground writes ``wanted`` and comes back to the known text."""
        line_end = span.resume.find(b"\n", span.landmark)
        tail = span.resume[: line_end + 1 if line_end >= 0 else len(span.resume)]
        plan = self.model.vocabulary.encode(heal + wanted + tail)
        if plan is None:
            raise RegenerationError("a span cannot be spelled in this vocabulary")
        return plan

    def _read(self) -> NDArray[np.float64]:
        """Feeds the tokens that the model has not read; returns the logits after the last."""
        if self._unread or self._logits is None:
            self.spend(len(self._unread))
            self.session.feed(self._unread)
            self._logits = self.session.logits()
            self._unread.clear()
        return self._logits

    def _steps(self, plan: Sequence[int] | None) -> Generator[NDArray[np.float64]]:
        """Logits step after step: one by one on the probe, in batches ahead on the ground.

        Both give the same numbers bit for bit: that is what the exact arithmetic is for.  When the
        generator is closed the session has read accepted tokens only.
        """
        yield self._read()
        if plan is None:
            while True:
                yield self._read()
        start = self.session.length
        accepted = 0
        try:
            for first in range(0, len(plan), BATCH_TOKENS):
                batch = plan[first : first + BATCH_TOKENS]
                self.spend(len(batch))
                for row in self.session.feed_scored(batch):
                    accepted += 1
                    self._logits = row
                    self._unread.clear()
                    yield row
        finally:
            self.session.truncate(start + accepted)
        raise RegenerationError("a span did not come back to the known text")

    def _score_forbidden(self, heal: bytes, text: bytes) -> tuple[_Forbidden, ...]:
        """How sure the model is of each next token of a text that is known not to come."""
        path = self.model.vocabulary.encode(heal + text) if text else None
        if not path or len(path) > FORBIDDEN_TOKENS:
            return ()
        rows = [self._read()]
        if len(path) > 1:
            length = self.session.length
            self.spend(len(path) - 1)
            rows += list(self.session.feed_scored(path[:-1]))
            self.session.truncate(length)
        probability: list[float] = []
        spelled = b""
        for token, row in zip(path, rows, strict=True):
            frequencies = self._frequencies(row, heal[len(spelled) :])
            probability.append(int(frequencies[token]) / int(frequencies.sum()))
            spelled += self.model.vocabulary.spelling[token]
        steps = [_Forbidden(path[-1], 1.0)]
        # one product after another, from the end: the same roundings on every machine
        for token, follower in zip(reversed(path[:-1]), reversed(probability[1:]), strict=True):
            steps.append(_Forbidden(token, steps[-1].share * follower))
        return tuple(reversed(steps))


@dataclass(frozen=True)
class _Forbidden:
    """A token on a path that is known not to be taken to its end.

    Attributes:
        token: the next token of the path.
        share: probability that the path would be taken to its end from there.
    """

    token: int
    share: float

    def exclude(self, frequencies: NDArray[np.int64]) -> NDArray[np.int64]:
        """Takes the path's share out of its token's frequency (and leaves a choice)."""
        taken = int(float(frequencies[self.token]) * self.share)
        if taken >= int(frequencies.sum()):
            return frequencies
        left = frequencies.copy()
        left[self.token] -= min(taken, int(left[self.token]))
        return left
