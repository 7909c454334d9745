"""How probably a CLTU survives: the frame-error model, exact for BCH.

A frame gets through if its start sequence and each of its codewords have no more wrong bits than
the receiver bears.  With bursts these are not independent, but given the channel's state they are:
one matrix a bit, whose power counts the wrong bits as the exponents of a polynomial.

What it leaves out: three wrong bits and more that make another codeword are counted as a loss.
They are one, but for the frames that the CRC lets through, and those the signature stops.

LDPC has no such formula.  How often its decoder fails is measured (``ldpc_rates.csv``, written by
``python -m sims.channel.ldpc_rates``) for white noise, and interpolated.

Oracle: CCSDS 200.0-G-6, tables D-3 to D-6 (tests/sims/test_linksim_survival.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from shared.ccsds.cltu import ChannelCoding, Coding
from shared.ccsds.coding.bch import CODEWORD_BITS, Decoding
from shared.errors import InputError
from sims.channel.ldpc_rates import codeword_failures
from sims.channel.noise import Noise
from sims.random_streams import power

Matrix = tuple[tuple[float, float], tuple[float, float]]
"""By the state before (rows) and after (columns): 0 good, 1 bad."""

Counts = tuple[Matrix, ...]
"""Matrices of no, one, two, ... wrong bits."""

_NONE: Matrix = ((0.0, 0.0), (0.0, 0.0))
_UNIT: Matrix = ((1.0, 0.0), (0.0, 1.0))


@dataclass(frozen=True)
class Survival:
    """Chances of one CLTU, by the channel's state at its first bit.

    Attributes:
        needed_bits: how many of its bits have to arrive: all but the tail.
        survives: chance to survive and end in each state.
        passes: chance to end in each state, whatever becomes of it.
    """

    needed_bits: int
    survives: Matrix
    passes: Matrix

    def chance(self, noise: Noise) -> float:
        """Of a CLTU that comes at any time."""
        good, bad = (sum(row) for row in self.survives)
        return good + noise.bad_share * (bad - good)


@lru_cache(maxsize=4096)
def survival(channel: ChannelCoding, noise: Noise, frame_bytes: int) -> Survival:
    """The chances of a frame's CLTU.

    Args:
        channel: code and decoder.
        noise: on the way.
        frame_bytes: of the frame, without fill.

    Raises:
        InputError: LDPC with bursts, for which there is no formula.
    """
    codewords = -(-frame_bytes // channel.data_bytes)
    start_bits = 8 * len(channel.start_sequence)
    needed = start_bits + 8 * codewords * channel.codeword_bytes
    total = 8 * channel.cltu_bytes(frame_bytes)
    bit = _one_bit(noise)
    start = _sum(_power(bit, start_bits, channel.start_errors_allowed))
    if channel.coding is Coding.BCH:
        allowed = int(channel.decoding is Decoding.SINGLE_ERROR_CORRECTION)
        filler = _sum(bit)
        word = _times(_sum(_power(bit, CODEWORD_BITS, allowed)), filler)
        survives = _times(start, _matrix_power(word, codewords))
    elif noise.has_bursts:
        raise InputError(
            f"the frame-error model has no formula for {channel.coding.value} with bursts",
            expected="BCH, or white noise",
            remedy='set level = "bits", which decodes every bit',
        )
    else:
        fails = codeword_failures(channel.coding, noise.ber)
        chance = start[0][0] * power(1.0 - fails, codewords)
        survives = ((chance, 0.0), (chance, 0.0))
    return Survival(needed, survives, _sum(_power(bit, total, total, count=False)))


def _one_bit(noise: Noise) -> Counts:
    """The bit is right or wrong, and the state may change after it."""
    to_bad, to_good = noise.leaves
    stay = ((1.0 - to_bad, to_bad), (to_good, 1.0 - to_good))
    wrong = (noise.ber, noise.burst_ber if noise.has_bursts else noise.ber)
    return (
        _matrix([[(1.0 - wrong[row]) * stay[row][column] for column in (0, 1)] for row in (0, 1)]),
        _matrix([[wrong[row] * stay[row][column] for column in (0, 1)] for row in (0, 1)]),
    )


def _power(bit: Counts, bits: int, most: int, *, count: bool = True) -> Counts:
    """So many bits, by the number of wrong ones among them, up to ``most``."""
    if not count:
        return (_matrix_power(_sum(bit), bits),)
    result: Counts = (_UNIT,)
    for digit in f"{bits:b}":
        result = _convolve(result, result, most)
        if digit == "1":
            result = _convolve(result, bit, most)
    return result


def _convolve(left: Counts, right: Counts, most: int) -> Counts:
    sums = [_NONE] * min(len(left) + len(right) - 1, most + 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            if i + j < len(sums):
                sums[i + j] = _plus(sums[i + j], _times(a, b))
    return tuple(sums)


def _matrix_power(matrix: Matrix, exponent: int) -> Matrix:
    result = _UNIT
    for digit in f"{exponent:b}":
        result = _times(result, result)
        if digit == "1":
            result = _times(result, matrix)
    return result


def _sum(counts: Counts) -> Matrix:
    total = _NONE
    for each in counts:
        total = _plus(total, each)
    return total


def _plus(a: Matrix, b: Matrix) -> Matrix:
    return _matrix([[a[i][j] + b[i][j] for j in (0, 1)] for i in (0, 1)])


def _times(a: Matrix, b: Matrix) -> Matrix:
    # Not numpy: what multiplies small matrices there may round otherwise on another machine.
    return _matrix([[a[i][0] * b[0][j] + a[i][1] * b[1][j] for j in (0, 1)] for i in (0, 1)])


def _matrix(rows: Sequence[Sequence[float]]) -> Matrix:
    (a, b), (c, d) = rows
    return ((a, b), (c, d))
