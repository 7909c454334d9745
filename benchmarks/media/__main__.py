"""The media mode beside ordinary picture files: ``python -m benchmarks.media FOLDER``.

FOLDER holds a family (docs/media.md).  The first pictures of its table are learned from, the last
are drawn, judged, and encoded as files that score the same or better.  Writes benchmarks/MEDIA.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Annotated

import typer

from groundstation.media.family import Family, Member, read_family
from groundstation.media.images import read_picture
from groundstation.media.judge.fallback import Coded, coarsest, finest
from groundstation.media.judge.gate import Gate, Verdict, judge
from groundstation.media.judge.residual import smallest_residual
from groundstation.media.learn.prompts import fitted_prompts
from groundstation.media.learn.train import Target, train
from shared.digest import to_hex
from shared.media.fixed import U8
from shared.media.generator import Loaded, read_generator
from shared.media.message import encode_record, prompt_record
from shared.media.prompt import Prompt, encode_prompt
from shared.media.render import KERNELS, Renderer
from shared.terminal import Report, progress, reports_errors

OUT = Path(__file__).parents[1] / "MEDIA.md"
FORMATS = ("AVIF", "JXL", "WEBP")
REPEATS = 3


@dataclass(frozen=True)
class Row:
    """A way to hold the test pictures.

    Attributes:
        name: of the way.
        once_bytes: of what all pictures share.
        sizes: of each picture, bytes.
        verdicts: on each picture.
        seconds: to make the pixels of each picture, or None where it was not measured.
    """

    name: str
    once_bytes: int
    sizes: Sequence[int]
    verdicts: Sequence[Verdict]
    seconds: Sequence[float] | None = None

    def line(self, gate: Gate) -> str:
        """Its line of the table."""
        scores = [verdict.score for verdict in self.verdicts]
        passed = sum(map(gate.passes, self.verdicts))
        milliseconds = f"{1000 * median(self.seconds):.0f}" if self.seconds else "-"
        return (
            f"| {self.name} | {mean(self.sizes):,.1f} | {self.once_bytes:,} | {mean(scores):.2f} | "
            f"{min(scores):.2f} | {passed} of {len(scores)} | "
            f"{max(v.block_levels for v in self.verdicts):.1f} | "
            f"{mean(v.psnr_db for v in self.verdicts):.1f} | {milliseconds} |"
        )


def drawn_row(
    name: str,
    loaded: Loaded,
    members: Sequence[Member],
    originals: list[U8],
    *,
    fitted: bool = False,
) -> Row:
    """The pictures as prompts; the time is of one thread, the generator being open."""
    renderer = Renderer(loaded.generator, threads=1)
    sizes, verdicts, seconds = [], [], []
    for member, original in zip(members, originals, strict=True):
        choices = loaded.generator.grammar.choose(member.values)
        first, *more = fitted_prompts(choices, original, renderer)
        prompt = more[-1] if more and fitted else first
        for _ in range(REPEATS):
            start = time.perf_counter()
            pixels = renderer(prompt)
            seconds.append(time.perf_counter() - start)
        sizes.append(len(encode_record(prompt_record(loaded.generator, prompt, pixels))))
        verdicts.append(judge(original, pixels))
    return Row(name, loaded.size_bytes, sizes, verdicts, seconds)


def corrected_row(
    name: str, loaded: Loaded, members: Sequence[Member], originals: list[U8], gate: Gate
) -> Row:
    """The pictures as prompts, and with a residual where the drawing fails the gate."""
    renderer = Renderer(loaded.generator)
    grammar = loaded.generator.grammar
    sizes, verdicts, seconds = [], [], []
    for member, original in zip(members, originals, strict=True):
        prompt = grammar.plain(grammar.choose(member.values))
        made = renderer(prompt)
        if not gate.passes(judge(original, made)):
            found = smallest_residual(original, made, gate, original.size)
            prompt = replace(prompt, residual=found.residual) if found else prompt
        start = time.perf_counter()
        made = renderer(prompt)
        seconds.append(time.perf_counter() - start)
        sizes.append(len(encode_record(prompt_record(loaded.generator, prompt, made))))
        verdicts.append(judge(original, made))
    return Row(name, loaded.size_bytes, sizes, verdicts, seconds)


def file_row(
    name: str, format_name: str, originals: Sequence[U8], good: Sequence[Callable[[Verdict], bool]]
) -> Row:
    """The pictures as the smallest files that are good, or the finest where none is."""
    found: list[Coded] = []
    for original, enough in zip(originals, good, strict=True):
        guess = found[-1].quality if found else None
        coded = coarsest(original, format_name, enough, guess)
        found.append(coded or finest(original, format_name))
    return Row(name, 0, [len(coded.data) for coded in found], [coded.verdict for coded in found])


def learned(
    family: Family, members: Sequence[Member], target: Target, work: Path, report: Report
) -> tuple[Loaded, float]:
    """The generator, and how long it took to learn, seconds."""
    start = time.perf_counter()
    trained = train(family, members, target, work, {}, report)
    return read_generator(trained.data), time.perf_counter() - start


def same_everywhere(loaded: Loaded, members: Sequence[Member]) -> int:
    """How many of the pictures have one digest, however they are computed."""
    ways = [(kernel, threads) for kernel in KERNELS for threads in (1, 2)]
    renderers = []
    for kernel, threads in ways:
        try:
            renderers.append(Renderer(loaded.generator, kernel=kernel, threads=threads))
        except ValueError:  # no compiled kernel here
            continue
    alike = 0
    for member in members:
        prompt = loaded.generator.grammar.plain(loaded.generator.grammar.choose(member.values))
        alike += len({to_hex(renderer(prompt).tobytes()) for renderer in renderers}) == 1
    return alike


@reports_errors
def main(
    folder: Annotated[Path, typer.Argument(help="Folder of a family, with catalogue.csv.")],
    tested: Annotated[int, typer.Option(min=2, help="So many of the last pictures test.")] = 20,
    files: Annotated[int, typer.Option(min=1, help="So many of them become files too.")] = 20,
    work: Annotated[Path, typer.Option(help="Folder for fits.")] = Path("demo-run/media"),
    out: Annotated[Path, typer.Option(help="File to write.")] = OUT,
) -> None:
    """Measure a family."""
    family = read_family(folder)
    learn, test = family.members[:-tested], family.members[-tested:]
    gate = Gate()
    with progress() as report:
        originals = [read_picture(member.path) for member in test]
        loaded, seconds = learned(family, learn, Target(), work, report)
        ours = drawn_row("T0, quadratic: chosen", loaded, test, originals)
        linear, _ = learned(family, learn, Target(degree=1), work, report)
        rows = [ours, drawn_row("T0, linear alone", linear, test, originals)]
        style, style_seconds = learned(family, learn, Target(network="alone"), work, report)
        rows.append(drawn_row("T1, attributes alone", style, test, originals))
        rows.append(drawn_row("T1, latents fitted", style, test, originals, fitted=True))
        rows.append(corrected_row("T2, on T0 linear", linear, test, originals, gate))
        few = originals[:files]
        for format_name in FORMATS:
            report("files", len(rows), 10)
            equal = [_at_least(verdict.score) for verdict in ours.verdicts[:files]]
            rows.append(file_row(f"{format_name}, equal score", format_name, few, equal))
        for format_name in FORMATS[:2]:
            report("files", len(rows), 10)
            passing = [gate.passes] * len(few)
            rows.append(file_row(f"T3 alone, {format_name}", format_name, few, passing))
        alike = min(same_everywhere(each, test) for each in (loaded, style))
    out.write_text(
        _page(family, len(learn), loaded, rows, gate, (seconds, style_seconds), alike),
        encoding="utf-8",
    )
    typer.echo(f"written: {out}")


def _at_least(score: float) -> Callable[[Verdict], bool]:
    return lambda verdict: verdict.score >= score


def _page(
    family: Family,
    learned_from: int,
    loaded: Loaded,
    rows: Sequence[Row],
    gate: Gate,
    seconds: tuple[float, float],
    alike: int,
) -> str:
    generator = loaded.generator
    tested = len(rows[0].sizes)
    prompts = [
        len(encode_prompt(generator.grammar, Prompt(generator.grammar.choose(member.values))))
        for member in family.members[-tested:]
    ]
    files = min((row for row in rows if "equal score" in row.name), key=lambda row: mean(row.sizes))
    even = loaded.size_bytes / max(1.0, mean(files.sizes) - mean(rows[0].sizes))
    lines = "\n".join(row.line(gate) for row in rows)
    return f"""# Pictures as prompts, measured

Written by `python -m benchmarks.media`. Family `{family.name}`: {generator.width} x \
{generator.height} pixels, {len(generator.tables)} attributes; the first {learned_from} pictures of
its table to learn from, the last {tested}, which nothing has seen, to test.

| way | bytes each | bytes once | SSIMULACRA2 | least | pass | worst block | PSNR dB | ms |
|---|---|---|---|---|---|---|---|---|
{lines}

- Bytes each of T0 are a whole record: a head, a check of 4 bytes, and a prompt of
  {mean(prompts):.1f} bytes. SSIMULACRA2 is the mean over the pictures.
- Pass: SSIMULACRA2 of at least {gate.score:g}, and no block of 8 x 8 with an error above
  {gate.block_levels:g} levels, root mean square. Milliseconds: to pixels, one thread, median.
- Files were made of {len(rows[-1].sizes)} of the pictures, the first ones.
- "Equal score": the coarsest file that scores as well as the chosen T0 on the same picture, or the
  best that the format gives (WebP always halves the resolution of colour; AVIF does not here).
  "T3 alone": the coarsest file that passes the gate.
- T1: a style network of exact dense layers weighs the planes (docs/media.md), trained to the same
  target as T0 and with the same search of steps; latents are fitted to each picture.
  T2: what the linear T0 draws, with a coded residual where it fails the gate.
- Learning took {seconds[0]:.0f} s, of T1 {seconds[1]:.0f} s. T0 pays from {even:.0f} pictures on,
  against the best of the files.
- {alike} of {tested} pictures have one digest on both kernels with one and two threads, by T0 and
  by T1.
"""


if __name__ == "__main__":
    typer.run(main)
