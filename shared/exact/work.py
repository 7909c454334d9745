"""How much a model computes: multiply-adds, counted from its shape.

One multiply-add is one product of two numbers of the specification (docs/exact-arithmetic.md)
added to a sum.  Counted are the dense products and attention; what is done once a number (norms,
rotations, exponentials, scales) is not, nor is what a kernel does to get there: one that splits
weights or activations in halves, or multiplies what the mask then hides, takes more machine
operations for the same count.
"""

from __future__ import annotations

from shared.exact.bounds import Shape


def dense_of_token(shape: Shape) -> int:
    """Multiply-adds of the matrices of all layers for one token: each weight once.

    ``layers * (2 * dim * heads * head_dim + 2 * dim * kv_heads * head_dim + 3 * dim * mlp_dim)``:
    queries and what mixes the heads; keys and values; gate, up and down.
    """
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return shape.layers * shape.dim * (2 * queries + 2 * keys + 3 * shape.mlp_dim)


def multiply_adds(shape: Shape, start: int, tokens: int, rows: int) -> int:
    """Multiply-adds of reading tokens.

    Each token passes the layers' matrices, ``dense_of_token``.  The token at place t (the first of
    the sequence is at 0) attends to t + 1 places: in each of ``layers * heads`` heads a product of
    ``head_dim`` numbers with the key of each, and as many to mix the values.  Each row of logits is
    ``dim * vocab``.

    Args:
        shape: of the model.
        start: tokens in the sequence before.
        tokens: that are read.
        rows: of them, those after which logits are computed.
    """
    places = tokens * start + tokens * (tokens + 1) // 2
    attention = 2 * shape.layers * shape.heads * shape.head_dim * places
    return tokens * dense_of_token(shape) + attention + rows * shape.dim * shape.vocab
