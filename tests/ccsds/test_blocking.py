"""Several packets in one unit, as ground systems pack small commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacepackets.ccsds.spacepacket import SpHeader

from shared.ccsds.cltu import encode_cltu
from shared.ccsds.link import build_frame, receive
from shared.ccsds.space_packet import IDLE_APID, SpacePacket, encode_packet, packets_in
from shared.ccsds.stack import Stack

STACK = Stack(apid=0x123)


def signal(unit: bytes) -> bytes:
    return encode_cltu(build_frame(b"\xc0" + unit, STACK), STACK.channel)


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=6))
def test_all_packets_of_a_unit_are_taken(messages: list[bytes]) -> None:
    """Their headers written by spacepackets."""
    unit = b"".join(
        SpHeader.tc(apid=0x123, seq_count=count, data_len=len(data) - 1).pack() + data
        for count, data in enumerate(messages)
    )
    found = receive(signal(unit), STACK)
    assert (found.envelopes, found.faults) == (tuple(messages), ())


def test_idle_packets_are_fill_and_other_processes_are_named() -> None:
    packets = [(0x123, b"one"), (IDLE_APID, b"idle"), (7, b"other"), (0x123, b"two")]
    unit = b"".join(encode_packet(SpacePacket(apid, data)) for apid, data in packets)
    found = receive(signal(unit), STACK)
    assert found.envelopes == (b"one", b"two")
    assert ["application process 7" in str(fault) for fault in found.faults] == [True]


@pytest.mark.parametrize("rest", [bytes(1), bytes(6), bytes(7), bytes(400), b"\x55" * 90, b"\x10"])
def test_what_is_no_packet_behind_the_packets_is_one_fault(rest: bytes) -> None:
    unit = encode_packet(SpacePacket(0x123, b"one")) + encode_packet(SpacePacket(0x123, b"two"))
    found = receive(signal(unit + rest), STACK)
    assert found.envelopes == (b"one", b"two")
    assert len(found.faults) == 1


def test_a_packet_that_is_cut_is_a_fault_and_those_before_it_are_taken() -> None:
    unit = encode_packet(SpacePacket(1, b"one")) + encode_packet(SpacePacket(1, b"two"))[:-1]
    packets, fault = packets_in(unit)
    assert [packet.data for packet in packets] == [b"one"]
    assert "as it says" in str(fault)
