"""What a regenerated picture must pass before anybody is served with it.

Three figures: SSIMULACRA2, which follows what people see; the worst block, since a mean over the
picture can hide one wrong lace; and PSNR, for comparison with other work.  Who wants a second
opinion of what people see asks for Butteraugli.

Sources: J. Sneyers, SSIMULACRA 2 (2022-23), in the implementation of the package ``ssimulacra2``,
whose page gives the thresholds: 80 cannot be told from the original side by side at normal
distance, 85 not when flipping between the two, 90 visually lossless.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groundstation.media.images import encode_picture, opaque
from groundstation.media.judge.butteraugli import butteraugli
from shared.errors import InputError
from shared.media.fixed import U8

SIDE_BY_SIDE: Final = 80.0
FLIP: Final = 85.0
LOSSLESS: Final = 90.0
BLOCK: Final = 8
STRIDE: Final = 4
GROUNDS: Final = (255, 0)
"""Greys that a picture with alpha is judged on; the worse one counts."""


@dataclass(frozen=True)
class Gate:
    """What is asked for.

    Attributes:
        score: least SSIMULACRA2.
        block_levels: most root-mean-square error of any block of 8 x 8, in levels of 255.
        butteraugli: most distance; None if nobody asks.
    """

    score: float = FLIP
    block_levels: float = 16.0
    butteraugli: float | None = None

    def passes(self, verdict: Verdict) -> bool:
        """Whether all figures are good enough; one that is asked for has to be there."""
        if self.butteraugli is not None and not (
            verdict.butteraugli is not None and verdict.butteraugli <= self.butteraugli
        ):
            return False
        return verdict.score >= self.score and verdict.block_levels <= self.block_levels


@dataclass(frozen=True)
class Verdict:
    """How near a picture is to its original.

    Attributes:
        score: SSIMULACRA2, 100 for equal pictures.
        block_levels: the root-mean-square error of the worst block.
        block_at: its place: pixels from the left and from the top.
        psnr_db: over all pixels and channels; infinite for equal pictures.
        butteraugli: distance, 0 for equal pictures; None if it was not measured.
    """

    score: float
    block_levels: float
    block_at: tuple[int, int]
    psnr_db: float
    butteraugli: float | None = None

    def as_dict(self) -> dict[str, object]:
        """For ``--json``; an infinite PSNR is None."""
        return {
            "ssimulacra2": round(self.score, 3),
            "worst_block_levels": round(self.block_levels, 3),
            "worst_block_at": list(self.block_at),
            "psnr_db": None if math.isinf(self.psnr_db) else round(self.psnr_db, 3),
        } | ({} if self.butteraugli is None else {"butteraugli": round(self.butteraugli, 4)})


def judge(original: U8, made: U8, *, with_butteraugli: bool = False) -> Verdict:
    """The verdict on ``made``.

    Args:
        original: ``[height, width, 1, 3 or 4]``.
        made: the same size and channels.
        with_butteraugli: measure that too; it takes a program of its own.

    Raises:
        InputError: the two differ in size or channels, or a scorer is not installed.
    """
    if original.shape != made.shape:
        raise InputError(
            f"a picture of shape {made.shape}",
            expected=f"{original.shape}, as the original",
            remedy="compare pictures of one size and one set of channels",
        )
    grounds = GROUNDS if original.shape[2] == 4 else GROUNDS[:1]
    pairs = [(opaque(original, ground), opaque(made, ground)) for ground in grounds]
    score = min(ssimulacra2(*pair) for pair in pairs)
    levels, place = max(worst_block(*pair) for pair in pairs)
    mean = float(np.mean((original.astype(np.float64) - made) ** 2))
    psnr = math.inf if mean == 0 else 10 * math.log10(255**2 / mean)
    distance = max(butteraugli(*pair) for pair in pairs) if with_butteraugli else None
    return Verdict(score, levels, place, psnr, distance)


def is_good(original: U8, made: U8, gate: Gate) -> bool:
    """Whether the verdict on ``made`` would pass; what fails is seldom looked at in full.

    Raises:
        InputError: as of ``judge``.
    """
    grounds = GROUNDS if original.shape[2] == 4 else GROUNDS[:1]
    pairs = [(opaque(original, ground), opaque(made, ground)) for ground in grounds]
    return all(worst_block(*pair)[0] <= gate.block_levels for pair in pairs) and all(
        ssimulacra2(*pair) >= gate.score for pair in pairs
    )


def worst_block(original: U8, made: U8) -> tuple[float, tuple[int, int]]:
    """The largest root-mean-square error of a block of 8 x 8, every 4 pixels, and its place."""
    squares = ((original.astype(np.float64) - made) ** 2).mean(axis=2)
    height, width = squares.shape
    sums = np.pad(squares.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    tops, lefts = _edges(height), _edges(width)
    down, right = np.minimum(BLOCK, height), np.minimum(BLOCK, width)
    areas: NDArray[np.float64] = (
        sums[np.ix_(tops + down, lefts + right)]
        - sums[np.ix_(tops, lefts + right)]
        - sums[np.ix_(tops + down, lefts)]
        + sums[np.ix_(tops, lefts)]
    ) / (down * right)
    row, column = np.unravel_index(int(np.argmax(areas)), areas.shape)
    return math.sqrt(max(0.0, float(areas[row, column]))), (int(lefts[column]), int(tops[row]))


def _edges(size: int) -> NDArray[np.int64]:
    """Where blocks begin; the last one ends with the picture."""
    last = max(0, size - BLOCK)
    return np.unique(np.append(np.arange(0, last + 1, STRIDE), last))


def ssimulacra2(original: U8, made: U8) -> float:
    """SSIMULACRA2 of two pictures without alpha; 100 for equal ones, below 0 for very bad ones.

    Raises:
        InputError: the package is not installed.
    """
    if original.shape == made.shape and np.array_equal(original, made):
        return 100.0
    try:
        from ssimulacra2 import compute_ssimulacra2
    except ImportError as error:
        raise InputError(
            f"pictures cannot be scored: {error}",
            expected="the extra `media` of this package",
            remedy="pip install 'rehydration-uplink[media]'",
        ) from None
    files = [
        io.BytesIO(encode_picture(picture, "PNG", compress_level=1)) for picture in (original, made)
    ]
    return float(compute_ssimulacra2(*files))
