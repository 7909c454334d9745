"""T2: what a drawing lacks to pass the gate, in as few bytes as that goes.

The difference between original and drawing is cut into blocks and cosine waves and rounded to a
step.  The coarsest step that passes the gate is searched by halving, for a few ratios between the
steps of brightness, colour and alpha; the smallest of what passes is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from groundstation.media.judge.gate import Gate, Verdict, is_good, judge
from shared.media.coding.coefficients import MAGNITUDE_LIMIT
from shared.media.coding.residual import (
    LEVEL_BITS,
    STEPS,
    Residual,
    added,
    encode_residual,
    plane_steps,
    wave_steps,
)
from shared.media.coding.transform import BLOCK, ZIGZAG, forward_blocks, to_blocks
from shared.media.fixed import F64, U8

RATIOS: Final = ((6, 0), (0, 0), (12, 0), (6, 8), (6, -8))
"""By how many codes (8 double a step) the steps of colour and of alpha are above that of light; the
first is searched, the others are tried near where it ended."""
ROUND_UP: Final = 0.3
"""What is this far above a whole number of steps is rounded up; less goes towards zero."""
NEAR: Final = 6


@dataclass(frozen=True, eq=False)
class Corrected:
    """A drawing with a residual that passes the gate.

    Attributes:
        residual: its bytes.
        pixels: what comes out.
        verdict: on them.
    """

    residual: bytes
    pixels: U8
    verdict: Verdict


def smallest_residual(original: U8, drawn: U8, gate: Gate, most: int) -> Corrected | None:
    """The smallest residual found that passes the gate; None if there is none within ``most``.

    Args:
        original: ``[height, width, 1, 3 or 4]``.
        drawn: the same shape.
        gate: what is good enough.
        most: more bytes than these are of no use.
    """
    waves = waves_of(original, drawn)
    channels = drawn.shape[2]
    best: tuple[bytes, U8] | None = None
    low, high = 0, len(STEPS) - 1
    for ratio in RATIOS if channels == 4 else RATIOS[:3] if channels == 3 else RATIOS[:1]:
        first, last = low, high
        while first <= last:
            code = (first + last) // 2
            residual = quantised(waves, codes_of(code, ratio, channels))
            data = encode_residual(drawn, residual) if residual.blocks else b""
            limit = most if best is None else len(best[0]) - 1
            if len(data) > limit:
                first = code + 1
            elif data and is_good(original, pixels := added(drawn, residual), gate):
                best, first = (data, pixels), code + 1
                low, high = max(0, code - NEAR), min(len(STEPS) - 1, code + NEAR)
            else:
                last = code - 1
        if best is None:
            return None
    assert best is not None
    return Corrected(*best, judge(original, best[1]))


def codes_of(code: int, ratio: tuple[int, int], channels: int) -> tuple[int, ...]:
    """The codes of the steps of brightness, colour and alpha."""
    codes = (code, code + ratio[0], code + ratio[1])[: plane_steps(channels)[-1] + 1]
    return tuple(min(max(0, each), len(STEPS) - 1) for each in codes)


def quantised(waves: F64, codes: tuple[int, ...]) -> Residual:
    """Waves as multiples of their steps.

    Args:
        waves: ``[planes, blocks, 64]``, in the unit of ``residual.STEPS``, by frequency.
        codes: of the steps.
    """
    steps = wave_steps(codes, len(waves))
    ratio = waves / steps[:, None, :]
    whole = np.sign(ratio) * np.floor(np.abs(ratio) + ROUND_UP)
    whole = np.clip(whole, -MAGNITUDE_LIMIT, MAGNITUDE_LIMIT).astype(np.int64)
    places = np.argwhere(whole.any(axis=2))
    return Residual(codes, {(p, n): whole[p, n].tolist() for p, n in places.tolist()})


def waves_of(original: U8, drawn: U8) -> F64:
    """The waves of what a drawing lacks: ``[planes, blocks, 64]``."""
    lacking = original.astype(np.float64) - drawn
    planes = _planes(_continued(lacking, original))
    height, width = drawn.shape[:2]
    margins = ((0, 0), (0, -height % BLOCK), (0, -width % BLOCK))
    blocks = to_blocks(np.pad(planes, margins, mode="edge") * 2.0**LEVEL_BITS)
    flat: F64 = forward_blocks(blocks).reshape(len(planes), -1, BLOCK**2)[..., ZIGZAG]
    return flat


def _planes(levels: F64) -> F64:
    """Channels ``[height, width, channels]`` to planes ``[planes, height, width]``."""
    if levels.shape[2] == 1:
        return levels[None, ..., 0]
    red, green, blue = np.moveaxis(levels[..., :3], 2, 0)
    light = (red + 2 * green + blue) / 4
    return np.stack([light, (red - blue) / 2, green - light, *np.moveaxis(levels[..., 3:], 2, 0)])


def _continued(lacking: F64, original: U8) -> F64:
    """What is lacking, with the colours of what nobody sees made to cost little.

    Where the original is transparent any colour will do; there the mean of the block goes on.
    """
    if original.shape[2] != 4:
        return lacking
    height, width = original.shape[:2]
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    margins = ((0, rows * BLOCK - height), (0, columns * BLOCK - width), (0, 0))
    split = (rows, BLOCK, columns, BLOCK, -1)
    seen = np.pad(original[..., 3:] > 0, margins).reshape(split)
    wide = np.pad(lacking, margins).reshape(split)
    colours = wide[..., :3]
    count = np.maximum(seen.sum(axis=(1, 3), keepdims=True), 1)
    mean = (colours * seen).sum(axis=(1, 3), keepdims=True) / count
    wide[..., :3] = np.where(seen, colours, mean)
    return wide.reshape(rows * BLOCK, columns * BLOCK, 4)[:height, :width]
