"""Which model shapes the exact arithmetic can carry, checked number by number.

Each constant is a choice of ``docs/exact-arithmetic.md``; ``check_bounds`` proves for one shape
that no integer sum can leave the range in which every implementation is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from shared.errors import PinError

WEIGHT_BITS: Final = 10
"""Bits of a weight with its sign: 8 in one tensor of the pin, the other 2 in a second one."""
WEIGHT_LIMIT: Final = 2 ** (WEIGHT_BITS - 1) - 1
"""Largest weight that pinning makes."""
LARGEST_WEIGHT: Final = 2 ** (WEIGHT_BITS - 1)
"""Largest magnitude that the two tensors can spell."""
REST_BLOCK: Final = 128
"""Columns whose 2-bit rests share ``REST_BLOCK // 4`` bytes."""
ACTIVATION_BITS: Final = 14
"""Bits of an activation integer with its sign; fewer where rows are long."""
ACTIVATION_LIMIT: Final = 2 ** (ACTIVATION_BITS - 1) - 1
SMALLEST_ACTIVATION_LIMIT: Final = 1023
HALF_LIMIT: Final = 64
"""Largest half of an activation integer, split as ``high * 128 + low``."""
LANES: Final = 16
"""32-bit accumulators that a dense sum is spread over."""
NORM_LIMIT: Final = 2**20 - 1
KEY_LIMIT: Final = 8191
QUERY_LIMIT: Final = 4095
VALUE_LIMIT: Final = 2047
MIX_LIMIT: Final = 32767
"""Largest integer weight of a value in attention."""
MIX_BLOCK: Final = 32
"""Values mixed in 32-bit integers before the sum goes on in 64 bits."""
EXP_ENTRIES: Final = 131072
EXP_STEPS: Final = 4096
EXP_ONE: Final = 2**40
TURN_ONE: Final = 2**30
"""The integer that stands for 1 in the rotary tables."""
SMALLEST_PEAK: Final = 2.0**-100
FLOAT64_EXACT: Final = 2**53
INT32_MAX: Final = 2**31 - 1
LARGEST_FREQUENCY_SUM: Final = 2**60


@dataclass(frozen=True)
class Shape:
    """The sizes of a Llama- or Qwen2-family model, all in elements."""

    vocab: int
    dim: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp_dim: int
    max_positions: int

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Shape:
        """The shape in a manifest.

        Raises:
            PinError: a size is missing, unknown or not a positive integer.
        """
        names = [field.name for field in fields(cls)]
        if sorted(values) != sorted(names):
            raise PinError(
                f"the shape names {', '.join(sorted(values)) or 'nothing'}",
                expected=", ".join(names),
            )
        for name in names:
            if type(values[name]) is not int or values[name] < 1:
                raise PinError(f"{name} is {values[name]!r}", expected="a positive integer")
        return cls(**{name: values[name] for name in names})


def activation_limit(columns: int) -> int:
    """The largest activation integer, so that each lane of a sum over one row fits 31 bits."""
    return min(ACTIVATION_LIMIT, INT32_MAX // (LARGEST_WEIGHT * lane_columns(columns)))


def lane_columns(columns: int) -> int:
    """Columns that one lane of a dense sum adds up: pairs of them go round the lanes."""
    return 2 * -(-columns // (2 * LANES))


def rest_bytes(columns: int) -> int:
    """Bytes of one row of 2-bit rests."""
    return -(-columns // REST_BLOCK) * (REST_BLOCK // 4)


def query_limit(head_dim: int) -> int:
    """The largest query integer, so that a score fits 31 bits next to 14-bit keys."""
    return min(QUERY_LIMIT, INT32_MAX // (KEY_LIMIT * head_dim))


def check_bounds(shape: Shape) -> None:
    """Prove that every sum of a model of this shape is exact.

    Raises:
        PinError: a sum could leave its range, or the sizes do not fit together.
    """
    for name, value, low, high in _demands(shape):
        if not low <= value <= high:
            expected = f"at most {high}" if value > high else f"at least {low}"
            raise PinError(
                f"{name} is {value}",
                expected=expected,
                remedy="this model is too large for exact arithmetic; choose a smaller one",
            )
    if shape.heads % shape.kv_heads:
        raise PinError(f"{shape.heads} heads share {shape.kv_heads} key-value heads unevenly")
    if shape.head_dim % 2:
        raise PinError(f"head_dim is {shape.head_dim}", expected="an even number (rotary halves)")


def _demands(shape: Shape) -> list[tuple[str, int, int, int]]:
    """``(what, its value, lowest, highest)`` for each bound of docs/exact-arithmetic.md."""
    widest = max(shape.dim, shape.mlp_dim, shape.heads * shape.head_dim)
    activation = activation_limit(widest)
    query = query_limit(shape.head_dim)
    lowest_activation, lowest_query = SMALLEST_ACTIVATION_LIMIT, SMALLEST_ACTIVATION_LIMIT
    keys = shape.max_positions
    largest = max(shape.vocab, widest, keys)
    return [
        ("the largest size", largest, 1, 2**24),
        ("the activation limit", activation, lowest_activation, ACTIVATION_LIMIT),
        ("the query limit", query, lowest_query, QUERY_LIMIT),
        ("a lane of a dense sum", lane_columns(widest) * LARGEST_WEIGHT * activation, 0, INT32_MAX),
        ("a half of a dense sum", widest * LARGEST_WEIGHT * HALF_LIMIT, 0, INT32_MAX),
        ("a dense sum", widest * LARGEST_WEIGHT * activation, 0, FLOAT64_EXACT),
        ("a sum of squares", shape.dim * NORM_LIMIT**2, 0, FLOAT64_EXACT),
        ("a score sum", shape.head_dim * KEY_LIMIT * query, 0, INT32_MAX),
        ("a block of mixed values", MIX_BLOCK * MIX_LIMIT * VALUE_LIMIT, 0, INT32_MAX),
        ("a sum of mixed values", keys * MIX_LIMIT * VALUE_LIMIT, 0, FLOAT64_EXACT),
        ("a softmax sum", keys * EXP_ONE, 0, FLOAT64_EXACT),
        ("a frequency sum", shape.vocab * EXP_ONE, 0, LARGEST_FREQUENCY_SUM),
    ]
