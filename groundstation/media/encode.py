"""Pictures to prompts: draw, judge, and fall back to a file where a drawing fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from groundstation.media.book import Book, Entry
from groundstation.media.diffusion.search import searched
from groundstation.media.fallback import smallest_file
from groundstation.media.family import Member
from groundstation.media.gate import Gate, judge
from groundstation.media.images import decode_picture
from shared.errors import InputError
from shared.media.fixed import U8
from shared.media.generator import Generator, Loaded
from shared.media.kinds.diffusion import Diffusion
from shared.media.message import Record, image_record, prompt_record, regenerate_record
from shared.media.prompt import Prompt
from shared.media.render import Renderer
from shared.terminal import Report


@dataclass(frozen=True)
class Totals:
    """What a book comes to.

    Attributes:
        pictures: how many.
        by_prompt: how many of them are drawn.
        record_bytes: of all records.
        prompt_bytes: of the prompts in them.
        original_bytes: of the files that they stand for.
        mean_score, least_score: SSIMULACRA2.
        worst_block_levels: of all pictures.
    """

    pictures: int
    by_prompt: int
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

    Raises:
        InputError: a picture cannot be read.
    """
    renderer = Renderer(loaded.generator)
    entries = {}
    for number, member in enumerate(members):
        report("pictures", number, len(members))
        entries[member.path.name] = encode_picture_file(member, renderer, gate)
    report("pictures", len(members), len(members))
    return Book(loaded.generator.name, loaded.digest, entries)


def encode_picture_file(member: Member, renderer: Renderer, gate: Gate) -> Entry:
    """The entry of one picture."""
    return encode_original(member, member.path.read_bytes(), renderer, gate)


def encode_original(member: Member, original: bytes, renderer: Renderer, gate: Gate) -> Entry:
    """The entry of a picture whose file is in memory."""
    pixels = decode_picture(original, str(member.path))
    try:
        prompt = _prompt(renderer.generator, member, pixels)
    except InputError:  # a value that was not learned: only a file can show it
        prompt = None
    if prompt is not None:
        made = renderer(prompt)
        if made.shape == pixels.shape:
            verdict = judge(pixels, made)
            if gate.passes(verdict):
                record = prompt_record(renderer.generator, prompt, made)
                return Entry(member.path.name, "T0", record, verdict, len(original))
    coded = smallest_file(pixels, original, gate)
    return Entry(member.path.name, "T3", image_record(coded.data), coded.verdict, len(original))


def _prompt(generator: Generator, member: Member, pixels: U8) -> Prompt:
    """The prompt of a picture: its attributes, and a seed where the generator takes one."""
    choices = generator.grammar.choose(member.values)
    size = (generator.height, generator.width, generator.channels)
    if isinstance(generator, Diffusion) and pixels.shape == size:
        return searched(generator, choices, pixels)
    return generator.grammar.plain(choices)


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
    verdict = judge(original, made)
    again = Entry(entry.key, entry.tier, entry.record, verdict, entry.original_bytes)
    return Checked(again, original, made, gate.passes(verdict))
