"""What an archive says of itself: a frozen value, and the JSON in which it is kept.

Everything that a reader needs is in it: which pictures there were, how each is kept, what it was
judged at, where the licence allows what; and digests, by which each picture is checked alone.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from groundstation.media.archive.common import MAX_BYTES
from groundstation.media.judge.gate import Gate
from shared.errors import InputError
from shared.media.container import MAX_BODY_BYTES
from shared.untrusted import PARSING_FAULTS, json_value

FORMAT: Final = "rehydration-archive/1"
ABOUT: Final = (
    "Pictures of one family, drawn by the generator in this file from prompts, or kept as files. "
    "docs/media-archive.md of rehydration-uplink has every byte."
)
MAX_INDEX_BYTES: Final = 1 << 24
"""Of its JSON: what Python makes of that takes some fifteen times as much."""
_MAX_OBJECTS: Final = 1_000_000
DIGEST_BYTES: Final = 16
"""Of digests in an index: against damage and mix-ups, not against people."""
_LEVEL: Final = 9


class Keep(StrEnum):
    """What restoring gives back."""

    QUALITY = "quality"
    """A picture that passed the gate beside the original."""
    PIXELS = "pixels"
    """The very pixels of the original, in a file of another format."""
    EXACT = "exact"
    """The very bytes of the original file."""


class Kind(StrEnum):
    """How a picture is kept."""

    PROMPT = "prompt"
    """In the index itself; drawn by the generator."""
    RESIDUAL = "residual"
    """A prompt, and what the drawing lacks, pixel - drawn + 128 modulo 256, as a JPEG XL file."""
    CORRECTED = "corrected"
    """A prompt, and the residual (``shared.media.coding``) with which the drawing passes."""
    FILE = "file"
    """A picture file as it is, the original or a smaller one."""
    PACKED = "packed"
    """The original file in the .xz format."""
    SHARED = "shared"
    """The original file against the common bytes."""


DRAWN: Final = (Kind.PROMPT, Kind.RESIDUAL, Kind.CORRECTED)


@dataclass(frozen=True)
class Picture:
    """A picture in an archive.

    Attributes:
        name: of the original, a relative path with slashes.
        restored_as: the name under which it comes back.
        kind: how it is kept.
        prompt: of those that are drawn.
        offset: of its bytes from the end of the first index; 0 where it has none.
        size_bytes: of them.
        check: first bytes of the sha256 of them; empty where there are none.
        result: of what is restored: of the pixels' digest if it is drawn, else of the file's
            sha256.
        original: of the sha256 of the original file.
        original_bytes: its size.
        score: SSIMULACRA2 of what is restored; 100 for equal pixels.
        block_levels: root-mean-square error of its worst block.
        why: why the original itself is kept, though less was asked for; else empty.
    """

    name: str
    restored_as: str
    kind: Kind
    prompt: bytes
    offset: int
    size_bytes: int
    check: bytes
    result: bytes
    original: bytes
    original_bytes: int
    score: float
    block_levels: float
    why: str = ""


@dataclass(frozen=True)
class Index:
    """An archive's contents.

    Attributes:
        family: its name.
        keep: what restoring gives back.
        gate: what the pictures passed.
        created: when, ISO 8601 in UTC.
        notes: licence, source and what else people should know.
        generator: sha256 of the generator's file, 32 bytes; empty if no picture needs it.
        generator_bytes: its size.
        pictures: in the order of the family.
        common: sha256 of the common bytes, 32 bytes; empty if no picture needs them.
        common_bytes: how many.
    """

    family: str
    keep: Keep
    gate: Gate
    created: str
    notes: Mapping[str, str]
    generator: bytes
    generator_bytes: int
    pictures: tuple[Picture, ...]
    common: bytes = b""
    common_bytes: int = 0


def encode_index(index: Index) -> bytes:
    """The compressed JSON of an index.

    Raises:
        InputError: it is larger than readers take.
    """
    value: dict[str, object] = {
        "format": FORMAT,
        "about": ABOUT,
        "family": index.family,
        "keep": index.keep.value,
        "gate": {"ssimulacra2": index.gate.score, "block_levels": index.gate.block_levels},
        "created": index.created,
        "notes": dict(index.notes),
        "generator": {"sha256": index.generator.hex(), "bytes": index.generator_bytes},
        "pictures": [_picture_dict(picture) for picture in index.pictures],
    }
    if index.common:
        value["common"] = {"sha256": index.common.hex(), "bytes": index.common_bytes}
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    if len(text) > MAX_INDEX_BYTES:
        raise InputError(
            f"the index of {len(index.pictures)} pictures has {len(text)} bytes",
            expected=f"at most {MAX_INDEX_BYTES}",
            remedy="archive fewer pictures at a time",
        )
    return zlib.compress(text.encode("ascii"), _LEVEL)


def decode_index(data: bytes) -> Index:
    """The index in some bytes that were checked already.

    Raises:
        InputError: they are none, of another version, or name places outside of a folder.
    """
    try:
        inflater = zlib.decompressobj()
        text = inflater.decompress(data, MAX_INDEX_BYTES)
        if not inflater.eof or inflater.unused_data:
            raise ValueError(f"it has more than {MAX_INDEX_BYTES} bytes, or bytes follow it")
        value = json_value(text, most_bytes=MAX_INDEX_BYTES, most_objects=_MAX_OBJECTS)
        if value["format"] != FORMAT:
            raise ValueError(f"its format is {value['format']!r}")
        return _index(value)
    except PARSING_FAULTS as error:
        raise InputError(
            f"the archive's index cannot be read: {type(error).__name__} {error}",
            expected=f"an index of format {FORMAT}",
            remedy="update this program",
        ) from None


def is_safe(name: str) -> bool:
    """Whether a name stays inside a folder and is one name on every system."""
    if not name.isprintable() or "\\" in name:  # what UTF-8 has no bytes for is not printable
        return False
    parts = name.split("/")
    return all(0 < len(part.encode()) <= 255 and part not in (".", "..") for part in parts)


def _index(value: Mapping[str, Any]) -> Index:
    pictures = tuple(_picture(item) for item in value["pictures"])
    if len({p.restored_as for p in pictures}) < len(pictures):
        raise ValueError("two pictures come back under one name")
    gate, generator = value["gate"], value["generator"]
    common = value.get("common", {"sha256": "", "bytes": 0})
    if _count(generator["bytes"]) > MAX_BODY_BYTES or _count(common["bytes"]) > MAX_BYTES:
        raise ValueError("a generator or common bytes larger than any")
    return Index(
        family=str(value["family"]),
        keep=Keep(value["keep"]),
        gate=Gate(float(gate["ssimulacra2"]), float(gate["block_levels"])),
        created=str(value["created"]),
        notes={str(key): str(text) for key, text in value["notes"].items()},
        generator=bytes.fromhex(generator["sha256"]),
        generator_bytes=_count(generator["bytes"]),
        pictures=pictures,
        common=bytes.fromhex(common["sha256"]),
        common_bytes=_count(common["bytes"]),
    )


def _picture_dict(picture: Picture) -> dict[str, object]:
    found: dict[str, object] = {"name": picture.name, "kind": picture.kind.value}
    if picture.restored_as != picture.name:
        found["as"] = picture.restored_as
    if picture.why:
        found["why"] = picture.why
    if picture.kind in DRAWN:
        found["prompt"] = picture.prompt.hex()
    if picture.kind is not Kind.PROMPT:
        found |= {
            "offset": picture.offset,
            "bytes": picture.size_bytes,
            "check": picture.check.hex(),
        }
    return found | {
        "result": picture.result.hex(),
        "original": picture.original.hex(),
        "original_bytes": picture.original_bytes,
        "ssimulacra2": round(picture.score, 3),
        "block_levels": round(picture.block_levels, 3),
    }


def _picture(item: Mapping[str, Any]) -> Picture:
    picture = Picture(
        name=str(item["name"]),
        restored_as=str(item.get("as", item["name"])),
        kind=Kind(item["kind"]),
        prompt=bytes.fromhex(item.get("prompt", "")),
        offset=_count(item.get("offset", 0)),
        size_bytes=_count(item.get("bytes", 0)),
        check=bytes.fromhex(item.get("check", "")),
        result=bytes.fromhex(item["result"]),
        original=bytes.fromhex(item["original"]),
        original_bytes=_count(item["original_bytes"]),
        score=float(item["ssimulacra2"]),
        block_levels=float(item["block_levels"]),
        why=str(item.get("why", "")),
    )
    if not is_safe(picture.name) or not is_safe(picture.restored_as):
        raise ValueError(f"the name {picture.name!r} leaves a folder")
    if (len(picture.result), len(picture.original)) != (DIGEST_BYTES, DIGEST_BYTES):
        raise ValueError("a digest of another size")
    return picture


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no size")
    return value
