"""Telemetry to the byte, and messages on a stream."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.listen.telemetry import PACKET_BYTES, Event, Telemetry, json_line, packet, read_packet
from probe.reception.framing import Slip, slip
from shared.errors import MalformedMessage, RehydrationError


@given(st.lists(st.binary(min_size=1, max_size=40)), st.integers(1, 9))
def test_slip_gives_back_what_went_in(sent: list[bytes], step: int) -> None:
    stream = b"".join(map(slip, sent))
    reader, found = Slip(40), []
    for at in range(0, len(stream), step):
        found += reader.feed(stream[at : at + step]).messages
    assert found == sent


def test_slip_literally_and_after_damage() -> None:
    assert slip(b"a\xc0b\xdbc") == bytes.fromhex("c0 61 dbdc 62 dbdd 63 c0")
    reader = Slip(5)
    assert reader.feed(b"\xdbx\xc0").faults
    assert reader.feed(b"123456\xc0").faults
    assert reader.feed(b"noise"[:3] + slip(b"12345")).messages == (b"noi", b"12345")


SAMPLE = Telemetry(
    Event.REFUSED,
    time_s=1_800_000_000.75,
    step=4,
    exit_code=15,
    counter=66051,
    tokens=4711,
    milliseconds=90_000,
    memory_kib=400_000,
    disk_kib=5_000_000_000,
    digest=bytes.fromhex("0011223344556677"),
    reason="said in JSON alone",
    cpu_milliseconds=170_000,
    operations=0x0123_4567_89AB_CDEF,
    millijoules=12_345_678,
)
SAMPLE_BYTES = bytes.fromhex(
    "0007 c005 0037"  # telemetry, APID 7; unsegmented, count 5; 56 bytes
    "02 03 04 0f 00010203 00001267 00015f90 00061a80 fffffffe 0011223344556677 00006b49d200"
    "00029810 0123456789abcdef 00bc614e"
)

BY_VERSION_1 = bytes.fromhex(
    "0007 c005 0027"
    "01 03 04 0f 00010203 00001267 00015f90 00061a80 fffffffe 0011223344556677 00006b49d200"
)
"""The same event without the fields that version 2 added, and without CRC."""


def test_a_packet_byte_by_byte() -> None:
    data = packet(SAMPLE, 7, 5 + 16384)
    assert data[:-2] == SAMPLE_BYTES
    assert len(data) == 62 == PACKET_BYTES
    assert data[-2:] == crc(data[6:-2])
    expected = replace(SAMPLE, disk_kib=0xFFFFFFFE, time_s=1_800_000_000.0, reason="")
    assert read_packet(data) == expected
    assert read_packet(packet(Telemetry(Event.READY), 0, 0)) == Telemetry(Event.READY)


def crc(data: bytes) -> bytes:
    """CRC-16/IBM-3740, bit by bit."""
    check = 0xFFFF
    for byte in data:
        check ^= byte << 8
        for _ in range(8):
            check = (check << 1 ^ (0x1021 if check & 0x8000 else 0)) & 0xFFFF
    return check.to_bytes(2, "big")


def test_a_packet_of_version_1_is_still_read() -> None:
    old = BY_VERSION_1 + crc(BY_VERSION_1[6:])
    assert len(old) == 46
    expected = replace(
        SAMPLE,
        disk_kib=0xFFFFFFFE,
        time_s=1_800_000_000.0,
        reason="",
        cpu_milliseconds=0,
        operations=0,
        millijoules=None,
    )
    assert read_packet(old) == expected
    for wrong in (b"\x00", b"\x02", b"\x03"):  # another version, with a CRC that fits
        data = old[:6] + wrong + old[7:-2]
        with pytest.raises(MalformedMessage, match="space packet with 40 bytes"):
            read_packet(data + crc(data[6:]))


def test_numbers_that_do_not_fit_are_the_largest_that_do() -> None:
    large = replace(
        SAMPLE, operations=1 << 70, millijoules=1 << 40, cpu_milliseconds=1 << 33, tokens=-1
    )
    found = read_packet(packet(large, 7, 5))
    assert (found.operations, found.millijoules) == ((1 << 64) - 1, 0xFFFFFFFE)
    assert (found.cpu_milliseconds, found.tokens) == (0xFFFFFFFE, 0)


def test_every_flipped_bit_of_a_packet_is_noticed_or_in_the_header() -> None:
    data = packet(SAMPLE, 7, 5)
    for bit in range(8 * 6, 8 * len(data)):
        bad = bytearray(data)
        bad[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(RehydrationError):
            read_packet(bytes(bad))
    for size in range(len(data)):
        with pytest.raises(MalformedMessage):
            read_packet(data[:size])


def test_a_line_of_json() -> None:
    assert json.loads(json_line(SAMPLE)) == {
        "event": "refused",
        "time_s": 1_800_000_000.75,
        "step": 4,
        "exit_code": 15,
        "counter": 66051,
        "tokens": 4711,
        "milliseconds": 90_000,
        "cpu_milliseconds": 170_000,
        "operations": 0x0123_4567_89AB_CDEF,
        "millijoules": 12_345_678,
        "memory_kib": 400_000,
        "disk_kib": 5_000_000_000,
        "digest": "0011223344556677",
        "reason": "said in JSON alone",
    }
