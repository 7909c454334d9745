"""Sessions that share what they have read: candidates for one patch begin with the same tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.prompts.model import LanguageModel, Session
from shared.prompts.vocabulary import Vocabulary


@dataclass
class ReusingModel:
    """A language model whose new sessions start from the longest beginning the last one had read.

    Only one of its sessions may be in use at a time: that is how candidates are scored.
    """

    model: LanguageModel
    _session: Session = field(init=False)
    _tokens: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._session = self.model.session()

    @property
    def digest(self) -> bytes:
        return self.model.digest

    @property
    def vocabulary(self) -> Vocabulary:
        return self.model.vocabulary

    @property
    def max_positions(self) -> int:
        return self.model.max_positions

    def frequencies(
        self,
        logits: NDArray[np.float64],
        legal: NDArray[np.bool_],
        inverse_temperature: float,
    ) -> NDArray[np.int64]:
        return self.model.frequencies(logits, legal, inverse_temperature)

    def session(self) -> Session:
        """A session that reads only what the last one had not."""
        return _ReusingSession(self)

    def rewind(self, tokens: Sequence[int], at_most: int) -> int:
        """Keeps the common beginning of what was read and ``tokens``, up to ``at_most``."""
        common = 0
        for old, new in zip(self._tokens[:at_most], tokens, strict=False):
            if old != new:
                break
            common += 1
        self._session.truncate(common)
        del self._tokens[common:]
        return common

    def feed(self, tokens: Sequence[int]) -> NDArray[np.float64]:
        self._session.feed(tokens)
        self._tokens += tokens
        return self._session.logits()

    def feed_scored(self, tokens: Sequence[int]) -> NDArray[np.float64]:
        rows = self._session.feed_scored(tokens)
        self._tokens += tokens
        return rows

    def truncate(self, length: int) -> None:
        self._session.truncate(length)
        del self._tokens[length:]


@dataclass
class _ReusingSession:
    owner: ReusingModel
    length: int = 0
    _logits: NDArray[np.float64] | None = None

    def feed(self, token_ids: Sequence[int]) -> None:
        tokens = list(token_ids)
        if self.length == 0:
            # the last token is read again for its logits
            common = self.owner.rewind(tokens, len(tokens) - 1)
            self._logits = self.owner.feed(tokens[common:])
        elif tokens:
            self._logits = self.owner.feed(tokens)
        self.length += len(tokens)

    def logits(self) -> NDArray[np.float64]:
        if self._logits is None:
            raise ValueError("nothing was read yet")
        return self._logits

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        if self.length == 0:
            self.owner.truncate(0)
        rows = self.owner.feed_scored(list(token_ids))
        self._logits = rows[-1]
        self.length += len(token_ids)
        return rows

    def truncate(self, length: int) -> None:
        if length < self.length:
            self.owner.truncate(length)
            self.length = length
