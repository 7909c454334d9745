"""What the prompts need of a pinned model: its vocabulary, sessions and integer frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.prompts.language_model.vocabulary import Vocabulary


class Session(Protocol):
    """One token sequence and its key-value cache."""

    @property
    def length(self) -> int:
        """Tokens read so far."""

    def feed(self, token_ids: Sequence[int]) -> None:
        """Reads tokens."""

    def logits(self) -> NDArray[np.float64]:
        """float64 [vocab]: logits of the token after the last one read."""

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        """Reads tokens; float64 [len(token_ids), vocab]: the logits after each."""

    def truncate(self, length: int) -> None:
        """Forgets all but the first ``length`` tokens."""


class LanguageModel(Protocol):
    """A pinned model, ready to read and write."""

    @property
    def digest(self) -> bytes:
        """The pin's digest, 32 bytes."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Token ids and their bytes."""

    @property
    def max_positions(self) -> int:
        """Tokens that a session can hold."""

    def session(self) -> Session:
        """A new, empty session."""

    def frequencies(
        self,
        logits: NDArray[np.float64],
        legal: NDArray[np.bool_],
        inverse_temperature: float,
    ) -> NDArray[np.int64]:
        """int64 [vocab]: weights of the next token, at least 1 where legal, else 0."""
