"""Picture files in and out, with Pillow, which the extra ``media`` brings."""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType
from typing import Final

import numpy as np

from shared.errors import InputError
from shared.media.fixed import U8

MAX_PIXELS: Final = 1 << 26


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


def read_picture(path: Path) -> U8:
    """The pixels of a file, ``[height, width, 3 or 4]``; alpha only where it is not all 255.

    Raises:
        InputError: no picture that Pillow reads, or too large a one.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", remedy="check the path"
        ) from None
    return decode_picture(data, str(path))


def decode_picture(data: bytes, name: str = "the picture") -> U8:
    """As ``read_picture``, of bytes."""
    image_module = pillow()
    try:
        with image_module.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{name} has {image.width} x {image.height} pixels",
                    expected=f"at most {MAX_PIXELS} in all",
                    remedy="scale it down first",
                )
            pixels = np.asarray(image.convert("RGBA"))
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(
            f"{name} is no picture that Pillow reads: {error}",
            remedy="leave it out, or convert it to PNG first",
        ) from None
    return pixels if (pixels[..., 3] < 255).any() else np.ascontiguousarray(pixels[..., :3])


def encode_picture(pixels: U8, format_name: str, **options: object) -> bytes:
    """A picture file.

    Args:
        pixels: ``[height, width, 1, 3 or 4]``.
        format_name: of Pillow: PNG, AVIF, WEBP, JXL, JPEG.
        options: Pillow's, for this format.
    """
    shown = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    out = io.BytesIO()
    pillow().fromarray(shown).save(out, format_name, **options)
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
