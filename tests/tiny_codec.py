"""Very small models for tests of the codec, the same on every machine.

The weights come from an integer generator and the tokenizer from a list of merges, so nothing is
downloaded and nothing depends on a random stream or on the way a library trains.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from groundstation.models.pin import write_pin
from groundstation.models.source import SourceModel
from groundstation.models.tokenizer import PRE_TOKENIZERS, byte_level_bpe
from shared.digest import sha256
from shared.exact.arithmetic import split_weights
from shared.exact.bounds import Shape as ModelShape
from shared.exact.bounds import rest_bytes
from shared.exact.manifest import Source
from shared.exact.pin import Pin
from shared.exact.tables import exp_table, rope_tables
from shared.exact.transformer import Transformer
from shared.prompts.language_model.pinned import PinnedModel
from shared.prompts.language_model.vocabulary import Vocabulary, byte_alphabet

SPECIAL = ("<|endoftext|>", "<|im_start|>")
MISSING = (0x04, 0xF1)
"""Bytes that the vocabulary lacks, as those of published models lack some."""

MERGES = (
    (b" ", b" "), (b"  ", b"  "), (b"\n", b"    "), (b"\n", b"\n"), (b"    ", b"    "),
    (b"\n", b"        "), (b"\n\n", b"\n"), (b";", b"\n"), (b"\r", b"\n"), (b")", b";\n"),
    (b"+", b"+"), (b"-", b"-"), (b"`", b"`"), (b"``", b"`"), (b"```", b"\n"), (b" ", b"\n"),
    (b"\n", b"  "), (b"+", b"x"), (b"-", b"y"), (b"i", b"n"), (b"in", b"t"), (b"int", b" "),
    (b"r", b"e"), (b"re", b"t"), (b" ", b"="), (b" =", b" "), (b"a", b"a"), (b"aa", b"aa"),
    (b"aaaa", b"aaaa"), (b"aaaaaaaa", b"aaaaaaaa"), (b"\t", b"\t"), (b"\xc3", b"\xa9"),
    (b"\xf0", b"\x9f"), (b"\xf0\x9f", b"\x98"), (b"<", b"|"), (b"@", b"@"), (b"x", b"\n"),
    (b"}", b"\n"), (b"}\n", b"\n"), (b"a", b"\n"), (b"b", b"\n"), (b"c", b"\n"),
)  # fmt: skip
"""Pairs to join, first come first.  Several cross the seams: newlines with what follows them."""


def tokenizer(*, words: bool = False, missing: Sequence[int] = MISSING) -> Tokenizer:
    """A byte-level BPE tokenizer.

    Args:
        words: split text into words first, as GPT-2 does; else merges cross everything.
        missing: bytes without a token.
    """
    letters = {byte: letter for letter, byte in byte_alphabet().items()}

    def text(spelling: bytes) -> str:
        return "".join(letters[byte] for byte in spelling)

    spellings = [bytes([byte]) for byte in range(256) if byte not in missing]
    spellings += [left + right for left, right in MERGES]
    vocabulary = {text: k for k, text in enumerate(SPECIAL)}
    for spelling in spellings:
        vocabulary[text(spelling)] = len(vocabulary)
    return Tokenizer.from_str(
        json.dumps(
            {
                "version": "1.0",
                "added_tokens": [
                    {"id": k, "content": content, "special": True, "normalized": False}
                    | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
                    for k, content in enumerate(SPECIAL)
                ],
                "pre_tokenizer": {
                    "type": "ByteLevel",
                    "add_prefix_space": False,
                    "trim_offsets": True,
                    "use_regex": words,
                },
                "decoder": {
                    "type": "ByteLevel",
                    "add_prefix_space": False,
                    "trim_offsets": True,
                    "use_regex": True,
                },
                "model": {
                    "type": "BPE",
                    "vocab": vocabulary,
                    "merges": [[text(left), text(right)] for left, right in MERGES],
                },
            }
        )
    )


def vocabulary(*, words: bool = False, missing: Sequence[int] = MISSING) -> Vocabulary:
    """The same as the codec sees it, with three rows that no token has."""
    made = tokenizer(words=words, missing=missing)
    return Vocabulary.from_tokenizer(made, made.get_vocab_size() + 3, range(len(SPECIAL)))


@dataclass(frozen=True)
class Frozen:
    """As much of a pin as the transformer looks at."""

    manifest: Mapping[str, Any]
    tensors: Mapping[str, NDArray[Any]]

    @property
    def digest(self) -> bytes:
        """Changes with every weight."""
        parts = [json.dumps(self.manifest, sort_keys=True).encode()]
        for name in sorted(self.tensors):
            values = self.tensors[name]
            parts += [name.encode(), values.astype(values.dtype.newbyteorder("<")).tobytes()]
        return sha256(*parts)


class Integers:
    """A stream of 32-bit integers (splitmix64 of Steele et al. 2014), independent of numpy's."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def take(self) -> int:
        """In [0, 2**32)."""
        mask = 2**64 - 1
        self._state = z = (self._state + 0x9E3779B97F4A7C15) & mask
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        return (z ^ (z >> 31)) >> 32

    def bytes(self, rows: int, columns: int) -> NDArray[np.int8]:
        """int8 [rows, columns] in [-127, 127]."""
        values = [self.take() % 255 - 127 for _ in range(rows * columns)]
        return np.array(values, dtype=np.int8).reshape(rows, columns)


@cache
def _tables(positions: int, head_dim: int) -> dict[str, NDArray[Any]]:
    cos, sin = rope_tables(positions, head_dim, 10000.0)
    return {"tables.exp": exp_table(), "rope.cos": cos, "rope.sin": sin}


def open_frozen(frozen: Frozen, vocabulary: Vocabulary, kernel: str = "auto") -> PinnedModel:
    """A language model of these tensors, on one thread."""
    return PinnedModel(
        frozen.digest,
        vocabulary,
        Transformer(frozen, kernel=kernel, threads=1),
        frozen.tensors["tables.exp"],
    )


def random_frozen(rows: int, seed: int = 1, positions: int = 4096) -> Frozen:
    """Random weights: one layer, two heads that share one key-value head."""
    shape = ModelShape(
        vocab=rows,
        dim=12,
        layers=1,
        heads=2,
        kv_heads=1,
        head_dim=4,
        mlp_dim=10,
        max_positions=positions,
    )
    source = Integers(seed)
    tensors: dict[str, NDArray[Any]] = {}

    def matrix(name: str, height: int, width: int, exponent: int) -> None:
        tensors[name + ".q"] = source.bytes(height, width)
        tensors[name + ".r"] = source.bytes(height, rest_bytes(width)).view(np.uint8)
        tensors[name + ".s"] = np.full(height, 2.0 ** (exponent - 2))

    matrix("embed", rows, shape.dim, -6)
    for name, height, width in (
        ("wq", 8, 12),
        ("wk", 4, 12),
        ("wv", 4, 12),
        ("wo", 12, 8),
        ("gate", 10, 12),
        ("up", 10, 12),
        ("down", 12, 10),
    ):
        matrix(f"layers.0.{name}", height, width, -7)
    for name in ("layers.0.attn_norm", "layers.0.mlp_norm", "final_norm"):
        tensors[name] = np.ones(shape.dim)
    return _frozen(shape, tensors, tied=True)


def _frozen(shape: ModelShape, tensors: dict[str, NDArray[Any]], *, tied: bool) -> Frozen:
    manifest = {
        "family": "llama",
        "shape": asdict(shape),
        "rms_eps": (2.0**-20).hex(),
        "tied": tied,
    }
    return Frozen(manifest, tensors | _tables(shape.max_positions, shape.head_dim))


def random_model(
    seed: int = 1, *, words: bool = False, positions: int = 4096, kernel: str = "auto"
) -> PinnedModel:
    """A model that knows nothing: every text is possible, none is likely."""
    words_of = vocabulary(words=words)
    return open_frozen(random_frozen(len(words_of), seed, positions), words_of, kernel)


def write_random_pin(folder: Path, seed: int = 1, positions: int = 2048) -> Pin:
    """A pin on disk, its weights from the same generator."""
    letters = {byte: letter for letter, byte in byte_alphabet().items()}

    def text(spelling: bytes) -> str:
        return "".join(letters[byte] for byte in spelling)

    pairs = [(text(left), text(right)) for left, right in MERGES]
    tokens = [text(bytes([byte])) for byte in range(256) if byte not in MISSING]
    tokens += [left + right for left, right in pairs]
    rows = len(tokens) + len(SPECIAL)
    shape = ModelShape(
        vocab=rows,
        dim=12,
        layers=1,
        heads=2,
        kv_heads=1,
        head_dim=4,
        mlp_dim=10,
        max_positions=positions,
    )
    source = Integers(seed)
    sizes = {"wq": (8, 12), "wk": (4, 12), "wv": (4, 12), "wo": (12, 8)}
    sizes |= {"gate": (10, 12), "up": (10, 12), "down": (12, 10), "embed": (rows, 12)}

    def weight(name: str) -> NDArray[np.float32]:
        size = sizes.get(name.rpartition(".")[2])
        if size is None:
            return np.ones(shape.dim, dtype=np.float32)
        return (source.bytes(*size) / np.float32(64)).astype(np.float32)

    return write_pin(
        SourceModel(
            name="tiny",
            family="llama",
            shape=shape,
            rms_eps=2.0**-20,
            rope_theta=10000.0,
            tied=True,
            tokenizer=byte_level_bpe(
                {token: k for k, token in enumerate(tokens)},
                pairs,
                {token: len(tokens) + k for k, token in enumerate(SPECIAL)},
                PRE_TOKENIZERS["gpt-2"],
                rows=rows,
            ),
            source=Source("none", "ab" * 32),
            licence=None,
            weight=weight,
        ),
        folder,
    )


def bigram_model(
    likely: Mapping[int, Mapping[int, float]], words_of: Vocabulary, positions: int = 4096
) -> PinnedModel:
    """A model that looks at the last token only, and expects what it is told.

    Attention and the feed-forward part are switched off; embeddings are unit vectors, and a row of
    the head holds the logits of one token after each other token.

    Args:
        likely: logits above 0 by last token, then by next token.
        words_of: its vocabulary.
        positions: tokens that a session can hold.
    """
    rows = len(words_of)
    dim = rows + rows % 2
    shape = ModelShape(
        vocab=rows,
        dim=dim,
        layers=1,
        heads=1,
        kv_heads=1,
        head_dim=2,
        mlp_dim=1,
        max_positions=positions,
    )
    head = np.zeros((rows, dim))
    for last, nexts in likely.items():
        for token, logit in nexts.items():
            head[token, last] = logit / np.sqrt(dim)
    peak = np.abs(head).max(axis=1)
    scale = np.where(peak > 0, peak / 511, 1.0)
    tensors: dict[str, NDArray[Any]] = {
        "embed.s": np.ones(rows),
        "head.s": scale,
    }

    def matrix(name: str, integers: NDArray[Any]) -> None:
        split = split_weights(np.asarray(integers, dtype=np.int16))
        tensors[name + ".q"], tensors[name + ".r"] = split

    matrix("embed", np.eye(rows, dim))
    matrix("head", np.rint(head / scale[:, None]))
    for name, height, width in (
        ("wq", 2, dim),
        ("wk", 2, dim),
        ("wv", 2, dim),
        ("wo", dim, 2),
        ("gate", 1, dim),
        ("up", 1, dim),
        ("down", dim, 1),
    ):
        matrix(f"layers.0.{name}", np.zeros((height, width)))
        tensors[f"layers.0.{name}.s"] = np.ones(height)
    for name in ("layers.0.attn_norm", "layers.0.mlp_norm", "final_norm"):
        tensors[name] = np.ones(dim)
    return open_frozen(_frozen(shape, tensors, tied=False), words_of)
