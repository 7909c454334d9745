"""Integer arithmetic, against Python's own integers and fractions."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.media.fixed import (
    ACTIVATION_LIMIT,
    dense,
    exact_product,
    rounded,
    rounding_shift,
)


@given(st.integers(-(2**50), 2**50), st.integers(0, 40))
def test_both_roundings_are_to_nearest_ties_up(value: int, bits: int) -> None:
    wanted = floor(Fraction(value, 2**bits) + Fraction(1, 2)) if bits else value
    assert rounding_shift(np.array([value]), bits).tolist() == [wanted]
    assert rounded(np.array([float(value)]), bits).tolist() == [wanted]


def test_ties_of_either_sign_go_up() -> None:
    assert rounding_shift(np.array([-6, -2, 2, 6]), 2).tolist() == [-1, 0, 1, 2]


def test_shifts_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="63 bits"):
        rounding_shift(np.array([1]), 63)


def test_products_at_the_edge_of_exactness() -> None:
    # 2**52 + 1 + ... would lose the 1 in any arithmetic with fewer bits
    left = np.array([[2.0**31 - 1, 1.0]])
    assert exact_product(left, np.array([[2.0**20], [1.0]])).item() == (2**31 - 1) * 2**20 + 1
    with pytest.raises(ValueError, match="not exact"):
        exact_product(left, np.array([[2.0**22], [1.0]]))


@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(0, 40))
def test_a_dense_layer_is_its_definition(seed: int, inputs: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-ACTIVATION_LIMIT, ACTIVATION_LIMIT + 1, (inputs, 2))
    weights = rng.integers(-128, 128, (4, inputs)).astype(np.int8)
    scales = rng.integers(0, 2**15, 4).astype(np.int32)
    biases = rng.integers(-(2**16), 2**16, 4).astype(np.int32)
    wanted = [
        [
            floor(
                Fraction(
                    int(scale) * sum(int(w) * int(v) for w, v in zip(row, column, strict=True)),
                    2**shift,
                )
                + Fraction(1, 2)
            )
            + int(bias)
            for column in values.T
        ]
        for row, scale, bias in zip(weights, scales, biases, strict=True)
    ]
    limited = [[max(-ACTIVATION_LIMIT, min(ACTIVATION_LIMIT, v)) for v in row] for row in wanted]
    assert dense(values, weights, scales, biases, shift).tolist() == limited
