"""Sessions that share what was read: candidates for one patch begin with the same tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.prompts.language_model.model import Session
from shared.prompts.language_model.wrapped import WrappedModel

KEPT_ROWS = 1536
"""Rows of logits that are remembered; of 49,152 tokens each, they take 600 MB."""


@dataclass
class ReusingModel(WrappedModel):
    """A language model that reads nothing twice as long as it can help it.

    Its sessions share one real session, which goes back to what the next text has in common with
    the last one.  Rows of logits are remembered by the tokens before them: candidates that differ
    in the sampler alone, or in what follows, do not run the model again.
    """

    _session: Session = field(init=False)
    _tokens: list[int] = field(default_factory=list)
    _rows: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._session = self.model.session()

    def session(self) -> Session:
        """A session of its own, of which the model reads only what was not read before."""
        return ReusingSession(self)

    def rows(
        self, tokens: Sequence[int], keys: Sequence[int], count: int
    ) -> list[NDArray[np.float64]]:
        """Logits after each of the last ``count`` tokens.

        Args:
            tokens: the whole sequence.
            keys: of each token, a number that stands for it and all before it.
            count: at least 1.
        """
        wanted = keys[-count:]
        if not all(key in self._rows for key in wanted):
            self._compute(tokens, keys, count)
        return [self._rows[key] for key in wanted]

    def _compute(self, tokens: Sequence[int], keys: Sequence[int], count: int) -> None:
        first = len(tokens) - count
        common = 0
        for old, new in zip(self._tokens[:first], tokens, strict=False):
            if old != new:
                break
            common += 1
        # an interrupt or a refusal on the way must not leave tokens here that were not read
        self._tokens = self._tokens[:common]
        self._session.truncate(common)
        self._session.feed(tokens[common:first])
        rows = self._session.feed_scored(tokens[first:])
        self._tokens = list(tokens)
        for key, row in zip(keys[first:], rows, strict=True):
            self._rows.pop(key, None)  # what was known before becomes the newest, too
            self._rows[key] = row
        while len(self._rows) > max(KEPT_ROWS, count):
            del self._rows[next(iter(self._rows))]


@dataclass
class ReusingSession:
    """A text of its own, of which the model reads only what was not read before.

    Attributes:
        owner: reads.
        tokens: the text so far.
    """

    owner: ReusingModel
    tokens: list[int] = field(default_factory=list)
    _keys: list[int] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Tokens read so far."""
        return len(self.tokens)

    def feed(self, token_ids: Sequence[int]) -> None:
        for token in token_ids:
            self._keys.append(hash((self._keys[-1] if self._keys else 0, int(token))))
            self.tokens.append(int(token))

    def logits(self) -> NDArray[np.float64]:
        if not self.tokens:
            raise ValueError("nothing was read yet")
        return self.owner.rows(self.tokens, self._keys, 1)[0]

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        self.feed(token_ids)
        return np.stack(self.owner.rows(self.tokens, self._keys, len(token_ids)))

    def truncate(self, length: int) -> None:
        del self.tokens[length:], self._keys[length:]
