"""What training makes smaller: the bits that a message spends on what the model writes.

The same quantity as in ``shared.prompts.context.transcript``, in floating point: the model's
distribution
over the legal tokens, mixed with what the text on board suggests.  A token that is recalled anyway
teaches the model little, a name that stands nowhere much.  Left out is what is excluded because
the old text cannot simply go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from groundstation.specialise.examples import Example
from shared.prompts.language_model.ngrams import BY_CERTAINTY, MOST, MOST_CERTAIN


def token_bits(network: Any, head: Any, batch: Sequence[Example]) -> Any:
    """The cost of every written token of a batch.

    Args:
        network: as ``network.build`` gives it.
        head: [vocab, dim], the output matrix.
        batch: examples; they are filled up on the right, where causal attention does not look.

    Returns:
        A float32 tensor [written tokens of the batch], in bits.
    """
    import torch

    device = head.device
    longest = max(len(each.tokens) for each in batch)
    tokens = np.zeros((len(batch), longest), dtype=np.int64)
    for row, each in zip(tokens, batch, strict=True):
        row[: len(each.tokens)] = each.tokens
    rows = np.repeat(np.arange(len(batch)), [len(each.places) for each in batch])
    places = np.concatenate([each.places for each in batch])
    hidden = network(input_ids=torch.from_numpy(tokens).to(device)).last_hidden_state
    before = hidden[torch.from_numpy(rows).to(device), torch.from_numpy(places - 1).to(device)]
    logits = (before.to(head.dtype) @ head.T).float()
    illegal = _illegal(batch, logits.shape)
    if illegal is not None:
        logits = logits.masked_fill(torch.from_numpy(illegal).to(device), -torch.inf)
    wanted = torch.from_numpy(tokens[rows, places]).to(device)
    return mixed_bits(
        torch.log_softmax(logits, dim=-1),
        wanted,
        *(
            torch.from_numpy(np.concatenate([getattr(each, name) for each in batch])).to(device)
            for name in ("recalled", "assigned", "score")
        ),
    )


def mixed_bits(log_p: Any, wanted: Any, recalled: Any, assigned: Any, score: Any) -> Any:
    """The cost of tokens after mixing (``shared.prompts.language_model.ngrams.Recall.mix``).

    Args:
        log_p: float32 [n, vocab], natural logarithms of the model's distribution.
        wanted: int64 [n].
        recalled, assigned, score: float32 [n], as ``Example`` has them.
    """
    import torch

    own = log_p.gather(1, wanted[:, None]).squeeze(1)
    with torch.no_grad():
        doubt = -torch.expm1(log_p.max(dim=1).values)
        certainty = torch.floor(-torch.log2(doubt.clamp_min(2.0**-20))).clamp(0, MOST_CERTAIN)
        weight = torch.exp2((score + BY_CERTAINTY * certainty) / 8).clamp_max(MOST / 256)
        log_recalled = torch.log(weight * recalled)
        log_total = torch.log1p(weight * assigned)
    return (log_total - torch.logaddexp(own, log_recalled)) / np.log(2.0)


def _illegal(batch: Sequence[Example], shape: tuple[int, int]) -> np.ndarray[Any, Any] | None:
    """bool [written, vocab]; None where everything is legal."""
    legal = [each for example in batch for each in example.legal]
    if all(each is None for each in legal):
        return None
    mask = np.zeros(shape, dtype=np.bool_)
    for row, each in zip(mask, legal, strict=True):
        if each is not None:
            row[:] = True
            row[each] = False
    return mask
