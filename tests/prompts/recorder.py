"""A model that remembers what its sessions have read, and decisions that are remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.prompts.model import LanguageModel, Session
from shared.prompts.vocabulary import Vocabulary


@dataclass
class Recorder:
    """Passes everything on to a model.

    Attributes:
        model: the model.
        texts: of every session, the tokens that it holds.
    """

    model: LanguageModel
    texts: list[list[int]] = field(default_factory=list)

    @property
    def digest(self) -> bytes:
        return self.model.digest

    @property
    def vocabulary(self) -> Vocabulary:
        return self.model.vocabulary

    @property
    def max_positions(self) -> int:
        return self.model.max_positions

    def session(self) -> Session:
        self.texts.append([])
        return _Session(self.model.session(), self.texts[-1])

    def frequencies(
        self, logits: NDArray[np.float64], legal: NDArray[np.bool_], inverse_temperature: float
    ) -> NDArray[np.int64]:
        return self.model.frequencies(logits, legal, inverse_temperature)

    def read(self, session: int = 0) -> bytes:
        """The text that a session holds."""
        return self.vocabulary.spell(self.texts[session])


@dataclass
class _Session:
    inner: Session
    tokens: list[int]

    @property
    def length(self) -> int:
        return self.inner.length

    def feed(self, token_ids: Sequence[int]) -> None:
        self.tokens += token_ids
        self.inner.feed(token_ids)

    def logits(self) -> NDArray[np.float64]:
        return self.inner.logits()

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        self.tokens += token_ids
        return self.inner.feed_scored(token_ids)

    def truncate(self, length: int) -> None:
        del self.tokens[length:]
        self.inner.truncate(length)
