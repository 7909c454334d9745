"""Prompt and seed of an image generator, measured: ``python -m benchmarks.media.diffusion FOLDER``.

FOLDER holds a family (docs/media.md).  Its pictures are scaled down; the first are learned from by
diffusion and as planes (T0), the last are drawn both ways, judged, and encoded as files.  Writes
benchmarks/MEDIA_DIFFUSION.md.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import numpy as np
import typer

from benchmarks.media.diffusion_page import SMALL_BOOK, Facts, Row, page
from groundstation.media.family import Family, Member, read_family
from groundstation.media.images import encode_picture, read_picture
from groundstation.media.judge.fallback import coarsest, finest
from groundstation.media.judge.gate import Gate, Verdict, judge
from groundstation.media.learn.diffusion.learn import Learned, learn
from groundstation.media.learn.diffusion.pictures import scaled
from groundstation.media.learn.diffusion.plan import Plan
from groundstation.media.learn.diffusion.search import SEEDS_TRIED, best_picks, best_seed
from groundstation.media.learn.train import Target, train
from shared.media.fixed import U8
from shared.media.generator import Generator, Loaded, read_generator
from shared.media.kinds.diffusion import Diffusion
from shared.media.kinds.diffusion_drawing import DiffusionDrawer
from shared.media.message import encode_record, prompt_record
from shared.media.pixels import pixel_digest
from shared.media.prompt import Prompt
from shared.media.render import Renderer
from shared.terminal import Report, progress, reports_errors

OUT: Final = Path(__file__).parents[1] / "MEDIA_DIFFUSION.md"
SEEDS: Final = 1 << 16
TIMED: Final = 20
Drawn = tuple[Prompt, U8]
Draw = Callable[[tuple[int, ...], U8], Drawn]


def small_family(family: Family, plan: Plan, folder: Path, report: Report) -> Family:
    """The family at the plan's size, as PNG files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    members = []
    for number, member in enumerate(family.members):
        report("scaling", number, len(family.members))
        pixels = read_picture(member.path)
        picture = scaled(pixels, *plan.size_of(pixels.shape[1], pixels.shape[0]))
        path = folder / f"{number:04}.png"
        path.write_bytes(encode_picture(picture, "PNG"))
        members.append(Member(path, member.values))
    return Family(family.name, family.attributes, tuple(members))


def row(
    name: str,
    generator: Generator,
    once: int,
    choices: Sequence[Sequence[int]],
    originals: Sequence[U8],
    draw: Draw,
    report: Report,
) -> tuple[Row, list[Drawn]]:
    """The pictures as prompts; every prompt is drawn again by the renderer, as a probe would."""
    renderer = Renderer(generator, threads=1)
    drawn, verdicts, sizes, found_s, drawn_s = [], [], [], [], []
    for number, (row_choices, original) in enumerate(zip(choices, originals, strict=True)):
        report(name, number, len(originals))
        start = time.perf_counter()
        prompt, pixels = draw(tuple(row_choices), original)
        middle = time.perf_counter()
        again = renderer(prompt)
        end = time.perf_counter()
        if not np.array_equal(pixels, again):
            raise AssertionError(f"{name}: what was judged is not what is drawn")
        sizes.append(len(encode_record(prompt_record(generator, prompt, again))))
        verdicts.append(judge(original, again))
        found_s.append(middle - start)
        drawn_s.append(end - middle)
        drawn.append((prompt, again))
    searched = found_s if "picks" in name or "best of" in name else []
    return Row(name, once, sizes, verdicts, searched, drawn_s), drawn


def ways(generator: Diffusion) -> list[tuple[str, Diffusion, Draw]]:
    """The ways to say a picture to such a generator."""
    few = dataclasses.replace(generator, book=SMALL_BOOK)
    still = generator.path.copy()
    still[:, 4] = 0
    mean_path = dataclasses.replace(generator, path=still, book=1)
    numbered = dataclasses.replace(generator, seeds=SEEDS)
    none = dataclasses.replace(generator, book=1)

    def plain(made: Diffusion) -> Draw:
        drawer = DiffusionDrawer(made)

        def draw(choices: tuple[int, ...], _original: U8) -> Drawn:
            prompt = made.grammar.plain(choices)
            return prompt, drawer(prompt)

        return draw

    def picked(made: Diffusion) -> Draw:
        drawer = DiffusionDrawer(made)
        return lambda choices, original: best_picks(drawer, choices, original)

    def tried(made: Diffusion) -> Draw:
        drawer = DiffusionDrawer(made)
        return lambda choices, original: best_seed(drawer, choices, original, range(SEEDS_TRIED))

    return [
        (f"diffusion, picks among {generator.book}", generator, picked(generator)),
        (f"diffusion, picks among {SMALL_BOOK}", few, picked(few)),
        (f"diffusion, plain seed, best of {SEEDS_TRIED}", numbered, tried(numbered)),
        ("diffusion, attributes alone", none, plain(none)),
        ("diffusion, attributes alone, no noise after the first", mean_path, plain(mean_path)),
    ]


def file_row(
    name: str, format_name: str, originals: Sequence[U8], good: Sequence[Callable[[Verdict], bool]]
) -> Row:
    """The pictures as the smallest files that are good, or the finest where none is."""
    found = [
        coarsest(original, format_name, enough) or finest(original, format_name)
        for original, enough in zip(originals, good, strict=True)
    ]
    return Row(name, 0, [len(coded.data) for coded in found], [coded.verdict for coded in found])


def digests_elsewhere(file: Path, prompts: Sequence[Prompt]) -> list[set[str]]:
    """Of each prompt the digests of its pictures in new processes with 1 and 2 threads."""
    code = (
        "import sys; from pathlib import Path\n"
        "from shared.media.generator import read_generator\n"
        "from shared.media.pixels import pixel_digest\n"
        "from shared.media.prompt import Prompt\n"
        "from shared.media.render import Renderer\n"
        "made = read_generator(Path(sys.argv[1]).read_bytes()).generator\n"
        "draw = Renderer(made)\n"
        "for text in sys.argv[2:]:\n"
        "    picks = tuple(map(int, text.split(':')[1].split(',')))\n"
        "    choices = tuple(map(int, text.split(':')[0].split(',')))\n"
        "    print(pixel_digest(draw(Prompt(choices, (), picks))).hex())\n"
    )
    texts = [
        ",".join(map(str, prompt.choices)) + ":" + ",".join(map(str, prompt.picks))
        for prompt in prompts
    ]
    found: list[set[str]] = [set() for _ in prompts]
    for threads in ("1", "2", "1"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        done = subprocess.run(
            [sys.executable, "-c", code, str(file), *texts],
            env={**os.environ, **dict.fromkeys(names, threads)},
            capture_output=True,
            text=True,
            check=True,
        )
        for place, digest in enumerate(done.stdout.split()):
            found[place].add(digest)
    return found


def seconds_an_update(family: Family, members: Sequence[Member], plan: Plan) -> float:
    """Of a few updates in a folder of their own; what comes before the first is left out."""
    seen: list[float] = []

    def report(stage: str, _done: int, _total: int) -> None:
        if stage == "updates":
            seen.append(time.perf_counter())

    with TemporaryDirectory() as folder:
        short = dataclasses.replace(plan, updates=TIMED)
        learn(family, members, short, Path(folder), {}, report)
    return median(np.diff(seen))


@reports_errors
def main(
    folder: Annotated[Path, typer.Argument(help="Folder of a family, with catalogue.csv.")],
    tested: Annotated[int, typer.Option(min=2, help="So many of the last pictures test.")] = 20,
    updates: Annotated[int, typer.Option(help="Updates of the weights.")] = Plan().updates,
    work: Annotated[Path, typer.Option(help="Folder for fits.")] = Path("demo-run/diffusion"),
    out: Annotated[Path, typer.Option(help="File to write.")] = OUT,
) -> None:
    """Measure a family; a rerun goes on with its training."""
    plan, gate = Plan(updates=updates), Gate()
    with progress() as report:
        family = small_family(read_family(folder), plan, work / "pictures", report)
        train_on, test = family.members[:-tested], family.members[-tested:]
        learned: Learned = learn(family, train_on, plan, work / "train", {}, report)
        loaded = read_generator(learned.data)
        file = work / "diffusion.gen"
        file.write_bytes(learned.data)
        update_s = seconds_an_update(family, train_on, plan)
        start = time.perf_counter()
        planes = read_generator(train(family, train_on, Target(), work / "t0", {}, report).data)
        planes_s = time.perf_counter() - start
        originals = [read_picture(member.path) for member in test]
        choices = family.choices(test)
        rows, sheets = measured(loaded, planes, choices, originals, report)
        picked = rows[1]
        for name in ("AVIF", "JXL"):
            report("files", len(rows), 11)
            equal = [_at_least(verdict.psnr_db) for verdict in picked.verdicts]
            rows.append(file_row(f"{name}, PSNR of the picks", name, originals, equal))
            rows.append(
                file_row(f"{name}, through the gate", name, originals, [gate.passes] * tested)
            )
        digests = digests_elsewhere(file, [prompt for prompt, _ in sheets[1]])
    alike = sum(
        found == {pixel_digest(pixels).hex()}
        for found, (_, pixels) in zip(digests, sheets[1], strict=True)
    )
    shown = [
        np.concatenate([o, *(s[n][1] for s in sheets)], axis=1) for n, o in enumerate(originals)
    ]
    sheet = encode_picture(np.concatenate(shown).repeat(3, axis=0).repeat(3, axis=1), "PNG")
    (work / "sheet.png").write_bytes(sheet)
    facts = Facts(
        family.name, plan, learned.progress.updates, len(train_on), update_s, planes_s, alike
    )
    out.write_text(page(facts, loaded, planes, rows, gate), encoding="utf-8")
    typer.echo(f"written: {out}; pictures side by side: {work / 'sheet.png'}")


def measured(
    loaded: Loaded,
    planes: Loaded,
    choices: Sequence[Sequence[int]],
    originals: Sequence[U8],
    report: Report,
) -> tuple[list[Row], list[list[Drawn]]]:
    """The rows of all that is drawn, T0 first, and the pictures."""
    generator = loaded.generator
    if not isinstance(generator, Diffusion):
        raise TypeError("the generator that was learned is of another kind")
    renderer = Renderer(planes.generator, threads=1)

    def plane_draw(row_choices: tuple[int, ...], _original: U8) -> Drawn:
        prompt = planes.generator.grammar.plain(row_choices)
        return prompt, renderer(prompt)

    t0 = ("T0, planes", planes.generator, planes.size_bytes, choices, originals, plane_draw)
    made = [row(*t0, report)]
    for name, changed, draw in ways(generator):
        made.append(row(name, changed, loaded.size_bytes, choices, originals, draw, report))
    return [each for each, _ in made], [drawn for _, drawn in made]


def _at_least(decibels: float) -> Callable[[Verdict], bool]:
    return lambda verdict: verdict.psnr_db >= decibels


if __name__ == "__main__":
    typer.run(main)
