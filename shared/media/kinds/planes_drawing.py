"""Drawing with planes: sums of them, weighted as the prompt says.

The planes are decoded once into tiles of 1,024 pixels, which hold only the planes that are not
zero there; an image is then one small integer product a tile.  The compiled kernel and numpy give
the same bytes, with any number of threads: every sum is exact.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.errors import PinError
from shared.media.coding.transform import BLOCK, ZIGZAG, inverse_blocks
from shared.media.fixed import I32, I64, U8, rounded
from shared.media.kinds.planes import FACTOR_BITS, PLANE_LIMIT, Planes
from shared.media.prompt import Prompt
from shared.system.native import load_extension

TILE: Final = 1024
"""Pixels of a tile: 16 blocks, row after row of blocks."""
TILE_BLOCKS: Final = TILE // BLOCK**2


class PlaneDrawer:
    """Planes ready to draw; see ``shared.media.render.Renderer``.

    Raises:
        PinError: the planes leave their range.
    """

    def __init__(
        self,
        generator: Planes,
        weights: Callable[[Prompt], I64],
        kernel: str,
        threads: int,
    ) -> None:
        library = None if kernel == "numpy" else compiled_library()
        self.generator, self.threads, self._weights = generator, threads, weights
        self._planes, self._active, self._starts = tiles(generator)
        self._tables = curve_tables(generator.curves)
        self._draw: Callable[[I64, U8, int, int], None] = (
            self._numpy_draw if library is None else _bound(self, library)
        )

    def __call__(self, prompt: Prompt) -> U8:
        """The pixels of a prompt of this generator, ``[height, width, channels]``."""
        generator = self.generator
        weights = self._weights(prompt)
        count = len(self._starts) - 1
        out = np.empty((count, TILE, generator.channels), np.uint8)
        edges = np.linspace(0, count, min(self.threads, count) + 1).astype(int)
        spans = list(itertools.pairwise(edges))
        if len(spans) == 1:
            self._draw(weights, out, 0, count)
        else:
            with ThreadPoolExecutor(len(spans)) as pool:
                list(pool.map(lambda span: self._draw(weights, out, *map(int, span)), spans))
        return _assembled(generator, out)

    def _numpy_draw(self, weights: I64, out: U8, first: int, last: int) -> None:
        for tile in range(first, last):
            rows = slice(self._starts[tile], self._starts[tile + 1])
            chosen = weights[self._active[rows]].astype(np.float64)
            # below 2**12 * 2**15 * 2**20, so exact in binary64
            sums = self._planes[rows].astype(np.float64).T @ chosen
            values = np.clip(rounded(sums, FACTOR_BITS), 0, self._tables.shape[1] - 1)
            places = values.astype(np.intp)
            for channel, table in enumerate(self._tables):
                out[tile, :, channel] = table[places[:, channel]]


def tiles(generator: Planes) -> tuple[I32, I32, I64]:
    """The planes, decoded, without what is zero.

    Returns:
        Plane values of every tile ``[rows, TILE]``, the term that each row belongs to, and the
        first row of each tile with the end after the last.

    Raises:
        PinError: a coefficient or a plane is out of range.
    """
    terms, blocks = generator.coded.shape
    count = -(-blocks // TILE_BLOCKS)
    coded = np.zeros((terms, count * TILE_BLOCKS), bool)
    coded[:, :blocks] = generator.coded
    used = coded.reshape(terms, count, TILE_BLOCKS).any(axis=2).T  # [tile, term]
    starts = np.concatenate([[0], np.cumsum(used.sum(axis=1))]).astype(np.int64)
    row_of = np.cumsum(used.ravel()).reshape(used.shape) - 1
    planes = np.zeros((int(used.sum()), TILE_BLOCKS, BLOCK**2), np.int32)
    steps = np.array(generator.steps, np.float64)
    first = 0
    for term in range(terms):  # one at a time: all at once would take 16 times the memory
        places = np.flatnonzero(generator.coded[term])
        waves = np.zeros((len(places), BLOCK**2))
        waves[:, ZIGZAG] = generator.waves[first : first + len(places)] * steps[term]
        first += len(places)
        pixels = _inverse(waves.reshape(-1, BLOCK, BLOCK), generator.name)
        rows = row_of[places // TILE_BLOCKS, term]
        planes[rows, places % TILE_BLOCKS] = pixels.reshape(-1, BLOCK**2)
    return planes.reshape(-1, TILE), np.nonzero(used)[1].astype(np.int32), starts


def curve_tables(curves: I32) -> U8:
    """The curves as tables: entry v is the byte of a sum v, and of all above for the last one."""
    entries = np.arange(int(curves.max()) + 1)
    return np.stack([np.searchsorted(curve, entries, side="right") for curve in curves]).astype(
        np.uint8
    )


@cache
def compiled_library() -> ctypes.CDLL | None:
    """The compiled kernel, or None where it was not built; threads can call it side by side."""
    library = load_extension("shared.media._render")
    if library is None:
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    library.media_tile_pixels.restype = ctypes.c_int
    library.media_render.restype = None
    library.media_render.argtypes = (
        *(pointer, pointer, pointer, pointer, ctypes.c_int, pointer),
        *(number, number, number, pointer),
    )
    return library if library.media_tile_pixels() == TILE else None


def _bound(drawer: PlaneDrawer, library: ctypes.CDLL) -> Callable[[I64, U8, int, int], None]:
    planes, active, starts = drawer._planes, drawer._active, drawer._starts
    tables = np.ascontiguousarray(drawer._tables)

    def draw(weights: I64, out: U8, first: int, last: int) -> None:
        narrow = np.ascontiguousarray(weights, np.int32)
        library.media_render(
            *(planes.ctypes.data, active.ctypes.data, starts.ctypes.data, narrow.ctypes.data),
            *(out.shape[2], tables.ctypes.data, tables.shape[1], first, last, out.ctypes.data),
        )

    return draw


def _inverse(waves: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    try:
        pixels = inverse_blocks(waves)
    except ValueError:
        pixels = np.full(1, np.inf)
    if pixels.size and np.abs(pixels).max() > PLANE_LIMIT:
        raise PinError(
            f"a plane of the generator {name!r} leaves its range",
            remedy="fetch the generator again, or train it again",
        )
    return pixels


def _assembled(generator: Planes, out: U8) -> U8:
    rows, columns = generator.blocks
    blocks = out.reshape(-1, BLOCK, BLOCK, generator.channels)[: rows * columns]
    image = blocks.reshape(rows, columns, BLOCK, BLOCK, -1).swapaxes(1, 2)
    whole = image.reshape(rows * BLOCK, columns * BLOCK, -1)
    return np.ascontiguousarray(whole[: generator.height, : generator.width])
