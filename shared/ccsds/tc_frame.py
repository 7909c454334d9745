"""The TC transfer frame, version 1.

    version 0 (2 bits) | bypass (1) | control command (1) | spare 0 (2) | SCID (10)
    VCID (6) | frame bytes less one (10) | N(S) (8) | data | FECF (16)

Source: CCSDS 232.0-B-4, 4.1.  The frame error control field is the CRC-16 of 4.1.4.2: polynomial
x^16 + x^12 + x^5 + 1, register preset to ones, no inversion, no reflection.
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from dataclasses import dataclass
from enum import Enum

from shared.ccsds.errors import FrameError
from shared.errors import InputError

FRAME_HEADER_BYTES = 5
FECF_BYTES = 2
MAX_FRAME_BYTES = 1024
MAX_SCID = 0x3FF
MAX_VCID = 0x3F

_HEADER = struct.Struct(">HHB")
_UNLOCK = b"\x00"
_SET_VR = b"\x82\x00"


class FrameType(Enum):
    """Bypass and control command flag (4.1.2); (0, 1) is reserved."""

    AD = (0, 0)
    """Data, accepted in sequence only."""
    BD = (1, 0)
    """Data, accepted whatever the sequence."""
    BC = (1, 1)
    """A command to the receiver's FARM."""


@dataclass(frozen=True)
class TcFrame:
    """A frame.

    Attributes:
        scid: spacecraft, 0 to 1023.
        vcid: virtual channel, 0 to 63.
        data: the data field: segment header, security fields and data, or a control command.
        type: AD, BD or BC.
        sequence_number: N(S).  Type-B frames are sent with 0; received, theirs means nothing.
    """

    scid: int
    vcid: int
    data: bytes
    type: FrameType = FrameType.BD
    sequence_number: int = 0


@dataclass(frozen=True)
class Unlock:
    """Ends a FARM's lockout (4.1.3.3.2)."""


@dataclass(frozen=True)
class SetVr:
    """Sets the number that a FARM expects next (4.1.3.3.3).

    Attributes:
        vr: V(R), 0 to 255.
    """

    vr: int


ControlCommand = Unlock | SetVr


def fecf(data: bytes) -> bytes:
    """The frame error control field of the bytes before it."""
    return crc_hqx(data, 0xFFFF).to_bytes(FECF_BYTES, "big")


def encode_header(frame: TcFrame, size: int) -> bytes:
    """The primary header of a frame of ``size`` bytes in all.

    Raises:
        InputError: a field does not fit.
    """
    for name, value, highest in (
        ("SCID", frame.scid, MAX_SCID),
        ("VCID", frame.vcid, MAX_VCID),
        ("N(S)", frame.sequence_number, 0xFF if frame.type is FrameType.AD else 0),
    ):
        if not 0 <= value <= highest:
            raise InputError(
                f"{name} {value} in a Type-{frame.type.name} frame", expected=f"0 to {highest}"
            )
    if not FRAME_HEADER_BYTES < size <= MAX_FRAME_BYTES:
        raise InputError(
            f"a frame of {size} bytes",
            expected=f"{FRAME_HEADER_BYTES + 1} to {MAX_FRAME_BYTES}",
            remedy="cut the data into segments",
        )
    return pack_header(frame, size)


def pack_header(frame: TcFrame, size: int) -> bytes:
    """The primary header of a frame that is known to fit, or of one that came like this."""
    bypass, control = frame.type.value
    return _HEADER.pack(
        bypass << 13 | control << 12 | frame.scid,
        frame.vcid << 10 | size - 1,
        frame.sequence_number,
    )


def encode_frame(frame: TcFrame, *, with_fecf: bool = True) -> bytes:
    """A frame's bytes.

    Raises:
        InputError: a field does not fit, or there is no data or too much.
    """
    if not frame.data:
        raise InputError("a frame without data", expected="at least one byte")
    size = FRAME_HEADER_BYTES + len(frame.data) + FECF_BYTES * with_fecf
    body = encode_header(frame, size) + frame.data
    return body + fecf(body) if with_fecf else body


def decode_frame(data: bytes, *, with_fecf: bool = True) -> TcFrame:
    """The frame that these bytes are.

    Raises:
        FrameError: they are cut short or go on, are damaged, or a reserved value is in them.
    """
    size = frame_bytes(data)
    if len(data) != size:
        raise FrameError(f"a frame of {len(data)} bytes", expected=f"{size}, as it says")
    trailer = FECF_BYTES * with_fecf
    if size <= FRAME_HEADER_BYTES + trailer:
        raise FrameError(f"a frame of {size} bytes", expected="at least one byte of data")
    if with_fecf and fecf(data[:-FECF_BYTES]) != data[-FECF_BYTES:]:
        raise FrameError(
            f"frame error control field {data[-FECF_BYTES:].hex()}",
            expected=fecf(data[:-FECF_BYTES]).hex(),
            remedy="send it again: the link has damaged it",
        )
    flags, identification, number = _HEADER.unpack_from(data)
    if flags >> 10 & 3:
        raise FrameError(f"spare bits {flags >> 10 & 3:02b} in a frame", expected="00")
    try:
        kind = FrameType((flags >> 13 & 1, flags >> 12 & 1))
    except ValueError:
        raise FrameError(
            "a frame with the control command flag and without bypass", expected="AD, BD or BC"
        ) from None
    return TcFrame(
        scid=flags & MAX_SCID,
        vcid=identification >> 10,
        data=data[FRAME_HEADER_BYTES : size - trailer],
        type=kind,
        sequence_number=number,
    )


def frame_bytes(data: bytes) -> int:
    """How long the frame that begins here says it is, its version being the one known.

    Raises:
        FrameError: too short for a header, or another version.
    """
    if len(data) < FRAME_HEADER_BYTES:
        raise FrameError(f"a frame of {len(data)} bytes", expected="a header of 5 and data")
    if data[0] >> 6:
        raise FrameError(f"transfer frame version {data[0] >> 6:02b}", expected="00, a TC frame")
    return int(_HEADER.unpack_from(data)[1] & 0x3FF) + 1


def encode_control(command: ControlCommand) -> bytes:
    """The data field of a Type-BC frame.

    Raises:
        InputError: V(R) does not fit.
    """
    if isinstance(command, Unlock):
        return _UNLOCK
    if not 0 <= command.vr <= 0xFF:
        raise InputError(f"V(R) {command.vr}", expected="0 to 255")
    return _SET_VR + bytes([command.vr])


def decode_control(data: bytes) -> ControlCommand:
    """The command in the data field of a Type-BC frame.

    Raises:
        FrameError: it is neither Unlock nor Set V(R).
    """
    if data == _UNLOCK:
        return Unlock()
    if len(data) == 3 and data.startswith(_SET_VR):
        return SetVr(data[2])
    raise FrameError(
        f"control command {data[:8].hex()}", expected="Unlock (00) or Set V(R) (8200xx)"
    )
