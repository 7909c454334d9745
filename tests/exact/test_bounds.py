"""Which shapes are carried, and that the limits really bound the sums."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import PinError
from shared.exact import bounds
from shared.exact.bounds import Shape, activation_limit, check_bounds, query_limit

SMOLLM2_135M = Shape(49152, 576, 30, 9, 3, 64, 1536, 8192)
QWEN2_5_0_5B = Shape(151936, 896, 24, 14, 2, 64, 4864, 8192)
QWEN2_5_1_5B = Shape(151936, 1536, 28, 12, 2, 128, 8960, 8192)


@pytest.mark.parametrize("shape", [SMOLLM2_135M, QWEN2_5_0_5B, QWEN2_5_1_5B])
def test_published_shapes_are_carried(shape: Shape) -> None:
    check_bounds(shape)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mlp_dim": 65536}, "half of a dense sum"),
        ({"heads": 258, "head_dim": 256}, "activation limit"),
        ({"head_dim": 512}, "query limit"),
        ({"max_positions": 8193}, "softmax sum"),
        ({"dim": 8193}, "sum of squares"),
        ({"vocab": 2**20 + 1}, "frequency sum"),
        ({"vocab": 2**24 + 1}, "largest size"),
        ({"kv_heads": 2}, "unevenly"),
        ({"head_dim": 63}, "even number"),
    ],
)
def test_shapes_beyond_a_bound_are_refused(change: dict[str, int], words: str) -> None:
    with pytest.raises(PinError, match=words):
        check_bounds(replace(SMOLLM2_135M, **change))


@pytest.mark.parametrize(
    ("name", "largest"),
    [("mlp_dim", 65535), ("max_positions", 8192), ("dim", 8192), ("vocab", 2**20)],
)
def test_the_last_carried_size(name: str, largest: int) -> None:
    check_bounds(replace(SMOLLM2_135M, **{name: largest}))
    with pytest.raises(PinError):
        check_bounds(replace(SMOLLM2_135M, **{name: largest + 1}))


@given(st.integers(1, 40000))
def test_activation_limit_is_the_largest_that_fits(columns: int) -> None:
    limit = activation_limit(columns)
    lanes = [0] * 16  # columns that each adds up: neighbours in pairs
    for column in range(0, columns, 2):
        lanes[column // 2 % 16] += 2
    assert max(lanes) * 512 * limit < 2**31
    assert limit == 8191 or max(lanes) * 512 * (limit + 1) >= 2**31


@given(st.integers(1, 600))
def test_query_limit_is_the_largest_that_fits(head_dim: int) -> None:
    limit = query_limit(head_dim)
    assert head_dim * 8191 * limit < 2**31
    assert limit == 4095 or head_dim * 8191 * (limit + 1) >= 2**31


def test_constants_literal() -> None:
    """The arithmetic is an interface between machines: a change here is a new version of it."""
    assert (bounds.WEIGHT_LIMIT, bounds.ACTIVATION_LIMIT) == (511, 8191)
    assert (bounds.QUERY_LIMIT, bounds.KEY_LIMIT) == (4095, 8191)
    assert (bounds.VALUE_LIMIT, bounds.MIX_LIMIT, bounds.NORM_LIMIT) == (2047, 32767, 1048575)
    assert (bounds.EXP_ENTRIES, bounds.EXP_STEPS, bounds.EXP_ONE) == (131072, 4096, 2**40)
    assert query_limit(64) == 4095
    assert query_limit(128) == 2048
    assert activation_limit(8192) == 8191
    assert activation_limit(8193) == 8160
    assert bounds.rest_bytes(576) == 160


def test_shape_from_mapping() -> None:
    assert Shape.from_mapping(asdict(SMOLLM2_135M)) == SMOLLM2_135M


@pytest.mark.parametrize(
    "change",
    [{"dim": 0}, {"dim": -1}, {"dim": 1.0}, {"dim": True}, {"dim": "576"}, {"dim": None}],
)
def test_shape_refuses_what_is_no_size(change: dict[str, object]) -> None:
    with pytest.raises(PinError, match="dim"):
        Shape.from_mapping(asdict(SMOLLM2_135M) | change)


def test_shape_refuses_missing_and_unknown_sizes() -> None:
    values = asdict(SMOLLM2_135M)
    with pytest.raises(PinError):
        Shape.from_mapping({k: v for k, v in values.items() if k != "vocab"})
    with pytest.raises(PinError):
        Shape.from_mapping(values | {"experts": 4})
