"""A model that reads nothing: for following decisions whose outcomes are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.prompts.language_model.vocabulary import Vocabulary


@dataclass
class NoSession:
    """Counts tokens and reads none."""

    length: int = 0

    def feed(self, token_ids: Sequence[int]) -> None:
        self.length += len(token_ids)

    def logits(self) -> NDArray[np.float64]:
        return np.zeros(1)

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        self.feed(token_ids)
        return np.zeros((len(token_ids), 1))

    def truncate(self, length: int) -> None:
        self.length = length


@dataclass(frozen=True)
class Unread:
    """A model of the same vocabulary that expects everything alike."""

    digest: bytes
    vocabulary: Vocabulary
    max_positions: int

    def session(self) -> NoSession:
        return NoSession()

    def frequencies(
        self,
        logits: NDArray[np.float64],  # noqa: ARG002
        legal: NDArray[np.bool_],
        inverse_temperature: float,  # noqa: ARG002
    ) -> NDArray[np.int64]:
        return np.ones(len(legal), dtype=np.int64)
