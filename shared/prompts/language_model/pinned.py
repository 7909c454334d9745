"""A pin, opened as the language model that prompts speak to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.exact import arithmetic
from shared.exact.pin import Pin
from shared.exact.transformer import Session, Transformer
from shared.prompts.language_model.vocabulary import Vocabulary


@dataclass(frozen=True)
class PinnedModel:
    """The language model of a pin; see ``shared.prompts.language_model.model.LanguageModel``."""

    digest: bytes
    vocabulary: Vocabulary
    transformer: Transformer
    table: NDArray[np.int64]

    @classmethod
    def open(cls, pin: Pin, *, kernel: str = "auto", threads: int | None = None) -> PinnedModel:
        """Maps the weights and reads the tokenizer.

        Args:
            pin: the frozen model.
            kernel: "c", "numpy" or "auto".
            threads: of the compiled kernel; None for one a core.

        Raises:
            PinError: the pin is not one that this program can run.
        """
        facts = pin.manifest
        special = {int(token) for token in facts["special_token_ids"]}
        unused = range(int(facts["usable_vocab"]), int(facts["shape"]["vocab"]))
        vocabulary = Vocabulary.from_tokenizer(
            pin.tokenizer(), int(facts["shape"]["vocab"]), special.union(unused)
        )
        transformer = Transformer(pin, kernel=kernel, threads=threads)
        return cls(pin.digest, vocabulary, transformer, np.asarray(pin.tensors["tables.exp"]))

    @property
    def max_positions(self) -> int:
        return self.transformer.max_positions

    def session(self) -> Session:
        """A new, empty session."""
        return self.transformer.session()

    def frequencies(
        self,
        logits: NDArray[np.float64],
        legal: NDArray[np.bool_],
        inverse_temperature: float,
    ) -> NDArray[np.int64]:
        """See ``LanguageModel``."""
        return arithmetic.frequencies(logits, self.table, legal, inverse_temperature)
