"""A walk through an inventory of pictures: families, and what each is worth."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from groundstation.media.family import MOST_TOLD
from groundstation.media.images import pillow, reading_of
from groundstation.media.survey.describe import SIDE, Shapes, edges, outline, thumbnail
from groundstation.media.survey.grouping import Likeness, group
from groundstation.media.survey.worth import Prices, QuickFit, Worth, quick_fit, worth
from groundstation.media.walk import PICTURES, walk, within
from shared.errors import InputError, words_of
from shared.media.fixed import U8
from shared.terminal import Report


@dataclass(frozen=True, eq=False)
class Inventory:
    """Pictures as a survey sees them.

    Attributes:
        names: paths within the folder.
        sizes: of the files, bytes.
        shapes: width, height and channels.
        thumbnails: ``[pictures, 64, 64, 3]``.
        outlines: ``[pictures, 64, 64]``.
        unreadable: names of files that cannot be opened and, with a slash behind them, of folders
            that cannot be listed, and why.
        beyond: names of pictures that show more than a generator draws, and what; not among the
            others.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    shapes: tuple[tuple[int, int, int], ...]
    thumbnails: U8
    outlines: U8
    unreadable: Mapping[str, str] = field(default_factory=dict)
    beyond: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A family.

    Attributes:
        members: positions in the inventory.
        fit: what its thumbnails tell.
        worth: what it saves.
    """

    members: tuple[int, ...]
    fit: QuickFit
    worth: Worth

    def as_dict(self, inventory: Inventory) -> dict[str, Any]:
        """For ``--json``."""
        found = self.worth
        months = found.break_even_months
        return {
            "pictures": found.pictures,
            "stored_bytes": found.stored_bytes,
            "estimated_generator_bytes": found.generator_bytes,
            "estimated_saved_bytes": found.saved_bytes,
            "wire_bytes_month": round(found.wire_bytes_month),
            "components": self.fit.components,
            "chance": round(self.fit.chance, 3),
            "saved_month": found.saved_month,
            "once": found.once,
            "total": found.total,
            "break_even_months": None if months == float("inf") else months,
            "files": [inventory.names[n] for n in self.members],
        }


def take_inventory(folder: Path, report: Report) -> Inventory:
    """Reads every picture in a folder and below it, whatever the format.

    Raises:
        InputError: there is none, or the folder cannot be listed.
    """
    found = walk(folder, below=True)
    paths = found.paths
    names, sizes, shapes, small, outlines = [], [], [], [], []
    unreadable, beyond = dict(found.closed), dict[str, str]()
    pillow()
    for number, path in enumerate(paths):
        report("reading", number, len(paths))
        name = within(folder, path)
        try:
            reading, size = reading_of(path), path.stat().st_size
        except (InputError, OSError) as error:
            unreadable[name] = error.found if isinstance(error, InputError) else str(error)
            continue
        if reading.lacks:
            beyond[name] = "; ".join(reading.lacks)
            continue
        pixels = reading.pixels
        height, width, channels = pixels.shape
        names.append(name)
        sizes.append(size)
        shapes.append((width, height, channels))
        small.append(thumbnail(pixels))
        outlines.append(outline(pixels))
    report("reading", len(paths), len(paths))
    if not names:
        told = {**unreadable, **beyond}
        raise InputError(
            f"{folder} has no picture that can be read and learned"
            + "".join(f"; {name}: {why}" for name, why in list(told.items())[:MOST_TOLD]),
            expected=f"files with one of the suffixes {', '.join(sorted(PICTURES))}",
            remedy="name the folder that holds them",
        )
    stacked = np.stack(small).reshape(-1, SIDE, SIDE, 3)
    return Inventory(
        tuple(names),
        tuple(sizes),
        tuple(shapes),
        stacked,
        np.stack(outlines),
        unreadable,
        beyond,
    )


def find_families(
    inventory: Inventory,
    requests: Mapping[str, float],
    prices: Prices,
    likeness: Likeness,
    report: Report,
) -> tuple[Found, ...]:
    """The families of an inventory, the most valuable first.

    Pictures of one shape whose sizes or channels differ go into families of their own.

    Args:
        inventory: what was read.
        requests: by name, a month; for others what ``prices`` says.
        prices: of the user.
        likeness: when two pictures are of one shape.
        report: told about progress.
    """
    maps = np.stack([edges(small) for small in inventory.thumbnails])
    numbers = group(Shapes(maps, inventory.outlines), likeness, report)
    by_group: dict[tuple[int, tuple[int, int, int]], list[int]] = {}
    for place, (number, shape) in enumerate(zip(numbers, inventory.shapes, strict=True)):
        by_group.setdefault((int(number), shape), []).append(place)
    found = []
    for members in by_group.values():
        if len(members) < 2:
            continue
        fit = quick_fit(inventory.thumbnails[members])
        sizes = [inventory.sizes[n] for n in members]
        counts = [requests.get(inventory.names[n], prices.requests) for n in members]
        found.append(Found(tuple(members), fit, worth(sizes, counts, fit, prices)))
    return tuple(sorted(found, key=lambda family: (-family.worth.total, family.members)))


def read_requests(path: Path) -> dict[str, float]:
    """Requests by name, from a CSV with the columns ``file`` and ``requests``.

    Raises:
        InputError: the file is none, or a count is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        counts = {row["file"]: float(row["requests"]) for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        kind = "" if isinstance(error, OSError) else f"{type(error).__name__} "
        raise InputError(
            f"{path} does not tell requests: {kind}{words_of(error)}",
            expected="a CSV with the columns file and requests",
            remedy="count the requests of the access log by path",
        ) from None
    if any(not 0 <= count < 1e15 for count in counts.values()):
        raise InputError(f"{path} has a count below 0 or without end", expected="0 and more")
    return counts


def agreement(groups: Sequence[Sequence[str]], truth: Mapping[str, str]) -> tuple[float, float]:
    """Precision and recall over pairs of pictures.

    Args:
        groups: names of the pictures of each family found.
        truth: the true family of every picture.
    """
    true_sizes: dict[str, int] = {}
    for family in truth.values():
        true_sizes[family] = true_sizes.get(family, 0) + 1
    right = 0
    for names in groups:
        inside: dict[str, int] = {}
        for name in names:
            inside[truth[name]] = inside.get(truth[name], 0) + 1
        right += sum(map(_pairs, inside.values()))
    found = sum(_pairs(len(names)) for names in groups)
    wanted = sum(map(_pairs, true_sizes.values()))
    return (right / found if found else 1.0), (right / wanted if wanted else 1.0)


def _pairs(count: int) -> int:
    return count * (count - 1) // 2
