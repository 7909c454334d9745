"""The message's own zstd form: every file comes back, nothing superfluous travels, damage ends."""

from __future__ import annotations

import random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from shared.diff import zstd_delta
from shared.errors import RegenerationError

NOISE = random.Random(3).randbytes(400_000)
OLD = b"".join(b"int read_%d(void) { return bus[%d]; }\n" % (k, 7 * k) for k in range(90))
NEW = OLD.replace(b"bus[77]", b"bus[0x4D]").replace(b"read_20(void)", b"read_20(int retries)")
FILES = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from([OLD[:80], OLD[90:500], b"\0" * 40, b"\x03", b"x"])).map(b"".join),
)


@given(old=FILES, new=FILES)
def test_any_file_comes_back(old: bytes, new: bytes) -> None:
    assert zstd_delta.decode(old, zstd_delta.encode(old, new)) == new


@pytest.mark.parametrize("size", [1, 255, 256, 257, 131_071, 131_072, 131_073, 400_000])
@pytest.mark.parametrize("old", [b"", OLD, NOISE[:1000]])
def test_sizes_around_blocks_and_pieces(old: bytes, size: int) -> None:
    """Noise, so that the payload is as large; zeros, so that it is small; then both after OLD."""
    for new in (NOISE[:size], bytes(size), OLD + NOISE[: size // 2] + OLD):
        assert zstd_delta.decode(old, zstd_delta.encode(old, new)) == new


def test_literal_payloads() -> None:
    """By RFC 8878: a raw block is not compressed, so its header travels, behind the escape."""
    assert zstd_delta.encode(b"anything", b"") == b""
    header = (1 | 0 << 1 | 2 << 3).to_bytes(3, "little")
    assert zstd_delta.decode(b"anything", zstd_delta.ESCAPE + header + b"hi") == b"hi"
    repeated = (1 | 1 << 1 | 9 << 3).to_bytes(3, "little")
    assert zstd_delta.decode(b"", zstd_delta.ESCAPE + repeated + b"a") == b"a" * 9


def test_a_whole_frame_is_the_plain_form_of_the_payload() -> None:
    """What is left out can be put back, and then zstd's own one-shot decoder reads it."""
    payload = zstd_delta.encode(OLD, NEW)
    assert payload[:1] != zstd_delta.ESCAPE
    block = (1 | 2 << 1 | len(payload) << 3).to_bytes(3, "little") + payload
    window = bytes([(27 - 10) << 3])
    frame = b"\x28\xb5\x2f\xfd" + b"\x00" + window + block
    reader = zstandard.ZstdDecompressor(
        dict_data=zstandard.ZstdCompressionDict(OLD, dict_type=zstandard.DICT_TYPE_RAWCONTENT),
        max_window_size=1 << 27,
    )
    assert reader.decompress(frame, max_output_size=len(NEW)) == NEW
    assert len(payload) < len(zstd_delta.encode_frame(OLD, NEW)) - 4


def test_every_truncation_and_bit_flip_ends() -> None:
    """In a refusal or in some file; never in another error, and never in the right file cut off."""
    for payload in (zstd_delta.encode(OLD, NEW), zstd_delta.encode(b"", NOISE[:50])):
        for size in range(1, len(payload)):
            check_damaged(payload[:size])
        for bit in range(8 * len(payload)):
            damaged = bytearray(payload)
            damaged[bit // 8] ^= 1 << bit % 8
            check_damaged(bytes(damaged))


def check_damaged(payload: bytes) -> None:
    try:
        assert isinstance(zstd_delta.decode(OLD, payload), bytes)
    except RegenerationError as error:
        assert "payload" in error.found


@given(payload=st.binary(max_size=40), old=FILES)
def test_random_bytes_end(payload: bytes, old: bytes) -> None:
    try:
        assert isinstance(zstd_delta.decode(old, payload), bytes)
    except RegenerationError as error:
        assert "payload" in error.found


@pytest.mark.parametrize("extra", [b"\0", b"\x01\0\0", NOISE[:300]])
def test_bytes_after_the_last_block_are_refused(extra: bytes) -> None:
    payload = zstd_delta.ESCAPE + (1 | 0 << 1 | 2 << 3).to_bytes(3, "little") + b"hi"
    with pytest.raises(RegenerationError, match="does not end where"):
        zstd_delta.decode(b"", payload + extra)
    with pytest.raises(RegenerationError, match="does not end where"):
        zstd_delta.decode(b"", payload[:-1])


@pytest.mark.parametrize("size", [250, 251, 252])
def test_bytes_after_a_block_that_fills_a_piece_are_refused(size: int) -> None:
    """Two bytes of frame header, three of block header and 251 are the 256 decoded at once."""
    payload = zstd_delta.ESCAPE + (1 | 0 << 1 | size << 3).to_bytes(3, "little") + NOISE[:size]
    assert zstd_delta.decode(b"", payload) == NOISE[:size]
    with pytest.raises(RegenerationError, match="does not end where"):
        zstd_delta.decode(b"", payload + b"\0")


def test_a_block_larger_than_zstd_has_is_refused() -> None:
    with pytest.raises(RegenerationError, match="131073 bytes"):
        zstd_delta.decode(b"", b"x" * 131_073)


def test_files_of_any_larger_size_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit, and one byte above it, with a limit that a test can afford."""
    monkeypatch.setattr(zstd_delta, "MOST_FILE_BYTES", 1 << 20)
    payload = zstd_delta.encode(b"", bytes(1 << 20))
    assert zstd_delta.decode(b"", payload) == bytes(1 << 20)
    with pytest.raises(RegenerationError, match="1048577 bytes"):
        zstd_delta.encode(b"", bytes((1 << 20) + 1))
    block = (128 << 10 << 3 | 1 << 1).to_bytes(3, "little") + b"a"
    last = (1 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"b"
    with pytest.raises(RegenerationError, match="larger file"):
        zstd_delta.decode(b"", zstd_delta.ESCAPE + block * 8 + last)
    fits = (0 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"b"
    assert zstd_delta.decode(b"", zstd_delta.ESCAPE + block * 8 + fits) == b"a" * (1 << 20)
