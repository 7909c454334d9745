"""Models and sessions around others, which hand everything on but what they are there for.

Counting, watching and reading a text only once all stand between a model and whoever uses it; each
says only what it does otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.prompts.language_model.model import LanguageModel, Session
from shared.prompts.language_model.vocabulary import Vocabulary


@dataclass
class WrappedModel:
    """Another model; see ``shared.prompts.language_model.model.LanguageModel``.

    Attributes:
        model: does the work.
    """

    model: LanguageModel

    @property
    def digest(self) -> bytes:
        """The pin's digest, 32 bytes."""
        return self.model.digest

    @property
    def vocabulary(self) -> Vocabulary:
        """Token ids and their bytes."""
        return self.model.vocabulary

    @property
    def max_positions(self) -> int:
        """Tokens that a session can hold."""
        return self.model.max_positions

    def session(self) -> Session:
        """A new, empty session."""
        return self.model.session()

    def frequencies(
        self,
        logits: NDArray[np.float64],
        legal: NDArray[np.bool_],
        inverse_temperature: float,
    ) -> NDArray[np.int64]:
        """int64 [vocab]: weights of the next token, at least 1 where legal, else 0."""
        return self.model.frequencies(logits, legal, inverse_temperature)


@dataclass
class WrappedSession:
    """Another session; see ``shared.prompts.language_model.model.Session``.

    Attributes:
        inner: reads.
    """

    inner: Session

    @property
    def length(self) -> int:
        """Tokens read so far."""
        return self.inner.length

    def feed(self, token_ids: Sequence[int]) -> None:
        """Reads tokens."""
        self.inner.feed(token_ids)

    def logits(self) -> NDArray[np.float64]:
        """float64 [vocab]: logits of the token after the last one read."""
        return self.inner.logits()

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        """Reads tokens; float64 [len(token_ids), vocab]: the logits after each."""
        return self.inner.feed_scored(token_ids)

    def truncate(self, length: int) -> None:
        """Forgets all but the first ``length`` tokens."""
        self.inner.truncate(length)
