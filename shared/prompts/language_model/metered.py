"""A language model that counts what it computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.exact.bounds import Shape
from shared.exact.work import multiply_adds
from shared.prompts.language_model.wrapped import WrappedModel, WrappedSession


@dataclass
class Work:
    """What was computed so far.

    Attributes:
        multiply_adds: see ``shared.exact.work``.
    """

    multiply_adds: int = 0


@dataclass
class MeteredModel(WrappedModel):
    """Another model, whose sessions count; see ``language_model.model.LanguageModel``.

    Attributes:
        shape: of the model.
        work: where its sessions count.
    """

    shape: Shape
    work: Work

    def session(self) -> MeteredSession:
        """A new, empty session that counts."""
        return MeteredSession(self.model.session(), self.shape, self.work)


@dataclass
class MeteredSession(WrappedSession):
    """A session that counts; what was computed stays counted when tokens are forgotten.

    Attributes:
        shape: of the model.
        work: where it counts.
    """

    shape: Shape
    work: Work

    def feed(self, token_ids: Sequence[int]) -> None:
        """See ``Session``; logits are computed after the last token."""
        start = self.inner.length
        self.inner.feed(token_ids)
        self._count(start, len(token_ids), min(1, len(token_ids)))

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        """See ``Session``; logits are computed after every token."""
        start = self.inner.length
        rows = self.inner.feed_scored(token_ids)
        self._count(start, len(token_ids), len(token_ids))
        return rows

    def _count(self, start: int, tokens: int, rows: int) -> None:
        self.work.multiply_adds += multiply_adds(self.shape, start, tokens, rows)
