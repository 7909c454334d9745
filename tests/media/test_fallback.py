"""The search for the coarsest file that is good enough."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("ssimulacra2")
from groundstation.media.images import decode_picture, encode_picture
from groundstation.media.judge import fallback
from groundstation.media.judge.fallback import Coded, coarsest, smallest_file
from groundstation.media.judge.gate import Gate, Verdict


def at_least(score: float) -> Callable[[Verdict], bool]:
    return lambda verdict: verdict.score >= score


@pytest.mark.parametrize("limit", [1, 2, 37, 64, 99, 100])
@pytest.mark.parametrize("guess", [None, 1, 30, 38, 66, 100])
def test_every_limit_is_found_from_every_guess(
    limit: int, guess: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def coded(_pixels: object, name: str, quality: int) -> Coded:
        tried.append(quality)
        return Coded(b"", name, quality, Verdict(float(quality), 0.0, (0, 0), 40.0))

    monkeypatch.setattr(fallback, "_coded", coded)
    found = coarsest(np.zeros((1, 1, 3), np.uint8), "AVIF", at_least(limit), guess)
    assert found is not None
    assert found.quality == limit
    assert len(tried) == len(set(tried)) <= 14
    if guess is not None and abs(guess - limit) <= 2:
        assert len(tried) <= 4
    assert coarsest(np.zeros((1, 1, 3), np.uint8), "AVIF", at_least(101), guess) is None


def test_the_smaller_format_that_passes_is_kept() -> None:
    y, x = np.mgrid[0:96, 0:96]
    picture = np.dstack([120 + 90 * np.sin(x / 9), 128 + 60 * np.cos(y / 5), 90 + 0.8 * x])
    noise = np.random.default_rng(3).normal(0, 2, picture.shape)
    pixels = (picture + noise).astype(np.uint8)
    original = encode_picture(pixels, "PNG")
    gate = Gate(score=85, block_levels=10)
    found = smallest_file(pixels, original, gate)
    assert found.format_name in fallback.FORMATS
    assert len(found.data) < len(original)
    assert gate.passes(found.verdict)
    assert decode_picture(found.data).shape == pixels.shape
    # nothing is good enough for an impossible gate: then the original itself goes
    kept = smallest_file(pixels, original, Gate(score=101))
    assert (kept.data, kept.format_name, kept.verdict.score) == (original, "original", 100.0)
