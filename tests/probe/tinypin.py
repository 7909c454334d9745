"""A real pin with random weights and a tokenizer of single bytes, and recipes written with it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import pre_tokenizers
from world import plan, recipe

from groundstation.pin_model import write_pin
from groundstation.plan import options
from groundstation.sources import SourceModel
from groundstation.tokenizer_json import PRE_TOKENIZERS, byte_level_bpe
from shared.exact.bounds import Shape
from shared.exact.manifest import Source
from shared.exact.pin import Pin
from shared.prompts.pinned import PinnedModel
from shared.recipe import Recipe
from shared.tree import Tree
from shared.tree import changes as tree_changes

SHAPE = Shape(
    vocab=258, dim=12, layers=2, heads=6, kv_heads=3, head_dim=4, mlp_dim=20, max_positions=1024
)


def tiny_pin(folder: Path) -> Pin:
    """Make the pin in a new folder."""

    def weight(name: str) -> NDArray[np.float32]:
        seed = list(hashlib.sha256(name.encode()).digest())
        return np.random.default_rng(seed).normal(size=sizes(name)).astype(np.float32)

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


def sizes(name: str) -> tuple[int, ...]:
    """Shape of a weight by its name in the pin."""
    dim, mlp = SHAPE.dim, SHAPE.mlp_dim
    queries, keys = SHAPE.heads * SHAPE.head_dim, SHAPE.kv_heads * SHAPE.head_dim
    kind = name.split(".")[-1]
    return {
        "embed": (SHAPE.vocab, dim),
        "wq": (queries, dim),
        "wk": (keys, dim),
        "wv": (keys, dim),
        "wo": (dim, queries),
        "gate": (mlp, dim),
        "up": (mlp, dim),
        "down": (dim, mlp),
    }.get(kind, (dim,))


def written(base: Tree, target: Tree, pin: Pin, **changes: object) -> Recipe:
    """A recipe in which the model writes the first text that it can."""
    model = PinnedModel.open(pin)
    plans = [plan(change) for change in tree_changes(base, target)]
    for number, change in enumerate(tree_changes(base, target)):
        text = options(change, model.vocabulary).model
        if text is not None:
            plans[number] = text
            break
    return recipe(base, target, plans, model, **changes)
