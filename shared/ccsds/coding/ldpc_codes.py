"""The two short LDPC codes of telecommand, (128,64) and (512,256): matrices and encoder.

Both are systematic: a codeword is k bits of data and k of parity.  Their matrices are made of
circulants of M = k / 4 rows, so a few numbers fix them:

- the generator (I | W) by the first row of each of W's four block rows;
- the parity check matrix by the cyclic shifts in its 4 by 8 blocks.

The tests prove that one is orthogonal to the other.

Sources: CCSDS 231.0-B-4, tables 4-1 and 4-2 (rows of W); CCSDS 230.1-G-3, tables 4-2 and 4-3, the
same as 231.1-O-1, tables 2-4 and 2-6 (parity checks).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.ccsds.bits import Bits, to_bits
from shared.errors import InputError

_Shifts = tuple[tuple[tuple[int, ...], ...], ...]


@dataclass(frozen=True)
class Layer:
    """A quarter of the checks; no column has more than two ones in it.

    Attributes:
        checks: the columns with a one in each row; shape (k / 4, 8).
        columns: those that have a one; shape (7 k / 4,).
        places: for each of them the flat places in ``checks`` that name it, filled up with
            ``checks.size``, one beyond the last; shape (7 k / 4, 2).
    """

    checks: NDArray[np.intp]
    columns: NDArray[np.intp]
    places: NDArray[np.intp]


def _layer(checks: NDArray[np.intp]) -> Layer:
    flat = checks.reshape(-1)
    columns = np.unique(flat)
    places = np.full((columns.size, 2), flat.size)
    for row, column in enumerate(columns):
        found = np.flatnonzero(flat == column)
        places[row, : found.size] = found
    return Layer(checks, columns, places)


@dataclass(frozen=True)
class LdpcCode:
    """One code.

    Attributes:
        n: bits of a codeword.
        k: bits of data in it, and of parity.
        rows: the first row of each block row of W, in hexadecimal.
        shifts: for each of 4 by 8 blocks of the parity check matrix the columns in which its first
            row has a one; each further row is the one above it turned right.
    """

    n: int
    k: int
    rows: tuple[str, ...]
    shifts: _Shifts

    @cached_property
    def generator(self) -> Bits:
        """W, shape (k, k): row i is the parity of data bit i."""
        size = self.k // 4
        blocks = []
        for row in self.rows:
            first = to_bits(bytes.fromhex(row)).reshape(4, size)
            turned = [np.roll(first, by, axis=1).reshape(self.k) for by in range(size)]
            blocks.append(np.array(turned))
        return np.concatenate(blocks)

    @cached_property
    def checks(self) -> NDArray[np.intp]:
        """The columns with a one in each row of the parity check matrix; shape (k, 8)."""
        size = self.k // 4
        return np.array(
            [
                sorted(
                    block * size + (shift + row) % size
                    for block, shifts in enumerate(block_row)
                    for shift in shifts
                )
                for block_row in self.shifts
                for row in range(size)
            ]
        )

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The checks by block row, for a decoder that goes through them one after the other."""
        return tuple(_layer(rows) for rows in self.checks.reshape(4, -1, 8))

    def encode(self, data: Bits) -> Bits:
        """Codewords of data, shape (words, k) to (words, n).

        Raises:
            InputError: another shape.
        """
        if data.ndim != 2 or data.shape[1] != self.k:
            raise InputError(f"data of shape {data.shape}", expected=f"(any, {self.k})")
        parity = (data.astype(np.float32) @ self.generator.astype(np.float32)) % 2
        return np.concatenate([data, parity.astype(np.uint8)], axis=1)

    def is_codeword(self, bits: Bits) -> NDArray[np.bool_]:
        """Whether each row of bits fulfils all checks; shape (words, n) to (words,)."""
        sums: Bits = np.bitwise_xor.reduce(bits[:, self.checks], axis=2)
        return np.asarray(~sums.any(axis=1))


LDPC_128_64 = LdpcCode(
    n=128,
    k=64,
    rows=("0E69166BEF4C0BC2", "7766137EBB248418", "C480FEB9CD53A713", "4EAA22FA465EEA11"),
    shifts=(
        ((0, 7), (2,), (14,), (6,), (), (0,), (13,), (0,)),
        ((6,), (0, 15), (0,), (1,), (0,), (), (0,), (7,)),
        ((4,), (1,), (0, 15), (14,), (11,), (0,), (), (3,)),
        ((0,), (1,), (9,), (0, 13), (14,), (1,), (0,), ()),
    ),
)

LDPC_512_256 = LdpcCode(
    n=512,
    k=256,
    rows=(
        "1D21794A22761FAE59945014257E130D74D60540037940142DADEB9CA25EF12E",
        "60E0B6623C5CE5124D2C81ECC7F469AB20678DBFB7523ECE2B54B906A9DBE98C",
        "F6739BCF54273E77167BDA120C6C47744C071EFF5E32A7593138670C095C39B5",
        "28706BD0453002582DAB85F05B9201D08DFDEE2D9D84CA88B371FAE63A4EB07E",
    ),
    shifts=(
        ((0, 63), (30,), (50,), (25,), (), (43,), (62,), (0,)),
        ((56,), (0, 61), (50,), (23,), (0,), (), (37,), (26,)),
        ((16,), (0,), (0, 55), (27,), (56,), (0,), (), (43,)),
        ((35,), (56,), (62,), (0, 11), (58,), (3,), (0,), ()),
    ),
)
