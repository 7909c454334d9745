"""SDLS: literal vectors, another program's MAC, and every way in which a frame is refused."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, GCM
from hypothesis import given
from hypothesis import strategies as st

from shared.auth.mac import aes_cmac
from shared.ccsds.sdls import Algorithm, SdlsLayer, SecurityAssociation, masked
from shared.errors import (
    BadSignature,
    InputError,
    MalformedMessage,
    Refusal,
    Replayed,
    UnknownKey,
)

KEY = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
"""The AES-256 key of SP 800-38B's examples."""
HEADER = bytes.fromhex("20032c6517")
SEGMENTED = HEADER + b"\xc5"
DATA = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e")
CMAC = SecurityAssociation(0x1234, KEY, sequence_number=0x0A0B0C0D)
GCM_SA = SecurityAssociation(
    0x1234, KEY, Algorithm.AES_256_GCM, sequence_number=0x0102030405060708090A0B0C
)
BOTH = pytest.mark.parametrize("association", [CMAC, GCM_SA], ids=["cmac", "gcm"])


def receiver(association: SecurityAssociation, behind: int = 1) -> SecurityAssociation:
    return replace(association, sequence_number=association.sequence_number - behind)


@pytest.mark.parametrize(
    ("key", "size", "tag"),
    [  # RFC 4493, section 4: AES-128
        ("2b7e151628aed2a6abf7158809cf4f3c", 0, "bb1d6929e95937287fa37d129b756746"),
        ("2b7e151628aed2a6abf7158809cf4f3c", 16, "070a16b46b4d4144f79bdd9dd04a287c"),
        ("2b7e151628aed2a6abf7158809cf4f3c", 40, "dfa66747de9ae63030ca32611497c827"),
        ("2b7e151628aed2a6abf7158809cf4f3c", 64, "51f0bebf7e3b9d92fc49741779363cfe"),
        # SP 800-38B, examples with AES-256
        (KEY.hex(), 0, "028962f61b7bf89efc6b551f4667d983"),
        (KEY.hex(), 16, "28a7023f452e8f82bd4bf28d8c37c35c"),
        (KEY.hex(), 40, "aaf3d8f1de5640c232f5b169b9c911e6"),
        (KEY.hex(), 64, "e1992190549f6ed5696a2c056c315410"),
    ],
)
def test_cmac_vectors(key: str, size: int, tag: str) -> None:
    text = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    assert aes_cmac(bytes.fromhex(key), text[:size]).hex() == tag
    assert aes_cmac(bytes.fromhex(key), text[:size], 8).hex() == tag[:16]


@pytest.mark.parametrize(("key_bytes", "tag_bytes"), [(15, 16), (24, 16), (32, 7), (32, 17)])
def test_short_keys_and_tags_are_refused(key_bytes: int, tag_bytes: int) -> None:
    with pytest.raises(ValueError, match="bytes, not"):
        aes_cmac(bytes(key_bytes), b"", tag_bytes)


def test_the_mask_keeps_virtual_channel_and_segment_header() -> None:
    assert masked(HEADER).hex() == "00002c0000"
    assert masked(SEGMENTED).hex() == "00002c0000c5"
    assert masked(b"\xff" * 6).hex() == "0000fc0000ff"
    for size in (0, 4, 7):
        with pytest.raises(ValueError, match="5 or 6"):
            masked(bytes(size))


def test_cmac_layout() -> None:
    frame = CMAC.protect(SEGMENTED, DATA)
    assert frame[:6].hex() == "12340a0b0c0d"
    assert frame[6:-16] == DATA
    assert len(frame) == len(DATA) + 22 == len(DATA) + CMAC.overhead_bytes


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
@pytest.mark.parametrize("header", [HEADER, SEGMENTED])
def test_openssl_makes_the_same_mac(tmp_path: Path, header: bytes) -> None:
    covered = {5: "00002c0000", 6: "00002c0000c5"}[len(header)] + "12340a0b0c0d"
    (tmp_path / "covered").write_bytes(bytes.fromhex(covered) + DATA)
    command = ["openssl", "mac", "-cipher", "AES-256-CBC", "-macopt", f"hexkey:{KEY.hex()}"]
    command += ["-in", str(tmp_path / "covered"), "CMAC"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert CMAC.protect(header, DATA)[-16:].hex() == run.stdout.strip().lower()


def test_gcm_by_another_interface() -> None:
    """The Cipher interface with mode GCM, and the counter mode that GCM is made of."""
    frame = GCM_SA.protect(SEGMENTED, DATA)
    number = bytes.fromhex("0102030405060708090a0b0c")
    assert frame[:14] == b"\x12\x34" + number
    assert len(frame) == len(DATA) + 30 == len(DATA) + GCM_SA.overhead_bytes
    encryptor = Cipher(AES(KEY), GCM(number)).encryptor()
    encryptor.authenticate_additional_data(bytes.fromhex("00002c0000c51234") + bytes(12))
    text = encryptor.update(DATA) + encryptor.finalize()
    assert frame[14:] == text + encryptor.tag
    counter = Cipher(AES(KEY), CTR(number + b"\0\0\0\2")).encryptor()
    assert frame[14:-16] == counter.update(DATA) + counter.finalize()


def test_the_primitive_is_the_gcm_of_the_standard() -> None:
    """Test case 16 of McGrew and Viega, The Galois/Counter Mode of Operation: AES-256."""
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    text = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    encryptor = Cipher(AES(key), GCM(bytes.fromhex("cafebabefacedbaddecaf888"))).encryptor()
    encryptor.authenticate_additional_data(
        bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    )
    assert (encryptor.update(text) + encryptor.finalize())[:8].hex() == "522dc1f099567d07"
    assert encryptor.tag.hex() == "76fc6ece0f4e1768cddf8853bb2d551b"


@BOTH
@given(header=st.binary(min_size=5, max_size=6), data=st.binary(max_size=80))
def test_there_and_back(association: SecurityAssociation, header: bytes, data: bytes) -> None:
    opened, after = receiver(association).unprotect(header, association.protect(header, data))
    assert opened == data
    assert after == association


@BOTH
def test_every_truncation_and_extension_is_refused(association: SecurityAssociation) -> None:
    frame = association.protect(SEGMENTED, DATA)
    for variant in (*(frame[:size] for size in range(len(frame))), frame + b"\0", b"\0" + frame):
        with pytest.raises(Refusal):
            receiver(association).unprotect(SEGMENTED, variant)
    assert association.protect(SEGMENTED, b"")  # an empty data field is legal
    with pytest.raises(MalformedMessage):
        receiver(association).unprotect(SEGMENTED, frame[: association.overhead_bytes - 1])


@BOTH
def test_every_flipped_bit_is_refused(association: SecurityAssociation) -> None:
    frame = association.protect(SEGMENTED, DATA)
    for bit in range(8 * len(frame)):
        flipped = bytearray(frame)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(UnknownKey if bit < 16 else BadSignature):
            receiver(association).unprotect(SEGMENTED, bytes(flipped))


@BOTH
def test_which_bits_of_the_header_count(association: SecurityAssociation) -> None:
    """Virtual channel and segment header; not version, spacecraft, length and number."""
    frame = association.protect(SEGMENTED, DATA)
    counted = []
    for bit in range(48):
        flipped = bytearray(SEGMENTED)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        try:
            receiver(association).unprotect(bytes(flipped), frame)
        except BadSignature:
            counted.append(bit)
    assert counted == [*range(16, 22), *range(40, 48)]
    with pytest.raises(BadSignature):
        receiver(association).unprotect(HEADER, frame)


@BOTH
def test_another_key(association: SecurityAssociation) -> None:
    frame = association.protect(HEADER, DATA)
    with pytest.raises(BadSignature):
        replace(receiver(association), key=bytes(32)).unprotect(HEADER, frame)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 2**32 - 1),
    st.integers(1, 2**16),
)
def test_the_window(last: int, number: int, window: int) -> None:
    frame = SecurityAssociation(7, KEY, sequence_number=number).protect(HEADER, DATA)
    own = SecurityAssociation(7, KEY, sequence_number=last, window=window)
    if last < number <= last + window:
        assert own.unprotect(HEADER, frame)[1].sequence_number == number
    else:
        with pytest.raises(Replayed):
            own.unprotect(HEADER, frame)


@pytest.mark.parametrize(("step", "accepted"), [(0, False), (1, True), (5, True), (6, False)])
def test_the_window_to_the_number(step: int, accepted: bool) -> None:
    own = SecurityAssociation(7, KEY, sequence_number=100, window=5)
    frame = replace(own, sequence_number=100 + step).protect(HEADER, DATA)
    if accepted:
        assert own.unprotect(HEADER, frame)[1].sequence_number == 100 + step
    else:
        with pytest.raises(Replayed):
            own.unprotect(HEADER, frame)


@given(st.lists(st.integers(0, 7), max_size=30))
def test_no_frame_is_accepted_twice_in_any_order(order: list[int]) -> None:
    sender, own = SdlsLayer(SecurityAssociation(7, KEY)), SdlsLayer(SecurityAssociation(7, KEY))
    frames = [sender.protect(HEADER, bytes([number])) for number in range(8)]
    accepted = []
    for number in order:
        before = own.association
        try:
            accepted.append(own.unprotect(HEADER, frames[number])[0])
        except Replayed:
            assert own.association == before
    assert accepted == sorted(set(accepted))


def test_numbers_run_out_and_never_wrap() -> None:
    last = SecurityAssociation(7, KEY, sequence_number=2**32 - 2).following()
    assert receiver(last).unprotect(HEADER, last.protect(HEADER, DATA))[1] == last
    with pytest.raises(InputError, match="used all"):
        last.following()
    with pytest.raises(InputError, match="used all"):
        SdlsLayer(last).protect(HEADER, DATA)


def test_what_is_no_association() -> None:
    for wrong in (
        {"spi": 0},
        {"spi": 0xFFFF},
        {"key": KEY[:31]},
        {"sequence_number": 2**32},
        {"sequence_number": -1},
        {"window": 0},
    ):
        with pytest.raises(ValueError):
            replace(CMAC, **wrong)
    with pytest.raises(ValueError, match="numbered from 1"):
        SecurityAssociation(7, KEY).protect(HEADER, DATA)
    assert KEY.hex() not in repr(CMAC)
    assert repr(KEY) not in repr(CMAC)
