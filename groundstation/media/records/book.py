"""A book of prompts: the records of a family's pictures, with what they were judged at.

A JSON file, since people want to look into it; what counts in it are the records, a few bytes each
(``shared.media.message``), which are what a key-value store or an archive takes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from groundstation.media.judge.gate import Verdict
from shared.digest import from_hex, to_hex
from shared.errors import InputError, RehydrationError, words_of
from shared.files import replace_file
from shared.media.message import Record, decode_record, encode_record
from shared.untrusted import PARSING_FAULTS, json_value, read_at_most

FORMAT: Final = "rehydration-prompts/1"

MAX_BOOK_BYTES: Final = 1 << 28
"""Of a file; records may be whole pictures."""


@dataclass(frozen=True)
class Entry:
    """A picture in a book.

    Attributes:
        key: the name of its file.
        tier: ``T0`` or ``T1`` for a prompt, by the generator's kind, ``T2`` for one with a
            residual, ``T3`` for a file.
        record: what is stored or sent.
        verdict: on what the record gives, against the original.
        original_bytes: of the file that it stands for.
        remark: why its file was kept as it is, without a look at prompts; else empty.
    """

    key: str
    tier: str
    record: Record
    verdict: Verdict
    original_bytes: int
    remark: str = ""

    @property
    def size_bytes(self) -> int:
        """Of the record."""
        return len(encode_record(self.record))

    def as_dict(self) -> dict[str, object]:
        """For the file and for ``--json``."""
        return {
            "key": self.key,
            "tier": self.tier,
            "record": base64.b64encode(encode_record(self.record)).decode("ascii"),
            "record_bytes": self.size_bytes,
            "prompt_bytes": len(self.record.stream),
            "original_bytes": self.original_bytes,
            **self.verdict.as_dict(),
        } | ({"remark": self.remark} if self.remark else {})


@dataclass(frozen=True)
class Book:
    """The pictures of a family.

    Attributes:
        family: its name.
        generator: digest of the file that draws its prompts, 32 bytes.
        entries: by key.
        left_out: pictures that are not among them, and why; not in the file.
    """

    family: str
    generator: bytes
    entries: Mapping[str, Entry]
    left_out: Mapping[str, str] = field(default_factory=dict)


def write_book(book: Book, path: Path) -> None:
    """Writes a book, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    value = {
        "format": FORMAT,
        "family": book.family,
        "generator": to_hex(book.generator),
        "entries": [entry.as_dict() for entry in book.entries.values()],
    }
    replace_file(path, (json.dumps(value, indent=1) + "\n").encode(), durable=True)


def read_book(path: Path) -> Book:
    """The book in a file.

    Raises:
        InputError: it is none, or damaged.
    """
    try:
        value = json_value(read_at_most(path, MAX_BOOK_BYTES), most_bytes=MAX_BOOK_BYTES)
        if value["format"] != FORMAT:
            raise ValueError(f"its format is {value['format']!r}")
        entries = [_entry(item) for item in value["entries"]]
        generator = from_hex(value["generator"])
        return Book(str(value["family"]), generator, {entry.key: entry for entry in entries})
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", remedy="check the path"
        ) from None
    except (RehydrationError, *PARSING_FAULTS) as error:
        raise InputError(
            f"{path} is no book of prompts: {words_of(error)}",
            expected=f"a file of format {FORMAT}, as `media encode` writes",
            remedy="encode the family again",
        ) from None


def _entry(item: Mapping[str, Any]) -> Entry:
    try:
        data = base64.b64decode(item["record"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"a record is damaged: {error}") from None
    psnr = item["psnr_db"]
    left, top = item["worst_block_at"]
    verdict = Verdict(
        float(item["ssimulacra2"]),
        float(item["worst_block_levels"]),
        (int(left), int(top)),
        float("inf") if psnr is None else float(psnr),
    )
    return Entry(
        str(item["key"]),
        str(item["tier"]),
        decode_record(data),
        verdict,
        int(item["original_bytes"]),
        str(item.get("remark", "")),
    )
