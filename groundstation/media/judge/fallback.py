"""T3: an ordinary picture file, for what no prompt regenerates well enough.

The coarsest quality that passes the gate is searched by halving; of two formats the smaller file
is kept.  If none passes, the original file itself goes: never worse, whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from groundstation.media.images import NotHeld, decode_picture, encode_picture
from groundstation.media.judge.gate import Gate, Verdict, judge
from shared.media.fixed import U8

FORMATS: Final = ("AVIF", "JXL")
QUALITIES: Final = (1, 100)
NEAR: Final = 3
"""How far from a guess the search looks first; then twice as far, and so on."""


@dataclass(frozen=True)
class Coded:
    """A picture file.

    Attributes:
        data: its bytes.
        format_name: of Pillow, or "original".
        quality: as the encoder counts, 0 for an original.
        verdict: on what it decodes to.
    """

    data: bytes
    format_name: str
    quality: int
    verdict: Verdict


def smallest_file(
    pixels: U8, original: bytes, gate: Gate, formats: Sequence[str] = FORMATS
) -> Coded:
    """The smallest file that passes the gate: of the formats, or the original."""
    found = [coded for name in formats if (coded := coarsest(pixels, name, gate.passes))]
    best = min(found, key=lambda coded: len(coded.data), default=None)
    if best is None or len(best.data) >= len(original):
        return Coded(original, "original", 0, judge(pixels, pixels))
    return best


def coarsest(
    pixels: U8, format_name: str, good: Callable[[Verdict], bool], guess: int | None = None
) -> Coded | None:
    """The file of the lowest quality whose verdict is good; None if none is, or can be.

    The search assumes that a higher quality is no worse; what it returns has been judged itself.

    Args:
        pixels: the picture.
        format_name: of Pillow.
        good: what is good enough.
        guess: a quality to begin with; a near one, as of a similar picture, saves half the work.
    """
    low, high = QUALITIES
    best = None
    step = NEAR
    while low <= high:
        quality = (low + high) // 2 if guess is None else min(max(guess, low), high)
        try:
            coded = _coded(pixels, format_name, quality)
        except NotHeld:
            return None
        if good(coded.verdict):
            best, high = coded, quality - 1
            guess = None if guess is None or low > QUALITIES[0] else quality - step
        else:
            low = quality + 1
            guess = None if guess is None or best is not None else quality + step
        step *= 2
    return best


def finest(pixels: U8, format_name: str) -> Coded:
    """The file of the highest quality."""
    return _coded(pixels, format_name, QUALITIES[1])


def _coded(pixels: U8, format_name: str, quality: int) -> Coded:
    data = encode_picture(pixels, format_name, **_options(format_name, quality))
    back = decode_picture(data)
    if back.shape != pixels.shape:  # an encoder may drop an alpha of 255, or a reader add one
        back = back[..., :3] if back.shape[2] > pixels.shape[2] else back
    return Coded(data, format_name, quality, judge(pixels, back))


def _options(format_name: str, quality: int) -> dict[str, object]:
    """Pillow's options: one thread, as pictures are encoded side by side.

    AVIF keeps the full resolution of colour: with half of it, Pillow's default, some pictures never
    reach the gate, and the others take three times the bytes.  JPEG XL refuses quality 100 unless
    it is lossless.
    """
    options: dict[str, object] = {"quality": quality}
    if format_name == "AVIF":
        options |= {"max_threads": 1, "subsampling": "4:4:4"}
    if format_name == "JXL":
        options |= {"num_threads": 1, "lossless": quality == QUALITIES[1]}
    return options
