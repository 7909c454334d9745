"""Whether an original may go: what came back is read beside it by a second reader.

The first reader (Pillow) chose how a picture is kept.  What it had misread, it would misread again
here; so both files are read by another (``second``), and the original's container is looked at for
what no decoder tells.  Only plain pictures go: upright, of 8 bits, sRGB, a single frame.  With
others a fault of either reader would be final; they stay, though the archive has their files,
unless it was asked for exact files, where bytes alone are the proof.  What the second reader does
not open stays.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from groundstation.media.archive.decode_entry import Restored
from groundstation.media.archive.index import Keep
from groundstation.media.judge.gate import Gate, judge
from groundstation.media.judge.second_reading import MAX_PIXELS, NotJudged, Second, read_again
from shared.media.fixed import U8
from shared.pictures.containers.read import container_facts
from shared.pictures.facts import Facts, NotUnderstood

SCORE_SLACK: Final = 2.0
BLOCK_SLACK: Final = 2.0
"""Decoders of lossy formats differ by a level or two; what is at the gate by one may fail by the
other.  A misread picture fails by far more."""
LOSSY_LEVELS: Final = 4
"""By how many levels decoders of a lossy original may differ where all pixels are to come back."""
_EXACT: Final = "archive it with --keep exact to let it go"
_LOSSY: Final = frozenset({"AVIF", "JPEG", "WEBP"})


def reason_to_stay(
    original: bytes, found: Restored, keep: Keep, gate: Gate, *, drop_metadata: bool
) -> str:
    """Why an original must stay, for people; empty if it may go.

    Args:
        original: the bytes of its file.
        found: what the archive gives back.
        keep: what was asked for.
        gate: for ``Keep.QUALITY``.
        drop_metadata: whether what the file says about its picture may go.
    """
    same_file = found.pixels is None and found.stored == original
    if keep is Keep.EXACT:
        return "" if same_file else "it does not come back"
    try:
        facts = container_facts(original)
        if facts.width * facts.height > MAX_PIXELS:  # some decoders decode as they open
            raise NotJudged(f"{facts.width} x {facts.height} pixels are not read twice")
        before = read_again(original)
        if special := _special(before, facts):
            return f"it is no plain picture: {special}; {_EXACT}"
        if same_file:
            return ""
        if facts.metadata and not drop_metadata:
            return f"its metadata does not come back: {', '.join(facts.metadata)}"
        after = read_again(found.file())
    except NotJudged as error:
        return f"{error.found}; {_EXACT}"
    except NotUnderstood as error:
        return f"its container is not understood: {error}; {_EXACT}"
    return _differs(before, after, facts, keep, gate)


def _special(before: Second, facts: Facts) -> str:
    found = dict.fromkeys((*facts.lacks, *before.lacks))
    if facts.orientation != 1:
        found["stored turned"] = None
    if before.converted:
        found["a colour profile that is not that of sRGB"] = None
    return "; ".join(found)


def _differs(before: Second, after: Second, facts: Facts, keep: Keep, gate: Gate) -> str:
    one, other = _alike(before.pixels, after.pixels)
    if one.shape != other.shape:
        return f"it comes back as {other.shape}, and was {one.shape}"
    if keep is Keep.PIXELS:
        most = LOSSY_LEVELS if facts.container in _LOSSY else 0
        apart = int(np.abs(one.astype(int) - other).max())
        return "" if apart <= most else f"it comes back with samples {apart} levels apart"
    verdict = judge(one, other)
    if verdict.score >= gate.score - SCORE_SLACK and (
        verdict.block_levels <= gate.block_levels + BLOCK_SLACK
    ):
        return ""
    return (
        f"a second reader judges it at {verdict.score:.1f}, "
        f"with a block at {verdict.block_levels:.1f} levels"
    )


def _alike(one: U8, other: U8) -> tuple[U8, U8]:
    """With alpha both, if one has it; the colours of what nobody sees count as black."""
    if 4 in (one.shape[2], other.shape[2]):
        return _seen(one), _seen(other)
    return one, other


def _seen(pixels: U8) -> U8:
    if pixels.shape[2] == 3:
        return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    return np.where(pixels[..., 3:] > 0, pixels, np.uint8(0))
