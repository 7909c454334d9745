"""Where frames begin and end in the data of a CLTU, and what is no frame behind them.

Frames lie one behind the other, each as long as its header says (232.0-B-4, 4.3.2).  What follows
the last one is fill: shorter than a codeword's data it may read anything, since some senders
randomise fill and some do not; longer it is a fault, one whatever its length, unless it is made
of fill bytes.
"""

from __future__ import annotations

from shared.ccsds.cltu import FILL_BYTE
from shared.ccsds.errors import FrameError
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import (
    FECF_BYTES,
    FRAME_HEADER_BYTES,
    TcFrame,
    decode_frame,
    frame_bytes,
)


def claimed_bytes(rest: bytes, stack: Stack) -> int:
    """Say how long the frame is that begins here, or 0 where none begins.

    Args:
        rest: at least a header.
        stack: says whether frames end in a CRC.
    """
    try:
        size = frame_bytes(rest)
    except FrameError:
        return 0
    return size if size > FRAME_HEADER_BYTES + FECF_BYTES * stack.fecf else 0


def is_ours(rest: bytes, stack: Stack) -> bool:
    """Say whether the header that begins here has this receiver's addresses and no spare bits.

    Args:
        rest: at least a header.
        stack: the addresses.
    """
    flags = int.from_bytes(rest[:2], "big")
    return flags & 0xFFF == stack.scid and rest[2] >> 2 == stack.vcid


def read_frame(data: bytes, stack: Stack) -> TcFrame:
    """Read a frame that is for this spacecraft and channel (232.0-B-4, 4.4).

    Raises:
        FrameError: it is damaged, or for others.
    """
    frame = decode_frame(data, with_fecf=stack.fecf)
    check_address("spacecraft", frame.scid, stack.scid)
    check_address("virtual channel", frame.vcid, stack.vcid)
    return frame


def check_address(name: str, found: int, expected: int) -> None:
    """Refuse what is for others.

    Raises:
        FrameError: the addresses differ.
    """
    if found != expected:
        raise FrameError(f"a unit for {name} {found}", expected=f"{name} {expected}")


def rest_fault(head: bytes, size: int, solid: int, stack: Stack) -> FrameError | None:
    """Say what is wrong with the bytes behind the last whole frame of a CLTU.

    Args:
        head: as many of them as a codeword carries, or all if there are fewer.
        size: how many bytes there are.
        solid: how many without the fill bytes at their end, which the encoder may have added.
        stack: the layers.

    Returns:
        None where they are fill, known by their value or by being so few.
    """
    if solid < stack.channel.data_bytes:
        return None
    try:
        claimed = frame_bytes(head)
    except FrameError as fault:
        return fault
    if not claimed_bytes(head, stack):
        return FrameError(
            f"{size} bytes that are no frame, since they claim to be {claimed}",
            expected="frames with data, and fill shorter than a codeword's data",
            remedy="end the CLTU with its last frame",
        )
    return FrameError(f"a frame of {size} bytes", expected=f"{claimed}, as it says")


def frames_in(data: bytes, stack: Stack) -> tuple[list[TcFrame], list[FrameError]]:
    """Read the frames in the data of one whole CLTU; never raises.

    Returns:
        Those for this receiver, in order, and why others were dropped.
    """
    frames: list[TcFrame] = []
    faults: list[FrameError] = []
    while len(data) >= FRAME_HEADER_BYTES:
        size = claimed_bytes(data, stack)
        if not 0 < size <= len(data):
            break
        try:
            frames.append(read_frame(data[:size], stack))
        except FrameError as fault:
            faults.append(fault)
        data = data[size:]
    head, solid = data[: stack.channel.data_bytes], len(data.rstrip(bytes([FILL_BYTE])))
    behind = rest_fault(head, len(data), solid, stack)
    return frames, [*faults, behind] if behind else faults
