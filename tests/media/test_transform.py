"""The block transform, against the formula of the DCT and against sums in Python's integers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.media.coding.transform import (
    COEFFICIENT_LIMIT,
    WAVES,
    forward_blocks,
    inverse_blocks,
    to_blocks,
)


def test_waves_are_the_rounded_cosines() -> None:
    for u in range(8):
        scale = math.sqrt(1 / 8) if u == 0 else 0.5
        for x in range(8):
            exact = 4096 * scale * math.cos((2 * x + 1) * u * math.pi / 16)
            assert WAVES[u, x] == round(exact)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([40, 5000, COEFFICIENT_LIMIT]))
def test_the_inverse_is_its_definition(seed: int, size: int) -> None:
    block = np.random.default_rng(seed).integers(-size, size + 1, (8, 8))
    waves = [[int(v) for v in row] for row in WAVES]

    def nearest(value: int, bits: int) -> int:
        return math.floor(Fraction(value, 2**bits) + Fraction(1, 2))

    down = [
        [nearest(sum(waves[u][y] * int(block[u, x]) for u in range(8)), 12) for x in range(8)]
        for y in range(8)
    ]
    wanted = [
        [nearest(sum(down[y][u] * waves[u][x] for u in range(8)), 15) for x in range(8)]
        for y in range(8)
    ]
    assert inverse_blocks(block.astype(float)).tolist() == wanted


def test_forward_and_inverse_meet() -> None:
    pixels = np.random.default_rng(3).integers(-70_000, 70_000, (5, 8, 8)).astype(float)
    back = inverse_blocks(np.rint(forward_blocks(pixels)))
    assert np.abs(back - pixels).max() <= 1


def test_large_coefficients_are_refused() -> None:
    block = np.zeros((1, 8, 8))
    block[0, 7, 3] = -COEFFICIENT_LIMIT - 1
    with pytest.raises(ValueError, match="too large"):
        inverse_blocks(block)


def test_blocks_go_row_after_row() -> None:
    plane = np.arange(16 * 24).reshape(16, 24).astype(float)
    blocks = to_blocks(plane)
    assert blocks.shape == (6, 8, 8)
    assert blocks[1, 0, 0] == 8
    assert blocks[4, 2, 3] == 24 * 10 + 11
