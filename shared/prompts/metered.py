"""A language model that counts what it computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.exact.bounds import Shape
from shared.exact.work import multiply_adds
from shared.prompts.model import LanguageModel, Session
from shared.prompts.vocabulary import Vocabulary


@dataclass
class Work:
    """What was computed so far.

    Attributes:
        multiply_adds: see ``shared.exact.work``.
    """

    multiply_adds: int = 0


@dataclass(frozen=True)
class MeteredModel:
    """Another model, whose sessions count; see ``shared.prompts.model.LanguageModel``."""

    model: LanguageModel
    shape: Shape
    work: Work

    @property
    def digest(self) -> bytes:
        return self.model.digest

    @property
    def vocabulary(self) -> Vocabulary:
        return self.model.vocabulary

    @property
    def max_positions(self) -> int:
        return self.model.max_positions

    def session(self) -> MeteredSession:
        """A new, empty session that counts."""
        return MeteredSession(self.model.session(), self.shape, self.work)

    def frequencies(
        self,
        logits: NDArray[np.float64],
        legal: NDArray[np.bool_],
        inverse_temperature: float,
    ) -> NDArray[np.int64]:
        """See ``LanguageModel``."""
        return self.model.frequencies(logits, legal, inverse_temperature)


@dataclass(frozen=True)
class MeteredSession:
    """A session that counts; see ``shared.prompts.model.Session``."""

    session: Session
    shape: Shape
    work: Work

    @property
    def length(self) -> int:
        return self.session.length

    def feed(self, token_ids: Sequence[int]) -> None:
        """See ``Session``; logits are computed after the last token."""
        start = self.session.length
        self.session.feed(token_ids)
        self._count(start, len(token_ids), min(1, len(token_ids)))

    def logits(self) -> NDArray[np.float64]:
        """See ``Session``."""
        return self.session.logits()

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        """See ``Session``; logits are computed after every token."""
        start = self.session.length
        rows = self.session.feed_scored(token_ids)
        self._count(start, len(token_ids), len(token_ids))
        return rows

    def truncate(self, length: int) -> None:
        """See ``Session``; what was computed stays counted."""
        self.session.truncate(length)

    def _count(self, start: int, tokens: int, rows: int) -> None:
        self.work.multiply_adds += multiply_adds(self.shape, start, tokens, rows)
