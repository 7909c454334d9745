"""Picture files in and out, with Pillow, which the extra ``media`` brings."""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from shared.errors import InputError
from shared.media.fixed import U8

if TYPE_CHECKING:  # it needs Pillow, which comes with an extra
    from shared.pictures.reading import Reading


class NotHeld(InputError):  # noqa: N818 - named for what happened
    """A format cannot hold a picture."""


def pillow() -> ModuleType:
    """``PIL.Image``, with JPEG XL registered.

    Raises:
        InputError: not installed.
    """
    try:
        import pillow_jxl  # noqa: F401  (registers the format)
        from PIL import Image
    except ImportError as error:
        raise InputError(
            f"pictures cannot be read: {error}",
            expected="the extra `media` of this package",
            remedy="pip install 'rehydration-uplink[media]'",
        ) from None
    return Image  # type: ignore[no-any-return]


def reading_of(path: Path) -> Reading:
    """A picture file as the whole product reads it.

    Raises:
        Unreadable: no picture that can be opened, or too large a one.
        InputError: the extra is not installed.
    """
    pillow()
    from shared.pictures.reading import read_file

    return read_file(path)


def bytes_of(path: Path) -> bytes:
    """The bytes of a picture's file, which has to be a regular one.

    Raises:
        Unreadable: it is none, or cannot be read.
    """
    pillow()
    from shared.pictures.reading import file_bytes

    return file_bytes(path)


def decoded(data: bytes, name: str = "the picture") -> Reading:
    """As ``reading_of``, of bytes."""
    pillow()
    from shared.pictures.reading import read_bytes

    return read_bytes(data, name)


def read_picture(path: Path) -> U8:
    """The pixels of a file, ``[height, width, 3 or 4]``; alpha only where it is not all 255.

    Raises:
        InputError: as of ``reading_of``.
    """
    return reading_of(path).pixels


def decode_picture(data: bytes, name: str = "the picture") -> U8:
    """As ``read_picture``, of bytes."""
    return decoded(data, name).pixels


def encode_picture(pixels: U8, format_name: str, **options: object) -> bytes:
    """A picture file.

    Args:
        pixels: ``[height, width, 1, 3 or 4]``.
        format_name: of Pillow: PNG, AVIF, WEBP, JXL, JPEG.
        options: Pillow's, for this format.

    Raises:
        NotHeld: the format, or its encoder, does not take such a picture, as AVIF a wide one.
    """
    shown = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    image, out = pillow().fromarray(shown), io.BytesIO()
    try:
        image.save(out, format_name, **options)
    except Exception as error:  # an encoder raises whatever it likes
        height, width = pixels.shape[:2]
        raise NotHeld(
            f"{format_name} does not hold a picture of {width} x {height} pixels: {error}",
            remedy="choose another format",
        ) from None
    return out.getvalue()


def opaque(pixels: U8, ground: int = 255) -> U8:
    """Three channels: alpha is laid over a grey ground, as a page would show it."""
    if pixels.shape[2] == 1:
        return pixels.repeat(3, axis=2)
    if pixels.shape[2] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.uint32)
    mixed = pixels[..., :3].astype(np.uint32) * alpha + ground * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)
