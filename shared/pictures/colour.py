"""Colours as they are shown: ICC profiles to sRGB, by Little CMS.

Source: ICC.1:2022; IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import Image, ImageCms

from shared.media.fixed import U8

SAME: Final = 1
"""Levels by which a profile's colours may differ from sRGB's, and be sRGB."""
BACK: Final = 2
"""Levels by which samples may differ that went to sRGB and back, and be in sRGB's range."""
_STEPS: Final = (0, 1, 2, 5, 10, 20, 36, 51, 77, 102, 128, 153, 179, 204, 230, 255)
_SPACES: Final = {"RGB": ("RGB",), "L": ("GRAY",), "CMYK": ("CMYK",)}


@dataclass(frozen=True, eq=False)
class Converted:
    """Pixels that went through a profile.

    Attributes:
        pixels: ``[height, width, 3]``, sRGB.
        beyond: what sRGB does not hold of them; in words, empty if it holds all.
        same: whether the profile is sRGB's, so that no pixel changed.
    """

    pixels: U8
    beyond: tuple[str, ...] = ()
    same: bool = False


def to_srgb(image: Any, profile: bytes) -> Converted:
    """A picture's colours as a colour-managed viewer shows them.

    A profile that is damaged or of other inks than the picture changes nothing, and is told.

    Args:
        image: of Pillow, of mode RGB, L or CMYK.
        profile: ICC.
    """
    plain = np.asarray(image.convert("RGB"))
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space not in _SPACES[image.mode]:
            return Converted(plain, (f"a profile of {space} for a picture of {image.mode}",))
        target = ImageCms.createProfile("sRGB")
        if image.mode != "CMYK" and _is_srgb(source, target, image.mode):
            return Converted(plain, same=True)
        there = ImageCms.buildTransform(source, target, image.mode, "RGB")
        shown = ImageCms.applyTransform(image, there)
        beyond = []
        if image.mode != "L" and _differs(image, _returned(shown, source, target, image.mode)):
            beyond.append("colours that sRGB does not hold")
        elif image.mode == "L" and _levels(image) > _levels(shown):
            beyond.append("more greys than sRGB tells apart")
        return Converted(np.asarray(shown), tuple(beyond))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        return Converted(plain, (f"a profile that cannot be used ({error})",))


def lab_to_srgb(image: Any) -> U8:
    """A picture in CIE L*a*b*, D50, as it is shown."""
    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image, *profiles, outputMode="RGB"))


def _is_srgb(source: Any, target: Any, mode: str) -> bool:
    steps = np.array(_STEPS, np.uint8)
    probe = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(64, 64, 3)
    if mode == "L":
        probe = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    image = Image.fromarray(probe if mode == "RGB" else probe[..., 0])
    shown = ImageCms.applyTransform(image, ImageCms.buildTransform(source, target, mode, "RGB"))
    return int(np.abs(np.asarray(shown).astype(int) - probe).max()) <= SAME


def _returned(shown: Any, source: Any, target: Any, mode: str) -> Any:
    back = ImageCms.buildTransform(target, source, "RGB", mode)
    return ImageCms.applyTransform(shown, back)


def _differs(image: Any, again: Any) -> bool:
    apart = np.abs(np.asarray(image).astype(int) - np.asarray(again))
    return int(apart.max()) > BACK


def _levels(image: Any) -> int:
    return len(np.unique(np.asarray(image).reshape(image.height * image.width, -1), axis=0))
