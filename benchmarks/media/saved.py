"""What families of an emoji set save: ``python -m benchmarks.media.saved FOLDER``.

FOLDER as for ``benchmarks.media.families``.  The survey's fifty best families, by its own estimate
and without reading a name, each kept in every way there is:

    files       the originals
    drawn       a generator and prompts, at the coarsest step whose worst picture passes the gate
    corrected   `media lean`: a mean picture, as fine as the sum of all bytes wants, and residuals
    exact       `media archive --keep exact`: the very files, what they have in common kept once
    quality     `media archive --keep quality` with the trained generator: the smallest that passes
    mean        the same with the mean picture of `media lean`

The smallest counts.  Writes benchmarks/MEDIA_SAVED.md.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

from groundstation.media.archive.disk import Disk
from groundstation.media.archive.index import Index, Keep
from groundstation.media.archive.writer import write_archive
from groundstation.media.family import Family, Member
from groundstation.media.judge.gate import Gate
from groundstation.media.learn.lean import lean_generator
from groundstation.media.learn.train import Target, train
from groundstation.media.records.encode import encode_pictures, totals
from groundstation.media.survey.grouping import Likeness
from groundstation.media.survey.survey import find_families, take_inventory
from groundstation.media.survey.worth import Prices
from shared.media.generator import read_generator
from shared.media.prompt import Attribute
from shared.system.processes import begin_worker
from shared.terminal import Report, progress, reports_errors, silent

OUT = Path(__file__).parents[1] / "MEDIA_SAVED.md"
TARGET = Target(mean_score=86.0, least_score=85.0)
CREATED = "2026-01-31T00:00:00Z"
SHOWN = 15


@dataclass(frozen=True)
class Row:
    """A family.

    Attributes:
        first: name of its first picture.
        pictures: how many.
        files, drawn, corrected, exact, quality, mean: bytes, all that is needed included.
        by_prompt: pictures that the generator draws and that pass the gate.
        kinds: how the smaller archive within the gate keeps its pictures.
        least_score: of what both give back.
    """

    first: str
    pictures: int
    files: int
    drawn: int
    corrected: int
    exact: int
    quality: int
    mean: int
    by_prompt: int
    kinds: tuple[str, ...]
    least_score: float

    @property
    def best(self) -> int:
        """The smallest of all."""
        return min(self.files, self.drawn, self.corrected, self.exact, self.quality, self.mean)


def measured(members: Sequence[Member], work: Path, report: Report) -> Row:
    """One family in every way; its files lie in one folder."""
    folder, name = members[0].path.parent, members[0].name
    family = Family(name, (_attribute(members),), tuple(members))
    data = train(family, members, TARGET, work / "fits", {}, report).data
    loaded = read_generator(data)
    book = totals(list(encode_pictures(members, loaded, Gate(), report).entries.values()))
    mean = lean_generator(family, members, Gate(), {})
    lean = read_generator(mean)
    lean_book = totals(list(encode_pictures(members, lean, Gate(), report).entries.values()))
    sizes, indexes = [], []
    for keep, generator in ((Keep.EXACT, data), (Keep.QUALITY, data), (Keep.QUALITY, mean)):
        out = work / "pictures.rhma"
        out.unlink(missing_ok=True)
        indexes.append(archived(folder, members, generator, out, keep))
        sizes.append(out.stat().st_size)
    smaller = indexes[1 if sizes[1] <= sizes[2] else 2]
    return Row(
        first=name,
        pictures=len(members),
        files=book.original_bytes,
        drawn=loaded.size_bytes + book.record_bytes,
        corrected=lean.size_bytes + lean_book.record_bytes,
        exact=sizes[0],
        quality=sizes[1],
        mean=sizes[2],
        by_prompt=book.by_prompt,
        kinds=tuple(picture.kind.value for picture in smaller.pictures),
        least_score=min(picture.score for index in indexes for picture in index.pictures),
    )


def _attribute(members: Sequence[Member]) -> Attribute:
    return Attribute("picture", tuple(sorted(member.name for member in members)))


def archived(
    folder: Path, members: Sequence[Member], generator: bytes, out: Path, keep: Keep
) -> Index:
    """An archive; it was proven before it got its name."""
    return write_archive(
        folder,
        members,
        generator,
        out,
        gate=Gate(),
        keep=keep,
        created=CREATED,
        notes={},
        report=silent,
        disk=Disk(),
    )


def page(rows: Sequence[Row], pictures: int) -> str:
    """MEDIA_SAVED.md."""
    files = sum(row.files for row in rows)
    lines = [
        f"| {row.first} | {row.pictures} | {row.files:,} | {row.drawn:,} ({row.by_prompt}) "
        f"| {row.corrected:,} | {row.exact:,} | {row.quality:,} | {row.mean:,} "
        f"| {1 - row.best / row.files:.1%} |"
        for row in rows[:SHOWN]
    ]
    kinds = Counter(kind for row in rows for kind in row.kinds)

    def share(size: int) -> str:
        return f"{size:,} | {1 - size / files:.1%}"

    ways = {
        "drawn by a generator; residuals or files where a drawing fails": [
            row.drawn for row in rows
        ],
        "a mean picture and residuals": [row.corrected for row in rows],
        "archive, the very files": [row.exact for row in rows],
        "archive, within the gate": [row.quality for row in rows],
        "archive, within the gate, of a mean picture": [row.mean for row in rows],
        "the smallest for each family": [row.best for row in rows],
    }
    shares = "\n".join(f"| {way} | {share(sum(sizes))} |" for way, sizes in ways.items())
    table = "\n".join(lines)
    smaller = sum(row.best < row.files for row in rows)
    kept = ", ".join(f"{number} are kept as `{kind}`" for kind, number in kinds.most_common())
    return f"""# What families of an emoji set save

Written by `python -m benchmarks.media.saved` on `@lobehub/fluent-emoji-3d` 1.1.0 from npm,
{pictures} pictures. The {len(rows)} families that the survey puts first,
{sum(row.pictures for row in rows)} pictures in {files:,} bytes, kept in every way there is;
everything that a way needs is counted.

| way | bytes | saved |
|---|---|---|
{shares}

{smaller} of {len(rows)} families become smaller. Of the pictures in the smaller archive
within the gate of each family {kept};
the least SSIMULACRA2 of what comes back is {min(row.least_score for row in rows):.1f}. Every
archive gave all of its pictures back before it got its name.

The originals are lossy WebP of some seven kilobytes, whose noise a drawing has to meet as well.
With six pictures a generator takes about as much as the files have; with twelve, a third to a
little more than all. What files often have in common is their outline: the same alpha, to the byte.

| first picture | pictures | files | drawn (prompts) | corrected | exact | gate | mean | saved |
|---|---|---|---|---|---|---|---|---|
{table}
"""


def _alone(task: tuple[Sequence[Member], Path]) -> Row:
    members, work = task
    row = measured(members, work, silent)
    shutil.rmtree(work)
    return row


@reports_errors
def main(
    folder: Annotated[Path, typer.Argument(help="Folder of the pictures.")],
    families: Annotated[int, typer.Option(min=1, help="So many of the best families.")] = 50,
    workers: Annotated[int, typer.Option(min=1, help="Processes; the figures are the same.")] = 2,
    out: Annotated[Path, typer.Option(help="File to write.")] = OUT,
) -> None:
    """Measure what the survey's best families save."""
    with progress() as report, tempfile.TemporaryDirectory() as scratch:
        inventory = take_inventory(folder, report)
        found = find_families(inventory, {}, Prices(), Likeness(), report)[:families]
        tasks = []
        for number, one in enumerate(found):
            members = [
                Member(folder / inventory.names[n], {"picture": Path(inventory.names[n]).stem})
                for n in one.members
            ]
            tasks.append((members, Path(scratch) / str(number)))
        rows = []
        with ProcessPoolExecutor(workers, get_context("spawn"), begin_worker) as pool:
            for row in pool.map(_alone, tasks):
                rows.append(row)
                report("families", len(rows), len(found))
    out.write_text(page(rows, len(inventory.names)), "utf-8")
    typer.echo(f"written: {out}")


if __name__ == "__main__":
    typer.run(main)
