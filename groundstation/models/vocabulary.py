"""The vocabulary of a model that is not pinned yet."""

from __future__ import annotations

from tokenizers import Tokenizer

from groundstation.models.source import SourceModel
from shared.prompts.language_model.vocabulary import Vocabulary


def vocabulary_of(source: SourceModel) -> Vocabulary:
    """The vocabulary that a pin of these weights would have.

    Raises:
        PinError: the tokenizer is not byte-level.
    """
    facts = source.tokenizer
    unused = range(facts.usable_vocab, source.shape.vocab)
    return Vocabulary.from_tokenizer(
        Tokenizer.from_buffer(facts.data),
        source.shape.vocab,
        {*facts.special_token_ids, *unused},
    )
