"""Envelopes through all layers, and what a receiver says when some of it is missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st
from spacepackets.ccsds.spacepacket import SpHeader

from shared.ccsds.bits import to_bits
from shared.ccsds.cltu import ChannelCoding, Coding, encode_cltu, receive_cltus, session
from shared.ccsds.errors import FrameError
from shared.ccsds.link import (
    build_control_frame,
    build_frame,
    data_fields,
    deliver,
    receive,
    receive_frames,
    send,
)
from shared.ccsds.segmentation import Reassembly
from shared.ccsds.stack import Security, Stack
from shared.ccsds.tc_frame import FrameType, SetVr, TcFrame, decode_control, encode_frame
from shared.errors import InputError, Refusal

ENVELOPE = bytes((11 * value + 5) % 253 for value in range(300))
STACKS = (
    Stack(),
    Stack(map_id=None, apid=None),
    Stack(map_id=None, apid=0x5A3, scid=1023, vcid=63),
    Stack(map_id=41, apid=None, type=FrameType.AD, scid=0x2A5),
    Stack(max_frame_bytes=40, fecf=False, type=FrameType.AD),
    Stack(max_frame_bytes=9, apid=None),
)
CODES = (
    ChannelCoding(),
    ChannelCoding(randomise=False),
    ChannelCoding(Coding.LDPC_128_64),
    ChannelCoding(Coding.LDPC_512_256),
)


@dataclass(frozen=True)
class Cmac:
    """A header of SPI and sequence number, and a CMAC over all before it: the 22 bytes of the
    baseline for telecommand in 355.0-B-2."""

    key: bytes
    overhead_bytes: int = 22

    def protect(self, frame_header: bytes, data: bytes) -> bytes:
        header = b"\x00\x01\x00\x00\x00\x2a"
        return header + data + self.mac(frame_header + header + data)

    def unprotect(self, frame_header: bytes, data: bytes) -> bytes:
        if self.mac(frame_header + data[:-16]) != data[-16:]:
            raise FrameError("a wrong MAC")
        return data[6:-16]

    def mac(self, data: bytes) -> bytes:
        cmac = CMAC(AES(self.key))
        cmac.update(data)
        return cmac.finalize()


SECURITY = Cmac(bytes(range(16)))


# --- whole ------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", CODES)
@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("security", [None, SECURITY])
@given(
    envelopes=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=3),
    lead=st.integers(0, 9),
    number=st.integers(0, 255),
)
@settings(max_examples=4, deadline=None)
def test_round_trip(
    channel: ChannelCoding,
    stack: Stack,
    security: Security | None,
    envelopes: list[bytes],
    lead: int,
    number: int,
) -> None:
    stack = replace(stack, channel=channel)
    if stack.room_bytes(security) < 1:
        return
    cltus: list[bytes] = []
    for count, envelope in enumerate(envelopes):
        first = (number + len(cltus)) % 256
        cltus += send(envelope, stack, packet_count=count, first_number=first, security=security)
    signal = np.concatenate([np.zeros(lead, np.uint8), to_bits(session(cltus))])
    found = receive(signal, stack, security=security)
    assert found.envelopes == tuple(envelopes)
    assert found.faults == ()
    assert found.state.parts == ()


def test_every_byte_of_a_cltu_by_hand() -> None:
    """SCID 1, VCID 0, MAP 0, APID 1 and four bytes, without randomiser."""
    (cltu,) = send(b"abcd", Stack(channel=ChannelCoding(randomise=False)), packet_count=0x1234)
    frame = "2001001100" + "c0" + "1001d2340003" + "61626364"
    body = b"".join(cltu[at : at + 7] for at in range(2, len(cltu) - 8, 8))
    assert cltu[:2].hex() == "eb90"
    assert body[:16].hex() == frame
    assert body[18:] == b"\x55" * 3
    assert cltu[-8:].hex() == "c5c5c5c5c5c5c579"


def test_the_packet_inside_is_one_for_spacepackets() -> None:
    (field,) = data_fields(ENVELOPE, Stack(apid=0x123), packet_count=77)
    header = SpHeader.unpack(field[1:7])
    assert (header.apid, header.seq_count, header.packet_len) == (0x123, 77, 306)


def test_an_envelope_larger_than_a_packet_goes_in_segments_alone() -> None:
    envelope = bytes(range(256)) * 300
    with pytest.raises(InputError, match="packet data"):
        send(envelope, Stack())
    stack = Stack(apid=None)
    cltus = send(envelope, stack)
    assert len(cltus) == -(-len(envelope) // 1016)
    assert receive(b"".join(cltus), stack).envelopes == (envelope,)


def test_units_go_on_from_one_signal_to_the_next() -> None:
    stack = Stack(max_frame_bytes=120, type=FrameType.AD)
    cltus = send(ENVELOPE, stack, first_number=254)
    state, envelopes = Reassembly(), []
    for cltu in cltus:
        found = receive(cltu, stack, state=state)
        state = found.state
        assert found.faults == ()
        envelopes += found.envelopes
    assert envelopes == [ENVELOPE]
    assert state.number == (254 + len(cltus) - 1) % 256


# --- damaged ----------------------------------------------------------------------------------


def test_every_flipped_bit_of_a_bch_cltu_is_corrected() -> None:
    bits = to_bits(send(ENVELOPE[:40], Stack())[0])
    for place in range(bits.size):
        bits[place] ^= 1
        found = receive(bits, Stack())
        assert (found.envelopes, found.faults) == ((ENVELOPE[:40],), ())
        bits[place] ^= 1


def test_every_truncation_is_nothing_or_a_fault_and_never_an_envelope() -> None:
    for stack in STACKS[:4]:
        cltus = send(ENVELOPE[:40], stack)
        last_codeword = len(b"".join(cltus)) - len(stack.channel.tail_sequence)
        for size in range(last_codeword):
            found = receive(b"".join(cltus)[:size], stack)
            assert found.envelopes == ()
            started = size >= 2 + 8
            assert bool(found.faults) == started


def test_without_a_code_every_flipped_bit_of_a_frame_is_refused() -> None:
    """The frame's own CRC, and what stands before it, with an undamaged CLTU around."""
    for stack in (Stack(), Stack(map_id=None)):
        frame = build_frame(data_fields(ENVELOPE[:20], stack)[0], stack)
        for bit in range(8 * len(frame)):
            damaged = bytearray(frame)
            damaged[bit // 8] ^= 0x80 >> bit % 8
            found = receive(encode_cltu(bytes(damaged), stack.channel), stack)
            assert found.envelopes == ()
            assert found.faults


@pytest.mark.parametrize("stack", [STACKS[3], STACKS[4]])
def test_any_lost_frames_lose_the_envelope_and_are_named(stack: Stack) -> None:
    stack = replace(stack, fecf=True, max_frame_bytes=70)
    cltus = send(ENVELOPE[:260], stack, first_number=7)
    for lost in range(1, len(cltus)):
        for kept in combinations(cltus, len(cltus) - lost):
            found = receive(b"".join(kept), stack)
            assert found.envelopes == ()
            assert found.faults or found.state.parts


def test_a_lost_middle_segment_of_type_bd_is_seen_by_the_packet_alone() -> None:
    """Which is why 'bare' with Type-BD leaves it to the envelope's signature."""
    packets = Stack(max_frame_bytes=100)
    cltus = send(ENVELOPE, packets)
    found = receive(b"".join(cltus[:1] + cltus[2:]), packets)
    assert found.envelopes == ()
    assert "as it says" in str(found.faults[0])

    bare = replace(packets, apid=None)
    cltus = send(ENVELOPE, bare)
    room = bare.room_bytes()
    found = receive(b"".join(cltus[:1] + cltus[2:]), bare)
    assert found.envelopes == (ENVELOPE[:room] + ENVELOPE[2 * room :],)
    assert found.faults == ()


def test_after_lost_frames_the_next_envelope_is_whole() -> None:
    stack = Stack(max_frame_bytes=100)
    cltus = [*send(ENVELOPE, stack)[:-1], *send(b"second", stack, packet_count=1)]
    found = receive(session(cltus), stack)
    assert found.envelopes == (b"second",)
    assert len(found.faults) == 1


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        (Stack(scid=2), "spacecraft 2"),
        (Stack(vcid=5), "virtual channel 5"),
        (Stack(map_id=3), "MAP 3"),
        (Stack(apid=9), "application process 9"),
    ],
)
def test_what_is_for_others_is_dropped_and_named(sender: Stack, name: str) -> None:
    found = receive(send(ENVELOPE, sender)[0], Stack())
    assert found.envelopes == ()
    assert [name in str(fault) for fault in found.faults] == [True]


@pytest.mark.parametrize("header", ["1801c0000001", "0001c0000001", "100140000001"])
def test_other_packets_are_dropped(header: str) -> None:
    """With a secondary header, of telemetry, the first of several."""
    field = b"\xc0" + bytes.fromhex(header) + b"xy"
    found = deliver([TcFrame(1, 0, field)], Stack())
    assert found.envelopes == ()
    assert "unsegmented telecommand" in str(found.faults[0])


# --- around frames ----------------------------------------------------------------------------


def test_several_frames_in_one_cltu() -> None:
    stack = Stack()
    frames = [build_frame(data_fields(each, stack)[0], stack) for each in (b"one", b"second one")]
    unlock = build_control_frame(SetVr(3), stack)
    found = receive_frames(
        encode_cltu(b"".join([frames[0], unlock, frames[1]]), stack.channel), stack
    )
    assert [frame.type.name for frame in found.frames] == ["BD", "BC", "BD"]
    assert decode_control(found.frames[1].data) == SetVr(3)
    delivered = deliver(found.frames, stack)
    assert (delivered.envelopes, delivered.faults) == ((b"one", b"second one"), ())


def test_any_fill_is_dropped() -> None:
    """Also what another sender left unrandomised, so that it reads as anything here."""
    stack = Stack(channel=ChannelCoding(randomise=False))
    frame = build_frame(data_fields(b"abcde", stack)[0], stack)
    size = -len(frame) % 7
    assert size == 2
    for fill in (b"\x55\x55", b"\x00\x00", b"\x20\x01", b"\xff\x00"):
        found = receive(encode_cltu(frame + fill, stack.channel), stack)
        assert (found.envelopes, found.faults) == ((b"abcde",), ())


def test_more_than_fill_behind_a_frame_is_a_fault() -> None:
    stack = Stack()
    frame = build_frame(data_fields(b"abcde", stack)[0], stack)
    found = receive(encode_cltu(frame + b"\xaa" * 20, stack.channel), stack)
    assert found.envelopes == (b"abcde",)
    assert "version 10" in str(found.faults[0])


def test_cop_1_goes_between() -> None:
    """A FOP numbers the fields, a FARM passes on what it expects next; here the least of both."""
    stack = Stack(max_frame_bytes=60, type=FrameType.AD)
    fields = data_fields(ENVELOPE, stack)
    cltus = [
        encode_cltu(build_frame(field, stack, sequence_number=(250 + index) % 256), stack.channel)
        for index, field in enumerate(fields)
    ]
    on_the_link = [*cltus[:2], cltus[1], *cltus[2:4], *cltus[5:], *cltus[4:]]
    expected = 250
    accepted = []
    for frame in receive_frames(session(on_the_link), stack).frames:
        if frame.sequence_number == expected:
            accepted.append(frame)
            expected = (expected + 1) % 256
    found = deliver(accepted, stack)
    assert (found.envelopes, found.faults) == ((ENVELOPE,), ())


def test_control_frames_have_no_segment_header() -> None:
    frame = build_control_frame(SetVr(219), Stack(scid=0x2A5, vcid=3))
    assert frame.hex()[:16] == "32a50c09008200db"
    assert len(frame) == 10


# --- security ---------------------------------------------------------------------------------


def test_security_fields_lie_behind_the_segment_header_and_cover_both_headers() -> None:
    stack = Stack(scid=0x2A5, apid=None)
    (field,) = data_fields(b"data", stack, security=SECURITY)
    frame = build_frame(field, stack, security=SECURITY)
    header = bytes.fromhex("22a5002100") + b"\xc0"
    assert frame[:6] == header
    assert frame[6:16] == b"\x00\x01\x00\x00\x00\x2adata"
    assert frame[16:32] == SECURITY.mac(header + frame[6:16])
    assert len(frame) == 34


def test_a_forged_frame_is_refused_by_the_security_layer() -> None:
    for stack in (Stack(), Stack(map_id=None)):
        forged = receive(
            send(ENVELOPE, stack, security=Cmac(bytes(16)))[0], stack, security=SECURITY
        )
        assert forged.envelopes == ()
        assert [str(fault) for fault in forged.faults] == ["a wrong MAC"]
        # Frames without security fields, long and too short to have any.
        for envelope in (ENVELOPE, b"x"):
            plain = receive(send(envelope, stack)[0], stack, security=SECURITY)
            assert plain.envelopes == ()
            assert len(plain.faults) == 1


def test_a_number_in_a_type_bd_frame_does_not_disturb_the_security_layer() -> None:
    """Such frames are not sent here, but they are taken, with the header as it came."""
    stack = Stack(apid=None)
    header = bytes.fromhex("2001001e4d") + b"\xc0"
    body = header + SECURITY.protect(header, b"z")
    cltu = encode_cltu(body + encode_frame_crc(body), stack.channel)
    assert receive(cltu, stack, security=SECURITY).envelopes == (b"z",)


def encode_frame_crc(body: bytes) -> bytes:
    """The CRC by shifting, one bit after the other."""
    register = 0xFFFF
    for bit in to_bits(body):
        top = register >> 15 ^ int(bit)
        register = (register << 1 & 0xFFFF) ^ (0x1021 if top else 0)
    return register.to_bytes(2, "big")


def test_a_security_layer_that_lies_about_its_size_is_a_defect() -> None:
    with pytest.raises(ValueError, match="overhead"):
        send(b"data", Stack(), security=replace(SECURITY, overhead_bytes=20))


# --- refused before sending ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("envelope", "stack"),
    [
        (b"", Stack()),
        (b"", Stack(apid=None)),
        (b"", Stack(apid=None, map_id=None)),
        (bytes(1018), Stack(map_id=None, apid=None)),
        (b"x", Stack(max_frame_bytes=8)),
        (b"x", Stack(scid=1024)),
        (b"x", Stack(vcid=64)),
        (b"x", Stack(map_id=64)),
        (b"x", Stack(apid=2048)),
        (bytes(2000), Stack(apid=None, max_frame_bytes=1500)),
    ],
)
def test_what_does_not_fit_is_not_sent(envelope: bytes, stack: Stack) -> None:
    with pytest.raises(InputError):
        send(envelope, stack)


def test_faults_are_refusals_that_say_what_was_expected() -> None:
    (fault,) = receive(send(b"x", Stack(scid=3))[0], Stack()).faults
    assert isinstance(fault, Refusal)
    assert fault.as_dict()["error"] == "frame"
    assert fault.expected == "spacecraft 1"


def test_random_signals_raise_nothing() -> None:
    random = np.random.default_rng(21)
    for channel in CODES:
        stack = Stack(channel=channel)
        for _ in range(5):
            found = receive(random.integers(0, 2, 5000, dtype=np.uint8), stack)
            assert found.envelopes == ()
    assert receive_cltus(b"", CODES[0]) == []
    assert encode_frame(TcFrame(1, 0, b"x"))
