"""A model that keeps what it answered, by all the tokens that lead to the answer.

Candidates for one patch differ in few tokens, so only what follows a difference is computed again;
the numbers are exact, so it does not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from groundstation.reuse import ReusingModel
from shared.digest import sha256
from shared.prompts.model import Session

MAX_KEPT_BYTES = 384 << 20
"""Answers kept at most."""

_LOOKED_AHEAD = 64
"""Fewer tokens than this are forgotten within a text: what was read ahead."""


@dataclass
class KeepingModel(ReusingModel):
    """A language model whose sessions read only what leads to an answer that is not kept yet.

    Attributes:
        started: the session that was handed out last.
        texts: tokens of the texts that were read to their end.
    """

    started: list[_KeepingSession] = field(default_factory=list)
    texts: list[list[int]] = field(default_factory=list)
    _answers: dict[bytes, NDArray[np.float64]] = field(default_factory=dict)

    def session(self) -> Session:
        """A session of its own; all share one cache."""
        session = _KeepingSession(self)
        self.started[:] = [session]
        return session

    def answers(self, tokens: Sequence[int], keys: Sequence[bytes]) -> list[NDArray[np.float64]]:
        """What follows each of the last tokens.

        Args:
            tokens: the whole sequence.
            keys: of each of its last tokens, what names it and all before it; at least one.

        Returns:
            Logits after each of them, float64 [vocab].
        """
        rows = [self._answers.get(key) for key in keys]
        missing = next((k for k, row in enumerate(rows) if row is None), None)
        kept = [row for row in rows[:missing] if row is not None]
        if missing is None:
            return kept
        reading = super().session()
        first = len(tokens) - len(keys) + missing
        if first:
            reading.feed(tokens[:first])
        fresh = reading.feed_scored(tokens[first:])
        for key, row in zip(keys[missing:], fresh, strict=True):
            self._keep(key, row)
        return [*kept, *fresh]

    def _keep(self, key: bytes, row: NDArray[np.float64]) -> None:
        self._answers[key] = row.copy()
        while len(self._answers) * row.nbytes > MAX_KEPT_BYTES:
            del self._answers[next(iter(self._answers))]


@dataclass
class _KeepingSession:
    """Reads nothing until it is asked."""

    owner: KeepingModel
    tokens: list[int] = field(default_factory=list)
    _keys: list[bytes] = field(default_factory=lambda: [b""])

    @property
    def length(self) -> int:
        return len(self.tokens)

    def feed(self, token_ids: Sequence[int]) -> None:
        if self.length + len(token_ids) > self.owner.max_positions:
            raise ValueError("the text is longer than the model can read")
        for token in token_ids:
            self.tokens.append(int(token))
            self._keys.append(sha256(self._keys[-1], int(token).to_bytes(4, "big"))[:16])

    def logits(self) -> NDArray[np.float64]:
        if not self.tokens:
            raise ValueError("nothing was read yet")
        return self.owner.answers(self.tokens, self._keys[-1:])[0]

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        self.feed(token_ids)
        return np.stack(self.owner.answers(self.tokens, self._keys[-len(token_ids) :]))

    def truncate(self, length: int) -> None:
        if self.length - length > _LOOKED_AHEAD:
            self.owner.texts.append(list(self.tokens))  # a text that ends, another begins
        del self.tokens[length:]
        del self._keys[length + 1 :]
