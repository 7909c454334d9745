"""BCH(63,56): other people's codewords, long division, and every pattern of few errors."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.ccsds.coding.bch import Decoding, decode, encode
from shared.errors import InputError

SEC = Decoding.SINGLE_ERROR_CORRECTION
TED = Decoding.TRIPLE_ERROR_DETECTION
TAIL = "c5c5c5c5c5c5c579"
SAMPLES = ("00000000000000", "ffffffffffffff", "e19b03f75d286a")


def blocks(*hexadecimal: str) -> NDArray[np.uint8]:
    return np.array([list(bytes.fromhex(each)) for each in hexadecimal], np.uint8)


def with_errors(block: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """The codeblock with every choice of so many of its 63 code bits wrong."""
    places = np.array(list(combinations(range(63), count)))
    bits = np.repeat(np.unpackbits(block)[None], len(places), axis=0)
    np.put_along_axis(bits, places, 1 - np.take_along_axis(bits, places, 1), 1)
    return np.packbits(bits, axis=1)


def long_division(data: bytes) -> int:
    """The last byte of a codeblock, from the definition in 231.0-B-4, 3.3."""
    rest = int.from_bytes(data, "big") << 7
    while rest.bit_length() > 7:
        rest ^= 0b11000101 << rest.bit_length() - 8
    return (rest ^ 0b1111111) << 1


@pytest.mark.parametrize(
    ("data", "last"),
    [
        ("00000000000000", "fe"),
        ("01020304050607", "70"),
        ("ffffffffffffff", "86"),
        ("123456789abcde", "f8"),
        ("80000000000000", "3a"),
        ("e19b03f75d286a", "5c"),
    ],
)
def test_parity(data: str, last: str) -> None:
    """By galois 0.4.11, Poly % Poly; the first two are vectors of Cadence.CCSDS (Elixir) too."""
    assert encode(blocks(data)).tobytes().hex() == data + last


def test_codeblocks_of_another_encoder() -> None:
    """Of TcEncoderTest in dariolucia/ccsds; the third is half fill."""
    encoded = blocks("FF429A5468E804BE", "F6688C29A63957C2", "0255555555555556")
    assert (encode(encoded[:, :7]) == encoded).all()


@given(st.lists(st.binary(min_size=7, max_size=7), min_size=1, max_size=20))
def test_parity_by_long_division(data: list[bytes]) -> None:
    encoded = encode(np.array([list(each) for each in data], np.uint8))
    assert [row.tobytes() for row in encoded] == [
        each + bytes([long_division(each)]) for each in data
    ]


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("decoding", Decoding)
def test_without_errors(sample: str, decoding: Decoding) -> None:
    decoded = decode(encode(blocks(sample)), decoding)
    assert decoded.data.tobytes().hex() == sample
    assert decoded.ok.all() and not decoded.corrected.any()


@pytest.mark.parametrize("sample", SAMPLES)
def test_correcting_every_single_error(sample: str) -> None:
    decoded = decode(with_errors(encode(blocks(sample)), 1), SEC)
    assert len(decoded.ok) == 63
    assert decoded.ok.all() and (decoded.corrected == 1).all()
    assert (decoded.data == blocks(sample)).all()


@pytest.mark.parametrize("sample", SAMPLES)
def test_correcting_detects_every_double_error(sample: str) -> None:
    decoded = decode(with_errors(encode(blocks(sample)), 2), SEC)
    assert len(decoded.ok) == 63 * 62 // 2
    assert not decoded.ok.any()


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_detecting_detects_every_pattern_of_up_to_three(sample: str, count: int) -> None:
    decoded = decode(with_errors(encode(blocks(sample)), count), TED)
    assert not decoded.ok.any()
    assert not decoded.corrected.any()


def test_three_errors_mislead_a_correcting_decoder_and_four_a_detecting_one() -> None:
    """The limit of a code of distance 4; the frame's CRC is there for these."""
    whole = encode(blocks(SAMPLES[2]))
    mended = decode(with_errors(whole, 3), SEC)
    assert mended.ok.mean() > 0.9
    assert not (mended.data[mended.ok] == blocks(SAMPLES[2])).all(axis=1).any()
    # As many as the Hamming code has words of weight 4: 63 * 62 * 60 / 24.
    assert decode(with_errors(whole, 4), TED).ok.sum() == 9765


def test_the_filler_bit_is_not_looked_at() -> None:
    whole = encode(blocks(SAMPLES[2]))
    whole[0, 7] ^= 1
    for decoding in Decoding:
        assert decode(whole, decoding).ok.all()


def test_the_tail_stays_uncorrectable_with_any_one_error() -> None:
    """231.0-B-4, 5.2.4.1: why the tail ends decoding in either mode."""
    assert not decode(blocks(TAIL), SEC).ok.any()
    assert not decode(with_errors(blocks(TAIL)[0], 1), SEC).ok.any()
    assert not decode(with_errors(blocks(TAIL)[0], 2), TED).ok.any()


def test_many_blocks_are_the_same_as_one_by_one() -> None:
    random = np.random.default_rng(71)
    many = random.integers(0, 256, (500, 8), dtype=np.uint8)
    for decoding in Decoding:
        together = decode(many, decoding)
        for index, row in enumerate(many):
            alone = decode(row[None], decoding)
            assert alone.ok[0] == together.ok[index]
            assert (alone.data[0] == together.data[index]).all()


def test_other_shapes_are_refused() -> None:
    for shape in ((8,), (2, 8), (1, 1, 7)):
        with pytest.raises(InputError):
            encode(np.zeros(shape, np.uint8))
    with pytest.raises(InputError):
        decode(np.zeros((2, 7), np.uint8), SEC)
    assert encode(np.zeros((0, 7), np.uint8)).shape == (0, 8)
