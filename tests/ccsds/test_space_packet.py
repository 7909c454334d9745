"""Space packets: against spacepackets, and every damage that the header can show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacepackets.ccsds.spacepacket import PacketType, SpHeader
from spacepackets.ccsds.spacepacket import SequenceFlags as TheirFlags

from shared.ccsds.errors import FrameError
from shared.ccsds.segmentation import SequenceFlags
from shared.ccsds.space_packet import (
    MAX_PACKET_DATA_BYTES,
    SpacePacket,
    decode_packet,
    encode_packet,
)
from shared.errors import InputError

packets = st.builds(
    SpacePacket,
    apid=st.integers(0, 0x7FF),
    data=st.binary(min_size=1, max_size=40),
    sequence_count=st.integers(0, 0x3FFF),
    flags=st.sampled_from(SequenceFlags),
    telecommand=st.booleans(),
    secondary_header=st.booleans(),
)


def test_layout() -> None:
    """133.0-B-2, 4.1.3; the same bytes as in the vectors of Cadence.CCSDS (Elixir)."""
    packet = SpacePacket(0x123, bytes.fromhex("aabbcc"), 0x42, telecommand=False)
    assert encode_packet(packet).hex() == "0123c0420002aabbcc"
    assert (
        encode_packet(SpacePacket(0x5A3, b"\x99" * 258, 0x2B17, SequenceFlags.FIRST)).hex()[:12]
        == "15a36b170101"
    )


@given(packets)
def test_the_header_is_that_of_spacepackets(packet: SpacePacket) -> None:
    theirs = SpHeader(
        packet_type=PacketType.TC if packet.telecommand else PacketType.TM,
        apid=packet.apid,
        seq_count=packet.sequence_count,
        data_len=len(packet.data) - 1,
        sec_header_flag=packet.secondary_header,
        seq_flags=TheirFlags(int(packet.flags)),
    )
    assert encode_packet(packet) == bytes(theirs.pack()) + packet.data


@given(packets)
def test_round_trip(packet: SpacePacket) -> None:
    assert decode_packet(encode_packet(packet)) == packet


def test_every_truncation_and_every_other_length_is_refused() -> None:
    whole = encode_packet(SpacePacket(7, b"0123456789", 5))
    for size in range(len(whole)):
        with pytest.raises(FrameError):
            decode_packet(whole[:size])
    with pytest.raises(FrameError, match="17 bytes"):
        decode_packet(whole + b"\0")


def test_flipped_bits_of_version_and_length_are_refused_and_all_others_change_the_packet() -> None:
    packet = SpacePacket(0x0F3, b"0123456789", 5)
    whole = encode_packet(packet)
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 0x80 >> bit % 8
        if bit < 3 or 32 <= bit < 48:
            with pytest.raises(FrameError):
                decode_packet(bytes(damaged))
        else:
            assert decode_packet(bytes(damaged)) != packet


def test_the_largest_and_what_is_too_large() -> None:
    largest = SpacePacket(1, bytes(MAX_PACKET_DATA_BYTES))
    assert encode_packet(largest)[4:6] == b"\xff\xff"
    assert decode_packet(encode_packet(largest)) == largest
    for wrong in (
        SpacePacket(1, bytes(MAX_PACKET_DATA_BYTES + 1)),
        SpacePacket(1, b""),
        SpacePacket(2048, b"x"),
        SpacePacket(-1, b"x"),
        SpacePacket(1, b"x", 0x4000),
    ):
        with pytest.raises(InputError):
            encode_packet(wrong)
