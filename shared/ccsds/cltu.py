"""The CLTU: what one or more frames look like on the link, and how a receiver finds it in a signal.

    start sequence | codewords | tail sequence

| code | start | codeword carries | tail |
|---|---|---|---|
| BCH(63,56) | EB90 | 7 bytes in 8 | C5C5C5C5C5C5C579, always |
| LDPC(128,64) | 034776C7272895B0 | 8 bytes in 16 | 63A1ED72C6AC79E25555555555555555, or none |
| LDPC(512,256) | the same | 32 bytes in 64 | none |

Data is filled up with 0101... to whole codewords.  With BCH, data and fill are randomised before
coding, or not; with LDPC every codeword is randomised after coding, from the register's preset.

Source: CCSDS 231.0-B-4 with corrigendum 1: 3.4 and 4.4 (fill), 5.2 (CLTU), 5.3 (reception), 6.3
(randomiser), 7.2 (acquisition and idle sequence).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from shared.ccsds.bits import Bits, Signal, Soft, hard, to_bits, to_bytes, to_soft
from shared.ccsds.coding import bch, ldpc
from shared.ccsds.coding.bch import Decoding
from shared.ccsds.coding.ldpc_codes import LDPC_128_64, LDPC_512_256, LdpcCode
from shared.ccsds.coding.randomiser import random_bits
from shared.errors import InputError

FILL_BYTE = 0x55
ACQUISITION_BYTES = 16
"""The least that 7.2.2 prefers before the first CLTU of a session."""

_BCH_START = bytes.fromhex("EB90")
_BCH_TAIL = bytes.fromhex("C5C5C5C5C5C5C579")
_LDPC_START = bytes.fromhex("034776C7272895B0")
_LDPC_128_TAIL = bytes.fromhex("63A1ED72C6AC79E25555555555555555")

TAIL_DISAGREEMENT = 1 / 8
"""Up to this share of a tail may be wrong; 128 random bits come as near with less than 1e-18."""
_LARGEST_BATCH = 64


class Coding(Enum):
    """The channel code."""

    BCH = "bch"
    LDPC_128_64 = "ldpc-128-64"
    LDPC_512_256 = "ldpc-512-256"


_LDPC: dict[Coding, LdpcCode] = {
    Coding.LDPC_128_64: LDPC_128_64,
    Coding.LDPC_512_256: LDPC_512_256,
}


@dataclass(frozen=True)
class ChannelCoding:
    """What both ends agree on below the frame (231.0-B-4, section 8: managed parameters).

    Attributes:
        coding: the code.
        randomise: for BCH only; LDPC is always randomised.
        tail: for LDPC(128,64) only; BCH always has one and LDPC(512,256) never.
        decoding: for BCH only: correct one error a codeword, or detect three.
        start_errors: how many wrong bits a start sequence may have (of soft bits, the same share
            of their sum); None is 1 of 16 for BCH that corrects, 0 if it only detects, and 10 of
            64 for LDPC.
        crossover: for LDPC given hard bits: how probably one is wrong.
    """

    coding: Coding = Coding.BCH
    randomise: bool = True
    tail: bool = True
    decoding: Decoding = Decoding.SINGLE_ERROR_CORRECTION
    start_errors: int | None = None
    crossover: float = 0.03

    @property
    def start_sequence(self) -> bytes:
        return _BCH_START if self.coding is Coding.BCH else _LDPC_START

    @property
    def tail_sequence(self) -> bytes:
        if self.coding is Coding.BCH:
            return _BCH_TAIL
        return _LDPC_128_TAIL if self.coding is Coding.LDPC_128_64 and self.tail else b""

    @property
    def data_bytes(self) -> int:
        """Of one codeword."""
        return bch.DATA_BYTES if self.coding is Coding.BCH else _LDPC[self.coding].k // 8

    @property
    def codeword_bytes(self) -> int:
        """As it is sent; BCH's with the filler bit."""
        return bch.CODEBLOCK_BYTES if self.coding is Coding.BCH else _LDPC[self.coding].n // 8

    @property
    def start_errors_allowed(self) -> int:
        if self.start_errors is not None:
            return self.start_errors
        if self.coding is Coding.BCH:
            return int(self.decoding is Decoding.SINGLE_ERROR_CORRECTION)
        return 10

    def cltu_bytes(self, data_bytes: int) -> int:
        """How long the CLTU of so much data is."""
        codewords = -(-data_bytes // self.data_bytes)
        ends = len(self.start_sequence) + len(self.tail_sequence)
        return ends + codewords * self.codeword_bytes


class Ending(Enum):
    """Why a receiver stopped decoding."""

    TAIL = "tail"
    """The tail sequence: all is there."""
    REJECTED = "rejected"
    """A codeword that cannot be decoded: where no tail is sent the CLTU's end, else a loss."""
    CUT = "cut"
    """The signal ended before the next codeword did."""


@dataclass(frozen=True)
class Reception:
    """A CLTU found in a signal.

    Attributes:
        start: place in the signal of the first bit of its start sequence.
        end: place of the first bit after it, where the search goes on.
        data: what its codewords carry, without the randomiser's sequence, with the fill.
        codewords: how many were decoded; at least one.
        corrected_bits: how many received bits the code changed (with soft bits: their signs).
        ending: why it ends there.
    """

    start: int
    end: int
    data: bytes
    codewords: int
    corrected_bits: int
    ending: Ending


def encode_cltu(data: bytes, channel: ChannelCoding) -> bytes:
    """The CLTU of one or more frames.

    Raises:
        InputError: there is no data.
    """
    if not data:
        raise InputError("a CLTU without data", expected="at least one frame")
    filled = data + bytes([FILL_BYTE]) * (-len(data) % channel.data_bytes)
    bits = to_bits(filled)
    if channel.coding is Coding.BCH:
        if channel.randomise:
            bits = bits ^ random_bits(bits.size)
        blocks = np.packbits(bits).reshape(-1, bch.DATA_BYTES)
        codewords = bch.encode(blocks).tobytes()
    else:
        code = _LDPC[channel.coding]
        codewords = to_bytes(code.encode(bits.reshape(-1, code.k)) ^ random_bits(code.n))
    return channel.start_sequence + codewords + channel.tail_sequence


def session(cltus: Sequence[bytes], idle_bytes: int = 8) -> bytes:
    """One session of PLOP-2: acquisition sequence, then each CLTU with an idle sequence after it.

    Args:
        cltus: at least one.
        idle_bytes: after each CLTU; 7.2.4 sets no length.
    """
    idle = bytes([FILL_BYTE])
    return idle * ACQUISITION_BYTES + b"".join(cltu + idle * idle_bytes for cltu in cltus)


def receive_cltus(signal: Signal, channel: ChannelCoding) -> list[Reception]:
    """Every CLTU in a signal, wherever it begins.

    The signal is searched for start sequences (state SEARCH); behind one, codewords are decoded
    until one fails or is the tail (state DECODE), and the search goes on there.  A start sequence
    with no codeword behind it was none: the search goes on at the next bit.

    Args:
        signal: bytes, bits or soft bits; any alignment.
        channel: as agreed.

    Raises:
        InputError: the signal is no signal, or ``channel.crossover`` no probability.
    """
    soft = to_soft(signal, channel.crossover)
    found = []
    resume = 0
    for start in start_places(soft, channel):
        if start < resume:
            continue
        reception = _decode_from(soft, int(start), channel)
        if reception.codewords:
            found.append(reception)
            resume = reception.end
    return found


def start_places(soft: Soft, channel: ChannelCoding) -> NDArray[np.intp]:
    """Where a start sequence can be, with as many errors as are allowed; ascending."""
    pattern = to_bits(channel.start_sequence)
    if soft.size < pattern.size:
        return np.zeros(0, np.intp)
    allowed = channel.start_errors_allowed / pattern.size
    return np.flatnonzero(disagreement(soft, pattern) <= allowed + 1e-9)


def disagreement(soft: Soft, pattern: Bits) -> Soft:
    """How far from a pattern the signal is at each place, from 0 (the same) to 1 (the inverse).

    It is the share, in the sum of all soft bits' sizes, of those that contradict the pattern.  For
    hard bits this is the share of wrong ones, for soft bits what a correlator measures.

    Args:
        soft: shape (bits,), not shorter than the pattern.
        pattern: shape (length,).

    Returns:
        Shape (bits - length + 1,); 1 where every bit is an erasure.
    """
    agreement = np.correlate(soft, 1.0 - 2.0 * pattern, "valid")
    size = np.correlate(np.abs(soft), np.ones(pattern.size), "valid")
    known = size > 0
    return np.where(known, 0.5 - 0.5 * agreement / np.where(known, size, 1.0), 1.0)


def _decode_from(soft: Soft, start: int, channel: ChannelCoding) -> Reception:
    """Decodes behind a start sequence; batches grow, so that a short CLTU costs little."""
    width = 8 * channel.codeword_bytes
    at = start + 8 * len(channel.start_sequence)
    pieces: list[Bits] = []
    corrected = 0
    ending = Ending.CUT
    batch = 1
    while ending is Ending.CUT and (count := min(batch, (soft.size - at) // width)):
        words = soft[at : at + count * width].reshape(count, width)
        tail = _tails(words, channel)
        if channel.coding is not Coding.BCH and tail.any():
            words = words[: tail.argmax()]  # to try to decode a tail takes long, and could succeed
        data, ok, changed = _decode_codewords(words, channel)
        good = len(words) if ok.all() else int(ok.argmin())
        pieces.append(data[:good].reshape(-1))
        corrected += int(changed[:good].sum())
        at += good * width
        if good < count:
            ending = Ending.TAIL if tail[good] else Ending.REJECTED
        batch = min(2 * batch, _LARGEST_BATCH)
    bits = np.concatenate(pieces) if pieces else np.zeros(0, np.uint8)
    if channel.coding is Coding.BCH and channel.randomise:
        bits = bits ^ random_bits(bits.size)
    return Reception(
        start=start,
        end=at + (8 * len(channel.tail_sequence) if ending is Ending.TAIL else 0),
        data=to_bytes(bits),
        codewords=bits.size // (8 * channel.data_bytes),
        corrected_bits=corrected,
        ending=ending,
    )


def _decode_codewords(
    words: Soft, channel: ChannelCoding
) -> tuple[Bits, NDArray[np.bool_], NDArray[np.intp]]:
    """Data bits, whether each codeword is one, and how many of its bits were changed."""
    if channel.coding is Coding.BCH:
        block = bch.decode(np.packbits(hard(words), axis=1), channel.decoding)
        return np.unpackbits(block.data, axis=1), block.ok, block.corrected
    code = _LDPC[channel.coding]
    plain = words * (1.0 - 2.0 * random_bits(code.n))
    word = ldpc.decode(code, plain)
    return word.bits[:, : code.k], word.ok, (word.bits != hard(plain)).sum(axis=1)


def _tails(words: Soft, channel: ChannelCoding) -> NDArray[np.bool_]:
    """Which of the codewords are tail sequences, errors allowed."""
    if not channel.tail_sequence:
        return np.zeros(len(words), np.bool_)
    pattern = to_bits(channel.tail_sequence)
    return np.array([disagreement(word, pattern)[0] <= TAIL_DISAGREEMENT for word in words])
