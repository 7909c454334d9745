"""Which pictures a generator may learn from: those that it could give back.

A generator draws 8 bits a channel in sRGB, one still picture.  A file that shows more would be
learned as something else than what it shows, and nobody would see it: the judge reads it likewise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundstation.media.family import Family, Member, without
from groundstation.media.images import pillow, reading_of
from shared.errors import InputError
from shared.media.fixed import U8
from shared.terminal import Report


@dataclass(frozen=True)
class Learners:
    """What is left of a family to learn from.

    Attributes:
        family: without those that were left out.
        members: those to learn from.
        left_out: why, by file name.
    """

    family: Family
    members: Sequence[Member]
    left_out: Mapping[str, str]


def read_learnable(path: Path) -> U8:
    """The pixels of a picture that a generator can give back.

    Raises:
        Unreadable: it cannot be opened.
        InputError: it shows more than a generator can draw.
    """
    reading = reading_of(path)
    if reading.lacks:
        raise InputError(
            f"{path} shows more than a generator draws: {'; '.join(reading.lacks)}",
            expected="a still picture of 8 bits a channel, whose colours sRGB holds",
            remedy="convert it, or leave it out: it can be kept as a file",
        )
    return reading.pixels


def learners(family: Family, members: Sequence[Member], report: Report) -> Learners:
    """Leaves out, by name, what cannot be opened or learned.

    Args:
        family: all pictures.
        members: those to learn from.
        report: told how far it is.

    Raises:
        InputError: fewer than two are left.
    """
    pillow()
    left_out = {}
    for number, member in enumerate(members):
        report("looking", number, len(members))
        try:
            read_learnable(member.path)
        except InputError as error:
            left_out[member.path.name] = error.found
    report("looking", len(members), len(members))
    rest = [member for member in members if member.path.name not in left_out]
    return Learners(without(family, left_out), rest, {**family.passed_over, **left_out})


def refuse_larger(size_bytes: int, family: Family, allowed: bool, kept: Collection[Path]) -> None:
    """Refuses a generator that takes more bytes than the pictures of its family.

    Args:
        size_bytes: of the generator.
        family: whose pictures lie on the disk.
        allowed: whether the user wants it nevertheless.
        kept: folders where the work stays, for the message.

    Raises:
        InputError: it is larger.
    """
    paths = [member.path for member in family.members]
    total = sum(path.stat().st_size for path in paths if path.is_file())
    if allowed or size_bytes <= total:
        return
    stays = "".join(f"; the work stays in {path}" for path in kept)
    raise InputError(
        f"the generator takes {size_bytes:,} bytes, the pictures of {family.name!r} {total:,}: "
        f"nothing was written{stays}",
        expected="a generator smaller than its pictures",
        remedy="take more pictures of the family, or `media lean`, or keep it all the same with "
        "--even-if-larger",
    )
