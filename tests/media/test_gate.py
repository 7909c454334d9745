"""The gate: a wrong lace cannot hide, and figures are those of their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InputError

pytest.importorskip("ssimulacra2")
from groundstation.media.images import opaque
from groundstation.media.judge.gate import Gate, judge, worst_block


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(3, 29), st.integers(3, 29))
def test_the_worst_block_is_the_worst_of_all(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    original, made = rng.integers(0, 256, (2, height, width, 3)).astype(np.uint8)
    found = []
    for top in {*range(0, max(1, height - 7), 4), max(0, height - 8)}:
        for left in {*range(0, max(1, width - 7), 4), max(0, width - 8)}:
            part = slice(top, top + 8), slice(left, left + 8)
            error = original[part].astype(float) - made[part]
            found.append((math.sqrt((error**2).mean()), (left, top)))
    levels, place = worst_block(original, made)
    assert levels == pytest.approx(max(found)[0])
    assert (pytest.approx(levels), place) in found


def test_a_wrong_lace_fails_where_the_means_are_excellent() -> None:
    y, x = np.mgrid[0:256, 0:256]
    plane = 128 + 60 * np.sin(x / 31) + 40 * np.cos(y / 23)
    original = np.repeat(plane[..., None], 3, 2).astype(np.uint8)
    made = original.copy()
    made[100:108, 60:70] = (200, 40, 50)  # a stripe of another colour, 0.12 % of the picture
    verdict = judge(original, made)
    assert verdict.psnr_db > 35
    assert verdict.block_levels > 50
    assert verdict.block_at in {(60, 100), (64, 100)}
    assert not Gate(score=0).passes(verdict)
    assert Gate(score=0, block_levels=255).passes(verdict)


def test_equal_pictures_are_perfect() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (40, 33, 4)).astype(np.uint8)
    verdict = judge(picture, picture)
    assert (verdict.score, verdict.block_levels, verdict.psnr_db) == (100.0, 0.0, math.inf)
    assert verdict.as_dict()["psnr_db"] is None


def test_more_noise_is_worse() -> None:
    rng = np.random.default_rng(4)
    y, x = np.mgrid[0:96, 0:96]
    original = (120 + 90 * np.sin(x / 9)[..., None] * np.cos(y / 7)[..., None]).repeat(3, 2)
    noise = rng.normal(0, 1, original.shape)
    clean = original.astype(np.uint8)
    verdicts = [
        judge(clean, np.clip(original + sigma * noise, 0, 255).astype(np.uint8))
        for sigma in (2, 6, 18)
    ]
    assert verdicts[0].score > verdicts[1].score > verdicts[2].score
    assert verdicts[0].psnr_db == pytest.approx(20 * math.log10(255 / 2), abs=0.5)


def test_alpha_is_judged_on_the_worse_ground() -> None:
    original = np.zeros((128, 128, 4), np.uint8)
    original[24:104, 16:96] = (255, 255, 255, 255)
    made = original.copy()
    made[24:104, 16:96, 3] = 0  # gone on black, and on white nobody sees it
    assert (opaque(original, 255) == opaque(made, 255)).all()
    assert judge(original, made).block_levels == 255
    assert judge(original, made).score < 50


def test_pictures_of_other_sizes_are_refused() -> None:
    with pytest.raises(InputError):
        judge(np.zeros((8, 9, 3), np.uint8), np.zeros((9, 8, 3), np.uint8))
