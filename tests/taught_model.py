"""A very small model that has learned a few texts by heart, pinned: what it expects is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tiny_models import tokenizer

from groundstation.models.pin import read_source, write_pin
from shared.prompts.language_model.pinned import PinnedModel

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
}


def teach(folder: Path, texts: Sequence[str], *, steps: int = 150) -> Path:
    """Trains a model until it expects these texts, each as likely as another; pins it.

    Returns:
        The folder of the pin.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(7)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=304, **SIZES))
    encoded = [tokenizer().encode(text).ids for text in texts]
    length = max(len(ids) for ids in encoded)
    padded = torch.tensor([ids + [0] * (length - len(ids)) for ids in encoded])
    real = torch.tensor([[k < len(ids) for k in range(length)] for ids in encoded])
    labels = padded.masked_fill(~real, -100)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    for _ in range(steps):
        loss = model(input_ids=padded, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.set_num_threads(threads)
    model.save_pretrained(folder / "checkpoint")
    tokenizer().save(str(folder / "checkpoint" / "tokenizer.json"))
    write_pin(read_source(folder / "checkpoint"), folder / "pin", name="taught")
    return folder / "pin"


def open_pin(folder: Path) -> PinnedModel:
    """The pinned model, on one thread."""
    from shared.exact.pin import load_pin

    return PinnedModel.open(load_pin(folder), threads=1)
