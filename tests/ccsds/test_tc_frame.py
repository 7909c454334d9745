"""TC transfer frames: bytes of other programs, every truncation, every flipped bit."""

from __future__ import annotations

from itertools import combinations

import fastcrc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ccsds.errors import FrameError
from shared.ccsds.tc_frame import (
    ControlCommand,
    FrameType,
    SetVr,
    TcFrame,
    Unlock,
    decode_control,
    decode_frame,
    encode_control,
    encode_frame,
    fecf,
    frame_bytes,
)
from shared.errors import InputError

FRAME = TcFrame(0x2A5, 0x2B, bytes.fromhex("c0ffee0142"), FrameType.AD, 0x9C)

frames = st.one_of(
    st.builds(
        TcFrame,
        scid=st.integers(0, 1023),
        vcid=st.integers(0, 63),
        data=st.binary(min_size=1, max_size=60),
        type=st.just(FrameType.AD),
        sequence_number=st.integers(0, 255),
    ),
    st.builds(
        TcFrame,
        scid=st.integers(0, 1023),
        vcid=st.integers(0, 63),
        data=st.binary(min_size=1, max_size=60),
        type=st.sampled_from([FrameType.BD, FrameType.BC]),
    ),
)


def test_the_check_value_of_the_crc() -> None:
    """CRC-16/IBM-3740 in the catalogue of parametrised CRC algorithms."""
    assert fecf(b"123456789").hex() == "29b1"
    assert fecf(bytes.fromhex("01020304")).hex() == "89c3"


@given(st.binary(max_size=80))
def test_the_crc_is_that_of_fastcrc(data: bytes) -> None:
    assert fecf(data) == fastcrc.crc16.ibm_3740(data).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("scid", "vcid", "data", "expected"),
    [
        (0x2A5, 0x2B, "c0ffee0142", "22a5ac0b00c0ffee01422dd1"),
        (0x3FF, 0x3F, "00", "23fffc070000fab8"),
    ],
)
def test_type_bd_frames_of_fprime_gds(scid: int, vcid: int, data: str, expected: str) -> None:
    """Made by fprime-gds 4.4.1, SpaceDataLinkFramerDeframer(scid, vcid, 1024).frame(data)."""
    frame = TcFrame(scid, vcid, bytes.fromhex(data))
    assert encode_frame(frame).hex() == expected
    assert decode_frame(bytes.fromhex(expected)) == frame


def test_a_long_frame_of_fprime_gds() -> None:
    made = encode_frame(TcFrame(0x44, 1, bytes(range(256)) + b"\x07" * 300))
    assert (made[:6].hex(), made[-4:].hex(), len(made)) == ("204406320000", "0707253d", 563)


def test_a_type_ad_frame_without_fecf() -> None:
    """The frame in TcEncoderTest of dariolucia/ccsds."""
    frame = TcFrame(123, 1, bytes(range(1, 11)), FrameType.AD, 0)
    made = encode_frame(frame, with_fecf=False)
    assert made.hex() == "007b040e000102030405060708090a"
    assert decode_frame(made, with_fecf=False) == frame


def test_all_fields_by_hand() -> None:
    # version 00, bypass 0, control 0, spare 00, SCID 10 1010 0101 | VCID 10 1011, length 11 | 9c
    assert encode_frame(FRAME).hex().startswith("02a5ac0b9cc0ffee0142")
    assert encode_frame(TcFrame(1, 2, b"\0", FrameType.BC)).hex()[:10] == "3001080700"


@given(frames, st.booleans())
def test_round_trip(frame: TcFrame, with_fecf: bool) -> None:
    made = encode_frame(frame, with_fecf=with_fecf)
    assert frame_bytes(made) == len(made)
    assert decode_frame(made, with_fecf=with_fecf) == frame


def test_every_truncation_and_every_addition_is_refused() -> None:
    made = encode_frame(FRAME)
    for size in range(len(made)):
        with pytest.raises(FrameError):
            decode_frame(made[:size])
    for more in (b"\0", b"\x55" * 6):
        with pytest.raises(FrameError):
            decode_frame(made + more)


def test_every_one_and_two_flipped_bits_are_refused() -> None:
    made = int.from_bytes(encode_frame(FRAME), "big")
    size = len(encode_frame(FRAME))
    masks = [1 << bit for bit in range(8 * size)]
    masks += [first | second for first, second in combinations(masks, 2)]
    for mask in masks:
        with pytest.raises(FrameError):
            decode_frame((made ^ mask).to_bytes(size, "big"))


def test_every_burst_of_up_to_16_bits_is_refused() -> None:
    """What a CRC of 16 bits promises."""
    size = len(encode_frame(FRAME))
    made = int.from_bytes(encode_frame(FRAME), "big")
    for length in (3, 7, 12, 16):
        for inner in (0, 1, 0b1010, (1 << length - 2) - 1):
            burst = 1 | (inner << 1) % (1 << length) | 1 << length - 1
            for shift in range(8 * size - length + 1):
                with pytest.raises(FrameError):
                    decode_frame((made ^ burst << shift).to_bytes(size, "big"))


def with_crc(header: str) -> bytes:
    """A frame with a good FECF whatever its header says."""
    body = bytes.fromhex(header)
    return body + fecf(body)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("40a50007004242", "version 01"),
        ("c0a50007004242", "version 11"),
        ("04a50008004242", "spare bits 01"),
        ("08a50008004242", "spare bits 10"),
        ("0ca50008004242", "spare bits 11"),
        ("10a50008004242", "without bypass"),
        ("00a50006 00", "at least one byte"),
    ],
)
def test_reserved_values_are_refused(header: str, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        decode_frame(with_crc(header))


def test_a_type_b_frame_may_come_with_any_number() -> None:
    """FARM-1 does not look at N(S) of Type-B (232.1-B-2), so it is no reason to lose a frame."""
    assert decode_frame(with_crc("202a14094daabbcc")).sequence_number == 77


@pytest.mark.parametrize(
    "frame",
    [
        TcFrame(1024, 0, b"x"),
        TcFrame(-1, 0, b"x"),
        TcFrame(0, 64, b"x"),
        TcFrame(0, 0, b""),
        TcFrame(0, 0, bytes(1018)),
        TcFrame(0, 0, b"x", FrameType.AD, 256),
        TcFrame(0, 0, b"x", FrameType.BD, 1),
        TcFrame(0, 0, b"\0", FrameType.BC, 1),
    ],
)
def test_what_does_not_fit_is_not_sent(frame: TcFrame) -> None:
    with pytest.raises(InputError):
        encode_frame(frame)


def test_the_largest_frame() -> None:
    assert len(encode_frame(TcFrame(0, 0, bytes(1017)))) == 1024
    assert len(encode_frame(TcFrame(0, 0, bytes(1019)), with_fecf=False)) == 1024


@pytest.mark.parametrize(
    ("command", "data"), [(Unlock(), "00"), (SetVr(219), "8200db"), (SetVr(0), "820000")]
)
def test_control_commands(command: ControlCommand, data: str) -> None:
    """232.0-B-4, 4.1.3.3."""
    assert encode_control(command).hex() == data
    assert decode_control(bytes.fromhex(data)) == command


@pytest.mark.parametrize("data", ["", "01", "0000", "8200", "82000000", "8201db", "8100db"])
def test_other_control_commands_are_refused(data: str) -> None:
    with pytest.raises(FrameError):
        decode_control(bytes.fromhex(data))


def test_a_number_that_v_r_cannot_have() -> None:
    with pytest.raises(InputError):
        encode_control(SetVr(256))
