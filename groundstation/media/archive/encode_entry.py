"""How a picture is kept: the smallest way that gives back what was asked for."""

from __future__ import annotations

import lzma
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from groundstation.media.archive.common import packed
from groundstation.media.archive.decode_entry import MAX_PACKED_BYTES, MIDDLE
from groundstation.media.archive.index import DIGEST_BYTES, Keep, Kind, Picture
from groundstation.media.family import Member
from groundstation.media.images import NotHeld, decode_picture, decoded, encode_picture
from groundstation.media.judge.fallback import smallest_file
from groundstation.media.judge.gate import Gate
from groundstation.media.records.encode import encode_original
from shared.digest import sha256
from shared.errors import InputError
from shared.media.fixed import U8
from shared.media.pixels import pixel_digest
from shared.media.prompt import decode_prompt, encode_prompt
from shared.media.render import Renderer

_XZ_PRESET: Final = 9
_LOSSLESS: Final = {"lossless": True, "effort": 7, "num_threads": 1}
_SUFFIXES: Final = ((b"ftypavif", 4, ".avif"), (b"\xff\x0a", 0, ".jxl"), (b"JXL ", 4, ".jxl"))


@dataclass(frozen=True)
class Kept:
    """A picture as it is kept; where its bytes will stand is not known yet.

    Attributes:
        picture: with offset 0.
        stored: its bytes.
    """

    picture: Picture
    stored: bytes


def keep_picture(
    member: Member,
    original: bytes,
    name: str,
    renderer: Renderer | None,
    gate: Gate,
    keep: Keep,
    common: bytes = b"",
    *,
    drop_metadata: bool = False,
) -> Kept:
    """The smallest of the ways that ``keep`` allows; the original itself where less would lose.

    Args:
        member: whose picture it is.
        original: the bytes of its file.
        name: under which it is kept.
        renderer: draws prompts; None to draw nothing.
        gate: what a picture that is not exact has to pass.
        keep: what is to come back.
        common: bytes that the archive keeps once; empty for none.
        drop_metadata: whether what a file says about its picture may go.
    """
    shared = [_shared(original, name, common)] if common else []
    why = "" if keep is Keep.EXACT else must_stay_whole(original, keep, drop_metadata)
    if why:
        kept = _smallest([_file(original, name, original), *_packed(original, name), *shared])
        return replace(kept, picture=replace(kept.picture, why=why))
    if keep is Keep.QUALITY:
        ways = [_within_gate(member, original, name, renderer, gate), *shared]
        return _smallest(ways)
    ways = [_file(original, name, original), *shared]
    if keep is Keep.EXACT:
        ways += _packed(original, name)
    else:
        ways += _same_pixels(member, original, name, renderer)
    return _smallest(ways)


def must_stay_whole(original: bytes, keep: Keep, drop_metadata: bool) -> str:
    """Why no pixels may stand for a file; empty if they may.

    Args:
        original: its bytes.
        keep: what is to come back, pixels or a picture that passes the gate.
        drop_metadata: whether what it says about its picture may go.
    """
    try:
        reading = decoded(original, "it")
    except InputError as error:
        return error.found
    if reading.lacks:
        return "; ".join(reading.lacks)
    if keep is Keep.PIXELS and reading.converted:
        return "a colour profile: its pixels alone are other colours"
    if reading.facts.metadata and not drop_metadata:
        return f"metadata: {', '.join(reading.facts.metadata)} (--drop-metadata lets it go)"
    return ""


def _smallest(ways: Sequence[Kept]) -> Kept:
    return min(ways, key=lambda kept: len(kept.stored) + len(kept.picture.prompt))


def _within_gate(
    member: Member, original: bytes, name: str, renderer: Renderer | None, gate: Gate
) -> Kept:
    if renderer is None:
        coded = smallest_file(decode_picture(original, str(member.path)), original, gate)
        kept, verdict = _file(original, name, coded.data), coded.verdict
    else:
        entry = encode_original(member, original, renderer, gate)
        verdict = entry.verdict
        if entry.record.image:
            kept = _file(original, name, entry.record.image)
        else:
            kept = _prompted(original, name, entry.record.stream, renderer)
    score, block = round(verdict.score, 3), round(verdict.block_levels, 3)
    return replace(kept, picture=replace(kept.picture, score=score, block_levels=block))


def _prompted(original: bytes, name: str, stream: bytes, renderer: Renderer) -> Kept:
    """The prompt goes into the index, which an archive holds twice; a residual does not."""
    grammar = renderer.generator.grammar
    prompt = decode_prompt(grammar, stream)
    kind = Kind.CORRECTED if prompt.residual else Kind.PROMPT
    code = encode_prompt(grammar, replace(prompt, residual=b""))
    picture = _picture(original, name, kind, prompt.residual, pixel_digest(renderer(prompt)))
    as_png = _suffixed(name, ".png")
    return Kept(replace(picture, prompt=code, restored_as=as_png), prompt.residual)


def _same_pixels(
    member: Member, original: bytes, name: str, renderer: Renderer | None
) -> list[Kept]:
    """Lossless JPEG XL of the pixels, and of what a drawing lacks; as far as they come back."""
    pixels = decode_picture(original, str(member.path))
    try:
        plain = encode_picture(pixels, "JXL", **_LOSSLESS)
    except NotHeld:
        return []
    ways = [_file(original, name, plain)] if _equal(decode_picture(plain), pixels) else []
    if renderer is None:
        return ways
    grammar = renderer.generator.grammar
    try:
        prompt = grammar.plain(grammar.choose(member.values))
    except InputError:  # a value that was not learned
        return ways
    drawn = renderer(prompt)
    if drawn.shape != pixels.shape:
        return ways
    rest = (pixels - drawn + np.uint8(MIDDLE)).astype(np.uint8)  # modulo 256
    stored = encode_picture(rest, "JXL", **_LOSSLESS)
    if _equal(decode_picture(stored), rest):
        picture = _picture(original, name, Kind.RESIDUAL, stored, pixel_digest(pixels))
        stream = encode_prompt(grammar, prompt)
        as_png = _suffixed(name, ".png")
        ways.append(Kept(replace(picture, prompt=stream, restored_as=as_png), stored))
    return ways


def _file(original: bytes, name: str, file: bytes) -> Kept:
    picture = _picture(original, name, Kind.FILE, file, sha256(file))
    if file != original:
        suffix = next(s for mark, at, s in _SUFFIXES if file[at : at + len(mark)] == mark)
        picture = replace(picture, restored_as=_suffixed(name, suffix))
    return Kept(picture, file)


def _shared(original: bytes, name: str, common: bytes) -> Kept:
    stored = packed(original, common)
    return Kept(_picture(original, name, Kind.SHARED, stored, sha256(original)), stored)


def _packed(original: bytes, name: str) -> list[Kept]:
    """The original packed, or nothing where readers would not unpack it."""
    if len(original) > MAX_PACKED_BYTES:
        return []
    stored = lzma.compress(original, lzma.FORMAT_XZ, preset=_XZ_PRESET)
    return [Kept(_picture(original, name, Kind.PACKED, stored, sha256(original)), stored)]


def _picture(original: bytes, name: str, kind: Kind, stored: bytes, result: bytes) -> Picture:
    return Picture(
        name=name,
        restored_as=name,
        kind=kind,
        prompt=b"",
        offset=0,
        size_bytes=len(stored),
        check=sha256(stored)[:DIGEST_BYTES] if stored else b"",
        result=result[:DIGEST_BYTES],
        original=sha256(original)[:DIGEST_BYTES],
        original_bytes=len(original),
        score=100.0,
        block_levels=0.0,
    )


def _suffixed(name: str, suffix: str) -> str:
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.rpartition(".")[0] + suffix


def _equal(one: U8, other: U8) -> bool:
    return one.shape == other.shape and bool((one == other).all())
