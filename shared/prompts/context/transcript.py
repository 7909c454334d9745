"""A text that both ends read and the model continues: known pieces are given, others are written.

The transcript is a byte string.  ``give`` appends what both ends know already; ``write`` lets the
model go on, token by token, for a number of lines (or tokens) that both ends know.  Three rules
keep the tokens natural and the bits few:

- *Healing.*  A byte-pair vocabulary would rather merge across the seam between known and written
  text.  So the last token of the known text is taken back, and the model starts with the tokens
  that can spell those bytes; the bytes cost (almost) nothing, and the seam is gone.
- *Agreeing.*  The token that ends the last line may reach into the known text that follows; only
  tokens that agree with it are legal.
- *Excluding.*  What both ends know to be false, that the old text simply goes on, is taken out of
  the distribution, so the bits of that belief are not paid for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.errors import RegenerationError
from shared.prompts.context.span import Span
from shared.prompts.language_model.model import LanguageModel, Session
from shared.prompts.language_model.ngrams import ORDERS, Recall
from shared.seeds.decisions import Decisions

FORBIDDEN_TOKENS = 48
"""A longer forbidden continuation is not taken out: scoring it would cost more than it saves."""

BATCH_TOKENS = 32
"""How far the ground scores ahead in a span that it knows."""


@dataclass
class Transcript:
    """The text so far, and the model session that has read it.

    Attributes:
        model: the pinned model.
        session: its key-value cache.
        inverse_temperature: sharpens (above 1) or flattens (below 1) the model's distribution.
        spend: called with the number of tokens before the model reads them; raises when the
            budget is used up.
        recall: what the old texts suggest.
    """

    model: LanguageModel
    session: Session
    inverse_temperature: float
    spend: Callable[[int], None]
    recall: Recall
    _known: bytearray = field(default_factory=bytearray)
    _ahead: bytes = b""
    _unread: list[int] = field(default_factory=list)
    _last: list[int] = field(default_factory=list)
    _logits: NDArray[np.float64] | None = None

    @property
    def tokens(self) -> int:
        """Tokens read or waiting to be, those of known text among them; bytes of what has none."""
        known = self.model.vocabulary.encode(bytes(self._known))
        waiting = len(self._known) if known is None else len(known)
        return self.session.length + len(self._unread) + waiting

    def give(self, text: bytes) -> None:
        """Appends text that both ends know.

        After a written span this must be the text that follows it, or its beginning.
        """
        both = min(len(self._ahead), len(text))
        if self._ahead[:both] != text[:both]:
            raise RegenerationError("the text given is not the text that was said to follow")
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
            ValueError: ``wanted`` has not as many lines or tokens as the span.
        """
        heal = self._settle(heals=span.lines > 0)
        plan = None if wanted is None else self._plan(heal, span, wanted)
        excluded = self._score_forbidden(heal, span)
        logits = self._steps(plan)
        written = b""
        steps = 0
        while (end := span.end(written[len(heal) :], steps)) is None:
            frequencies = self._frequencies(next(logits), heal, written, span)
            frequencies = self.recall.mix(frequencies, self._last)
            if steps < len(excluded):
                frequencies = excluded[steps].exclude(frequencies)
            token = decisions.token(frequencies, None if plan is None else plan[steps])
            if steps < len(excluded) and token != excluded[steps].token:
                excluded = ()
            self._append((token,))
            self.recall.learn((token,))
            written += self.model.vocabulary.spelling[token]
            steps += 1
        logits.close()
        self._ahead = written[len(heal) + end :]
        return written[len(heal) : len(heal) + end]

    def _frequencies(
        self, logits: NDArray[np.float64], heal: bytes, written: bytes, span: Span
    ) -> NDArray[np.int64]:
        """Weights of the next token, given what was written (healed bytes included)."""
        vocabulary = self.model.vocabulary
        legal = vocabulary.legal(heal[len(written) :])
        lines = span.lines - written[len(heal) :].count(b"\n")
        if span.lines:
            agreeing = vocabulary.agreeing(heal[len(written) :], lines, span.resume)
            legal = legal if agreeing is None else legal & agreeing
        return self.model.frequencies(logits, legal, self.inverse_temperature)

    def _settle(self, heals: bool) -> bytes:
        """Tokenises the known text, all but its last token; returns the bytes taken back."""
        encoded = self.model.vocabulary.encode(bytes(self._known))
        if encoded is None:
            raise RegenerationError("the text around a span cannot be spelled in this vocabulary")
        heal = b""
        while heals and encoded:
            heal = self.model.vocabulary.spelling[encoded.pop()] + heal
            if not 0x80 <= heal[0] < 0xC0:  # a whole UTF-8 character starts here
                break
        self._append(encoded)
        self._known.clear()
        return heal

    def _append(self, tokens: Sequence[int]) -> None:
        """Tokens that the model is to read next."""
        self._unread += tokens
        self._last = [*self._last, *tokens][-ORDERS:]

    def _plan(self, heal: bytes, span: Span, wanted: bytes) -> list[int]:
        """The tokens by which the ground writes ``wanted``."""
        plan = self.model.vocabulary.encode(heal + wanted + (span.resume if span.lines else b""))
        if plan is None:
            raise RegenerationError("a span cannot be spelled in this vocabulary")
        if span.end(wanted, len(plan)) != len(wanted):
            raise ValueError("the text wanted is not a span's: its lines or tokens are others")
        return plan

    def _read(self) -> NDArray[np.float64]:
        """Feeds the tokens that the model has not read; returns the logits after the last."""
        if self._unread or self._logits is None:
            if not self._unread:
                raise RegenerationError("there is no text for the model to go on from")
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

    def _score_forbidden(self, heal: bytes, span: Span) -> tuple[_Excluded, ...]:
        """How sure the model is, step by step, of a line that is known not to come."""
        vocabulary = self.model.vocabulary
        path = vocabulary.encode(heal + span.forbidden) if span.forbidden else None
        if not path or len(path) > FORBIDDEN_TOKENS:
            return ()
        rows = [self._read()]
        if len(path) > 1:
            length = self.session.length
            self.spend(len(path) - 1)
            rows += list(self.session.feed_scored(path[:-1]))
            self.session.truncate(length)
        whole = heal + span.forbidden
        spelled = b""
        steps: list[tuple[int, NDArray[np.int64], NDArray[np.int64]]] = []
        for token, row in zip(path, rows, strict=True):
            frequencies = self._frequencies(row, heal, spelled, span)
            steps.append((token, frequencies, vocabulary.starting(whole[len(spelled) :])))
            spelled += vocabulary.spelling[token]
        excluded: list[_Excluded] = []
        share = 0.0
        # one sum and product after another, from the end: the same roundings on every machine
        for token, frequencies, completing in reversed(steps):
            excluded.append(_Excluded(token, share, completing))
            total = int(frequencies.sum())
            completed = int(frequencies[completing].sum())
            share = completed / total + int(frequencies[token]) / total * share
        return tuple(reversed(excluded))


@dataclass(frozen=True)
class _Excluded:
    """A step on the way to a line that is known not to come.

    Attributes:
        token: the next token of that line.
        share: probability that the line is completed after it; 0.0 if it completes the line.
        completing: tokens that complete the line here, int64 [n].
    """

    token: int
    share: float
    completing: NDArray[np.int64]

    def exclude(self, frequencies: NDArray[np.int64]) -> NDArray[np.int64]:
        """Takes that line's share out of the frequencies (and leaves a choice)."""
        left = frequencies.copy()
        left[self.token] -= int(float(left[self.token]) * self.share)
        left[self.completing] = 0
        return left if left.any() else frequencies
