"""How many frames survive random bit errors, against what probability theory says."""

from __future__ import annotations

from contextlib import suppress
from math import comb
from pathlib import Path

import numpy as np
import pytest

from shared.ccsds.bits import to_bits
from shared.ccsds.cltu import ChannelCoding, encode_cltu, session
from shared.ccsds.coding import bch
from shared.ccsds.coding.bch import Decoding
from shared.ccsds.errors import FrameError
from shared.ccsds.link import build_frame, data_fields, receive, send
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import decode_frame

FRAMES = 3000
BARE = Stack(map_id=None, apid=None)
ENVELOPE = bytes(range(96))
RATES = (1e-3, 1e-4, 1e-5)


def tails(hits: int, trials: int, chance: float) -> tuple[float, float]:
    """Probability of so few hits or fewer, and of so many or more, for rare *misses*."""
    misses, miss = trials - hits, 1 - chance
    below = sum(comb(trials, k) * miss**k * chance ** (trials - k) for k in range(misses))
    here = comb(trials, misses) * miss**misses * chance ** (trials - misses)
    return 1 - below, below + here


def agrees(hits: int, trials: int, chance: float) -> bool:
    """Within the two-sided limits of 99.9 %: exact where few are lost, else the normal ones."""
    if trials * (1 - chance) > 50:
        deviation = float(np.sqrt(trials * chance * (1 - chance)))
        return abs(hits - trials * chance) < 3.29 * deviation
    return min(tails(hits, trials, chance)) > 0.0005


def test_the_limits_are_limits() -> None:
    assert agrees(900, 1000, 0.9) and not agrees(868, 1000, 0.9) and not agrees(932, 1000, 0.9)
    assert agrees(1000, 1000, 0.9999) and not agrees(997, 1000, 0.9999)
    assert not agrees(1000, 1000, 0.99)


def uncoded(rate: float) -> float:
    """No bit of the frame of 103 bytes is wrong."""
    return (1 - rate) ** 824


def detecting(rate: float) -> float:
    """No bit of the start sequence and of 15 codewords is wrong; the tail needs nothing."""
    return (1 - rate) ** (16 + 15 * 63)


def correcting(rate: float) -> float:
    """In the start sequence and in each of 15 codewords at most one bit is wrong."""
    start = (1 - rate) ** 16 + 16 * rate * (1 - rate) ** 15
    word = (1 - rate) ** 63 + 63 * rate * (1 - rate) ** 62
    return start * word**15


def test_the_page_has_these_chances() -> None:
    page = (Path(__file__).parents[2] / "docs" / "link-frames.md").read_text("utf-8")
    for rate, power in zip(RATES, (3, 4, 5), strict=True):
        chances = " | ".join(f"{each(rate):.6f}" for each in (uncoded, detecting, correcting))
        assert f"| 10^-{power} | {chances} |" in page


@pytest.mark.parametrize("rate", RATES)
def test_uncoded(rate: float) -> None:
    frame = build_frame(data_fields(ENVELOPE, BARE)[0], BARE)
    assert len(frame) == 103
    errors = np.random.default_rng(31).random((FRAMES, 8 * len(frame))) < rate
    received = np.packbits(to_bits(frame) ^ errors, axis=1)
    survived = 0
    for row in received:
        with suppress(FrameError):
            survived += decode_frame(row.tobytes()).data == ENVELOPE
    assert agrees(survived, FRAMES, uncoded(rate))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("decoding", Decoding)
def test_bch(rate: float, decoding: Decoding) -> None:
    """With 0101... around the CLTU."""
    stack = Stack(channel=ChannelCoding(decoding=decoding), map_id=None, apid=None)
    bits = to_bits(session(send(ENVELOPE, stack)))
    errors = np.random.default_rng(32).random((FRAMES, bits.size)) < rate
    survived = sum(receive(bits ^ row, stack).envelopes == (ENVELOPE,) for row in errors)
    chance = detecting if decoding is Decoding.TRIPLE_ERROR_DETECTION else correcting
    assert agrees(survived, FRAMES, chance(rate))


@pytest.mark.parametrize("rate", RATES)
def test_codewords(rate: float) -> None:
    """More of them than frames: 100,000 codeblocks at once."""
    random = np.random.default_rng(33)
    count = 100_000
    data = random.integers(0, 256, (count, 7), dtype=np.uint8)
    errors = np.packbits(random.random((count, 64)) < rate, axis=1)
    decoded = bch.decode(bch.encode(data) ^ errors, Decoding.SINGLE_ERROR_CORRECTION)
    good = int((decoded.ok & (decoded.data == data).all(axis=1)).sum())
    assert agrees(good, count, (1 - rate) ** 63 + 63 * rate * (1 - rate) ** 62)


def test_no_damage_passes_for_another_envelope() -> None:
    """At one wrong bit in 25 most blocks fail or are miscorrected; the frame's CRC is what is left.

    Of 16 bits, it lets one damaged frame in 65,536 through; the envelope's signature none.
    """
    stack = BARE
    bits = to_bits(encode_cltu(build_frame(data_fields(b"abc", stack)[0], stack), stack.channel))
    errors = np.random.default_rng(34).random((FRAMES, bits.size)) < 0.04
    delivered = [receive(bits ^ row, stack).envelopes for row in errors]
    assert 0.02 * FRAMES < sum(map(bool, delivered)) < 0.5 * FRAMES
    assert {each for each in delivered if each} == {(b"abc",)}
