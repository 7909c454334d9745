"""The peers' own codecs: nested intervals, zstd with a dictionary, PPMd primed."""

from __future__ import annotations

import contextlib
import random
from fractions import Fraction

import pyppmd
import pytest
import zstandard
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from groundstation.peers import general, ppmd
from groundstation.peers.nested import Nest, Unnest
from shared.diff import zstd_delta as dictionary
from shared.errors import PatchError, RehydrationError

OLD = b"".join(
    b"def read_%d(bus, address):\n    return bus.read(address + %d)\n\n" % (n, 7 * n)
    for n in range(30)
)
NEW = OLD.replace(b"address + 77", b"address + 0x4D").replace(
    b"def read_20(bus, address):", b"def read_20(bus, address, *, retries=3):"
)
NOISE = random.Random(5).randbytes(300)


# --- nested intervals -------------------------------------------------------------------------

PARTS = st.lists(
    st.integers(2, 1 << 90).flatmap(
        lambda total: st.integers(0, total - 1).flatmap(
            lambda start: st.integers(1, total - start).map(lambda share: (start, share, total))
        )
    ),
    max_size=8,
)


def interval(parts: list[tuple[int, int, int]]) -> tuple[Fraction, Fraction]:
    """The same interval by exact fractions: low and width."""
    low, width = Fraction(0), Fraction(1)
    for start, share, total in parts:
        low += width * Fraction(start, total)
        width *= Fraction(share, total)
    return low, width


@given(PARTS)
@settings(deadline=None)
def test_finish_is_the_shortest_string_inside(parts: list[tuple[int, int, int]]) -> None:
    nest = Nest()
    for part in parts:
        nest.narrow(*part)
    low, width = interval(parts)
    code = nest.finish()
    value = Fraction(int.from_bytes(code, "big"), 256 ** len(code))
    assert low <= value < low + width
    if code:
        scale = 256 ** (len(code) - 1)
        least = -(-low.numerator * scale // low.denominator)
        assert Fraction(least, scale) >= low + width, "one byte less would have done"


@given(PARTS)
@settings(deadline=None)
def test_unnest_follows(parts: list[tuple[int, int, int]]) -> None:
    nest = Nest()
    for part in parts:
        nest.narrow(*part)
    unnest = Unnest(nest.finish())
    for start, share, total in parts:
        assert start <= unnest.slot(total) < start + share
        unnest.enter(start, share, total)
    part, whole = unnest.fraction()
    assert 0 <= part < whole


@given(st.lists(st.integers(1, 5000), max_size=12))
def test_universal_numbers(values: list[int]) -> None:
    nest = Nest()
    for value in values:
        nest.put_universal(value)
    unnest = Unnest(nest.finish())
    assert [unnest.take_universal(5000) for _ in values] == values


def test_universal_number_above_its_limit() -> None:
    nest = Nest()
    nest.put_universal(11)
    with pytest.raises(PatchError, match="11"):
        Unnest(nest.finish()).take_universal(10)


@pytest.mark.parametrize("part", [(0, 0, 4), (3, 2, 4), (-1, 1, 4), (4, 1, 4)])
def test_parts_outside_are_refused(part: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="part"):
        Nest().narrow(*part)


# --- zstd with the old file as dictionary -------------------------------------------------------


def reference_decode(old: bytes, blocks: bytes) -> bytes:
    """A standard decoder on a frame put together by hand from RFC 8878, magic number and all."""
    frame = bytes.fromhex("28b52ffd") + b"\x00" + b"\x60" + blocks
    words = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    reader = zstandard.ZstdDecompressor(dict_data=words).stream_reader(frame)
    return reader.read(1 << 20)


def test_zstd_payload_is_one_block_of_a_standard_frame() -> None:
    payload = dictionary.encode(OLD, NEW)
    header = (1 | 2 << 1 | len(payload) << 3).to_bytes(3, "little")
    assert reference_decode(OLD, header + payload) == NEW


def test_zstd_leaves_five_bytes_out_of_the_usual_frame() -> None:
    usual = dictionary.encode_frame(OLD, NEW)
    assert len(dictionary.encode(OLD, NEW)) <= len(usual) - 5
    assert dictionary.decode_frame(OLD, usual) == NEW
    assert not usual.startswith(bytes.fromhex("28b52ffd"))


def test_zstd_escape_for_what_is_not_one_compressed_block() -> None:
    noisy = dictionary.encode(OLD, NOISE)
    assert noisy == b"\x03" + (1 | len(NOISE) << 3).to_bytes(3, "little") + NOISE
    assert dictionary.decode(OLD, noisy) == NOISE
    long = b"".join(b"%d\n" % (n * n * n % 9973) for n in range(60_000))
    payload = dictionary.encode(OLD, long)
    assert len(long) > 128 << 10
    assert payload[:1] == b"\x03"
    assert dictionary.decode(OLD, payload) == long
    assert reference_decode(OLD, payload[1:]) == long


def test_zstd_empty_file_is_an_empty_payload() -> None:
    assert dictionary.encode(OLD, b"") == b""
    assert dictionary.decode(OLD, b"") == b""


def test_zstd_reaches_back_over_a_whole_large_file() -> None:
    generator = random.Random(11)
    old = generator.randbytes(3_000_000)
    payload = dictionary.encode(old, old[:50_000] + b"changed" + old[50_007:100_000])
    assert len(payload) < 40
    assert dictionary.decode(old, payload)[50_000:50_010] == b"changed" + old[50_007:50_010]


def test_zstd_needs_its_dictionary() -> None:
    payload = dictionary.encode(OLD, NEW)
    with contextlib.suppress(RehydrationError):
        assert dictionary.decode(OLD[::-1], payload) != NEW


# --- PPMd ---------------------------------------------------------------------------------------


def test_ppmd_deletion_by_hand() -> None:
    """One hunk: a gap of 1 in 3 lines, one line deleted, none added.

    Count 1: [1/2, 1/2 + 1/6).  Of the C(4, 1) places for one hunk one has gap 0, one gap 1:
    [1/4, 2/4).  One deleted: [4/16, 12/16).  None added: [9/16, 11/16).  So the interval is
    1/2 + 1/6 (1/4 + 1/4 (1/4 + 1/2 * 9/16)) = 433/768 up to 435/768: 145/256 is its end and not
    in it, 0x9056 / 0x10000 is the first 16-bit fraction inside.
    """
    old, new = b"keep\ngone\nkeep too\n", b"keep\nkeep too\n"
    assert ppmd.encode(old, new) == bytes.fromhex("9056")
    assert ppmd.decode(old, bytes.fromhex("9056")) == new


def test_ppmd_costs_what_the_text_costs() -> None:
    """Against the textbook estimate: two streams' sizes, and a plain upper bound for positions."""
    added = b"    return bus.read(address + 0x4D)\n"
    added += b"def read_20(bus, address, *, retries=3):\n"

    def size(data: bytes) -> int:
        encoder = pyppmd.Ppmd7Encoder(6, 16 << 20)
        return len(encoder.encode(data) + encoder.flush(endmark=False))

    text_bytes = size(OLD + added) - size(OLD)
    payload = ppmd.encode(OLD, NEW)
    assert ppmd.decode(OLD, payload) == NEW
    assert text_bytes - 1 <= len(payload) <= text_bytes + 5
    assert len(payload) <= ppmd.difference_bytes(OLD, NEW) + 1


def test_ppmd_reads_long_texts() -> None:
    new = b"".join(b"entry %d: %d\n" % (n, n * n * n % 9973) for n in range(4000))
    payload = ppmd.encode(OLD, new)
    assert ppmd.decode(OLD, payload) == new
    assert len(payload) < len(general.compress_zstd(new)) + 200


@pytest.mark.parametrize("seed", [43, 105, 279])
def test_ppmd_decodes_what_it_encodes_whatever_stands_behind_it(seed: int) -> None:
    """After the last line the number goes on with what PPMd itself would never write; reading a
    chunk at a time, the decoder came upon that before it looked for the end of the line."""
    old = random.Random(seed).randbytes(20_000)
    assert ppmd.decode(old, ppmd.encode(old, b"\n\n")) == b"\n\n"


@settings(max_examples=60)
@example(420, 800, b"", [(397, b"\0")])  # a remainder of nought before the end
@given(
    st.integers(0, 1 << 32),
    st.integers(0, 6000),
    st.sampled_from([b"\n\n", b"\n", b"x\n", b"", b"\0\xff", b"open end"]),
    st.lists(st.tuples(st.integers(0, 6000), st.binary(max_size=40)), max_size=3),
)
def test_ppmd_decodes_all_it_encodes(
    seed: int, size: int, whole: bytes, edits: list[tuple[int, bytes]]
) -> None:
    """Old files without any regularity, rewritten or edited."""
    old = random.Random(seed).randbytes(size)
    new = old if edits else whole
    for place, text in edits:
        new = new[:place] + text + new[place + len(text) :]
    assert ppmd.decode(old, ppmd.encode(old, new)) == new


def test_ppmd_refuses_to_write_what_it_would_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppmd, "MOST_TEXT_BYTES", 1000)
    with pytest.raises(PatchError, match="bytes of new text"):
        ppmd.encode(b"", b"a\n" * 500)
    monkeypatch.setattr(ppmd, "MOST_LINES", 10)
    with pytest.raises(PatchError, match="11 lines"):
        ppmd.encode(b"a\n" * 11, b"")


def test_ppmd_many_hunks() -> None:
    old = b"".join(b"line %d\n" % n for n in range(900))
    new = old.replace(b"7\n", b"seven\n")
    payload = ppmd.encode(old, new)
    assert ppmd.decode(old, payload) == new


LINES = st.lists(
    st.sampled_from([b"", b"a", b"    x = 1", b"\r", b"\0\xff", b"}", b"a" * 700]), max_size=12
)


@given(LINES, LINES, st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_ppmd_round_trip(
    first: list[bytes], second: list[bytes], first_open: bool, second_open: bool
) -> None:
    old = b"\n".join(first) + b"\n" * (not first_open)
    new = b"\n".join(second) + b"\n" * (not second_open)
    assert ppmd.decode(old, ppmd.encode(old, new)) == new


# --- damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [dictionary, ppmd], ids=["zstd", "ppmd"])
def test_damaged_payloads_are_refused_or_decode_to_something(codec: object) -> None:
    payload = codec.encode(OLD, NEW)  # type: ignore[attr-defined]
    damaged = [payload[:size] for size in range(len(payload))]
    damaged += [
        (int.from_bytes(payload, "big") ^ 1 << bit).to_bytes(len(payload), "big")
        for bit in range(8 * len(payload))
    ]
    different = 0
    for data in damaged:
        try:
            different += codec.decode(OLD, data) != NEW  # type: ignore[attr-defined]
        except RehydrationError:
            different += 1
    # What is left over is slack: another number in the same interval, or an unread bit.
    assert different >= len(damaged) - 16


@given(st.binary(max_size=40))
@example(b"\xd6\x12;0\xb7")  # PPMd itself refuses what this leads to
@example(bytes.fromhex("d6d1cb8ea7ce54e6fc1ab4482de2b9948c3f9ba5d5ea7f45"))  # ends too early
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_refused_or_decoded(data: bytes) -> None:
    for codec in (dictionary.decode, ppmd.decode):
        try:
            codec(OLD, data)
        except RehydrationError:
            continue


@given(st.binary(max_size=400))
@settings(max_examples=20, deadline=None)
def test_general_compressors(data: bytes) -> None:
    for compress, decompress in (
        (general.compress_xz, general.decompress_xz),
        (general.compress_brotli, general.decompress_brotli),
        (general.compress_zstd, general.decompress_zstd),
    ):
        assert decompress(compress(data)) == data
        assume(len(data) > 2)
        with pytest.raises(RehydrationError):
            decompress(compress(data)[:-1])
