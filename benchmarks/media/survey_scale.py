"""How a survey's cost grows: ``python -m benchmarks.media.survey_scale`` writes SURVEY_SCALE.md.

Inventories of made figures, each of five to nine ellipses in five colourings, as PNG files of
96 x 96 in a folder that is removed afterwards: 1,000 pictures, 10,000 and 100,000.  Which belong
together is known, so that precision and recall are counted too.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from groundstation.media.images import encode_picture
from groundstation.media.survey.grouping import Likeness
from groundstation.media.survey.survey import agreement, find_families, take_inventory
from groundstation.media.survey.worth import Prices
from shared.media.fixed import U8
from shared.terminal import Report, progress, reports_errors

OUT = Path(__file__).parents[1] / "SURVEY_SCALE.md"
SIZES = (1_000, 10_000, 100_000)
COLOURINGS = 5
SIDE = 96
A_FOLDER = 1000
"""Files in each, for the sake of people who look into it."""


@dataclass(frozen=True)
class Row:
    """One inventory: seconds of processor time of each part, and what was found."""

    pictures: int
    families: int
    precision: float
    recall: float
    reading_s: float
    grouping_s: float
    wall_s: float
    peak_mib: int


def colourings(figure: int) -> Iterator[U8]:
    """The pictures of one figure: ``[96, 96, 3]`` each."""
    rng = np.random.default_rng([7, figure])
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    parts = np.zeros((SIDE, SIDE), np.int64)
    count = int(rng.integers(5, 10))
    for part in range(1, count + 1):
        (cx, cy), (rx, ry) = rng.uniform(0.15, 0.85, 2), rng.uniform(0.06, 0.3, 2)
        turn = rng.uniform(0, np.pi)
        u = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
        v = (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
        parts[(u / rx) ** 2 + (v / ry) ** 2 < 1] = part
    for _ in range(COLOURINGS):
        levels = np.linspace(20, 235, 3 * (count + 1))
        palette = rng.permutation(levels).reshape(count + 1, 3)
        yield palette[parts].astype(np.uint8)


def write_inventory(folder: Path, pictures: int, report: Report) -> None:
    """So many files in a folder."""
    for figure in range(pictures // COLOURINGS):
        report("making pictures", figure * COLOURINGS, pictures)
        place = folder / f"{figure * COLOURINGS // A_FOLDER:03}"
        place.mkdir(exist_ok=True)
        for number, pixels in enumerate(colourings(figure)):
            data = encode_picture(pixels, "PNG", compress_level=1)
            (place / f"{figure}-{number}.png").write_bytes(data)


def measured(pictures: int, report: Report) -> Row:
    """One size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inventory(folder, pictures, report)
        wall, start = time.perf_counter(), time.process_time()
        inventory = take_inventory(folder, report)
        read = time.process_time()
        families = find_families(inventory, {}, Prices(), Likeness(), report)
        done = time.process_time()
        taken = time.perf_counter() - wall
    groups = [[inventory.names[n] for n in family.members] for family in families]
    truth = {name: Path(name).name.partition("-")[0] for name in inventory.names}
    precision, recall = agreement(groups, truth)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Row(pictures, len(groups), precision, recall, read - start, done - read, taken, peak)


def page(rows: list[Row]) -> str:
    """SURVEY_SCALE.md."""
    lines = [
        f"| {row.pictures:,} | {row.reading_s:.0f} | {row.grouping_s:.0f} "
        f"| {1000 * (row.reading_s + row.grouping_s) / row.pictures:.2f} | {row.wall_s:.0f} "
        f"| {row.peak_mib:,} | {row.families:,} | {row.precision:.3f} | {row.recall:.3f} |"
        for row in rows
    ]
    table = "\n".join(lines)
    return f"""# How a survey's cost grows

Written by `python -m benchmarks.media.survey_scale`: figures of five to nine ellipses, each in
{COLOURINGS} colourings, PNG files of {SIDE} x {SIDE}. Seconds of processor time to read the
pictures and to find their families, milliseconds of both a picture; wall time of this machine as
busy as it was; the largest memory so far.

| pictures | reading | grouping | ms a picture | wall, s | MiB | families | precision | recall |
|---|---|---|---|---|---|---|---|---|
{table}
"""


@reports_errors
def main(
    most: Annotated[int, typer.Option(min=1000, help="Largest inventory.")] = SIZES[-1],
    out: Annotated[Path, typer.Option(help="File to write.")] = OUT,
) -> None:
    """Measure inventories of growing size; the page is written after each."""
    rows: list[Row] = []
    with progress() as report:
        for pictures in (size for size in SIZES if size <= most):
            rows.append(measured(pictures, report))
            out.write_text(page(rows), "utf-8")
    typer.echo(f"written: {out}")


if __name__ == "__main__":
    typer.run(main)
