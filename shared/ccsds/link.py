"""The whole way: an envelope to CLTUs, and a signal back to envelopes.

    sending                                  receiving
    envelope                                 envelopes
      |  space packet, segments                ^  reassembly, space packet
    data fields            data_fields         |
      |  FOP-1 gives N(S)                      |  SDLS opens                deliver
      |  SDLS protects     build_frame       frames
    frames                                     ^  FARM-1 accepts or drops
      |  codewords         encode_cltu         |  codewords, delimiting     receive_frames
    CLTUs                                    signal

``send`` and ``receive`` do all of it without COP-1.  COP-1 goes where the picture has it: number
what ``data_fields`` returns for ``build_frame``, and give ``deliver`` only the frames that a FARM
accepted.  Anything with the three members of ``stack.Security`` goes in as SDLS.

Sources: CCSDS 133.0-B-2, 232.0-B-4, 231.0-B-4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.ccsds.bits import Signal
from shared.ccsds.cltu import Reception, encode_cltu, receive_cltus
from shared.ccsds.delimiting import check_address, frames_in
from shared.ccsds.errors import FrameError
from shared.ccsds.segmentation import (
    Reassembly,
    SequenceFlags,
    decode_segment,
    encode_segment,
    reassemble,
    segment_sdu,
)
from shared.ccsds.space_packet import SpacePacket, encode_packet, packets_in
from shared.ccsds.stack import Security, Stack
from shared.ccsds.tc_frame import (
    FECF_BYTES,
    FRAME_HEADER_BYTES,
    ControlCommand,
    FrameType,
    TcFrame,
    encode_control,
    encode_frame,
    encode_header,
    pack_header,
)
from shared.errors import InputError, Refusal


@dataclass(frozen=True)
class Frames:
    """What a signal held.

    Attributes:
        frames: whole, undamaged, for this spacecraft and channel; in order.
        faults: why others were dropped.
        receptions: the CLTUs they came in.
    """

    frames: tuple[TcFrame, ...]
    faults: tuple[FrameError, ...]
    receptions: tuple[Reception, ...]


@dataclass(frozen=True)
class Delivered:
    """What frames held.

    Attributes:
        envelopes: whole ones, in order; nothing about their signature is known.
        faults: why others were dropped; those of ``receive_frames`` first, if it was asked too.
        state: to go on with when more frames come.
    """

    envelopes: tuple[bytes, ...]
    faults: tuple[Refusal, ...]
    state: Reassembly


# --- sending ----------------------------------------------------------------------------------


def send(
    envelope: bytes,
    stack: Stack,
    *,
    packet_count: int = 0,
    first_number: int = 0,
    security: Security | None = None,
) -> list[bytes]:
    """The CLTUs of an envelope, one for each frame.

    Args:
        envelope: not empty.
        stack: which layers.
        packet_count: the space packet's sequence count, modulo 16,384.
        first_number: N(S) of the first frame, if they are of Type-AD; the others count on.
        security: SDLS, or None.

    Raises:
        InputError: the envelope is empty or too long for the stack, or an address does not fit.
    """
    fields = data_fields(envelope, stack, packet_count=packet_count, security=security)
    cltus = []
    for index, field in enumerate(fields):
        number = (first_number + index) % 256 if stack.type is FrameType.AD else 0
        frame = build_frame(field, stack, sequence_number=number, security=security)
        cltus.append(encode_cltu(frame, stack.channel))
    return cltus


def data_fields(
    envelope: bytes, stack: Stack, *, packet_count: int = 0, security: Security | None = None
) -> list[bytes]:
    """An envelope as data fields of frames, segment headers included, security fields left out.

    Raises:
        InputError: as ``send``.
    """
    sdu = envelope
    if stack.apid is not None:
        sdu = encode_packet(SpacePacket(stack.apid, envelope, packet_count))
    room = stack.room_bytes(security)
    if stack.map_id is not None:
        segments = segment_sdu(sdu, stack.map_id, room)
        return [encode_segment(segment) for segment in segments]
    if not 0 < len(sdu) <= room:
        raise InputError(
            f"{len(sdu)} bytes for one frame",
            expected=f"1 to {room}",
            remedy="give the stack a segment header (map_id), or allow longer frames",
        )
    return [sdu]


def build_frame(
    field: bytes, stack: Stack, *, sequence_number: int = 0, security: Security | None = None
) -> bytes:
    """A data frame.

    Args:
        field: one of ``data_fields``.
        stack: the same.
        sequence_number: N(S); 0 for Type-BD.
        security: the same.

    Raises:
        InputError: a value does not fit.
        ValueError: ``security`` made another length than it says.
    """
    frame = TcFrame(stack.scid, stack.vcid, field, stack.type, sequence_number)
    if security is not None:
        overhead = security.overhead_bytes
        size = FRAME_HEADER_BYTES + len(field) + overhead + FECF_BYTES * stack.fecf
        header, data = field[: stack.field_header_bytes], field[stack.field_header_bytes :]
        secured = security.protect(encode_header(frame, size) + header, data)
        if len(secured) != len(data) + overhead:
            raise ValueError(f"{len(secured)} secured bytes of {len(data)}, overhead {overhead}")
        frame = TcFrame(stack.scid, stack.vcid, header + secured, stack.type, sequence_number)
    return encode_frame(frame, with_fecf=stack.fecf)


def build_control_frame(command: ControlCommand, stack: Stack) -> bytes:
    """A Type-BC frame; it has neither segment header nor security fields (232.0-B-4, section 6).

    Raises:
        InputError: a value does not fit.
    """
    frame = TcFrame(stack.scid, stack.vcid, encode_control(command), FrameType.BC)
    return encode_frame(frame, with_fecf=stack.fecf)


# --- receiving --------------------------------------------------------------------------------


def receive(
    signal: Signal,
    stack: Stack,
    *,
    state: Reassembly | None = None,
    security: Security | None = None,
) -> Delivered:
    """The envelopes in a signal.

    Args:
        signal: bytes, bits (uint8) or soft bits (floats, positive is 0), of any alignment.
        stack: which layers are expected.
        state: of the call before, if a unit may be under way.
        security: SDLS, or None.

    Raises:
        InputError: the signal is none.
    """
    found = receive_frames(signal, stack)
    delivered = deliver(found.frames, stack, state=state, security=security)
    return Delivered(delivered.envelopes, (*found.faults, *delivered.faults), delivered.state)


def receive_frames(signal: Signal, stack: Stack) -> Frames:
    """The frames in a signal that pass the checks of All Frames Reception (232.0-B-4, 4.4).

    Raises:
        InputError: the signal is none.
    """
    receptions = tuple(receive_cltus(signal, stack.channel))
    frames: list[TcFrame] = []
    faults: list[FrameError] = []
    for reception in receptions:
        whole, dropped = frames_in(reception.data, stack)
        frames += whole
        faults += dropped
    return Frames(tuple(frames), tuple(faults), receptions)


def deliver(
    frames: Iterable[TcFrame],
    stack: Stack,
    *,
    state: Reassembly | None = None,
    security: Security | None = None,
) -> Delivered:
    """The envelopes in frames; frames of Type-BC are a FARM's and are passed over."""
    state = state or Reassembly()
    envelopes: list[bytes] = []
    faults: list[Refusal] = []
    for frame in frames:
        if frame.type is FrameType.BC:
            continue
        try:
            field = _opened(frame, stack, security)
            sdu: bytes | None = field
            if stack.map_id is not None:
                segment = decode_segment(field)
                check_address("MAP", segment.map_id, stack.map_id)
                number = frame.sequence_number if frame.type is FrameType.AD else None
                step = reassemble(state, segment, number)
                state, sdu = step.state, step.sdu
                faults += [step.fault] if step.fault else []
            if sdu is not None:
                whole, dropped = _envelopes(sdu, stack)
                envelopes += whole
                faults += dropped
        except Refusal as fault:
            faults.append(fault)
    return Delivered(tuple(envelopes), tuple(faults), state)


def _opened(frame: TcFrame, stack: Stack, security: Security | None) -> bytes:
    """A frame's data field without security fields."""
    if security is None:
        return frame.data
    size = FRAME_HEADER_BYTES + len(frame.data) + FECF_BYTES * stack.fecf
    split = stack.field_header_bytes
    if len(frame.data) < split + security.overhead_bytes:
        raise FrameError(
            f"a data field of {len(frame.data)} bytes",
            expected=f"at least {split + security.overhead_bytes} with security fields",
        )
    header = frame.data[:split]
    return header + security.unprotect(pack_header(frame, size) + header, frame.data[split:])


def _envelopes(sdu: bytes, stack: Stack) -> tuple[list[bytes], list[Refusal]]:
    """The envelopes in a service data unit, one a packet, and why others were dropped."""
    if stack.apid is None:
        return [sdu], []
    packets, fault = packets_in(sdu)
    envelopes: list[bytes] = []
    faults: list[Refusal] = []
    for packet in packets:
        try:
            envelopes.append(_envelope(packet, stack.apid))
        except FrameError as dropped:
            faults.append(dropped)
    return envelopes, [*faults, fault] if fault else faults


def _envelope(packet: SpacePacket, apid: int) -> bytes:
    check_address("application process", packet.apid, apid)
    if (
        packet.flags is not SequenceFlags.UNSEGMENTED
        or packet.secondary_header
        or not packet.telecommand
    ):
        raise FrameError(
            f"a space packet with header {encode_packet(packet)[:4].hex()}",
            expected="an unsegmented telecommand without secondary header",
        )
    return packet.data
