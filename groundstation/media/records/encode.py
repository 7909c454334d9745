"""Pictures to prompts: draw, judge, correct what fails, fall back to a file where it is smaller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from groundstation.media.family import Member
from groundstation.media.images import bytes_of, decode_picture, decoded, pillow
from groundstation.media.judge.fallback import smallest_file
from groundstation.media.judge.gate import Gate, judge
from groundstation.media.judge.residual import smallest_residual
from groundstation.media.learn.prompts import prompts_for
from groundstation.media.records.book import Book, Entry
from shared.errors import InputError
from shared.media.fixed import U8
from shared.media.generator import Generator, Loaded
from shared.media.kinds.network import Network
from shared.media.message import Record, image_record, prompt_record, regenerate_record
from shared.media.prompt import Prompt, encode_prompt
from shared.media.render import Renderer
from shared.terminal import Report

if TYPE_CHECKING:
    from shared.pictures.reading import Reading

_RESIDUAL_ENDS: Final = 2
"""Bytes that mark a residual at the end of a prompt."""


class Unopened(InputError):  # noqa: N818 - named for what happened
    """A picture that cannot be opened: named, while the others go on."""


@dataclass(frozen=True)
class Totals:
    """What a book comes to.

    Attributes:
        pictures: how many.
        by_prompt: how many of them are drawn.
        corrected: how many of these have a residual.
        record_bytes: of all records.
        prompt_bytes: of the prompts in them.
        original_bytes: of the files that they stand for.
        mean_score, least_score: SSIMULACRA2.
        worst_block_levels: of all pictures.
    """

    pictures: int
    by_prompt: int
    corrected: int
    record_bytes: int
    prompt_bytes: int
    original_bytes: int
    mean_score: float
    least_score: float
    worst_block_levels: float

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "pictures": self.pictures,
            "by_prompt": self.by_prompt,
            "corrected": self.corrected,
            "record_bytes": self.record_bytes,
            "mean_record_bytes": round(self.record_bytes / self.pictures, 3),
            "prompt_bytes": self.prompt_bytes,
            "original_bytes": self.original_bytes,
            "mean_ssimulacra2": round(self.mean_score, 3),
            "least_ssimulacra2": round(self.least_score, 3),
            "worst_block_levels": round(self.worst_block_levels, 3),
        }


def encode_pictures(members: Sequence[Member], loaded: Loaded, gate: Gate, report: Report) -> Book:
    """The book of pictures: each by its prompt if what that draws passes the gate, else by a file.

    One that cannot be opened is left out, and named in the book.

    Raises:
        InputError: none can be opened.
    """
    pillow()
    renderer = Renderer(loaded.generator)
    entries, left_out = dict[str, Entry](), dict[str, str]()
    for number, member in enumerate(members):
        report("pictures", number, len(members))
        try:
            entries[member.path.name] = encode_picture_file(member, renderer, gate)
        except Unopened as error:
            left_out[member.path.name] = error.found
    report("pictures", len(members), len(members))
    if members and not entries:
        raise InputError(
            f"none of {len(members)} pictures can be opened: {next(iter(left_out.values()))}",
            remedy="check the folder",
        )
    return Book(loaded.generator.name, loaded.digest, entries, left_out)


def encode_picture_file(member: Member, renderer: Renderer, gate: Gate) -> Entry:
    """The entry of one picture.

    Raises:
        Unopened: it cannot be opened.
    """
    return encode_original(member, _bytes_of(member.path), renderer, gate)


def encode_original(member: Member, original: bytes, renderer: Renderer, gate: Gate) -> Entry:
    """The entry of a picture whose file is in memory.

    Args:
        member: whose picture it is.
        original: the bytes of its file.
        renderer: draws prompts.
        gate: what a picture has to pass.

    Raises:
        Unopened: it cannot be opened.
    """
    reading = opened(original, str(member.path))
    pixels = reading.pixels
    generator, name, size = renderer.generator, member.path.name, len(original)
    if reading.lacks:  # a judge of pixels would not see what is lost
        remark, verdict = "; ".join(reading.lacks), judge(pixels, pixels)
        return Entry(name, "T3", image_record(original), verdict, size, remark)
    near: tuple[Prompt, U8] | None = None
    for prompt, known in prompts_for(member, pixels, renderer):
        made = renderer(prompt)
        if known and gate.passes(verdict := judge(pixels, made)):
            return Entry(
                name, tier_of(generator), prompt_record(generator, prompt, made), verdict, size
            )
        if near is None or _error(pixels, made) < _error(pixels, near[1]):
            near = prompt, made
    coded = smallest_file(pixels, original, gate)
    if near is not None:
        prompt, made = near
        room = len(coded.data) - len(encode_prompt(generator.grammar, prompt)) - _RESIDUAL_ENDS - 1
        found = smallest_residual(pixels, made, gate, room)
        if found is not None:
            whole = replace(prompt, residual=found.residual)
            record = prompt_record(generator, whole, found.pixels)
            return Entry(name, "T2", record, found.verdict, size)
    return Entry(name, "T3", image_record(coded.data), coded.verdict, size)


def tier_of(generator: Generator) -> str:
    """The tier of pictures that a generator draws without a correction."""
    return "T1" if isinstance(generator, Network) else "T0"


def _error(one: U8, other: U8) -> float:
    return float(((one.astype(np.float64) - other) ** 2).sum())


def drawn(record: Record, renderer: Renderer) -> U8:
    """The pixels of a record, checked.

    Raises:
        Refusal: the record is damaged, or not of this generator.
        InputError: the picture file in it cannot be decoded.
    """
    if record.image:
        return decode_picture(record.image)
    return regenerate_record(record, renderer)


def totals(entries: Sequence[Entry]) -> Totals:
    """Sums over entries, at least one."""
    scores = [entry.verdict.score for entry in entries]
    return Totals(
        pictures=len(entries),
        by_prompt=sum(not entry.record.image for entry in entries),
        corrected=sum(entry.tier == "T2" for entry in entries),
        record_bytes=sum(entry.size_bytes for entry in entries),
        prompt_bytes=sum(len(entry.record.stream) for entry in entries),
        original_bytes=sum(entry.original_bytes for entry in entries),
        mean_score=sum(scores) / len(scores),
        least_score=min(scores),
        worst_block_levels=max(entry.verdict.block_levels for entry in entries),
    )


@dataclass(frozen=True, eq=False)
class Checked:
    """A record, drawn again and judged against its original.

    Attributes:
        entry: with the new verdict.
        original, made: their pixels.
        passed: whether it may be served.
    """

    entry: Entry
    original: U8
    made: U8
    passed: bool


def opened(data: bytes, name: str) -> Reading:
    """The reading of a picture file.

    Raises:
        Unopened: it cannot be opened.
    """
    try:
        return decoded(data, name)
    except InputError as error:
        raise Unopened(error.found, expected=error.expected, remedy=error.remedy) from None


def _bytes_of(path: Path) -> bytes:
    try:
        return bytes_of(path)
    except InputError as error:
        raise Unopened(error.found, expected=error.expected, remedy=error.remedy) from None


def check_file(entry: Entry, path: Path, renderer: Renderer, gate: Gate) -> Checked:
    """As ``check_entry``, of an original in a file.

    What stands for an original that shows more than pixels hold is that file, or it fails.

    Raises:
        Unopened: the original, or the file in the record, cannot be opened.
    """
    data = _bytes_of(path)
    reading = opened(data, str(path))
    if entry.record.image:
        opened(entry.record.image, f"the file in the record of {entry.key}")
    checked = check_entry(entry, reading.pixels, renderer, gate)
    if reading.lacks and entry.record.image != data:
        return replace(checked, passed=False)
    return checked


def check_entry(entry: Entry, original: U8, renderer: Renderer, gate: Gate) -> Checked:
    """Draws a record and judges it anew; nothing is taken from the book but the record.

    Raises:
        Refusal: the record does not give the pixels that it names.
    """
    made = drawn(entry.record, renderer)
    if made.shape != original.shape:
        raise InputError(
            f"the record of {entry.key} gives a picture of shape {made.shape}",
            expected=f"{original.shape}, as the original",
            remedy="encode the family again",
        )
    verdict = judge(original, made, with_butteraugli=gate.butteraugli is not None)
    again = Entry(entry.key, entry.tier, entry.record, verdict, entry.original_bytes)
    return Checked(again, original, made, gate.passes(verdict))
