"""The plain numpy forward pass: what every other kernel must equal bit for bit.

It follows ``docs/exact-arithmetic.md`` line by line, and it is what runs where no compiler was
at hand.  Matrix products go through BLAS, on integers that BLAS cannot round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.exact.arithmetic import (
    F64,
    I16,
    I64,
    dense,
    exp_lookup,
    joined_weights,
    quantise,
    rms_norm,
    rotate,
    silu,
)
from shared.exact.bounds import (
    KEY_LIMIT,
    MIX_LIMIT,
    TURN_ONE,
    VALUE_LIMIT,
    Shape,
    activation_limit,
    query_limit,
)

CHUNK_TOKENS: Final = 256
"""Tokens in one pass; bounds the scratch memory.  The numbers do not depend on it."""


@dataclass
class ReferenceCache:
    """Keys and values of one sequence: integers and their scales, for every layer and head."""

    keys: I16  # [layers, kv_heads, capacity, head_dim]
    values: I16
    key_scales: F64  # [layers, kv_heads, capacity]
    value_scales: F64
    length: int = 0

    @classmethod
    def empty(cls, shape: Shape, capacity: int = 64) -> ReferenceCache:
        """A cache with room for ``capacity`` tokens before it must grow."""
        size = (shape.layers, shape.kv_heads, capacity)
        return cls(
            np.zeros((*size, shape.head_dim), np.int16),
            np.zeros((*size, shape.head_dim), np.int16),
            np.zeros(size),
            np.zeros(size),
        )

    def reserve(self, capacity: int) -> None:
        """Make room for ``capacity`` tokens in all."""
        missing = capacity - self.keys.shape[2]
        if missing <= 0:
            return
        grow = max(missing, self.keys.shape[2])
        self.keys = _longer(self.keys, grow)
        self.values = _longer(self.values, grow)
        self.key_scales = _longer(self.key_scales, grow)
        self.value_scales = _longer(self.value_scales, grow)

    def truncate(self, length: int) -> None:
        """Forget all but the first ``length`` tokens."""
        self.length = length

    def fork(self) -> ReferenceCache:
        """An independent copy."""
        return ReferenceCache(
            self.keys[:, :, : self.length].copy(),
            self.values[:, :, : self.length].copy(),
            self.key_scales[:, :, : self.length].copy(),
            self.value_scales[:, :, : self.length].copy(),
            self.length,
        )


def _longer(array: NDArray[Any], grow: int) -> NDArray[Any]:
    extra = np.zeros((*array.shape[:2], grow, *array.shape[3:]), array.dtype)
    return np.concatenate((array, extra), axis=2)


class ReferenceKernel:
    """The numpy forward pass of one model.

    Args:
        shape: the sizes of the model.
        rms_eps: added to the mean square in every normalisation.
        tensors: the tensors of the pin by name.
    """

    name = "numpy"
    chunk_tokens = CHUNK_TOKENS

    def __init__(self, shape: Shape, rms_eps: float, tensors: Mapping[str, NDArray[Any]]) -> None:
        self.shape = shape
        self._eps = rms_eps
        self._tensors = tensors
        self._exp: I64 = tensors["tables.exp"]
        self._head = "head" if "head.q" in tensors else "embed"

    def new_cache(self) -> ReferenceCache:
        """An empty cache."""
        return ReferenceCache.empty(self.shape)

    def forward(self, cache: ReferenceCache, tokens: NDArray[np.int32], rows: int) -> F64:
        """Append tokens to the sequence.

        Args:
            cache: keys and values of the sequence so far; grows by the tokens.
            tokens: ``[n]``, n >= 1, all in the vocabulary.
            rows: logits are computed for the last ``rows`` tokens.

        Returns:
            ``[rows, vocab]``.
        """
        shape, tensors = self.shape, self._tensors
        start, end = cache.length, cache.length + len(tokens)
        cache.reserve(end)
        cos = tensors["rope.cos"][start:end] * (1.0 / TURN_ONE)
        sin = tensors["rope.sin"][start:end] * (1.0 / TURN_ONE)
        rows_read = joined_weights(tensors["embed.q"][tokens], tensors["embed.r"][tokens])
        x = rows_read * tensors["embed.s"][tokens][:, None]
        for layer in range(shape.layers):
            prefix = f"layers.{layer}."
            normed = rms_norm(x, tensors[prefix + "attn_norm"], self._eps)
            x = x + self._attention(cache, layer, normed, cos, sin)
            normed = rms_norm(x, tensors[prefix + "mlp_norm"], self._eps)
            x = x + self._mlp(prefix, normed)
        cache.length = end
        if rows == 0:
            return np.empty((0, shape.vocab))
        normed = rms_norm(x[-rows:], tensors["final_norm"], self._eps)
        return self._dense(self._head, *self._activations(normed))

    def _activations(self, values: F64) -> tuple[F64, F64]:
        return quantise(values, activation_limit(values.shape[-1]))

    def _dense(self, name: str, integers: F64, scale: F64) -> F64:
        tensors = self._tensors
        high, rests, scales = (tensors[name + kind] for kind in (".q", ".r", ".s"))
        return dense(integers, scale, high, rests, scales, tensors.get(name + ".b"))

    def _mlp(self, prefix: str, normed: F64) -> F64:
        activations = self._activations(normed)
        gate = self._dense(prefix + "gate", *activations)
        up = self._dense(prefix + "up", *activations)
        return self._dense(prefix + "down", *self._activations(silu(gate, self._exp) * up))

    def _attention(self, cache: ReferenceCache, layer: int, normed: F64, cos: F64, sin: F64) -> F64:
        """Grouped-query attention of ``[n, dim]`` over the sequence and itself (section 6)."""
        shape, prefix = self.shape, f"layers.{layer}."
        count, start = len(normed), cache.length
        end = start + count
        activations = self._activations(normed)
        queries, keys, values = (
            self._dense(prefix + name, *activations).reshape(count, -1, shape.head_dim)
            for name in ("wq", "wk", "wv")
        )
        queries, query_scales = quantise(rotate(queries, cos, sin), query_limit(shape.head_dim))
        keys, key_scales = quantise(rotate(keys, cos, sin), KEY_LIMIT)
        values, value_scales = quantise(values, VALUE_LIMIT)
        cache.keys[layer, :, start:end] = keys.swapaxes(0, 1)
        cache.values[layer, :, start:end] = values.swapaxes(0, 1)
        cache.key_scales[layer, :, start:end] = key_scales[..., 0].T
        cache.value_scales[layer, :, start:end] = value_scales[..., 0].T
        query_scales = query_scales * (1.0 / np.sqrt(np.float64(shape.head_dim)))
        future = np.arange(end) > np.arange(start, end)[:, None]
        group = shape.heads // shape.kv_heads
        mixed = np.empty((count, shape.heads, shape.head_dim))
        for head in range(shape.kv_heads):
            members = slice(head * group, (head + 1) * group)
            mixed[:, members] = self._mix(
                queries[:, members],
                query_scales[:, members],
                cache.keys[layer, head, :end].astype(np.float64),
                cache.key_scales[layer, head, :end],
                cache.values[layer, head, :end].astype(np.float64),
                cache.value_scales[layer, head, :end],
                future[:, None, :],
            )
        return self._dense(prefix + "wo", *self._activations(mixed.reshape(count, -1)))

    def _mix(
        self,
        queries: F64,
        query_scales: F64,
        keys: F64,
        key_scales: F64,
        values: F64,
        value_scales: F64,
        future: NDArray[np.bool_],
    ) -> F64:
        """Softmax over the keys and the weighted sum of the values of one key-value head.

        Args:
            queries: ``[n, group, head_dim]`` with their scales ``[n, group, 1]``.
            keys: ``[m, head_dim]`` with their scales ``[m]``; ``values`` alike.
            future: ``[n, 1, m]``, True where a key lies after the query.

        Returns:
            ``[n, group, head_dim]``.
        """
        products = (queries.reshape(-1, keys.shape[1]) @ keys.T).reshape(
            *queries.shape[:2], len(keys)
        )
        scores = products * (query_scales * key_scales)
        scores[np.broadcast_to(future, scores.shape)] = -np.inf
        best = scores.max(axis=-1, keepdims=True)
        weights = exp_lookup(best - scores, self._exp)
        weights[np.broadcast_to(future, weights.shape)] = 0
        total = weights.sum(axis=-1, keepdims=True)
        integers, scale = quantise(weights * value_scales, MIX_LIMIT)
        factor: F64 = scale / total
        mixed: F64 = (integers.reshape(-1, len(values)) @ values).reshape(queries.shape)
        return mixed * factor
