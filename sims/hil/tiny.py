"""A real pin with very small random weights: regeneration as ever, in a moment."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import pre_tokenizers

from groundstation.models.pin import write_pin
from groundstation.models.source import SourceModel
from groundstation.models.tokenizer import PRE_TOKENIZERS, byte_level_bpe
from shared.exact.bounds import Shape
from shared.exact.manifest import Source
from shared.exact.pin import Pin

SHAPE = Shape(
    vocab=258, dim=12, layers=2, heads=6, kv_heads=3, head_dim=4, mlp_dim=20, max_positions=1024
)


def tiny_pin(folder: Path) -> Pin:
    """Make the pin in a new folder; its tokens are single bytes."""

    def weight(name: str) -> NDArray[np.float32]:
        seed = list(hashlib.sha256(name.encode()).digest())
        return np.random.default_rng(seed).normal(size=_size(name)).astype(np.float32)

    letters = {letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    return write_pin(
        SourceModel(
            name="tiny",
            family="llama",
            shape=SHAPE,
            rms_eps=1e-5,
            rope_theta=10000.0,
            tied=True,
            tokenizer=byte_level_bpe(
                letters, [], {"<x>": 256, "<y>": 257}, PRE_TOKENIZERS["gpt-2"], rows=258
            ),
            source=Source("none", "ab" * 32),
            licence=None,
            weight=weight,
        ),
        folder,
    )


def _size(name: str) -> tuple[int, ...]:
    queries, keys = SHAPE.heads * SHAPE.head_dim, SHAPE.kv_heads * SHAPE.head_dim
    return {
        "embed": (SHAPE.vocab, SHAPE.dim),
        "wq": (queries, SHAPE.dim),
        "wk": (keys, SHAPE.dim),
        "wv": (keys, SHAPE.dim),
        "wo": (SHAPE.dim, queries),
        "gate": (SHAPE.mlp_dim, SHAPE.dim),
        "up": (SHAPE.mlp_dim, SHAPE.dim),
        "down": (SHAPE.dim, SHAPE.mlp_dim),
    }.get(name.split(".")[-1], (SHAPE.dim,))
