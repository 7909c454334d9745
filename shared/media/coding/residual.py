"""What a drawing lacks, as coded cosine waves: the correction that travels with a prompt.

    steps    one byte for each kind of plane: brightness; colour, of pictures with one; alpha
    waves    ``shared.media.coding.coefficients``

The planes are those of Y, Co and Cg (H. Malvar, G. Sullivan, "YCoCg-R: a color space with RGB
reversibility and low dynamic range", JVT-I014r3, 2003), in 16ths of a level; what they give is
added to the drawn levels.  Nothing depends on anything but integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.errors import RegenerationError
from shared.media.coding.coefficients import WAVES, Blocks, Grid, decode_blocks, encode_blocks
from shared.media.coding.transform import BLOCK, COEFFICIENT_LIMIT, ZIGZAG, inverse_blocks
from shared.media.fixed import F64, I64, U8, rounded

LEVEL_BITS: Final = 4
"""Planes are in 2**-LEVEL_BITS of a level."""
STEPS: Final = tuple((8 + code % 8) << 3 + code // 8 for code in range(72))
"""Of each code, in 1/128 of a level of an orthonormal wave: half a level to 240 levels."""
WEIGHTS: Final = tuple(16 + 2 * (n // BLOCK + n % BLOCK) for n in ZIGZAG.tolist())
"""By how much the step of a wave is larger, in 16ths: the eye sees fine detail less."""
WEIGHT_BITS: Final = 4
_PLANES: Final = {1: (0,), 3: (0, 1, 1), 4: (0, 1, 1, 2)}
"""For so many channels which of the steps each plane has."""
_KINDS: Final = {1: (0,), 3: (0, 1, 2), 4: (0, 1, 2, 3)}
_BUSY: Final = (4, 16, 64)
"""Spreads of levels within a block from which on it is busier."""


@dataclass(frozen=True)
class Residual:
    """A correction before it is bytes.

    Attributes:
        codes: of the steps, as many as the picture has kinds of planes.
        blocks: by plane and block, multiples of the steps.
    """

    codes: tuple[int, ...]
    blocks: Blocks


def plane_steps(channels: int) -> tuple[int, ...]:
    """Which of the steps each plane of a picture of so many channels has."""
    return _PLANES[channels]


def step_count(channels: int) -> int:
    """How many steps a residual of so many channels has."""
    return _PLANES[channels][-1] + 1


def wave_steps(codes: tuple[int, ...], channels: int) -> I64:
    """The step of each wave, ``[planes, 64]``, in 1/128 of a level of an orthonormal wave."""
    steps = np.array([STEPS[codes[n]] for n in _PLANES[channels]], np.int64)
    sizes: I64 = steps[:, None] * np.array(WEIGHTS, np.int64) >> np.int64(WEIGHT_BITS)
    return sizes


def grid_of(drawn: U8) -> Grid:
    """The blocks of a drawn picture, ``[height, width, 1, 3 or 4]``."""
    height, width, channels = drawn.shape
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    padded = np.pad(
        drawn, ((0, rows * BLOCK - height), (0, columns * BLOCK - width), (0, 0)), mode="edge"
    )
    split = padded.reshape(rows, BLOCK, columns, BLOCK, channels)
    spread = (split.max(axis=(1, 3)).astype(int) - split.min(axis=(1, 3))).max(axis=-1)
    busy = np.searchsorted(np.array(_BUSY), spread.ravel(), side="right")
    return Grid(_KINDS[channels], rows, columns, tuple(busy.tolist()))


def encode_residual(drawn: U8, residual: Residual) -> bytes:
    """The bytes of a residual; a step that no wave needs is written as 0.

    Raises:
        ValueError: a step or an integer is out of range, or nothing is to be corrected.
    """
    if len(residual.codes) != step_count(drawn.shape[2]) or not residual.blocks:
        raise ValueError("no residual of such a picture")
    return bytes(_said(residual, drawn.shape[2])) + encode_blocks(grid_of(drawn), residual.blocks)


def decode_residual(drawn: U8, data: bytes) -> Residual:
    """The residual of bytes that must be in their one form.

    Raises:
        RegenerationError: no residual of such a picture has these bytes.
    """
    count = step_count(drawn.shape[2])
    codes = tuple(data[:count])
    if len(data) <= count or max(codes) >= len(STEPS):
        raise RegenerationError(
            f"a residual of {len(data)} bytes that begins with {data[:count].hex()}",
            expected=f"{count} steps below {len(STEPS)}, and waves",
            remedy="encode the picture again",
        )
    residual = Residual(codes, decode_blocks(grid_of(drawn), data[count:]))
    if _said(residual, drawn.shape[2]) != codes:
        raise RegenerationError(
            f"a residual with the steps {data[:count].hex()}, one of which no wave needs",
            expected="0 for such a step",
            remedy="encode the picture again",
        )
    return residual


def _said(residual: Residual, channels: int) -> tuple[int, ...]:
    """Its steps, 0 for one that no wave needs: otherwise several residuals would say the same."""
    needed = {_PLANES[channels][plane] for plane, _ in residual.blocks}
    return tuple(code if n in needed else 0 for n, code in enumerate(residual.codes))


def corrected(drawn: U8, data: bytes) -> U8:
    """A drawn picture with what its residual adds.

    Args:
        drawn: ``[height, width, 1, 3 or 4]``.
        data: the bytes of its residual.

    Raises:
        RegenerationError: the bytes are no residual of such a picture.
    """
    return added(drawn, decode_residual(drawn, data))


def added(drawn: U8, residual: Residual) -> U8:
    """The same of a residual that is decoded.

    Raises:
        RegenerationError: a wave is too large.
    """
    height, width, channels = drawn.shape
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    planes = np.zeros((channels, rows * columns, BLOCK, BLOCK))
    if residual.blocks:
        places = np.array(list(residual.blocks), np.intp)
        waves = np.array(list(residual.blocks.values()), np.int64)
        scaled = waves * wave_steps(residual.codes, channels)[places[:, 0]]
        if np.abs(scaled).max() > COEFFICIENT_LIMIT:
            raise RegenerationError(
                "a wave of the residual is too large", remedy="encode the picture again"
            )
        flat = np.zeros((len(places), WAVES))
        flat[:, ZIGZAG] = scaled
        planes[places[:, 0], places[:, 1]] = inverse_blocks(flat.reshape(-1, BLOCK, BLOCK))
    whole = planes.reshape(channels, rows, columns, BLOCK, BLOCK).swapaxes(2, 3)
    shown = whole.reshape(channels, rows * BLOCK, columns * BLOCK)[:, :height, :width]
    levels = drawn + rounded(_channels(shown), LEVEL_BITS)
    return np.clip(levels, 0, 255).astype(np.uint8)


def _channels(planes: F64) -> F64:
    """Planes ``[planes, height, width]`` to channels ``[height, width, channels]``."""
    if len(planes) == 1:
        return planes.transpose(1, 2, 0)
    light, orange, green = planes[:3]
    rgb = (light + orange - green, light + green, light - orange - green)
    levels: F64 = np.stack([*rgb, *planes[3:]], axis=-1)
    return levels
