"""CLTUs: other programs' bytes, and a receiver in all that a link can do to a signal."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.ccsds.bits import soften, to_bits, to_soft
from shared.ccsds.cltu import (
    ChannelCoding,
    Coding,
    Ending,
    disagreement,
    encode_cltu,
    receive_cltus,
    session,
    start_places,
)
from shared.ccsds.coding.bch import Decoding, decode
from shared.errors import InputError

BCH = ChannelCoding()
PLAIN = ChannelCoding(randomise=False)
TED = ChannelCoding(decoding=Decoding.TRIPLE_ERROR_DETECTION)
SHORT = ChannelCoding(Coding.LDPC_128_64)
UNTAILED = ChannelCoding(Coding.LDPC_128_64, tail=False)
LONG = ChannelCoding(Coding.LDPC_512_256)
ALL = (BCH, PLAIN, TED, SHORT, UNTAILED, LONG)
IDS = ("bch", "bch-plain", "bch-ted", "ldpc-128", "ldpc-128-untailed", "ldpc-512")
every_coding = pytest.mark.parametrize("channel", ALL, ids=IDS)

DATA = bytes((7 * value + 3) % 251 for value in range(45))


def flipped(bits: NDArray[np.uint8], *places: int) -> NDArray[np.uint8]:
    changed = bits.copy()
    changed[list(places)] ^= 1
    return changed


def noise(count: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 2, count, dtype=np.uint8)


# --- bytes ------------------------------------------------------------------------------------


def test_a_cltu_of_another_program() -> None:
    """A Type-AD frame with a segment and a PUS packet, from the tests of the Akira firmware."""
    cltu = bytes.fromhex(
        "eb90007b00191fc0186410c006000b100e16020000010319008800bbe915465555d2c5c5c5c5c5c5c579"
    )
    frame = bytes.fromhex("007b00191fc01810c006000b100e0200000103190000bbe91546")
    assert encode_cltu(frame, PLAIN) == cltu
    (found,) = receive_cltus(cltu, PLAIN)
    assert (found.start, found.end, found.codewords) == (0, 336, 4)
    assert found.data == frame + b"\x55\x55"
    assert found.ending is Ending.TAIL


def test_a_randomised_cltu_of_another_program() -> None:
    """Of TcEncoderTest in dariolucia/ccsds, which leaves the fill as it is; here fill is randomised
    as well, so the last eight bytes of data differ."""
    theirs = bytes.fromhex("EB90FF429A5468E804BEF6688C29A63957C20255555555555556C5C5C5C5C5C5C579")
    frame = bytes.fromhex("007b040e000102030405060708090a")
    ours = encode_cltu(frame, BCH)
    assert ours[:19] == theirs[:19]
    assert ours[26:] == theirs[26:]
    (found,) = receive_cltus(theirs, BCH)
    assert found.data.startswith(frame)
    (found,) = receive_cltus(ours, BCH)
    assert found.data == frame + b"\x55" * 6


@pytest.mark.parametrize(
    ("channel", "size", "expected"),
    [(BCH, 103, 130), (BCH, 132, 162), (LONG, 132, 328), (SHORT, 8, 40), (UNTAILED, 9, 40)],
)
def test_sizes(channel: ChannelCoding, size: int, expected: int) -> None:
    assert channel.cltu_bytes(size) == expected
    assert len(encode_cltu(bytes(size), channel)) == expected


def test_ldpc_codewords_are_randomised_one_by_one_after_coding() -> None:
    """Zeros are a codeword, so the sequence itself is on the link; 231.0-B-4, 6.3."""
    sequence = "ff399e5a68e906f56c892fa1315e08c0"
    cltu = encode_cltu(bytes(16), SHORT).hex()
    assert cltu == "034776c7272895b0" + 2 * sequence + "63a1ed72c6ac79e25555555555555555"
    assert encode_cltu(bytes(32), LONG).hex()[16:48] == sequence
    assert len(encode_cltu(bytes(32), LONG)) == 8 + 64


@every_coding
def test_fill(channel: ChannelCoding) -> None:
    for size in range(1, 2 * channel.data_bytes + 1):
        (found,) = receive_cltus(encode_cltu(DATA[:size].ljust(size, b"z"), channel), channel)
        fill = -size % channel.data_bytes
        assert found.data == DATA[:size].ljust(size, b"z") + b"\x55" * fill


def test_a_session_is_acquisition_then_idle_after_each() -> None:
    """231.0-B-4, 7.2: 128 bits of 0101... before the first CLTU."""
    assert session([b"one", b"two"], idle_bytes=2) == b"U" * 16 + b"oneUUtwoUU"


# --- receiving --------------------------------------------------------------------------------


@every_coding
@given(
    data=st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=3),
    lead=st.integers(0, 70),
)
@settings(max_examples=25, deadline=None)
def test_round_trip_at_any_alignment(channel: ChannelCoding, data: list[bytes], lead: int) -> None:
    sent = session([encode_cltu(each, channel) for each in data])
    signal = np.concatenate([np.resize(np.array([1, 0], np.uint8), lead), to_bits(sent)])
    found = receive_cltus(signal, channel)
    assert [each.data[: len(part)] for each, part in zip(found, data, strict=True)] == data
    assert found[0].start == lead + 8 * 16
    assert not any(each.corrected_bits for each in found)
    assert {each.ending for each in found} <= (
        {Ending.TAIL} if channel.tail_sequence else {Ending.REJECTED, Ending.CUT}
    )


@every_coding
def test_a_start_sequence_is_far_from_what_comes_before_it(channel: ChannelCoding) -> None:
    """An idle pattern running into it, in either phase, stays beyond the errors allowed."""
    pattern = to_bits(channel.start_sequence)
    for phase in ([0, 1], [1, 0]):
        signal = np.concatenate([np.resize(np.array(phase, np.uint8), 200), pattern])
        errors = disagreement(to_soft(signal, 0.1), pattern) * pattern.size
        assert errors[-1] == pytest.approx(0)
        assert errors[:-1].min() > 2 * channel.start_errors_allowed + 2


@every_coding
def test_every_truncation_gives_what_came_before_it(channel: ChannelCoding) -> None:
    bits = to_bits(encode_cltu(DATA, channel))
    (whole,) = receive_cltus(bits, channel)
    width = 8 * channel.codeword_bytes
    lead = 8 * len(channel.start_sequence)
    for size in range(len(bits)):
        found = receive_cltus(bits[:size], channel)
        codewords = min(max(0, (size - lead) // width), whole.codewords)
        if codewords == 0:
            assert found == []
            continue
        (part,) = found
        assert part.codewords == codewords
        assert part.data == whole.data[: codewords * channel.data_bytes]
        assert part.ending is Ending.CUT


@every_coding
def test_every_flipped_bit_is_corrected_or_ends_the_cltu_there(channel: ChannelCoding) -> None:
    bits = to_bits(encode_cltu(DATA, channel))
    (whole,) = receive_cltus(bits, channel)
    lead = 8 * len(channel.start_sequence)
    width = 8 * channel.codeword_bytes
    for place in range(len(bits)):
        found = receive_cltus(flipped(bits, place), channel)
        codeword, within = divmod(place - lead, width)
        in_code = place >= lead and codeword < whole.codewords
        filler = in_code and channel.coding is Coding.BCH and within == 63
        if channel is not TED or filler or place >= lead + whole.codewords * width:
            assert found[0].data == whole.data
            assert found[0].corrected_bits == (in_code and not filler)
        elif place < lead or codeword == 0:
            assert found == []
        else:
            assert found[0].codewords == codeword
            assert whole.data.startswith(found[0].data)
            assert found[0].ending is Ending.REJECTED


def test_more_errors_in_a_start_sequence_than_allowed_lose_the_cltu() -> None:
    for channel in (BCH, TED, LONG):
        bits = to_bits(encode_cltu(DATA, channel))
        allowed = channel.start_errors_allowed
        assert receive_cltus(flipped(bits, *range(allowed)), channel)[0].data.startswith(DATA)
        places = start_places(to_soft(flipped(bits, *range(allowed + 1)), 0.1), channel)
        assert 0 not in places
        strict = replace(channel, start_errors=0)
        assert 0 not in start_places(to_soft(flipped(bits, 0), 0.1), strict)


@every_coding
def test_after_a_loss_the_next_cltu_is_found(channel: ChannelCoding) -> None:
    """A burst takes the lock in the middle; what came before and the next CLTU are there."""
    first, second = encode_cltu(DATA * 3, channel), encode_cltu(DATA[::-1], channel)
    bits = to_bits(session([first, second]))
    begin = 8 * 16 + 8 * len(channel.start_sequence) + 2 * 8 * channel.codeword_bytes
    bits[begin : begin + 8 * channel.codeword_bytes] = noise(8 * channel.codeword_bytes, 5)
    if channel.coding is Coding.BCH:
        bits[begin : begin + 64] = to_bits(bytes.fromhex("c5c5c5c5c5c5c5c5"))
    found = receive_cltus(bits, channel)
    assert found[0].codewords == 2
    assert found[0].data == (DATA * 3)[: 2 * channel.data_bytes]
    assert found[0].ending in (Ending.REJECTED, Ending.TAIL)
    assert found[-1].data.startswith(DATA[::-1])


@every_coding
def test_a_false_start_just_before_does_not_hide_the_true_one(channel: ChannelCoding) -> None:
    """The true one begins where the false one's first codeword should be, and makes it none."""
    cltu = encode_cltu(DATA, channel)
    for filler in range(256):
        between = bytes([filler]) * (2 if channel.coding is Coding.BCH else 5)
        block = np.frombuffer((between + cltu)[:8], np.uint8)[None]
        if channel.coding is not Coding.BCH or not decode(block, channel.decoding).ok[0]:
            break
    lead = to_bits(channel.start_sequence + between)
    found = receive_cltus(np.concatenate([lead, to_bits(cltu)]), channel)
    assert [each.start for each in found] == [lead.size]
    assert found[0].data.startswith(DATA)


@pytest.mark.parametrize("channel", [SHORT, UNTAILED, LONG], ids=IDS[3:])
def test_noise_holds_no_ldpc_cltu(channel: ChannelCoding) -> None:
    assert receive_cltus(noise(40_000, 11), channel) == []
    assert receive_cltus(np.random.default_rng(12).normal(0, 3, 40_000), channel) == []


def test_noise_holds_bch_cltus_as_often_as_chance_has_it() -> None:
    """17 of 65,536 windows are within one error of EB90, and half of all blocks decode: why frames
    need their CRC, and why a quiet link is filled with 0101..."""
    bits = noise(400_000, 13)
    starts = start_places(to_soft(bits, 0.1), BCH).size
    assert 70 < starts < 140  # 104 expected
    assert 0.3 * starts < len(receive_cltus(bits, BCH)) < 0.7 * starts
    assert receive_cltus(b"\x55" * 50_000, BCH) == []


def test_how_often_an_ldpc_start_is_found_where_none_is_and_missed_where_one_is() -> None:
    assert sum(comb(64, errors) for errors in range(11)) / 2**64 == pytest.approx(1e-8, rel=0.01)
    random = np.random.default_rng(16)
    quiet = sum(start_places(random.normal(0, 3, 500_000), SHORT).size for _ in range(4))
    assert 1 <= quiet <= 9

    pattern = to_bits(SHORT.start_sequence)
    received = 1 - 2.0 * pattern + random.normal(0, np.sqrt(0.5), (20_000, 64))
    missed = sum(start_places(row, SHORT).size == 0 for row in received)
    missed_hard = sum(start_places(row, SHORT).size == 0 for row in np.sign(received))
    assert missed == 0
    assert 0.008 < missed_hard / 20_000 < 0.014


def test_the_ldpc_tail_ends_decoding_under_errors() -> None:
    """Sixteen of its bits may be wrong, wherever they are."""
    bits = to_bits(encode_cltu(DATA, SHORT))
    random = np.random.default_rng(14)
    for _ in range(20):
        places = bits.size - 128 + random.choice(128, 16, replace=False)
        (found,) = receive_cltus(flipped(bits, *places), SHORT)
        assert found.ending is Ending.TAIL
        assert found.end == bits.size


@pytest.mark.parametrize(
    ("channel", "ebn0_db"), [(SHORT, 4.0), (LONG, 3.0)], ids=("ldpc-128", "ldpc-512")
)
def test_soft_bits_carry_what_hard_ones_cannot(channel: ChannelCoding, ebn0_db: float) -> None:
    """One received bit in 18, or in 13, has the wrong sign."""
    random = np.random.default_rng(15)
    bits = to_bits(session([encode_cltu(DATA, channel)]))
    variance = 1 / (2 * 0.5 * 10 ** (ebn0_db / 10))
    soft_found = hard_found = 0
    for _ in range(40):
        received = 1 - 2.0 * bits + random.normal(0, np.sqrt(variance), bits.size)
        found = receive_cltus(2 * received / variance, channel)
        soft_found += any(each.data.startswith(DATA) for each in found)
        found = receive_cltus((received < 0).astype(np.uint8), channel)
        hard_found += any(each.data.startswith(DATA) for each in found)
    assert soft_found >= 38
    assert hard_found <= soft_found - 8


def test_soft_bits_may_be_infinitely_sure_and_hard_ones_of_any_integer_kind() -> None:
    bits = to_bits(encode_cltu(DATA, LONG))
    sure = np.where(bits == 1, -np.inf, np.inf)
    expected = receive_cltus(bits, LONG)
    assert receive_cltus(sure, LONG) == expected
    assert receive_cltus(bits.astype(bool), LONG) == expected
    assert receive_cltus(bits.astype(np.int64), LONG) == expected
    assert receive_cltus(soften(bits, 0.03).astype(np.float32), LONG) == expected


def test_a_signal_of_erasures_holds_nothing() -> None:
    for channel in (BCH, SHORT):
        assert receive_cltus(np.zeros(2000), channel) == []


@every_coding
def test_a_signal_too_short_for_a_start_holds_nothing(channel: ChannelCoding) -> None:
    for size in range(8 * len(channel.start_sequence)):
        assert receive_cltus(to_bits(channel.start_sequence)[:size], channel) == []


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros((2, 100), np.uint8),
        np.full(100, 2, np.uint8),
        np.full(100, -1),
        np.array([0.5, np.nan] * 50),
    ],
)
def test_what_is_no_signal_is_refused(signal: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError):
        receive_cltus(signal, BCH)


def test_other_mistakes_are_refused() -> None:
    with pytest.raises(InputError):
        encode_cltu(b"", BCH)
    with pytest.raises(InputError):
        receive_cltus(b"x" * 20, replace(SHORT, crossover=0.6))
