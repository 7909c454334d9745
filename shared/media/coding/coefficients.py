"""Which integers stand in the blocks of a residual, in the bytes of a range coder.

Block after block, row after row; in each block plane after plane.  A block is empty or not; of one
that is not, the waves follow in the order of ``transform.ZIGZAG``: whether there is something, of
what size and sign, and whether more comes after it.  What is likely is learned from what was read,
apart for brightness, colour and alpha, for low and high waves, for what is next to them, and for
how busy the drawing is there, which both ends see.  One walk writes and reads.

The scheme of flags is that of significance maps: D. Marpe, H. Schwarz, T. Wiegand, "Context-based
adaptive binary arithmetic coding in the H.264/AVC video compression standard", IEEE Trans. Circuits
and Systems for Video Technology 13(7), 2003.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.errors import RegenerationError
from shared.media.coding.rangecoder import Coder, RangeDecoder, RangeEncoder
from shared.media.coding.transform import BLOCK, ZIGZAG

WAVES: Final = BLOCK**2
Block = list[int]
Blocks = Mapping[tuple[int, int], Block]
"""By plane and number of the block; 64 integers by frequency, not all zero."""

_ORDER: Final = tuple(ZIGZAG.tolist())
_LOWER: Final = tuple(
    tuple(_ORDER.index(n - less) for less, there in ((1, n % BLOCK), (BLOCK, n // BLOCK)) if there)
    for n in _ORDER
)
"""For each wave the next lower ones, across and down; they come before it."""
_BANDS: Final = tuple(
    0 if n == 0 else 1 if n < 3 else 2 if n < 6 else 3 if n < 10 else 4 if n < 21 else 5
    for n in range(WAVES)
)
"""Of each wave: constant, then by the sum of its frequencies 1, 2, 3, 4 to 5, and more."""
_UNARY: Final = 14
_LONGEST: Final = 13
"""Most bits after the first of an Exp-Golomb code, which goes on beyond ``_UNARY``."""
MAGNITUDE_LIMIT: Final = _UNARY + 2 ** (_LONGEST + 1) - 1


@dataclass(frozen=True)
class Grid:
    """The blocks of a picture.

    Attributes:
        kinds: of each plane, 0 brightness, 1 the first of colour, 2 the second, 3 alpha.
        rows, columns: of blocks.
        busy: of each block how much happens in what was drawn, 0 to 3.
    """

    kinds: tuple[int, ...]
    rows: int
    columns: int
    busy: Sequence[int]


_KINDS: Final = 4
_BAND_COUNT: Final = 6
# contexts: of empty blocks [kind, neighbours, busy, planes before]; of waves [kind, band, lower,
# detail]; of more waves [kind, band, not the first, detail]; of size [kind, larger ones, size]
_EMPTY: Final = 0
_THERE: Final = _EMPTY + _KINDS * 4 * 4 * 2
_MORE: Final = _THERE + _KINDS * _BAND_COUNT * 3 * 3
_LARGER: Final = _MORE + _KINDS * _BAND_COUNT * 2 * 3
_LENGTH: Final = _LARGER + _KINDS * 3 * 3
CONTEXTS: Final = _LENGTH + _LONGEST


def encode_blocks(grid: Grid, blocks: Blocks) -> bytes:
    """The bytes of blocks; they do not end in a zero byte.

    Raises:
        ValueError: an integer is beyond ``MAGNITUDE_LIMIT``.
    """
    if any(abs(value) > MAGNITUDE_LIMIT for block in blocks.values() for value in block):
        raise ValueError("an integer of a residual is too large")
    coder = RangeEncoder(CONTEXTS)
    _walk(coder, grid, blocks)
    return coder.finish()


def decode_blocks(grid: Grid, data: bytes) -> dict[tuple[int, int], Block]:
    """The blocks of bytes that must be in their one form.

    Raises:
        RegenerationError: no blocks have these bytes.
    """
    coder = RangeDecoder(data, CONTEXTS)
    found = _walk(coder, grid, {})
    if not coder.is_whole():
        raise RegenerationError(
            "the residual is not in its shortest form", remedy="encode the picture again"
        )
    return found


def _walk(coder: Coder, grid: Grid, blocks: Blocks) -> dict[tuple[int, int], Block]:
    columns = grid.columns
    found: dict[tuple[int, int], Block] = {}
    bit = coder.bit
    # of each plane, whether the blocks of the row above are there; a margin on both sides
    above = [[0] * (columns + 2) for _ in grid.kinds]
    for row in range(grid.rows):
        here = [[0] * (columns + 2) for _ in grid.kinds]
        for column in range(columns):
            number = row * columns + column
            busy = grid.busy[number]
            others = 0
            for plane, kind in enumerate(grid.kinds):
                line = above[plane]
                near = here[plane][column] + line[column + 1]
                if near == 0 and line[column] + line[column + 2]:
                    near = 3
                wanted = blocks.get((plane, number))
                context = _EMPTY + ((kind * 4 + near) * 4 + busy) * 2 + others
                if bit(context, wanted is not None):
                    here[plane][column + 1] = others = 1
                    found[plane, number] = _block(coder, kind, max(0, busy - 1), wanted or _NONE)
        above = here
    return found


_NONE: Final = [0] * WAVES


def _block(coder: Coder, kind: int, detail: int, wanted: Block) -> Block:
    block = [0] * WAVES
    last = max((n for n in range(WAVES) if wanted[n]), default=0)
    bit = coder.bit
    some = larger = 0
    for n, value in enumerate(wanted):
        band = kind * _BAND_COUNT + _BANDS[n]
        lower = 0
        for near in _LOWER[n]:
            lower += abs(block[near])
        # the last wave, if it is reached, is there: else the block had ended before
        there = _THERE + (band * 3 + min(lower, 2)) * 3 + detail
        if n < WAVES - 1 and not bit(there, value != 0):
            continue
        size, context = 1, _LARGER + (kind * 3 + min(larger, 2)) * 3
        while size <= _UNARY and bit(context + min(size - 1, 2), abs(value) > size):
            size += 1
        if size > _UNARY:
            size += _long(coder, abs(value) - size)
        block[n] = -size if coder.even(value < 0) else size
        larger += size > 1
        more = _MORE + (band * 2 + some) * 3 + detail
        some = 1
        if n == WAVES - 1 or not bit(more, n < last):
            break
    return block


def _long(coder: Coder, value: int) -> int:
    """An Exp-Golomb code: how many bits there are after the first of ``value + 1``, then they."""
    wanted = max(0, value) + 1
    length = 0
    while length < _LONGEST and coder.bit(_LENGTH + length, wanted >> length > 1):
        length += 1
    number = 1
    for place in reversed(range(length)):
        number = number << 1 | coder.even(wanted >> place & 1)
    return number - 1
