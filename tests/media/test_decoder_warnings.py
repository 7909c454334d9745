"""What a decoder warns of is a fact of the picture, and not a line on standard error."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shared.errors import InputError
from shared.pictures.reading import read_bytes

RAMP = Image.fromarray((np.arange(24 * 32 * 3) % 251).astype(np.uint8).reshape(24, 32, 3))


def jpeg_with_exif(tiff: bytes) -> bytes:
    out = io.BytesIO()
    RAMP.save(out, "JPEG", exif=b"Exif\0\0" + tiff)
    return out.getvalue()


def tags(*entries: tuple[int, int, int, int]) -> bytes:
    """A directory of tags, little-endian (TIFF 6.0, section 2)."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", 0)


FAR = jpeg_with_exif(tags((270, 2, 64, 9000)))
"""A description that would lie behind the end."""
MPO = jpeg_with_exif(tags((274, 3, 1, 1)))
MPO = MPO[:2] + b"\xff\xe2" + struct.pack(">H", 2 + 4 + 6) + b"MPF\0" + b"II*\0\xff\0" + MPO[2:]
"""Says that more pictures follow, and not where."""


def apng_of_no_frames() -> bytes:
    out = io.BytesIO()
    RAMP.save(out, "PNG")
    data = out.getvalue()
    body = b"acTL" + struct.pack(">II", 0, 0)
    chunk = struct.pack(">I", 8) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_metadata_that_is_damaged_is_metadata() -> None:
    reading = read_bytes(FAR)
    assert "damaged Exif" in reading.facts.metadata
    assert reading.pixels.shape == (24, 32, 3)


@pytest.mark.parametrize("data", [MPO, apng_of_no_frames()], ids=["mpo", "apng"])
def test_all_else_may_show(data: bytes) -> None:
    reading = read_bytes(data)
    assert reading.lacks
    assert reading.pixels.shape == (24, 32, 3)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([256, 259, 270, 271, 274, 282, 296, 305, 34665, 40962, 50000]),
            st.integers(1, 13),
            st.integers(0, 5000),
            st.integers(0, 9000),
        ),
        max_size=6,
    ),
    st.integers(0, 40),
)
def test_no_exif_ever_writes_to_standard_error(
    entries: list[tuple[int, int, int, int]], cut: int
) -> None:
    """A warning that came through would be an error here."""
    tiff = tags(*entries)
    try:
        read_bytes(jpeg_with_exif(tiff[: max(len(tiff) - cut, 8)]))
    except InputError as error:
        assert "Warning" not in str(error)


def test_the_command_says_nothing_on_standard_error(tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    for name, data in {"far.jpg": FAR, "mpo.jpg": MPO, "a.png": apng_of_no_frames()}.items():
        (place / name).write_bytes(data)
    RAMP.save(place / "plain.png")
    command = [sys.executable, "-c", "from groundstation.entry import main; main()", "media"]
    for words in (["survey", place], ["archive", place, "--out", tmp_path / "a"]):
        done = subprocess.run([*command, *words], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
