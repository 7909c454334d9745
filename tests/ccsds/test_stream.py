"""Frames out of a stream: whatever lies around them, however it is cut, at a bounded cost."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.ccsds.cltu import ChannelCoding, Coding, encode_cltu, session
from shared.ccsds.coding import bch
from shared.ccsds.coding.bch import Decoding
from shared.ccsds.link import Frames, build_frame, receive_frames
from shared.ccsds.stack import Stack
from shared.ccsds.stream import Found, FrameStream
from shared.ccsds.tc_frame import TcFrame
from shared.errors import InputError

STACK = Stack(scid=0x2A5, vcid=3)
PLAIN = replace(STACK, channel=ChannelCoding(randomise=False))
DETECTING = replace(STACK, channel=ChannelCoding(decoding=Decoding.TRIPLE_ERROR_DETECTION))
every_stack = pytest.mark.parametrize("stack", [STACK, PLAIN, DETECTING])
START = bytes.fromhex("EB90")


def frame(data: bytes, stack: Stack = STACK) -> bytes:
    return build_frame(b"\xc0" + data, stack)


def cltu(data: bytes, stack: Stack = STACK) -> bytes:
    return encode_cltu(frame(data, stack), stack.channel)


@dataclass(frozen=True)
class Seen:
    """What came out, faults in words, so that it can be compared."""

    frames: tuple[TcFrame, ...] = ()
    faults: tuple[str, ...] = ()


def seen(*found: Found | Frames) -> Seen:
    frames = itertools.chain.from_iterable(one.frames for one in found)
    return Seen(tuple(frames), tuple(str(fault) for one in found for fault in one.faults))


def fed(stack: Stack, pieces: Iterable[bytes], *, end: bool = True) -> tuple[Seen, FrameStream]:
    stream = FrameStream(stack)
    found = [stream.feed(piece) for piece in pieces] + ([stream.end()] if end else [])
    return seen(*found), stream


def held(found: Seen | Found) -> list[bytes]:
    return [one.data[1:] for one in found.frames]


def codeblocks(count: int, seed: int) -> bytes:
    """Valid codewords, any number of them."""
    data = np.random.default_rng(seed).integers(0, 256, (count, 7), dtype=np.uint8)
    return bch.encode(data).tobytes()


def with_starts(count: int) -> bytes:
    """Valid codewords that are made of start sequences."""
    return bch.encode(np.frombuffer((START * 7) * count, np.uint8).reshape(-1, 7)).tobytes()


def headed(stack: Stack, count: int) -> bytes:
    """Valid codewords, each a start and a header that claims a long frame."""
    header = (0x2000 | stack.scid).to_bytes(2, "big") + (stack.vcid << 10 | 1023).to_bytes(2, "big")
    block = np.frombuffer((START + header + b"\0")[:7] * count, np.uint8).reshape(-1, 7)
    return bch.encode(block).tobytes()


# --- whatever lies around -----------------------------------------------------------------------


RUBBISH = st.one_of(
    st.binary(max_size=40),
    st.just(START * 9),
    st.just(b"\x55" * 12),
    st.just(b"\x00" * 20),
    st.builds(lambda n, seed: START + codeblocks(n, seed), st.integers(0, 5), st.integers(0, 99)),
    st.builds(lambda n: cltu(b"cut short, cut short")[:n], st.integers(2, 30)),
    st.just(with_starts(3)),
)


@every_stack
@given(
    parts=st.lists(st.tuples(RUBBISH, st.binary(min_size=1, max_size=60)), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 70), min_size=1, max_size=9),
)
@settings(max_examples=40, deadline=None)
def test_every_honest_frame_is_found_however_the_bytes_are_cut(
    stack: Stack, parts: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(rubbish + cltu(data, stack) for rubbish, data in parts)
    whole, _ = fed(stack, [stream])
    assert [data for data in held(whole) if data in [d for _, d in parts]] == [d for _, d in parts]
    ends = [0, *itertools.accumulate(itertools.islice(itertools.cycle(cuts), len(stream)))]
    assert fed(stack, [stream[a:b] for a, b in itertools.pairwise(ends)])[0] == whole
    assert fed(stack, [bytes([value]) for value in stream])[0] == whole


@given(st.lists(st.binary(min_size=1, max_size=90), min_size=1, max_size=4), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_it_agrees_with_the_receiver_of_whole_signals(sent: list[bytes], seed: int) -> None:
    """Which is another program: on honest sessions, and with one error somewhere in each CLTU."""
    choose = random.Random(seed)
    damaged = []
    for data in sent:
        signal = bytearray(cltu(data))
        signal[choose.randrange(len(signal))] ^= 1 << choose.randrange(8)
        damaged.append(bytes(signal))
    for stream in (session([cltu(data) for data in sent]), session(damaged)):
        assert fed(STACK, [stream])[0] == seen(receive_frames(stream, STACK))


@every_stack
@pytest.mark.parametrize("around", ["codeblocks", "starts", "headers"])
def test_endless_codewords_of_a_stranger_hide_nothing(stack: Stack, around: str) -> None:
    """Wherever in a codeword of the stranger the honest start sequence falls."""
    before = {
        "codeblocks": START + codeblocks(40, 5),
        "starts": with_starts(40),
        "headers": headed(stack, 40),
    }[around]
    for shift in range(8):
        stream = before[: len(before) - shift] + cltu(b"honest", stack) + before
        assert b"honest" in held(fed(stack, [stream])[0])


def test_bits_of_any_alignment() -> None:
    for lead in range(8):
        bits = np.unpackbits(np.frombuffer(cltu(b"honest") + bytes(2), np.uint8))
        stream = np.packbits(np.concatenate([np.zeros(lead, np.uint8), bits])).tobytes()
        assert held(fed(STACK, [stream])[0]) == [b"honest"]


# --- at once, and never by the clock ------------------------------------------------------------


@every_stack
def test_a_frame_is_there_with_the_last_byte_of_its_last_codeword(stack: Stack) -> None:
    """No tail is waited for, no pause, and no other CLTU."""
    sent = cltu(b"honest", stack)
    last = len(sent) - len(stack.channel.tail_sequence)
    assert held(fed(stack, [sent[: last - 1]], end=False)[0]) == []
    assert held(fed(stack, [sent[:last]], end=False)[0]) == [b"honest"]


def test_what_is_unfinished_is_given_up_when_the_code_fails_and_told_once() -> None:
    cut = cltu(b"a frame that is cut short, somewhere in its middle")[:42]
    found, stream = fed(STACK, [cut], end=False)
    assert found == Seen()
    assert seen(stream.feed(b"")) == Seen()
    later = stream.feed(b"\x55" * 16)
    assert ["as it says" in str(fault) for fault in later.faults] == [True]
    assert held(stream.feed(cltu(b"next"))) == [b"next"]
    assert seen(stream.end()) == Seen()


def test_the_end_of_input_gives_up_too() -> None:
    found, _ = fed(STACK, [cltu(b"a frame that is cut short")[:20]])
    assert ["as it says" in fault for fault in found.faults] == [True]


# --- one fault ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fill", [b"\x00", b"\x20\x01", b"\xff", b"\x00\x00\x00\x05"])
@pytest.mark.parametrize("size", [0, 1, 6, 7, 8, 20, 700])
def test_fill_behind_a_frame_is_one_fault_at_most(fill: bytes, size: int) -> None:
    """Ground systems fill frames up with zeros; also what claims less than a header is one."""
    data = frame(b"honest") + (fill * size)[:size]
    signal = encode_cltu(data, STACK.channel)
    found, _ = fed(STACK, [signal])
    assert held(found) == [b"honest"]
    assert len(found.faults) <= (size >= 7)
    assert seen(receive_frames(signal, STACK)) == found


@pytest.mark.parametrize("size", [1, 6, 7, 70, 900])
def test_fill_bytes_are_no_fault_however_many(size: int) -> None:
    signal = encode_cltu(frame(b"honest") + b"\x55" * size, STACK.channel)
    assert fed(STACK, [signal])[0].faults == seen(receive_frames(signal, STACK)).faults == ()


def test_what_lies_inside_a_cltu_and_looks_like_one_is_no_fault() -> None:
    """Data of an honest frame that begins a CLTU of another spacecraft, unrandomised."""
    other = replace(PLAIN, scid=9)
    inside = cltu(b"for another spacecraft", other)
    data = b"\0" * 4 + inside[:100]
    found, _ = fed(PLAIN, [cltu(data, PLAIN)])
    assert held(found) == [data]
    assert found.faults == ()


# --- what it costs ------------------------------------------------------------------------------


ATTACKS = {
    "starts": START * 2600,
    "shifted starts": bytes.fromhex("EB90") * 2 + b"\x75\xc8" * 2600,
    "noise": random.Random(8).randbytes(5200),
    "endless codewords": START + codeblocks(650, 1),
    "codewords of starts": with_starts(660),
    "headers": headed(STACK, 650),
    "a frame of zeros": encode_cltu(bytes(4550), STACK.channel),
    "frames of others": b"".join(cltu(b"x", replace(STACK, scid=n)) for n in range(1, 200)),
    "tiny frames": encode_cltu(frame(b"x") * 500, STACK.channel),
}


@every_stack
@pytest.mark.parametrize("name", ATTACKS)
def test_no_byte_costs_more_than_the_one_before(stack: Stack, name: str) -> None:
    """Counted, not timed."""
    attack = ATTACKS[name]
    _, stream = fed(stack, [attack[at : at + 13] for at in range(0, len(attack), 13)])
    assert stream.work.searched == 8 * len(attack)
    assert stream.work.codewords <= 8 * len(attack)
    assert stream.work.readings <= 8 * len(attack)
    _, twice = fed(stack, [attack, attack])
    assert twice.work.searched == 2 * stream.work.searched
    assert twice.work.codewords <= 2.1 * stream.work.codewords + 64
    assert twice.work.readings <= 2.1 * stream.work.readings + 64


@pytest.mark.parametrize("name", ATTACKS)
def test_the_next_honest_frame_comes_at_once_behind_every_attack(name: str) -> None:
    stream = FrameStream(STACK)
    stream.feed(ATTACKS[name])
    assert b"honest" in held(stream.feed(cltu(b"honest")))


def test_endless_codewords_take_no_memory() -> None:
    """What a lane keeps is bounded by a frame's length, whatever it has read before."""
    stream = FrameStream(STACK)
    endless = [START, *(codeblocks(100, seed) for seed in range(50))]
    sizes = []
    for piece in endless:
        stream.feed(piece)
        lanes = list(stream._lanes.values())
        kept = sum(len(lane.data) + len(lane.readers) for lane in lanes)
        sizes.append(kept + len(stream._bytes) + len(stream._due))
    assert max(sizes[len(sizes) // 2 :]) < 4096


def test_other_codes_are_refused() -> None:
    with pytest.raises(InputError, match="ldpc"):
        FrameStream(replace(STACK, channel=ChannelCoding(Coding.LDPC_128_64)))


def test_one_word_is_decoded_as_many_are() -> None:
    random_words = np.random.default_rng(4).integers(0, 256, (4000, 8), dtype=np.uint8)
    near = np.frombuffer(bytearray(codeblocks(4000, 6)), np.uint8).reshape(-1, 8).copy()
    near[np.arange(4000), np.arange(4000) % 8] ^= (1 << np.arange(4000) // 8 % 8).astype(np.uint8)
    for decoding in Decoding:
        for words in (random_words, near):
            many = bch.decode(words, decoding)
            for row, data, ok in zip(words, many.data, many.ok, strict=True):
                one = bch.decode_word(int.from_bytes(row.tobytes(), "big"), decoding)
                assert one == (data.tobytes() if ok else None)


def test_frames_are_values() -> None:
    assert fed(STACK, [cltu(b"x")])[0].frames == (TcFrame(0x2A5, 3, b"\xc0x"),)
