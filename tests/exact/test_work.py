"""Multiply-adds by formula against those that a running model makes and a published size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exact_models import LLAMA, QWEN, tiny_pin, tokens
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.exact import reference
from shared.exact.bounds import Shape
from shared.exact.transformer import Transformer
from shared.exact.work import dense_of_token, multiply_adds

SMOLLM2 = Shape(
    vocab=49152,
    dim=576,
    layers=30,
    heads=9,
    kv_heads=3,
    head_dim=64,
    mlp_dim=1536,
    max_positions=2048,
)


def test_smollm2_135m() -> None:
    # The 134,515,008 parameters that it is published with, less 49,152 x 576 of the embedding
    # and 61 norms of 576: what is left is multiplied once for each token.
    assert dense_of_token(SMOLLM2) == 134_515_008 - 49_152 * 576 - 61 * 576
    assert dense_of_token(SMOLLM2) == 106_168_320
    # The first token sees one place: 2 products of 64 numbers in 9 heads of 30 layers.
    assert multiply_adds(SMOLLM2, 0, 1, 0) == 106_168_320 + 34_560
    # Places 5, 6 and 7 see 6 + 7 + 8 = 21 places; one row of logits.
    assert multiply_adds(SMOLLM2, 5, 3, 1) == 3 * 106_168_320 + 21 * 34_560 + 28_311_552
    assert multiply_adds(SMOLLM2, 9, 0, 0) == 0


@settings(max_examples=50)
@given(st.integers(0, 300), st.integers(0, 40), st.integers(0, 40))
def test_reading_in_two_steps_is_reading_in_one(start: int, first: int, second: int) -> None:
    apart = multiply_adds(QWEN, start, first, 1) + multiply_adds(QWEN, start + first, second, 2)
    assert multiply_adds(QWEN, start, first + second, 3) == apart


class Counted:
    """Counts the products that the plain forward pass makes, where it makes them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        real_dense, real_mix = reference.dense, reference.ReferenceKernel._mix

        def dense(integers: Any, scale: Any, high: Any, *more: Any) -> Any:
            out = real_dense(integers, scale, high, *more)
            assert out.shape == (len(integers), len(high))
            self.count += integers.shape[0] * integers.shape[1] * out.shape[1]
            return out

        def mix(kernel: Any, queries: Any, *more: Any) -> Any:
            future = more[-1]
            seen = np.count_nonzero(~future)  # pairs of a query and a key not after it
            self.count += 2 * int(seen) * queries.shape[1] * queries.shape[2]
            return real_mix(kernel, queries, *more)

        monkeypatch.setattr(reference, "dense", dense)
        monkeypatch.setattr(reference.ReferenceKernel, "_mix", mix)


@pytest.mark.parametrize(("shape", "qwen"), [(LLAMA, False), (QWEN, True)])
def test_what_a_running_model_multiplies(
    shape: Shape, qwen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Transformer(tiny_pin(shape, qwen=qwen), kernel="numpy")
    counted = Counted(monkeypatch)
    session = model.session()
    session.feed(tokens(13, shape.vocab))
    assert counted.count == multiply_adds(shape, 0, 13, 1)
    session.feed_scored(tokens(5, shape.vocab))
    session.truncate(15)
    session.feed(tokens(300, shape.vocab))  # more than the kernel takes at once
    expected = [(0, 13, 1), (13, 5, 5), (15, 300, 1)]
    assert counted.count == sum(multiply_adds(shape, *each) for each in expected)
