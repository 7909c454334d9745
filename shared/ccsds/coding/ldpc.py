"""Decoding the LDPC codes: sum-product belief propagation on many codewords at once.

A check tells each of its eight bits what the other seven say of it, and every bit adds up what it
hears.  In each iteration the four block rows take turns, each hearing at once what the one before
it said.  That takes about two thirds of the iterations of all checks speaking together, and ends
in fewer words that turn in circles.  A word leaves as soon as its bits fulfil all checks.

The sum-product rule is exact on a graph without cycles; min-sum, its cheaper approximation, is not
needed at the rates of a command link.

Sources: Gallager, Low-Density Parity-Check Codes (1963); the rule as products of tanh(L / 2) in
Hagenauer, Offer and Papke, IEEE Trans. Inf. Theory 42 (1996); layers in Hocevar, IEEE SiPS (2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.ccsds.bits import SUREST, Bits, Soft, hard
from shared.ccsds.coding.ldpc_codes import Layer, LdpcCode
from shared.errors import InputError

ITERATIONS = 100


@dataclass(frozen=True)
class Decoded:
    """Codewords after decoding.

    Attributes:
        bits: shape (words, n); a codeword where ``ok``, else the last guess.
        ok: shape (words,), whether all checks are fulfilled.
        iterations: shape (words,), how many it took; 0 if what came was a codeword.
    """

    bits: Bits
    ok: NDArray[np.bool_]
    iterations: NDArray[np.intp]


def decode(code: LdpcCode, soft: Soft, iterations: int = ITERATIONS) -> Decoded:
    """Codewords of soft bits.

    Args:
        code: one of ``ldpc_codes``.
        soft: shape (words, n), log-likelihood ratios; positive is 0.
        iterations: when to give up.

    Raises:
        InputError: another shape.
    """
    if soft.ndim != 2 or soft.shape[1] != code.n:
        raise InputError(f"soft bits of shape {soft.shape}", expected=f"(any, {code.n})")
    channel = np.clip(soft, -SUREST, SUREST)
    bits = hard(channel)
    ok = code.is_codeword(bits)
    # An erasure reads as 0 and could complete a codeword by luck: it has to be decided first.
    ok &= (channel != 0).all(axis=1)
    taken = np.zeros(len(soft), np.intp)
    words = np.flatnonzero(~ok)
    total = channel[words]
    told = [np.zeros((words.size, *layer.checks.shape)) for layer in code.layers]
    for number in range(1, iterations + 1):
        if not words.size:
            break
        for index, layer in enumerate(code.layers):
            now = _tell(total[:, layer.checks] - told[index])
            total[:, layer.columns] += _heard(layer, now - told[index])
            told[index] = now
        guess = hard(total)
        bits[words] = guess
        taken[words] = number
        done = code.is_codeword(guess) & (total != 0).all(axis=1)
        ok[words[done]] = True
        words, total = words[~done], total[~done]
        told = [each[~done] for each in told]
    return Decoded(bits, ok, taken)


def _tell(asked: Soft) -> Soft:
    """What each check tells each of its bits: the product of the others' tanh.

    Args:
        asked: shape (words, checks, 8), what the bits say to the checks.
    """
    tanh = np.tanh(0.5 * np.clip(asked, -SUREST, SUREST))
    # Products of all before and of all behind each place: no division, so zeros do no harm.
    before = np.ones_like(tanh)
    behind = np.ones_like(tanh)
    np.cumprod(tanh[..., :-1], axis=-1, out=before[..., 1:])
    behind[..., :-1] = np.cumprod(tanh[..., :0:-1], axis=-1)[..., ::-1]
    return np.asarray(2.0 * np.arctanh(before * behind))


def _heard(layer: Layer, told: Soft) -> Soft:
    """What each of a layer's columns hears in all; shape (words, checks, 8) to (words, columns)."""
    flat = told.reshape(len(told), -1)
    padded = np.concatenate([flat, np.zeros((len(told), 1))], axis=1)
    return np.asarray(padded[:, layer.places].sum(axis=2))
