"""Binary hunks: stored zlib streams, base 85 lines, pack deltas."""

from __future__ import annotations

import itertools
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tree_pairs import PATIENT

from shared.diff.reading.binary import apply_delta, literal_hunk, read_binary_hunk, stored_zlib
from shared.diff.reading.cursor import Cursor
from shared.errors import PatchError


@pytest.mark.parametrize("size", [0, 1, 2, 0xFFFE, 0xFFFF, 0x10000, 0x1FFFE, 0x1FFFF])
def test_any_zlib_reads_stored_streams(size: int) -> None:
    data = random.Random(size).randbytes(size)
    stream = stored_zlib(data)
    assert zlib.decompress(stream) == data
    assert len(stream) == size + 6 + 5 * max(1, -(-size // 0xFFFF))


def test_a_stored_stream_byte_by_byte() -> None:
    # Adler-32 of "abc" is 0x024d0127 (RFC 1950 clause 9, by hand: a = 1+97+98+99, b = 98+196+295)
    assert stored_zlib(b"abc") == bytes.fromhex("7801 01 0300 fcff 616263 024d0127")


def test_a_literal_hunk_byte_by_byte() -> None:
    # 11 + 16 bytes of stream are one line of 27 bytes: letter "a", seven groups of five
    hunk = literal_hunk(b"0123456789abcdef")
    heading, line, empty, end = hunk.split(b"\n")
    assert (heading, empty, end) == (b"literal 16", b"", b"")
    assert line[:1] == b"a"
    assert len(line) == 36
    # 0x78010100, 0x00ffff00, 0x00000100 in base 85: 11 bytes and one of padding
    assert literal_hunk(b"") == b"literal 0\nKcmV+b0RR6000031\n\n"


@PATIENT
@given(st.binary(max_size=300))
def test_hunks_are_read_back(data: bytes) -> None:
    cursor = Cursor(literal_hunk(data) + b"after\n")
    hunk = read_binary_hunk(cursor)
    assert (hunk.is_delta, hunk.data, hunk.line_number) == (False, data, 1)
    assert cursor.peek() == b"after\n"


def test_damaged_and_truncated_hunks() -> None:
    data = b"some bytes \0 that matter"
    hunk = literal_hunk(data)
    for at, bit in itertools.product(range(len(hunk) - 1), range(8)):
        damaged = bytearray(hunk)
        damaged[at] ^= 1 << bit
        try:
            read = read_binary_hunk(Cursor(bytes(damaged)))
        except PatchError:
            continue
        # 27 * 85**3 == 255**3, a change that Adler-32 does not see; index lines are there for that
        assert len(read.data) == len(data)
    for end in range(len(hunk)):
        with pytest.raises(PatchError):
            read_binary_hunk(Cursor(hunk[:end]))


def delta(source_size: int, size: int, *instructions: bytes) -> bytes:
    assert source_size < 128
    assert size < 128
    return bytes((source_size, size)) + b"".join(instructions)


SOURCE = b"0123456789"


@pytest.mark.parametrize(
    ("instructions", "result"),
    [
        ([], b""),
        ([b"\x03abc"], b"abc"),
        ([b"\x90\x04"], b"0123"),  # no offset byte: from 0
        ([b"\x91\x07\x03"], b"789"),
        ([b"\x91\x07\x03", b"\x01-", b"\x91\x02\x01"], b"789-2"),
        ([b"\x9f\x01\0\0\0\x02"], b"12"),  # all four bytes of the offset
        ([b"\xf1\x02\x05\0\0"], b"23456"),  # all three bytes of the size
    ],
)
def test_deltas(instructions: list[bytes], result: bytes) -> None:
    assert apply_delta(SOURCE, delta(len(SOURCE), len(result), *instructions)) == result


def test_sizes_of_several_bytes_and_a_copy_of_65536() -> None:
    source = random.Random(1).randbytes(70_000)
    # 70000 = 0b100_0100010_1110000 and 65536 = 0b100_0000000_0000000
    heading = b"\xf0\xa2\x04" + b"\x80\x80\x04"
    assert apply_delta(source, heading + b"\x81\x05") == source[5 : 5 + 65536]
    # size bytes: 0x00 and 0x01 are the second and third
    assert apply_delta(source, heading + b"\xc1\x05\x01") == source[5 : 5 + 65536]


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"\x0a", b"\x8a", b"\x8a\x80", b"\x0a\x80",
        delta(9, 0), delta(11, 0),  # another source
        delta(10, 1), delta(10, 2, b"\x03abc"), delta(10, 4, b"\x03abc"),  # another result
        delta(10, 1, b"\0a"),  # the reserved instruction
        delta(10, 3, b"\x03ab"),  # cut off
        delta(10, 4, b"\x91\x07\x04"), delta(10, 1, b"\x91\x0a\x01"),  # beyond the end
        delta(10, 4, b"\x90"), delta(10, 0, b"\x80"),  # no size byte: 65536
    ],
)  # fmt: skip
def test_bad_deltas(bad: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        apply_delta(SOURCE, bad)


@PATIENT
@given(st.binary(max_size=30), st.binary(max_size=30))
def test_any_delta_gives_bytes_or_is_refused(source: bytes, instructions: bytes) -> None:
    try:
        result = apply_delta(source, bytes((len(source), 3)) + instructions)
    except ValueError:
        return
    assert len(result) == 3
