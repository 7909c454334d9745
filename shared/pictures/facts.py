"""What a picture file says beside the pixels that it shows.

The product works with pixels of 8 bits in sRGB, upright.  Files may say more: more bits, more
frames, other inks, light beyond white.  Whatever is decided about a file (may a generator learn
it, may its pixels stand for it) is decided by these facts, in ``Facts.lacks``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BITS: Final = 8
PLAIN: Final = frozenset({"grey", "palette", "rgb", "ycbcr"})
"""Colours that turn into red, green and blue without loss that is seen."""


class NotUnderstood(ValueError):  # noqa: N818 - named for what happened
    """A container has another form than its standard says, or one that is not read here."""


@dataclass(frozen=True)
class Facts:
    """A picture file by its container.

    Attributes:
        container: the format's usual name, as ``PNG``.
        width, height: pixels as they are stored, before the picture is turned.
        bits: of a sample.
        colours: what samples mean: grey, palette, rgb, ycbcr, cmyk, lab, or another word.
        frames: pictures in the file, pages and frames of an animation alike.
        orientation: how the stored picture is turned to be shown, 1 to 8 (Exif 2.32, 4.6.4 A).
        inverted: whether the largest sample of a grey picture is black.
        profile: the ICC profile's bytes; empty without one.
        metadata: kinds of text about the picture that it carries: ``Exif``, ``XMP``.
        beyond: what it shows, or might show, that no other field holds; in words.
    """

    container: str
    width: int
    height: int
    bits: int = BITS
    colours: str = "rgb"
    frames: int = 1
    orientation: int = 1
    inverted: bool = False
    profile: bytes = b""
    metadata: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()

    @property
    def lacks(self) -> tuple[str, ...]:
        """What the file shows and 8-bit sRGB pixels do not say; empty if they say it all.

        A profile is not among them: whether sRGB holds its colours depends on the pixels.
        """
        found = []
        if self.bits > BITS:
            found.append(f"{self.bits} bits a sample")
        if self.frames != 1:
            found.append(f"{self.frames} frames or pages")
        if self.colours not in PLAIN:
            found.append(f"colours of the kind {self.colours}")
        return (*found, *self.beyond)
