"""An archive and a bundle of a family, measured: ``python -m benchmarks.media.archive FOLDER``.

FOLDER holds a family (docs/media.md).  Its generator is learned from the first pictures of its
table, then all of them are archived, restored and damaged.  Writes benchmarks/ARCHIVE.md.
"""

from __future__ import annotations

import io
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from groundstation.media.archive.decode_entry import ArchiveDamaged, Restored
from groundstation.media.archive.disk import Disk
from groundstation.media.archive.index import Index, Keep, Kind
from groundstation.media.archive.reader import Archive, open_archive
from groundstation.media.archive.restore import restore_all
from groundstation.media.archive.writer import write_archive
from groundstation.media.family import Family, Member, read_family
from groundstation.media.images import decode_picture, encode_picture, read_picture
from groundstation.media.judge.gate import Gate, Verdict, judge
from groundstation.media.learn.train import Target, train
from groundstation.media.records.bundle import viewer_page, write_bundle
from groundstation.media.records.encode import encode_pictures
from shared.digest import sha256
from shared.errors import InputError
from shared.media.fixed import U8
from shared.media.generator import read_generator
from shared.terminal import Report, progress, reports_errors

OUT: Final = Path(__file__).parents[1] / "ARCHIVE.md"
FLIPS: Final = {Keep.QUALITY: 200, Keep.PIXELS: 30, Keep.EXACT: 200}
"""How many; a residual takes ten times as long to restore as a prompt."""
SEED: Final = 20260131
WHEN: Final = "2026-01-31T00:00:00Z"


@dataclass(frozen=True)
class Way:
    """A way to keep the pictures.

    Attributes:
        name: of the way.
        size_bytes: in all.
        back: what comes back.
        scores: SSIMULACRA2 of each picture.
        seconds: to make it and to bring all back, or None where it was not measured.
    """

    name: str
    size_bytes: int
    back: str
    scores: Sequence[float]
    seconds: tuple[float, float] | None = None

    def line(self, originals: int) -> str:
        """Its line of the table."""
        count = len(self.scores)
        times = f"{self.seconds[0]:.0f} | {self.seconds[1]:.1f}" if self.seconds else "- | -"
        return (
            f"| {self.name} | {self.size_bytes:,} | {self.size_bytes / count:,.0f} | "
            f"{100 * self.size_bytes / originals:.2f} % | {self.back} | "
            f"{sum(self.scores) / count:.2f} | {min(self.scores):.2f} | {times} |"
        )


@dataclass(frozen=True)
class Flips:
    """What single flipped bits did to an archive.

    Attributes:
        tried: how many.
        unnoticed: how many of them nothing told of.
        mended: how many cost nothing.
        lost: how many cost the one picture in whose bytes they were.
        spread: how many cost any other picture.
    """

    tried: int
    unnoticed: int
    mended: int
    lost: int
    spread: int


def archive_way(
    name: str, folder: Path, members: Sequence[Member], generator: bytes, keep: Keep, work: Path,
    report: Report,
) -> tuple[Way, Index, Path]:  # fmt: skip
    """An archive, written and restored."""
    out = work / f"{keep.value}.rhma"
    out.unlink(missing_ok=True)
    start = time.perf_counter()
    index = write_archive(
        folder, members, generator, out, gate=Gate(), keep=keep, created=WHEN, notes={},
        report=report, disk=Disk(),
    )  # fmt: skip
    made = time.perf_counter() - start
    start = time.perf_counter()
    archive = open_archive(out)
    archive.check_frame()
    outcome = restore_all(archive, index.pictures, None, report, Disk())
    if outcome.lost or archive.damage:
        raise InputError(f"{out} did not come back: {outcome.lost or archive.damage}")
    back = time.perf_counter() - start
    what = {Keep.QUALITY: "passes the gate", Keep.PIXELS: "same pixels", Keep.EXACT: "same files"}
    scores = [picture.score for picture in index.pictures]
    return Way(name, out.stat().st_size, what[keep], scores, (made, back)), index, out


def avif_way(originals: Mapping[str, Path], gate: Gate, colour: str, report: Report) -> Way:
    """The coarsest AVIF of each picture that passes the gate, or the finest.

    Args:
        originals: by name.
        gate: to pass.
        colour: its resolution, 4:4:4 or 4:2:0.
        report: told how far it is.
    """
    sizes, verdicts = [], []
    for number, path in enumerate(originals.values()):
        report(f"AVIF {colour}", number, len(originals))
        size, verdict = _coarsest_avif(read_picture(path), gate, colour)
        sizes.append(size)
        verdicts.append(verdict)
    passed = sum(map(gate.passes, verdicts))
    back = f"{passed} of {len(verdicts)} pass the gate"
    return Way(f"AVIF {colour}, a file each", sum(sizes), back, [one.score for one in verdicts])


def _coarsest_avif(pixels: U8, gate: Gate, colour: str) -> tuple[int, Verdict]:
    """Size and verdict; the quality is searched by halving."""
    low, high, best = 1, 100, None
    while low <= high:
        quality = (low + high) // 2
        options = {"quality": quality, "subsampling": colour, "max_threads": 1}
        data = encode_picture(pixels, "AVIF", **options)
        verdict = judge(pixels, decode_picture(data))
        if gate.passes(verdict):
            best, high = (len(data), verdict), quality - 1
        else:
            low = quality + 1
    return best or (len(data), verdict)


def flipped(path: Path, index: Index, report: Report) -> Flips:
    """Flips single bits at random places of an archive, and restores everything each time."""
    whole, choose = bytearray(path.read_bytes()), random.Random(SEED)
    archive = Archive(io.BytesIO(bytes(whole)))
    before = {p.name: _content(archive.restore(p)) for p in index.pictures}
    outcomes = Counter[str]()
    tried = FLIPS[index.keep]
    for number in range(tried):
        report("flips", number, tried)
        place, bit = choose.randrange(len(whole)), 1 << choose.randrange(8)
        whole[place] ^= bit
        outcomes[_flip(bytes(whole), index, place, before)] += 1
        whole[place] ^= bit
    return Flips(
        tried, outcomes["unnoticed"], outcomes["mended"], outcomes["lost"], outcomes["spread"]
    )


def _flip(data: bytes, index: Index, place: int, before: Mapping[str, bytes]) -> str:
    archive, lost, same = Archive(io.BytesIO(data)), set(), True
    archive.check_frame()
    for picture in index.pictures:
        try:
            same &= _content(archive.restore(picture)) == before[picture.name]
        except ArchiveDamaged:
            lost.add(picture.name)
    start = archive.body
    touched = {p.name for p in index.pictures if 0 <= place - start - p.offset < p.size_bytes}
    if not same or lost != touched:
        return "spread"
    if lost:
        return "lost"
    return "mended" if archive.damage else "unnoticed"


def _content(found: Restored) -> bytes:
    return sha256((found.stored or b"") if found.pixels is None else found.pixels.tobytes())


@reports_errors
def main(
    folder: Annotated[Path, typer.Argument(help="Folder of a family, with catalogue.csv.")],
    learned: Annotated[int, typer.Option(min=2, help="So many of the first pictures teach.")] = 100,
    work: Annotated[Path, typer.Option(help="Folder for fits and archives.")] = Path(
        "demo-run/archive"
    ),
    out: Annotated[Path, typer.Option(help="File to write.")] = OUT,
) -> None:
    """Measure a family."""
    family, gate = read_family(folder), Gate()
    work.mkdir(parents=True, exist_ok=True)
    originals = {member.path.name: member.path for member in family.members}
    with progress() as report:
        generator = train(family, family.members[:learned], Target(), work, {}, report).data
        ways, files = [], {}
        for name, keep in (
            ("archive, within the gate", Keep.QUALITY),
            ("archive, same pixels", Keep.PIXELS),
            ("archive, same files", Keep.EXACT),
        ):
            way, index, path = archive_way(
                name, folder, family.members, generator, keep, work, report
            )
            ways.append(way)
            files[keep] = (index, path)
        flips = {keep: flipped(path, index, report) for keep, (index, path) in files.items()}
        loaded = read_generator(generator)
        book = encode_pictures(family.members, loaded, gate, report)
        bundle = write_bundle(loaded, {key: e.record for key, e in book.entries.items()})
        scores = [entry.verdict.score for entry in book.entries.values()]
        ways.append(Way("bundle", len(bundle), "passes the gate", scores))
        page = len(viewer_page(bundle).encode("utf-8"))
        ways.append(Way("bundle in its page", page, "passes the gate", scores))
        ways += [avif_way(originals, gate, colour, report) for colour in ("4:4:4", "4:2:0")]
    total = sum(path.stat().st_size for path in originals.values())
    ways.insert(0, Way("the originals", total, "themselves", [100.0] * len(originals)))
    index, path = files[Keep.QUALITY]
    out.write_text(_page(family, learned, ways, total, index, path, flips), encoding="utf-8")
    typer.echo(f"written: {out}")


def _page(
    family: Family,
    learned: int,
    ways: Sequence[Way],
    total: int,
    index: Index,
    path: Path,
    flips: Mapping[Keep, Flips],
) -> str:
    lines = "\n".join(way.line(total) for way in ways)
    kinds = Counter(picture.kind for picture in index.pictures)
    parts = open_archive(path).parts()
    prompts = sum(len(picture.prompt) for picture in index.pictures)
    rows = "\n".join(
        f"| {keep.value} | {f.tried} | {f.unnoticed} | {f.mended} | {f.lost} | {f.spread} |"
        for keep, f in flips.items()
    )
    shares = "\n".join(f"| {name} | {size:,} |" for name, size in parts.items())
    return f"""# A family in cold storage, measured

Written by `python -m benchmarks.media.archive`. Family `{family.name}`: \
{len(family.members)} pictures, the generator learned
from the first {learned}. [docs/media-archive.md](../docs/media-archive.md) says what is what.

| way | bytes | each | of originals | what comes back | SSIMULACRA2 | least | s to make | s back |
|---|---|---|---|---|---|---|---|---|
{lines}

- Each: all bytes, what is shared included, by pictures. The archive within the gate keeps \
{kinds[Kind.PROMPT]} of {len(index.pictures)}
  pictures as prompts, {prompts:,} bytes of prompts in all, and the others as files.
- To make: judging, writing, reading again, restoring everything. Back: all pictures restored and
  checked in memory. One process.
- AVIF: the coarsest quality that passes the gate, or the finest, with colour in full and in half
  resolution; otherwise Pillow's defaults, of which half is one.

What the archive within the gate consists of:

| part | bytes |
|---|---|
{shares}

## Flipped bits

Single bits flipped at random places (seed {SEED}), one at a time; everything restored each time.

| archive | flips | not noticed | mended, nothing lost | cost the picture they hit | cost another |
|---|---|---|---|---|---|
{rows}

`tests/media/test_archive.py` flips every byte of a small archive, and cuts it at every length.
"""


if __name__ == "__main__":
    typer.run(main)
