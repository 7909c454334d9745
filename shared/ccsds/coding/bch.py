"""The modified BCH(63,56) code: 7 bytes of data in 8, one error corrected or three detected.

    data (56 bits) | parity, inverted (7) | filler 0 (1)

Source: CCSDS 231.0-B-4, section 3; g(x) = x^7 + x^6 + x^2 + 1 = (x + 1)(x^6 + x + 1).  The code is
the even-weight half of a Hamming code, of distance 4.  So a receiver has to choose (3.5): correct
one error and detect two, or correct none and detect three.  The filler bit belongs to no codeword
and is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from shared.errors import InputError

DATA_BYTES = 7
CODEBLOCK_BYTES = 8
CODEWORD_BITS = 63
_GENERATOR = 0b1100_0101
_INVERSION = 0x7F


class Decoding(Enum):
    """What a receiver does with a syndrome (231.0-B-4, 3.5)."""

    SINGLE_ERROR_CORRECTION = "sec"
    TRIPLE_ERROR_DETECTION = "ted"


@dataclass(frozen=True)
class Decoded:
    """Codeblocks after decoding.

    Attributes:
        data: shape (blocks, 7), uint8; what is meant only where ``ok``.
        ok: shape (blocks,), whether the block is a codeword now.
        corrected: shape (blocks,), the bits that were changed in it, 0 or 1.
    """

    data: NDArray[np.uint8]
    ok: NDArray[np.bool_]
    corrected: NDArray[np.intp]


def _remainders() -> list[int]:
    """The remainder of x^i for i = 0 ... 62, which is the syndrome of an error there."""
    powers, power = [], 1
    for _ in range(CODEWORD_BITS):
        powers.append(power)
        power <<= 1
        if power & 0x80:
            power ^= _GENERATOR
    return powers


def _parity_table() -> NDArray[np.uint8]:
    """Remainders of x^7 m(x) by place and value of one byte of m; shape (7, 256)."""
    powers = _remainders()
    table = np.zeros((DATA_BYTES, 256), np.uint8)
    values = np.arange(256)
    for place in range(DATA_BYTES):
        for bit in range(8):
            exponent = 7 + 8 * (DATA_BYTES - 1 - place) + bit
            table[place] ^= ((values >> bit & 1) * powers[exponent]).astype(np.uint8)
    return table


def _error_table() -> NDArray[np.intp]:
    """Place of the single error with each syndrome, counted from the first bit sent; else -1."""
    table = np.full(128, -1, np.intp)
    for exponent, remainder in enumerate(_remainders()):
        table[remainder] = CODEWORD_BITS - 1 - exponent
    return table


_PARITY = _parity_table()
_ERROR = _error_table()
_PARITY_OF: list[list[int]] = _PARITY.tolist()
_ERROR_AT: list[int] = _ERROR.tolist()


def encode(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codeblocks of data.

    Args:
        data: shape (blocks, 7), uint8.

    Returns:
        Shape (blocks, 8), uint8.

    Raises:
        InputError: another shape.
    """
    _check_width(data, DATA_BYTES)
    return np.column_stack([data, (_parity(data) ^ _INVERSION) << 1])


def decode(codeblocks: NDArray[np.uint8], decoding: Decoding) -> Decoded:
    """Data of codeblocks.

    Args:
        codeblocks: shape (blocks, 8), uint8.
        decoding: correct one error, or only detect.

    Raises:
        InputError: another shape.
    """
    _check_width(codeblocks, CODEBLOCK_BYTES)
    received = codeblocks[:, DATA_BYTES] >> 1 ^ _INVERSION
    syndrome = _parity(codeblocks[:, :DATA_BYTES]) ^ received
    clean = syndrome == 0
    if decoding is Decoding.TRIPLE_ERROR_DETECTION:
        return Decoded(codeblocks[:, :DATA_BYTES], clean, np.zeros(len(codeblocks), np.intp))
    place = _ERROR[syndrome]
    single = place >= 0
    mended = codeblocks.copy()
    rows = np.flatnonzero(single)
    at = place[rows]
    mended[rows, at >> 3] ^= (0x80 >> (at & 7)).astype(np.uint8)
    return Decoded(mended[:, :DATA_BYTES], clean | single, single.astype(np.intp))


def decode_word(word: int, decoding: Decoding) -> bytes | None:
    """Give the data of one codeblock, as ``decode`` would; for a stream that brings one at a time.

    Args:
        word: the 64 bits of the codeblock, the first sent the highest.
        decoding: correct one error, or only detect.

    Returns:
        Seven bytes, or None where it is no codeword.
    """
    block = word.to_bytes(CODEBLOCK_BYTES, "big")
    syndrome = block[DATA_BYTES] >> 1 ^ _INVERSION
    for parity, value in zip(_PARITY_OF, block[:DATA_BYTES], strict=True):
        syndrome ^= parity[value]
    if not syndrome:
        return block[:DATA_BYTES]
    place = _ERROR_AT[syndrome]
    if place < 0 or decoding is Decoding.TRIPLE_ERROR_DETECTION:
        return None
    return (word ^ 1 << CODEWORD_BITS - place).to_bytes(CODEBLOCK_BYTES, "big")[:DATA_BYTES]


def _parity(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Seven parity bits of each row, not yet inverted; shape (blocks,)."""
    parity: NDArray[np.uint8] = np.bitwise_xor.reduce(_PARITY[np.arange(DATA_BYTES), data], axis=1)
    return parity


def _check_width(blocks: NDArray[np.uint8], width: int) -> None:
    if blocks.ndim != 2 or blocks.shape[1] != width:
        raise InputError(f"blocks of shape {blocks.shape}", expected=f"(any, {width})")
