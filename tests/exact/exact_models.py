"""Tiny models whose weights come from an integer generator, the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.exact.arithmetic import split_weights
from shared.exact.bounds import Shape
from shared.exact.tables import exp_table, rope_tables


@dataclass(frozen=True)
class TinyPin:
    """As much of a pin as the transformer looks at."""

    manifest: Mapping[str, Any]
    tensors: Mapping[str, NDArray[Any]]


class Integers:
    """A stream of 32-bit integers (splitmix64 of Steele et al. 2014), independent of numpy's."""

    def __init__(self, seed: int) -> None:
        self._state = np.uint64(seed)

    def take(self, count: int) -> NDArray[np.int64]:
        """``count`` integers in [-2**31, 2**31)."""
        with np.errstate(over="ignore"):
            steps = np.arange(1, count + 1, dtype=np.uint64)
            z = self._state + steps * np.uint64(0x9E3779B97F4A7C15)
            self._state = z[-1]
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
        return (z >> np.uint64(32)).astype(np.int64) - 2**31

    def floats(self, shape: tuple[int, ...], size: float) -> NDArray[np.float64]:
        """Uniform in [-size, size); exact products only."""
        return self.take(int(np.prod(shape))).reshape(shape) * (size * 2.0**-31)


@cache
def _exp() -> NDArray[np.int64]:
    return exp_table()


def quantised(name: str, weights: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """The three tensors of a matrix."""
    scales = np.abs(weights).max(axis=1) / 511
    high, rests = split_weights(np.rint(weights / scales[:, None]).astype(np.int16))
    return {f"{name}.q": high, f"{name}.r": rests, f"{name}.s": scales}


def tiny_pin(shape: Shape, *, seed: int = 1, qwen: bool = False, tied: bool = True) -> TinyPin:
    """A model of random weights, of the Llama family or (with biases) of the Qwen2 family."""
    source = Integers(seed)
    tensors: dict[str, NDArray[Any]] = {}

    def matrix(name: str, rows: int, columns: int, gain: float = 1.0) -> None:
        weights = source.floats((rows, columns), gain * 1.7 / columns**0.5)
        tensors.update(quantised(name, weights))

    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    matrix("embed", shape.vocab, shape.dim, 8.0)
    if not tied:
        matrix("head", shape.vocab, shape.dim, 8.0)
    tensors["final_norm"] = 1.0 + source.floats((shape.dim,), 0.5)
    for layer in range(shape.layers):
        prefix = f"layers.{layer}."
        for name in ("attn_norm", "mlp_norm"):
            tensors[prefix + name] = 1.0 + source.floats((shape.dim,), 0.5)
        for name, rows, columns in (
            ("wq", queries, shape.dim),
            ("wk", keys, shape.dim),
            ("wv", keys, shape.dim),
            ("wo", shape.dim, queries),
            ("gate", shape.mlp_dim, shape.dim),
            ("up", shape.mlp_dim, shape.dim),
            ("down", shape.dim, shape.mlp_dim),
        ):
            matrix(prefix + name, rows, columns, 2.0)
            if qwen and name in ("wq", "wk", "wv"):
                tensors[prefix + name + ".b"] = source.floats((rows,), 3.0)
    tensors["tables.exp"] = _exp()
    cos, sin = rope_tables(shape.max_positions, shape.head_dim, 10000.0)
    tensors["rope.cos"], tensors["rope.sin"] = cos, sin
    manifest = {
        "family": "qwen2" if qwen else "llama",
        "shape": asdict(shape),
        "rms_eps": (1e-6).hex(),
        "tied": tied,
    }
    return TinyPin(manifest, tensors)


def tokens(count: int, vocab: int, seed: int = 7) -> list[int]:
    """Random tokens."""
    return (Integers(seed).take(count) % vocab).tolist()


LLAMA = Shape(
    vocab=331, dim=72, layers=3, heads=6, kv_heads=2, head_dim=16, mlp_dim=200, max_positions=384
)
QWEN = Shape(
    vocab=259, dim=112, layers=2, heads=7, kv_heads=1, head_dim=64, mlp_dim=301, max_positions=384
)
"""Sizes that are no multiple of any vector width where a real model allows it."""
