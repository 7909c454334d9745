"""A second reading of picture files, which judges the first: by libvips, not by Pillow.

Before an original is deleted, it and what came back are read here again, by decoders and colour
conversion that share no code of ours with ``shared.pictures.reading``.  JPEG XL and BMP, which
libvips as it comes with ``pyvips-binary`` does not read, are read by the package ``imagecodecs``.
What is not read here is not judged, and stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import numpy as np

from shared.errors import InputError
from shared.media.fixed import U8

MAX_PIXELS: Final = 1 << 26
_NEAR: Final = 2
"""Levels by which a profile may move samples and still be sRGB's."""
_PLAIN: Final = frozenset({"srgb", "b-w", "rgb"})
_BY_CODECS: Final = ((b"\xff\x0a", "jpegxl"), (b"\0\0\0\x0cJXL ", "jpegxl"), (b"BM", "bmp"))


class NotJudged(InputError):  # noqa: N818 - named for what happened
    """The second reading cannot open a picture."""


@dataclass(frozen=True, eq=False)
class Second:
    """A picture by the second reading.

    Attributes:
        pixels: ``[height, width, 3 or 4]``, upright, sRGB; alpha only where it is not all 255.
        lacks: what the file has more than 8-bit sRGB pixels, as far as the decoder tells.
        converted: whether a profile changed the colours.
    """

    pixels: U8
    lacks: tuple[str, ...] = ()
    converted: bool = False


def second_reader() -> ModuleType:
    """The module ``pyvips``.

    Raises:
        InputError: it, or ``imagecodecs`` beside it, is not installed.
    """
    try:
        import imagecodecs  # noqa: F401
        import pyvips
    except (ImportError, OSError) as error:
        raise InputError(
            f"there is no second reader of pictures: {error}",
            expected="the extra `media` of this package, for a proof before originals go",
            remedy="pip install 'rehydration-uplink[media]'",
        ) from None
    return pyvips  # type: ignore[no-any-return]


def read_again(data: bytes) -> Second:
    """The second reading of a picture file.

    Raises:
        NotJudged: it cannot be read here, wholly and without a warning.
    """
    try:
        for mark, codec in _BY_CODECS:
            if data.startswith(mark):
                return _by_codec(data, codec)
        return _by_vips(data)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # as in the first reading: whatever a decoder raises
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise NotJudged(
            f"a second reader does not open it: {said}", remedy="look at the file"
        ) from None


def _by_vips(data: bytes) -> Second:
    vips = second_reader()
    image: Any = vips.Image.new_from_buffer(data, "", fail_on="truncated")
    _bounded(image.width, image.height)
    names = set(image.get_fields())
    lacks = []
    if "n-pages" in names and image.get("n-pages") > 1:
        lacks.append(f"{image.get('n-pages')} pages")
    if image.format != "uchar":
        lacks.append(f"samples of the type {image.format}")
    if image.interpretation not in _PLAIN:
        lacks.append(f"colours of the kind {image.interpretation}")
    if names & {"gainmap-data", "gainmap"}:
        lacks.append("a gain map")
    if "bits-per-sample" in names and image.get("bits-per-sample") > 8:
        lacks.append(f"{image.get('bits-per-sample')} bits a sample")
    image, alpha = image.autorot(), None
    if image.hasalpha():
        alpha = _bytes(image[image.bands - 1])[..., 0]
        image = image[0] if image.bands == 2 else image[: image.bands - 1]
    plain = _bytes(image.colourspace("srgb"))
    shown = plain
    if "icc-profile-data" in names:
        turned = image.icc_transform("srgb", embedded=True, intent="perceptual", depth=8)
        shown = _bytes(turned.colourspace("srgb"))
    converted = int(np.abs(shown.astype(int) - plain).max()) > _NEAR
    return Second(_joined(shown if converted else plain, alpha), tuple(lacks), converted)


def _by_codec(data: bytes, codec: str) -> Second:
    second_reader()
    import imagecodecs

    if codec == "jpegxl":
        samples = imagecodecs.jpegxl_decode(data)
    else:
        samples = imagecodecs.bmp_decode(data, asrgb=True)
    if samples.ndim == 2:
        samples = samples[..., None]
    lacks = () if samples.dtype == np.uint8 else (f"samples of the type {samples.dtype}",)
    if samples.ndim != 3 or not 1 <= samples.shape[2] <= 4:
        raise ValueError(f"samples of shape {samples.shape}")
    _bounded(samples.shape[1], samples.shape[0])
    if lacks:
        raise ValueError(lacks[0])
    alpha = samples[..., -1] if samples.shape[2] in (2, 4) else None
    colours = samples[..., :1] if samples.shape[2] < 3 else samples[..., :3]
    return Second(_joined(colours, alpha))


def _joined(colours: U8, alpha: U8 | None) -> U8:
    if colours.shape[2] == 1:
        colours = colours.repeat(3, axis=2)
    if alpha is None or alpha.min() == 255:
        return np.ascontiguousarray(colours)
    return np.dstack([colours, alpha])


def _bytes(image: Any) -> U8:
    """Samples of an image of libvips, ``[height, width, bands]``; more bits are scaled to 8."""
    if image.format == "ushort":
        image = (image / 257.0).rint()
    pixels: U8 = image.cast("uchar").numpy().reshape(image.height, image.width, image.bands)
    return pixels


def _bounded(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels, more than {MAX_PIXELS} in all")
