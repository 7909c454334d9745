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
    convolution,
    dense,
    doubled,
    exact_product,
    leaky,
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


def python_convolution(
    image: np.ndarray, weights: np.ndarray, bias: np.ndarray, shift: int
) -> list[list[list[int]]]:
    """The definition, sum by sum, in integers of Python."""
    outputs, inputs, size, _ = weights.shape
    _, height, width = image.shape
    margin = size // 2
    found = []
    for o in range(outputs):
        rows = []
        for y in range(height):
            row = []
            for x in range(width):
                total = int(bias[o])
                for i in range(inputs):
                    for v in range(size):
                        for u in range(size):
                            yy, xx = y + v - margin, x + u - margin
                            if 0 <= yy < height and 0 <= xx < width:
                                total += int(image[i, yy, xx]) * int(weights[o, i, v, u])
                value = floor(Fraction(total, 2**shift) + Fraction(1, 2))
                row.append(max(-ACTIVATION_LIMIT, min(ACTIVATION_LIMIT, value)))
            rows.append(row)
        found.append(rows)
    return found


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 5]), st.integers(0, 12))
def test_convolution_is_its_definition(seed: int, size: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(-ACTIVATION_LIMIT, ACTIVATION_LIMIT + 1, (2, 3, 4))
    weights = rng.integers(-128, 128, (3, 2, size, size)).astype(np.int8)
    bias = rng.integers(-(2**31), 2**31, 3).astype(np.int32)
    made = convolution(image, weights, bias, shift)
    assert made.tolist() == python_convolution(image, weights, bias, shift)


def test_even_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="2 x 2"):
        convolution(
            np.zeros((1, 3, 3), np.int64), np.zeros((1, 1, 2, 2), np.int8), np.zeros(1, np.int32), 0
        )


@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(0, 16))
def test_a_dense_layer_is_its_definition(seed: int, inputs: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-ACTIVATION_LIMIT, ACTIVATION_LIMIT + 1, inputs)
    weights = rng.integers(-128, 128, (4, inputs)).astype(np.int8)
    bias = rng.integers(-(2**31), 2**31, 4).astype(np.int32)
    wanted = [
        sum(int(w) * int(v) for w, v in zip(row, values, strict=True)) + int(b)
        for row, b in zip(weights, bias, strict=True)
    ]
    scaled = [floor(Fraction(total, 2**shift) + Fraction(1, 2)) for total in wanted]
    limited = [max(-ACTIVATION_LIMIT, min(ACTIVATION_LIMIT, value)) for value in scaled]
    assert dense(values, weights, bias, shift).tolist() == limited


def test_small_parts() -> None:
    assert leaky(np.array([-17, -8, -1, 0, 9])).tolist() == [-3, -1, -1, 0, 9]
    assert doubled(np.array([[[1, 2]]])).tolist() == [[[1, 1, 2, 2], [1, 1, 2, 2]]]
