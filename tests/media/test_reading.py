"""One reading of pictures: what is shown, what pixels do not say, what cannot be opened."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import imagecodecs
import numpy as np
import pytest

pytest.importorskip("pillow_jxl")
from files_that_say_more import (
    U8,
    drawing,
    exchanged_profile,
    files_that_say_more,
    png,
    saved,
    srgb_profile,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from groundstation.media.judge.second_reading import NotJudged, read_again
from shared.pictures.containers.read import container_facts
from shared.pictures.facts import NotUnderstood
from shared.pictures.reading import Unreadable, read_bytes

MORE: Final[Mapping[str, bytes]] = files_that_say_more()
PLAIN: Final = {
    f"plain.{form}": saved(Image.fromarray(drawing()), form)
    for form in ("AVIF", "BMP", "GIF", "JPEG", "JXL", "PNG", "TIFF", "WEBP")
}
SLOWLY: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
LOSSLESS: Final[Mapping[str, Mapping[str, Any]]] = {
    "PNG": {},
    "TIFF": {},
    "WEBP": {"lossless": True},
}
CHANNELS: Final = {0: 1, 2: 3, 4: 2, 6: 4}


def as_shown(stored: U8, orientation: int) -> U8:
    """The table of Exif 2.32, 4.6.4 A, pixel by pixel: where row 0 and column 0 of the file lie."""
    height, width = stored.shape[:2]
    across = orientation >= 5
    shown = np.zeros((width, height, *stored.shape[2:]) if across else stored.shape, stored.dtype)
    for row, column in itertools.product(range(height), range(width)):
        right, bottom = width - 1 - column, height - 1 - row
        place = {
            1: (row, column),
            2: (row, right),
            3: (bottom, right),
            4: (bottom, column),
            5: (column, row),
            6: (column, bottom),
            7: (right, bottom),
            8: (right, row),
        }[orientation]
        shown[place] = stored[row, column]
    return shown


def exif(orientation: int) -> bytes:
    """Exif with an orientation and nothing else."""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x112, 3, 1, orientation, 0, 0)


@st.composite
def drawn_pngs(draw: st.DrawFn) -> tuple[bytes, U8, int]:
    """A PNG made here of drawn samples, what it shows, and its bits."""
    kind = draw(st.sampled_from(sorted(CHANNELS)))
    bits = draw(st.sampled_from((1, 2, 4, 8, 16) if kind == 0 else (8, 16)))
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    orientation = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    most = (1 << bits) - 1
    samples = rng.integers(0, most + 1, (height, width, CHANNELS[kind]))
    more, clear = [(b"eXIf", exif(orientation))], None
    if kind == 0 and draw(st.booleans()):
        clear = int(samples[0, 0, 0])
        more.append((b"tRNS", struct.pack(">H", clear)))
    if bits >= 8:
        rows = [row.astype(f">u{bits // 8}").tobytes() for row in samples]
    else:
        every = (samples[..., 0, None] >> np.arange(bits - 1, -1, -1)) & 1
        rows = [np.packbits(row.reshape(-1)).tobytes() for row in every]
    light = np.floor(samples * 255 / most + 0.5)
    colours = light[..., :1].repeat(3, axis=2) if kind in (0, 4) else light[..., :3]
    alpha = light[..., -1:] if kind in (4, 6) else np.full((height, width, 1), 255)
    if clear is not None:
        alpha = np.where(samples == clear, 0, 255)
    whole = np.concatenate([colours, alpha], axis=2).astype(np.uint8)
    return png(rows, width, bits, kind, *more), as_shown(whole, orientation), bits


def with_alpha(pixels: U8) -> U8:
    """Four channels."""
    if pixels.shape[2] == 4:
        return pixels
    return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])


@SLOWLY
@given(drawn_pngs())
def test_what_a_png_shows_is_read_at_every_depth_and_turn(made: tuple[bytes, U8, int]) -> None:
    data, shown, bits = made
    for found in (read_bytes(data), read_again(data)):
        pixels = with_alpha(found.pixels)
        assert pixels.shape == shown.shape
        # 16 bits of colour are cut by Pillow, not rounded: a level
        assert np.abs(pixels.astype(int) - shown).max() <= (bits == 16)
        assert bool(found.lacks) == (bits == 16)


@cache
def profiles() -> Mapping[str, tuple[bytes, tuple[int, ...]]]:
    """By name: a profile, and which stored channel is shown as red, green and blue."""
    return {
        "none": (b"", (0, 1, 2)),
        "srgb": (srgb_profile(), (0, 1, 2)),
        "exchanged": (exchanged_profile(), (1, 0, 2)),
    }


@SLOWLY
@given(
    st.sampled_from(sorted(LOSSLESS)),
    st.integers(1, 8),
    st.sampled_from(("none", "srgb", "exchanged")),
    st.integers(0, 2**16),
)
def test_turned_and_profiled_files_are_read_as_viewers_show_them(
    form: str, orientation: int, name: str, seed: int
) -> None:
    profile, order = profiles()[name]
    stored = drawing(seed, 12)
    options: dict[str, Any] = {**LOSSLESS[form], "icc_profile": profile}
    turned: Any = exif(orientation)
    if form == "TIFF":  # Pillow takes the tags themselves
        turned = Image.Exif()
        turned[0x112] = orientation
    data = saved(Image.fromarray(stored), form, exif=turned, **options)
    found, again = read_bytes(data), read_again(data)
    wanted = as_shown(stored[..., list(order)], orientation)
    for pixels in (found.pixels, again.pixels):
        assert pixels.shape == wanted.shape
        assert np.abs(pixels.astype(int) - wanted).max() <= 2
    assert found.facts.orientation == orientation
    assert found.converted is again.converted is (name == "exchanged")
    assert not found.lacks


@pytest.mark.parametrize("name", sorted(MORE))
def test_what_pixels_do_not_say_is_told(name: str) -> None:
    try:
        reading = read_bytes(MORE[name], name)
    except Unreadable as error:
        assert "of which nothing says which is white" in error.found or "transparent" in error.found
    else:
        assert reading.lacks


def test_deep_grey_is_scaled_and_not_cut() -> None:
    """All white was what came of it once."""
    for name in ("grey-16.png", "grey-16.tif", "grey-16-big.tif"):
        assert np.array_equal(read_bytes(MORE[name]).pixels[..., 0], drawing()[..., 0])


def test_plain_files_say_no_more() -> None:
    image = Image.fromarray(drawing())
    grey, clear = image.convert("L"), image.convert("RGBA")
    clear.putalpha(grey)
    for form, options in (("PNG", {}), ("TIFF", {}), ("JXL", {"lossless": True}), ("WEBP", {})):
        for each in (image, clear):
            assert read_bytes(saved(each, form, **options)).lacks == ()
    for each, form in itertools.product((image, grey), ("BMP", "GIF", "JPEG", "AVIF")):
        assert read_bytes(saved(each, form)).lacks == ()


def test_colours_outside_of_srgb_are_told() -> None:
    """Red stretched by a profile's primary: full red is more than sRGB's."""
    wide = bytearray(srgb_profile())
    for number in range(struct.unpack_from(">I", wide, 128)[0]):
        name, at, _ = struct.unpack_from(">4sII", wide, 132 + 12 * number)
        if name == b"rXYZ":
            struct.pack_into(">i", wide, at + 8, int(0.62 * 65536))
    full, calm = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 128, np.uint8)
    full[..., 0] = 255
    told = [
        read_bytes(saved(Image.fromarray(each), "PNG", icc_profile=bytes(wide))).lacks
        for each in (full, calm)
    ]
    assert told == [("colours that sRGB does not hold",), ()]


@SLOWLY
@given(
    st.sampled_from(sorted({**MORE, **PLAIN})),
    st.integers(0, 2**20),
    st.integers(0, 2**20),
    st.binary(max_size=12),
)
def test_whatever_is_wrong_with_a_file_is_one_kind_of_error(
    name: str, start: int, size: int, put: bytes
) -> None:
    data = {**MORE, **PLAIN}[name]
    start %= len(data)
    data = data[:start] + put + data[start + size % 64 :]
    readers: list[tuple[Any, type[Exception]]] = [
        (container_facts, NotUnderstood),
        (read_bytes, Unreadable),
        (read_again, NotJudged),
    ]
    # the proof bounds what it has read again; JPEG XL is decoded as it is opened
    for read, error in readers[:2] if name.lower().endswith("jxl") else readers:
        try:
            read(data)
        except error as found:
            assert str(found)


@SLOWLY
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from((1, 3, 4))),
    st.sampled_from((np.uint8, np.uint16)),
    st.booleans(),
    st.integers(0, 2**16),
)
def test_the_head_of_a_jpeg_xl_says_what_went_into_it(
    shape: tuple[int, int, int], kind: Any, exact: bool, seed: int
) -> None:
    """Written by another library than the product's: sides, bits and channels."""
    most = np.iinfo(kind).max
    samples = np.random.default_rng(seed).integers(0, most + 1, shape).astype(kind)
    if shape[2] == 1:
        samples = samples[..., 0]
    data = imagecodecs.jpegxl_encode(samples, lossless=exact, level=None if exact else 90)
    facts = container_facts(data)
    assert (facts.height, facts.width) == shape[:2]
    assert bool(facts.lacks) == (kind is np.uint16), facts
    found = read_bytes(data)
    if exact and kind is np.uint8 and shape[2] == 3:
        assert np.array_equal(found.pixels, samples)


@pytest.mark.parametrize("sides", [(60000, 60000), (1 << 31, 1), (9000, 9000)])
def test_a_picture_that_is_too_large_is_not_decoded(sides: tuple[int, int]) -> None:
    data = bytearray(png([b"\0"], 1, 8, 0))
    struct.pack_into(">II", data, 16, *sides)
    with pytest.raises(Unreadable):
        read_bytes(bytes(data), "huge.png")
    with pytest.raises(NotJudged):
        read_again(bytes(data))
