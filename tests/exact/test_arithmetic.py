"""The primitives against definitions in exact or much wider arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from exact_models import Integers
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shared.exact import arithmetic
from shared.exact.bounds import EXP_ENTRIES, EXP_ONE
from shared.exact.tables import exp_table

TABLE = exp_table()
FINITE = st.floats(-1e6, 1e6, allow_nan=False, width=64)


def test_quantise_literal() -> None:
    integers, scale = arithmetic.quantise(np.array([[1.0, -2.0, 0.5, 0.0]]), 127)
    assert integers.tolist() == [[64.0, -127.0, 32.0, 0.0]]  # 63.5 and 31.75: ties to even
    assert scale.tolist() == [[2.0 / 127]]


def test_quantise_ties_go_to_even() -> None:
    integers, _ = arithmetic.quantise(np.array([0.5, 1.5, 2.5, -0.5, -1.5, 100.0]), 100)
    assert integers.tolist() == [0.0, 2.0, 2.0, 0.0, -2.0, 100.0]


def test_quantise_of_zeros_is_zero() -> None:
    integers, scale = arithmetic.quantise(np.zeros((2, 3)), 8191)
    assert not integers.any()
    assert (scale > 0).all()


@given(arrays(np.float64, (2, 5), elements=FINITE), st.sampled_from([127, 2047, 8191, 2**20 - 1]))
def test_quantise_stays_in_range_and_close(values: np.ndarray, limit: int) -> None:
    integers, scale = arithmetic.quantise(values, limit)
    assert np.abs(integers).max() <= limit
    assert (integers == np.rint(integers)).all()
    assert (np.abs(integers * scale - values) <= scale * 0.500001).all()
    peaks = np.abs(values).max(axis=1)
    assert (np.abs(integers).max(axis=1)[peaks > 1e-20] == limit).all()


@given(arrays(np.float64, 7, elements=FINITE.filter(lambda v: v == 0 or abs(v) > 1e-3)))
def test_rms_norm_is_the_definition(x: np.ndarray) -> None:
    weight = np.arange(1.0, 8.0)
    mean = sum(Fraction(v) ** 2 for v in x.tolist()) / 7
    factor = 1.0 / math.sqrt(float(mean) + 1e-5)
    got = arithmetic.rms_norm(x[None], weight, 1e-5)[0]
    np.testing.assert_allclose(got, x * factor * weight, rtol=1e-5)


def test_split_weights_literally() -> None:
    """Columns 0, 31, 32, 95, 127 and 128 of a row: which bits of which byte their rests are."""
    weights = np.zeros((1, 130), np.int16)
    weights[0, [0, 31, 32, 95, 127, 128]] = [-512, 511, -1, 6, 5, -6]
    high, rests = arithmetic.split_weights(weights)
    assert high[0, [0, 31, 32, 95, 127, 128]].tolist() == [-128, 127, -1, 1, 1, -2]
    expected = bytearray(64)
    expected[0] = 3 << 2  # columns 0, 32, 64, 96
    expected[31] = 3 | 2 << 4 | 1 << 6  # columns 31, 63, 95, 127
    expected[32] = 2  # column 128
    assert rests.tobytes() == bytes(expected)


@given(st.integers(1, 300), st.integers(1, 5))
def test_split_weights_come_back(columns: int, rows: int) -> None:
    weights = (Integers(columns).take(rows * columns) % 1024 - 512).reshape(rows, columns)
    high, rests = arithmetic.split_weights(weights.astype(np.int16))
    assert rests.shape == (rows, -(-columns // 128) * 32)
    assert (arithmetic.joined_weights(high, rests) == weights).all()


@pytest.mark.parametrize("columns", [1, 63, 128, 2065, 65535])
@pytest.mark.parametrize("extreme", [False, True])
def test_integer_product_is_exact(columns: int, extreme: bool) -> None:
    source = Integers(columns)
    activations = source.take(3 * columns).reshape(3, columns) % 16383 - 8191
    weights = source.take(5 * columns).reshape(5, columns) % 1024 - 512
    if extreme:  # the largest sums of either sign
        activations[:] = [[8191], [-8191], [8127]]
        weights[:2] = [[511], [-512]]
    split = arithmetic.split_weights(weights.astype(np.int16))
    got = arithmetic.integer_product(activations.astype(np.float64), *split)
    assert (got == activations @ weights.T).all()


def test_integer_product_over_several_blocks_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "ROWS_PER_BLOCK_BYTES", 1024)
    source = Integers(3)
    activations = source.take(2 * 70).reshape(2, 70) % 16383 - 8191
    weights = source.take(17 * 70).reshape(17, 70) % 1024 - 512
    split = arithmetic.split_weights(weights.astype(np.int16))
    got = arithmetic.integer_product(activations.astype(np.float64), *split)
    assert (got == activations @ weights.T).all()


def test_dense_applies_scale_then_row_scale_then_bias() -> None:
    weights = arithmetic.split_weights(np.array([[1, 2], [-3, 100]], np.int16))
    got = arithmetic.dense(
        np.array([[10.0, -1.0]]),
        np.array([[0.1]]),
        *weights,
        np.array([0.3, 0.7]),
        np.array([1.0, 2.0]),
    )
    assert got.tolist() == [[(8.0 * 0.1) * 0.3 + 1.0, (-130.0 * 0.1) * 0.7 + 2.0]]


def test_rotate_is_a_complex_product() -> None:
    heads = Integers(4).floats((3, 2, 8), 4.0)
    angles = Integers(5).floats((3, 4), 3.0)
    got = arithmetic.rotate(heads, np.cos(angles), np.sin(angles))
    turned = (heads[..., :4] + 1j * heads[..., 4:]) * np.exp(1j * angles)[:, None, :]
    np.testing.assert_allclose(got, np.concatenate((turned.real, turned.imag), -1), rtol=1e-12)


@pytest.mark.parametrize(
    ("distance", "entry"),
    [
        (0.0, 0),
        (1.0, 4096),
        (0.49 / 4096, 0),
        (0.5 / 4096, 0),  # ties to even
        (1.5 / 4096, 2),
        (31.999755859375, EXP_ENTRIES - 1),
        (32.0, EXP_ENTRIES - 1),
        (1e300, EXP_ENTRIES - 1),
        (math.inf, EXP_ENTRIES - 1),
    ],
)
def test_exp_lookup_literal(distance: float, entry: int) -> None:
    assert arithmetic.exp_lookup(np.array([distance]), TABLE)[0] == TABLE[entry]


@given(st.floats(-60, 60))
def test_silu_is_close_to_the_definition(gate: float) -> None:
    got = arithmetic.silu(np.array([gate]), TABLE)[0]
    assert got == pytest.approx(gate / (1 + math.exp(-gate)), rel=2e-4, abs=1e-9)


def test_silu_literal() -> None:
    e = int(TABLE[4096]) * 2.0**-40
    got = arithmetic.silu(np.array([1.0, -1.0, 0.0]), TABLE)
    assert got.tolist() == [1.0 * (1.0 / (1.0 + e)), -1.0 * (e / (1.0 + e)), 0.0]


def test_frequencies_literal() -> None:
    got = arithmetic.frequencies(np.array([1.0, 3.0, -100.0, 2.5]), TABLE)
    assert got.tolist() == [TABLE[8192], EXP_ONE, 1, TABLE[2048]]


def test_frequencies_of_illegal_tokens_are_zero_and_do_not_set_the_peak() -> None:
    legal = np.array([True, False, True, False])
    got = arithmetic.frequencies(np.array([1.0, 30.0, 0.5, -3.0]), TABLE, legal)
    assert got.tolist() == [EXP_ONE, 0, TABLE[2048], 0]


def test_frequencies_with_temperature() -> None:
    got = arithmetic.frequencies(np.array([0.0, -1.0]), TABLE, None, 1.5)
    assert got.tolist() == [EXP_ONE, TABLE[6144]]


def test_frequencies_leave_the_logits_alone() -> None:
    logits = np.array([1.0, 2.0, 3.0])
    arithmetic.frequencies(logits, TABLE, np.array([True, False, False]))
    assert logits.tolist() == [1.0, 2.0, 3.0]


def test_frequencies_need_a_legal_token() -> None:
    with pytest.raises(ValueError, match="legal"):
        arithmetic.frequencies(np.zeros(3), TABLE, np.zeros(3, bool))


@given(arrays(np.float64, 6, elements=FINITE))
def test_frequencies_order_like_logits(logits: np.ndarray) -> None:
    got = arithmetic.frequencies(logits, TABLE)
    assert got.max() == EXP_ONE
    assert got.min() >= 1
    assert (np.diff(got[np.argsort(logits)]) >= 0).all()
