"""Bytes as they come off a line, to messages or to segments of messages.

Three framings behind one interface, ``Framing``:

- ``Datagrams``: each piece is one message, as UDP delivers it;
- ``Slip``: messages on a stream between END bytes (RFC 1055);
- ``Ccsds``: CLTUs, transfer frames and segments (``shared.ccsds``), on a stream or in datagrams.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from shared.ccsds.segmentation import Segment, SequenceFlags, decode_segment
from shared.ccsds.stack import Stack
from shared.ccsds.stream import Found, FrameStream
from shared.ccsds.tc_frame import FrameType
from shared.errors import Refusal

SLIP_END, SLIP_ESC, SLIP_ESC_END, SLIP_ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD


@dataclass(frozen=True)
class Piece:
    """A segment.

    Attributes:
        segment: as it came.
        number: of its frame, if frames are numbered (Type-A).
        source: whom the line says it is from, or ""; it can be forged, and is no part of what a
            piece is.
    """

    segment: Segment
    number: int | None = None
    source: str = field(default="", compare=False)


@dataclass(frozen=True)
class Units:
    """What bytes held.

    Attributes:
        messages: whole ones.
        pieces: segments of others.
        faults: what was dropped, in words.
    """

    messages: tuple[bytes, ...] = ()
    pieces: tuple[Piece, ...] = ()
    faults: tuple[str, ...] = ()


class Framing(Protocol):
    """Finds messages or pieces of them in what comes."""

    def feed(self, data: bytes) -> Units:
        """More bytes have come; never raises."""

    def end(self) -> Units:
        """The input has ended: what is unfinished will stay so.

        A pause is no end.  A line of 16 bit/s is silent for half a second after each byte.
        """


class Datagrams:
    """Each piece of input is one message."""

    def feed(self, data: bytes) -> Units:
        """See ``Framing``."""
        return Units((data,))

    def end(self) -> Units:
        """See ``Framing``."""
        return Units()


class Slip:
    """Messages between END bytes; an END before each message ends what noise began (RFC 1055).

    Args:
        max_bytes: longer messages are dropped while they come, so that noise takes no memory.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._message = bytearray()
        self._escaped = False
        self._broken = False

    def feed(self, data: bytes) -> Units:
        """See ``Framing``."""
        messages: list[bytes] = []
        faults: list[str] = []
        for byte in data:
            if byte == SLIP_END:
                if self._broken or self._escaped:
                    faults.append("a message with a wrong escape, or too long")
                elif self._message:
                    messages.append(bytes(self._message))
                self._message.clear()
                self._escaped = self._broken = False
                continue
            if self._escaped:
                self._broken |= byte not in (SLIP_ESC_END, SLIP_ESC_ESC)
                byte = SLIP_END if byte == SLIP_ESC_END else SLIP_ESC
                self._escaped = False
            elif byte == SLIP_ESC:
                self._escaped = True
                continue
            if len(self._message) < self._max_bytes:
                self._message.append(byte)
            else:
                self._broken = True
        return Units(tuple(messages), (), tuple(faults))

    def end(self) -> Units:
        """See ``Framing``."""
        begun = bool(self._message) or self._escaped or self._broken
        self._message.clear()
        self._escaped = self._broken = False
        return Units((), (), ("the input ended inside a message",) if begun else ())


def slip(message: bytes) -> bytes:
    """A message as ``Slip`` reads it."""
    escaped = message.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + escaped + b"\xc0"


class Ccsds:
    """CLTUs of one spacecraft and virtual channel.

    Frames of Type-A need not come in order here: the number of each says where it belongs.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._stream = FrameStream(stack)

    def feed(self, data: bytes) -> Units:
        """See ``Framing``."""
        return self._units(self._stream.feed(data))

    def end(self) -> Units:
        """See ``Framing``; the last CLTU of a session may have lost its end."""
        return self._units(self._stream.end())

    def _units(self, found: Found) -> Units:
        faults = [str(fault) for fault in found.faults]
        pieces: list[Piece] = []
        for frame in found.frames:
            if frame.type is FrameType.BC:
                continue
            number = frame.sequence_number if frame.type is FrameType.AD else None
            try:
                segment = self._segment(frame.data)
            except Refusal as fault:
                faults.append(str(fault))
                continue
            pieces.append(Piece(segment, number))
        return Units((), tuple(pieces), tuple(faults))

    def _segment(self, field: bytes) -> Segment:
        if self._stack.map_id is None:
            return Segment(SequenceFlags.UNSEGMENTED, 0, field)
        return decode_segment(field)
