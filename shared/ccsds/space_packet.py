"""The space packet: an application's unit with its address, count and length.

    version 0 (3 bits) | type (1) | secondary header (1) | APID (11)
    sequence flags (2) | sequence count (14) | data bytes less one (16) | data

Source: CCSDS 133.0-B-2, 4.1.3.  Six bytes do not need a library; the tests compare them with
spacepackets.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from shared.ccsds.errors import FrameError
from shared.ccsds.segmentation import SequenceFlags
from shared.errors import InputError

PACKET_HEADER_BYTES = 6
MAX_PACKET_DATA_BYTES = 1 << 16
MAX_APID = 0x7FF
IDLE_APID = 0x7FF
SEQUENCE_MODULUS = 1 << 14

_HEADER = struct.Struct(">HHH")


@dataclass(frozen=True)
class SpacePacket:
    """A packet.

    Attributes:
        apid: application process identifier, 0 to 2047; 2047 marks an idle packet.
        data: the packet data field, 1 to 65,536 bytes.
        sequence_count: counts the packets of this APID modulo 16,384 (or names the packet).
        flags: whether the data is whole.
        telecommand: the type bit; False is telemetry.
        secondary_header: whether the data begins with a secondary header.
    """

    apid: int
    data: bytes
    sequence_count: int = 0
    flags: SequenceFlags = SequenceFlags.UNSEGMENTED
    telecommand: bool = True
    secondary_header: bool = False


def encode_packet(packet: SpacePacket) -> bytes:
    """A packet with its header.

    Raises:
        InputError: a field does not fit.
    """
    if not 0 <= packet.apid <= MAX_APID:
        raise InputError(f"APID {packet.apid}", expected=f"0 to {MAX_APID}")
    if not 0 <= packet.sequence_count < SEQUENCE_MODULUS:
        raise InputError(
            f"packet sequence count {packet.sequence_count}",
            expected=f"0 to {SEQUENCE_MODULUS - 1}",
        )
    if not 1 <= len(packet.data) <= MAX_PACKET_DATA_BYTES:
        raise InputError(
            f"{len(packet.data)} bytes of packet data",
            expected=f"1 to {MAX_PACKET_DATA_BYTES}",
            remedy="send it without a packet, in segments alone",
        )
    header = _HEADER.pack(
        packet.telecommand << 12 | packet.secondary_header << 11 | packet.apid,
        packet.flags << 14 | packet.sequence_count,
        len(packet.data) - 1,
    )
    return header + packet.data


def decode_packet(data: bytes) -> SpacePacket:
    """The packet that these bytes are.

    Raises:
        FrameError: they are cut short or go on, or the version is not 0.
    """
    size = packet_bytes(data)
    identification, sequence, _ = _HEADER.unpack_from(data)
    if identification >> 13:
        raise FrameError(f"space packet version {identification >> 13}", expected="version 0")
    if len(data) != size:
        raise FrameError(f"a space packet of {len(data)} bytes", expected=f"{size}, as it says")
    return SpacePacket(
        apid=identification & MAX_APID,
        data=data[PACKET_HEADER_BYTES:],
        sequence_count=sequence % SEQUENCE_MODULUS,
        flags=SequenceFlags(sequence >> 14),
        telecommand=bool(identification >> 12 & 1),
        secondary_header=bool(identification >> 11 & 1),
    )


def packets_in(data: bytes) -> tuple[list[SpacePacket], FrameError | None]:
    """Read the packets that lie one behind the other in a unit (blocking, 232.0-B-4, 4.1.3.2.2).

    Idle packets are left out; they are fill.

    Returns:
        The packets, and what is wrong with the bytes behind the last one, or None.
    """
    packets: list[SpacePacket] = []
    rest = data
    while rest:
        if packets and not rest.strip(rest[:1]):
            found = f"{len(rest)} bytes of fill behind the packets of a unit"
            return packets, FrameError(found, expected="packets, one behind the other")
        try:
            size = packet_bytes(rest)
            packet = decode_packet(rest[:size])
        except FrameError as fault:
            return packets, fault
        if packet.apid != IDLE_APID:
            packets.append(packet)
        rest = rest[size:]
    return packets, None


def packet_bytes(data: bytes) -> int:
    """Say how long the packet that begins here claims to be.

    Raises:
        FrameError: too short for a header and a byte of data.
    """
    if len(data) <= PACKET_HEADER_BYTES:
        raise FrameError(
            f"a space packet of {len(data)} bytes", expected="a header and at least one byte"
        )
    return PACKET_HEADER_BYTES + int(_HEADER.unpack_from(data)[2]) + 1
