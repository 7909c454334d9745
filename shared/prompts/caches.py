"""What the prompts keep between uses, given up: for programs that outlive a model."""

from __future__ import annotations

import gc

from shared.prompts.language_model.vocabulary import Vocabulary
from shared.prompts.text.blocks import blocks, text_lines, words_of_text


def forget_kept() -> None:
    """Give up what is kept of texts and vocabularies, and models that nothing uses any more.

    The caches of ``Vocabulary`` belong to the class and hold each vocabulary that they have met,
    tokenizer and all, until enough others have come.  A model and its sessions refer to each other,
    so without a collection its maps stay as long.
    """
    for kept in (blocks, text_lines, words_of_text):
        kept.cache_clear()
    for method in (Vocabulary.legal, Vocabulary.encode_kept, Vocabulary.agreeing):
        method.cache_clear()
    gc.collect()
