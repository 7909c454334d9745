"""The one reading of picture files: pixels as they are shown, and what they do not say.

Upright, in sRGB, of 8 bits: what a viewer that honours orientation and profile shows.  Pillow
decodes; the container is read beside it (``containers``), since a decoder does not tell what it
dropped.  Whatever goes wrong in either is one error, which names the file.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from shared.errors import InputError
from shared.media.fixed import U8
from shared.pictures.colour import lab_to_srgb, to_srgb
from shared.pictures.containers.read import container_facts
from shared.pictures.facts import Facts, NotUnderstood

with contextlib.suppress(ImportError):  # of the extra `media`; a probe has none
    import pillow_jxl  # noqa: F401  (registers the format)

MAX_PIXELS: Final = 1 << 26
_ORIENTATION: Final = 0x112
_TURNED_BY_PILLOW: Final = frozenset({"TIFF", "JXL"})
_OF_EXIF: Final = (
    "Corrupt EXIF",
    "Possibly corrupt EXIF",
    "Metadata Warning",
    "Truncated File",
    "Tag ",
)
"""How Pillow's words begin where it passes over tags; in a TIFF they are those of the picture."""
_TOLD_BY_PILLOW: Final = frozenset({"AVIF"})
"""Where the container has rotations of its own, which Pillow puts into Exif terms."""


class Unreadable(InputError):  # noqa: N818 - named for what happened
    """A picture that cannot be opened, or whose pixels cannot be told."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A picture file, read.

    Attributes:
        pixels: ``[height, width, 3 or 4]``, upright, sRGB; alpha only where it is not all 255.
        facts: of its container.
        lacks: what the file shows and the pixels do not say, in words; empty if they say it all.
        converted: whether a profile changed the colours, so that the pixels are not the samples.
    """

    pixels: U8
    facts: Facts
    lacks: tuple[str, ...] = ()
    converted: bool = False


def read_file(path: Path) -> Reading:
    """The reading of a file.

    Raises:
        Unreadable: no picture that can be opened, or too large a one.
    """
    return read_bytes(file_bytes(path), str(path))


def file_bytes(path: Path) -> bytes:
    """The bytes of a regular file; what else bears a picture's name might never end.

    Raises:
        Unreadable: it is none, or cannot be read.
    """
    try:
        if not path.is_file():
            raise Unreadable(f"{path} is no file", remedy="leave it out, or mend the link")
        return path.read_bytes()
    except (OSError, MemoryError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unreadable(f"{path} cannot be read: {reason}", remedy="check the path") from None


def read_bytes(data: bytes, name: str = "the picture") -> Reading:
    """As ``read_file``, of bytes.

    Args:
        data: of the file.
        name: what messages call it.
    """
    said_by: list[warnings.WarningMessage] = []
    try:
        facts = _facts(data)
        _bounded(facts.width, facts.height)  # some decoders decode as they open
        with warnings.catch_warnings(record=True) as said_by:
            warnings.simplefilter("always")
            reading = _opened(data, facts)
        return _warned(reading, said_by)
    except NotUnderstood as error:
        raise Unreadable(f"{name}: {error}", remedy="leave it out, or keep it as a file") from None
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # decoders raise whatever they like, Rust's panics among it
        said = str(error).strip() or "no reason is given"
        if isinstance(error, UnidentifiedImageError):
            said = "; ".join(["no decoder here knows it", *_words(said_by)])
        raise Unreadable(
            f"{name} is no picture that can be opened: {type(error).__name__}, {said}",
            remedy="leave it out, or convert it to PNG first",
        ) from None


def _words(said: Sequence[warnings.WarningMessage]) -> list[str]:
    return sorted({" ".join(str(one.message).split()) for one in said})


def _warned(reading: Reading, said: Sequence[warnings.WarningMessage]) -> Reading:
    """With what a decoder warned of as facts: it has passed over something, and says what.

    Of Exif that is metadata, which an archive keeps and pixels do not need; all else may show.
    """
    if not said:
        return reading
    facts, words = reading.facts, _words(said)
    exif = [one for one in words if one.startswith(_OF_EXIF) and facts.container != "TIFF"]
    beyond = tuple(f"the decoder warns: {one}" for one in words if one not in exif)
    if exif:
        facts = replace(facts, metadata=tuple(sorted({*facts.metadata, "damaged Exif"})))
    return replace(reading, facts=facts, lacks=(*reading.lacks, *beyond))


def _facts(data: bytes) -> Facts:
    try:
        return container_facts(data)
    except NotUnderstood as error:
        return Facts("", 0, 0, beyond=(f"a container that is not understood: {error}",))


def _bounded(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise NotUnderstood(f"{width} x {height} pixels, more than {MAX_PIXELS} in all")


def _opened(data: bytes, facts: Facts) -> Reading:
    with Image.open(io.BytesIO(data)) as image:
        _bounded(image.width, image.height)
        frames = getattr(image, "n_frames", 1)
        orientation = facts.orientation
        if image.format in _TOLD_BY_PILLOW:
            orientation = image.getexif().get(_ORIENTATION, 1)
        elif image.format in _TURNED_BY_PILLOW:
            orientation = 1
        profile = facts.profile or image.info.get("icc_profile") or b""
        image.load()
        if frames != facts.frames:  # of two that tell, the larger is believed
            facts = replace(facts, frames=max(frames, facts.frames))
        colours, alpha, beyond, converted = _shown(image, facts, profile)
    pixels = colours if alpha is None or alpha.min() == 255 else np.dstack([colours, alpha])
    return Reading(
        _turned(pixels, orientation), facts, (*facts.lacks, *beyond), converted=converted
    )


def _shown(image: Any, facts: Facts, profile: bytes) -> tuple[U8, U8 | None, tuple[str, ...], bool]:
    """Colours, alpha, what both do not say, and whether the profile changed the colours."""
    mode = image.mode
    if mode.startswith("I;16"):
        grey, alpha = _of_16_bits(image, facts)
        image, mode = Image.fromarray(grey), "L"
    elif mode in ("I", "F"):
        raise NotUnderstood(f"samples of mode {mode}, of which nothing says which is white")
    elif mode == "LAB":
        return lab_to_srgb(image), None, (), True
    elif mode == "CMYK":
        alpha = None
    else:
        if facts.bits > 8 and isinstance(image.info.get("transparency"), tuple):
            raise NotUnderstood("a transparent colour of more than 8 bits")
        clear = image.info.get("transparency")
        if mode == "L" and facts.bits < 8 and isinstance(clear, int):
            # Pillow scales samples of 1, 2 and 4 bits to 8, and the transparent one not
            image.info["transparency"] = clear * 255 // ((1 << facts.bits) - 1)
        whole = image.convert("RGBA")
        alpha = np.asarray(whole)[..., 3]
        is_grey = mode in ("1", "L", "LA", "La")
        image = whole.convert("RGB").getchannel(0) if is_grey else whole.convert("RGB")
    if not profile:
        return np.asarray(image.convert("RGB")), alpha, (), False
    done = to_srgb(image, profile)
    return done.pixels, alpha, done.beyond, not done.same


def _of_16_bits(image: Any, facts: Facts) -> tuple[U8, U8 | None]:
    """Grey of more than 8 bits, rounded to 8, and its alpha."""
    samples = np.asarray(image).astype(np.uint32)
    most = (1 << min(max(facts.bits, 9), 16)) - 1
    alpha = None
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        alpha = np.where(samples == clear, 0, 255).astype(np.uint8)
    if facts.inverted:
        samples = most - np.minimum(samples, most)
    grey = (np.minimum(samples, most) * 255 + most // 2) // most
    return grey.astype(np.uint8), alpha


def _turned(pixels: U8, orientation: int) -> U8:
    """A stored picture as it is shown (Exif 2.32, 4.6.4 A, orientation)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
