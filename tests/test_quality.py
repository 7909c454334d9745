"""What exactness costs in code length on real source text, against transformers in float32."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.models.quality import bits, code_lengths, totals


def test_bits_of_a_distribution_known_by_heart() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]])) + 7.0
    assert bits(logits, [1, 2]) == pytest.approx(2.0 + 3.0)


@pytest.mark.model
@pytest.mark.slow
def test_the_exact_model_codes_real_text_as_float32_does() -> None:
    lengths = code_lengths()
    same_weights, published = totals(lengths)
    assert sum(length.tokens for length in lengths) >= 2000
    assert abs(same_weights) <= 0.1
    assert abs(published) <= 0.1
