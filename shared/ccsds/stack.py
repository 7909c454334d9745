"""Which layers an envelope travels in, and what a security layer has to offer.

Source: CCSDS 232.0-B-4, section 5 (managed parameters) and section 6 (with SDLS); 355.0-B-2 for
where the security fields lie.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from shared.ccsds.cltu import ChannelCoding
from shared.ccsds.segmentation import SEGMENT_HEADER_BYTES
from shared.ccsds.tc_frame import FECF_BYTES, FRAME_HEADER_BYTES, MAX_FRAME_BYTES, FrameType


class Security(Protocol):
    """SDLS, as a frame sees it (355.0-B-2): fields before and behind the data, nothing else."""

    @property
    def overhead_bytes(self) -> int:
        """By how many bytes ``protect`` lengthens data: security header and trailer."""

    def protect(self, frame_header: bytes, data: bytes) -> bytes:
        """Security header, data (encrypted or not), trailer.

        Args:
            frame_header: the frame's primary header as it will be sent, length and N(S) included,
                and the segment header behind it where the stack has one: 5 or 6 bytes.
            data: what follows them.
        """

    def unprotect(self, frame_header: bytes, data: bytes) -> bytes:
        """The data again.

        Raises:
            Refusal: it is not authentic.
        """


@dataclass(frozen=True)
class Stack:
    """Which layers an envelope travels in, and the addresses in them.

    Attributes:
        channel: code, randomiser, start and tail sequence.
        scid: spacecraft, 0 to 1023.
        vcid: virtual channel, 0 to 63.
        map_id: multiplexer access point, 0 to 63; None leaves the segment header out, and an
            envelope then has to fit into one frame.
        apid: application process, 0 to 2046; None leaves the space packet out.
        type: of data frames, AD (with COP-1) or BD.
        fecf: whether frames end in a CRC.
        max_frame_bytes: no longer frames are sent.
    """

    channel: ChannelCoding = field(default_factory=ChannelCoding)
    scid: int = 1
    vcid: int = 0
    map_id: int | None = 0
    apid: int | None = 1
    type: FrameType = FrameType.BD
    fecf: bool = True
    max_frame_bytes: int = MAX_FRAME_BYTES

    @property
    def field_header_bytes(self) -> int:
        """What stands before the security fields in a data field."""
        return 0 if self.map_id is None else SEGMENT_HEADER_BYTES

    def room_bytes(self, security: Security | None = None) -> int:
        """How much of a packet or envelope fits into one frame; may be negative."""
        taken = FRAME_HEADER_BYTES + self.field_header_bytes + FECF_BYTES * self.fecf
        return self.max_frame_bytes - taken - (security.overhead_bytes if security else 0)
