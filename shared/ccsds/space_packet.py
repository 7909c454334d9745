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
    if len(data) <= PACKET_HEADER_BYTES:
        raise FrameError(
            f"a space packet of {len(data)} bytes", expected="a header and at least one byte"
        )
    identification, sequence, length = _HEADER.unpack_from(data)
    if identification >> 13:
        raise FrameError(f"space packet version {identification >> 13}", expected="version 0")
    size = PACKET_HEADER_BYTES + length + 1
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
