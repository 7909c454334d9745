"""Files of generators: every damage is refused, and nothing else."""

from __future__ import annotations

import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import PinError
from shared.media.container import Coder, Container, pack, unpack

HELD = Container(
    {"name": "käfer", "b": [1, 2]},
    {
        "one": np.array([[1, -2, 300]], np.int16),
        "none": np.zeros((0, 7), np.int8),
        "big": np.array([-(2**31), 2**31 - 1], np.int32),
    },
)


@pytest.mark.parametrize("coder", Coder)
def test_what_is_packed_comes_back(coder: Coder) -> None:
    found = unpack(pack(HELD, coder))
    assert found.header == HELD.header
    assert list(found.arrays) == list(HELD.arrays)
    for name, array in HELD.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].tolist() == array.tolist()


def test_the_bytes_of_a_deflated_file() -> None:
    data = pack(Container({"z": 5}, {"x": np.array([258], np.int16)}), Coder.DEFLATE)
    text = b'{"arrays":[["x","i2",[1]]],"z":5}'
    body = struct.pack("<I", len(text)) + text + b"\x02\x01"
    assert data[:10] == b"RHMG\x01\x01" + struct.pack("<I", len(body))
    assert zlib.decompress(data[10:]) == body


@pytest.mark.parametrize("coder", Coder)
def test_every_truncation_and_every_longer_file_is_refused(coder: Coder) -> None:
    data = pack(HELD, coder)
    for size in range(len(data)):
        with pytest.raises(PinError):
            unpack(data[:size])
    for tail in (b"\0", b"RHMG", data):
        with pytest.raises(PinError):
            unpack(data + tail)


@pytest.mark.parametrize("coder", Coder)
def test_a_flipped_bit_is_refused_or_changes_the_contents(coder: Coder) -> None:
    """LZMA has no checksum of its own; what names a file is its digest.  Nothing may crash."""
    data = pack(HELD, coder)
    refused = 0
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            unpack(bytes(damaged))
        except PinError:
            refused += 1
    assert refused > len(data) * 4
    if coder is Coder.DEFLATE:  # its Adler-32 and the sizes catch every single bit
        assert refused >= len(data) * 8 - 8


def deflated(body: bytes, claimed: int | None = None) -> bytes:
    size = len(body) if claimed is None else claimed
    return struct.pack("<4sBBI", b"RHMG", 1, 1, size) + zlib.compress(body)


def with_header(header: object, rest: bytes = b"") -> bytes:
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    return deflated(struct.pack("<I", len(text)) + text + rest)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PNG.......",
        struct.pack("<4sBBI", b"RHMG", 2, 0, 9) + bytes(9),
        struct.pack("<4sBBI", b"RHMG", 1, 7, 9) + bytes(9),
        deflated(b"\x00\x00\x00\x00", 2**32 - 1),
        deflated(b"\xff\xff\xff\xff{}"),
        deflated(struct.pack("<I", 3) + b"[ ]"),
        with_header([]),
        with_header({}),
        with_header({"arrays": 3}),
        with_header({"arrays": [["x", "f8", [1]]]}, bytes(8)),
        with_header({"arrays": [["x", "i1", [-1]]]}),
        with_header({"arrays": [["x", "i1", [True]]]}, b"a"),
        with_header({"arrays": [["x", "i1", [2**20, 2**20]]]}),
        with_header({"arrays": [["x", "i2", [1]]]}, b"abc"),
        with_header({"arrays": [["x", "i1", [1]], ["x", "i1", [1]]]}, b"ab"),
        with_header({"arrays": [[["x"], ["i1"], [1]]]}, b"a"),
    ],
)
def test_what_is_no_generator_is_refused(data: bytes) -> None:
    with pytest.raises(PinError):
        unpack(data)


def test_a_body_larger_than_it_says_is_not_decompressed() -> None:
    bomb = struct.pack("<4sBBI", b"RHMG", 1, 1, 64) + zlib.compress(bytes(1 << 26))
    with pytest.raises(PinError):
        unpack(bomb)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(PinError):
        unpack(b"RHMG\x01\x00" + data)
