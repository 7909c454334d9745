"""An erasure code over bytes: of k data shards and m parity shards any k give back all.

Systematic, with a Cauchy matrix over GF(2^8): every square part of a Cauchy matrix can be inverted,
so that it does not matter which shards are gone.

Sources: J. Bloemer, M. Kalfane, R. Karp, M. Karpinski, M. Luby, D. Zuckerman, "An XOR-Based
Erasure-Resilient Coding Scheme", ICSI TR-95-048 (1995); the field is x^8 + x^4 + x^3 + x^2 + 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from shared.media.fixed import U8

_POLYNOMIAL: Final = 0x11D
FIELD: Final = 256
"""Elements of the field; no more shards in all."""


def _tables() -> tuple[U8, U8]:
    """Products of all pairs of elements, and inverses (that of 0 is not used)."""
    powers, logs = np.zeros(510, np.int64), np.zeros(FIELD, np.int64)
    value = 1
    for exponent in range(255):
        powers[exponent] = powers[exponent + 255] = value
        logs[value] = exponent
        value <<= 1
        value ^= _POLYNOMIAL if value & 0x100 else 0
    products = powers[logs[:, None] + logs[None, :]]
    products[0, :] = products[:, 0] = 0
    return products.astype(np.uint8), powers[(255 - logs) % 255].astype(np.uint8)


_PRODUCTS, _INVERSES = _tables()


def parity_of(data: U8, count: int) -> U8:
    """Parity shards.

    Args:
        data: ``[shards, bytes]``.
        count: how many parity shards.

    Returns:
        ``[count, bytes]``.

    Raises:
        ValueError: more shards than the field has elements.
    """
    return _product(_cauchy(len(data), count), data)


def filled(shards: Mapping[int, U8], data_count: int, parity_count: int) -> U8:
    """The data shards, from any ``data_count`` of all.

    Args:
        shards: those that are there, each ``[bytes]``: data from 0, parity from ``data_count`` on.
        data_count: how many data shards there were.
        parity_count: how many parity shards.

    Returns:
        ``[data_count, bytes]``.

    Raises:
        ValueError: too few shards are left.
    """
    gone = [number for number in range(data_count) if number not in shards]
    spare = [number for number in sorted(shards) if number >= data_count][: len(gone)]
    if len(spare) < len(gone):
        raise ValueError(f"{len(gone)} data shards are gone, and {len(spare)} parity shards left")
    size = len(next(iter(shards.values())))
    data = np.zeros((data_count, size), np.uint8)
    for number in range(data_count):
        if number in shards:
            data[number] = shards[number]
    if gone:
        rows = _cauchy(data_count, parity_count)[[number - data_count for number in spare]]
        left = np.stack([shards[number] for number in spare]) ^ _product(rows, data)
        data[gone] = _product(_inverse(rows[:, gone]), left)
    return data


def _cauchy(data_count: int, parity_count: int) -> U8:
    """``[parity, data]``: entry i, j is 1 / (x_i + y_j), with x and y all different."""
    if data_count + parity_count > FIELD:
        raise ValueError(f"{data_count} + {parity_count} shards")
    x = np.arange(data_count, data_count + parity_count)[:, None]
    matrix: U8 = _INVERSES[x ^ np.arange(data_count)[None, :]]
    return matrix


def _product(matrix: U8, shards: U8) -> U8:
    out = np.zeros((len(matrix), shards.shape[1]), np.uint8)
    for column, shard in zip(matrix.T, shards, strict=True):
        out ^= _PRODUCTS[column[:, None], shard[None, :]]
    return out


def _inverse(matrix: U8) -> U8:
    """By Gauss and Jordan; no leading part of a Cauchy matrix is singular, so no row is swapped."""
    size = len(matrix)
    work = np.concatenate([matrix, np.eye(size, dtype=np.uint8)], axis=1)
    for pivot in range(size):
        work[pivot] = _PRODUCTS[_INVERSES[work[pivot, pivot]], work[pivot]]
        for row in range(size):
            if row != pivot and work[row, pivot]:
                work[row] ^= _PRODUCTS[work[row, pivot], work[pivot]]
    return work[:, size:]
