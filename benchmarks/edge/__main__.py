"""The edge under load, behind nginx: ``python -m benchmarks.edge [GENERATOR...]``.

Each family's 5,000 pictures are asked for by 50 clients in a Zipf mix while records are published,
and edges are stopped, killed and started.  Every answer is compared with what numpy's kernel draws
from the signed record.  Without a GENERATOR (a file that `media train` wrote) a family made from
formulas is measured; with some, they too.  Needs the Debian packages nginx and wrk, and the extra
`edge`.  Writes benchmarks/EDGE.md.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer

from benchmarks.edge.client import Ask, Seen, crowd
from benchmarks.edge.load import ACCEPTS, Judge, Spread, mixed, spreads, step_spread, zipf
from benchmarks.edge.page import page
from benchmarks.edge.result import Load, Result
from benchmarks.edge.scene import STRANGER, Inventory, Scene, Script, inventory, scene
from benchmarks.edge.stack import Catalogue, catalogue, family, program
from benchmarks.edge.wrk import Measured, wrk
from groundstation.media.files import open_generator
from shared.digest import sha256
from shared.errors import InputError
from shared.media.generator import Generator
from shared.terminal import reports_errors

OUT = Path(__file__).parents[1] / "EDGE.md"
KEYS = 5_000
LATE = 1_000
"""Keys that are published in the middle of the load."""
APART = 220
"""Further keys, for what is measured one at a time and in herds."""
HERDS = 20
EXPONENT = 0.9
CONNECTIONS = 50
AVIF = "image/avif"
SHARES = {"image/avif": 0.7, "image/webp": 0.2, "image/jpeg": 0.1}
"""Of the formats in the mixed load."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured: requests in the Zipf mix, seconds of wrk, threads of each edge."""

    requests: int
    wrk_seconds: int
    workers: int


@dataclass
class Run:
    """A family under measurement: what runs, what judges, and what came so far."""

    on: Scene
    content: Inventory
    judge: Judge
    bodies: dict[bytes, bytes]
    rng: np.random.Generator


@dataclass(frozen=True)
class Quiet:
    """One client, one edge, no nginx: what a picture takes when nothing else goes on."""

    ways: dict[str, Spread]
    steps: dict[str, Spread]


def alone(run: Run, names: Sequence[str]) -> tuple[Quiet, list[str]]:
    """Every name twice: drawn, then out of memory."""
    asks = [Ask(name, ACCEPTS[AVIF]) for name in names]
    seen = crowd(run.on.edges[0].url, asks + asks, 1, run.bodies)
    steps = {f"of which {step}": step_spread(seen, step) for step in ("draw", "encode")}
    known = {text: one for text, one in steps.items() if one is not None}
    return Quiet(spreads(seen), known), run.judge.wrong(seen, run.bodies)


def herds(run: Run, names: Sequence[str]) -> tuple[Counter[str], list[str]]:
    """All clients ask an edge for one new picture at once, then for the next."""
    asks = [Ask(name, ACCEPTS[AVIF]) for name in names for _ in range(CONNECTIONS)]
    seen = crowd(run.on.edges[0].url, asks, CONNECTIONS, run.bodies)
    return Counter(one.way for one in seen), run.judge.wrong(seen, run.bodies)


def load(run: Run, asks: Sequence[Ask], second: bytes, forged: bytes) -> Load:
    """The Zipf mix through nginx, and all that befalls the edges meanwhile."""
    on, total = run.on, len(asks)

    def stop() -> None:
        on.note("the first edge is told to stop")
        on.note("it has ended", f"exit code {on.edges[0].stop()}")

    def kill() -> None:
        on.note("the second edge is killed (SIGKILL)")
        on.edges[1].process.kill()
        on.edges[1].process.wait()

    def start(number: int) -> None:
        on.start(number)
        on.note(f"the {('first', 'second')[number]} edge answers again")

    def publish(data: bytes, what: str) -> None:
        on.note(f"{what} comes", "")
        on.note(f"{what} is answered", f"status {on.publish(data)}")

    parts = (0.02, 0.08, 0.15, 0.25, 0.28, 0.4, 0.5)
    pushes = [partial(publish, data, what) for data, what in _pushes(second, forged)]
    acts: list[Callable[[], None]] = [stop, partial(start, 0), *pushes, kill, partial(start, 1)]
    with Script([(int(p * total), act) for p, act in zip(parts, acts, strict=True)]) as script:
        began = time.perf_counter()
        seen = crowd(on.url, asks, CONNECTIONS, run.bodies, script.step)
        seconds = time.perf_counter() - began
    names = {one.ask.name for one in seen}
    drawings = Counter(one.ask.name for one in seen if one.way == "rehydrated")
    return Load(
        requests=len(seen),
        seconds=seconds,
        names=len(names),
        spreads=spreads(seen),
        wrong=run.judge.wrong(seen, run.bodies),
        drawn=len(drawings),
        drawn_again=sum(drawings.values()) - len(drawings),
        sent_bytes=sum(one.size_bytes for one in seen),
        origin=on.origin_bytes(),
        once_bytes=sum(len(run.content.originals[name]) for name in names),
        happened=[(when - began, what, str(outcome)) for when, what, outcome in on.happened],
        under=_under(seen, on),
    )


def _pushes(second: bytes, forged: bytes) -> list[tuple[bytes, str]]:
    return [
        (forged, "the second batch signed by a stranger"),
        (second, "the second batch"),
        (second, "the second batch once more"),
    ]


def _under(seen: Sequence[Seen], on: Scene) -> dict[str, int]:
    """Answers that began while an edge was away."""
    times = {what: when for when, what, _ in on.happened}
    spans = {
        "the first edge was away": ("it has ended", "the first edge answers again"),
        "the second edge was away": (
            "the second edge is killed (SIGKILL)",
            "the second edge answers again",
        ),
    }
    return {
        text: sum(times[start] <= one.began <= times[end] for one in seen)
        for text, (start, end) in spans.items()
    }


def public(
    run: Run, names: Sequence[str], folder: Path, seconds: int
) -> tuple[Measured, list[str]]:
    """wrk, on a cache in which every key is; it learns from answers that are judged here."""
    asks = [Ask(name, ACCEPTS[AVIF]) for name in names]
    seen = crowd(run.on.url, asks, CONNECTIONS, run.bodies)
    tags = {one.fields["etag"]: run.bodies[one.body] for one in seen if one.status == 200}
    asked = zipf(names, 40_000, EXPONENT, run.rng)
    kind = ACCEPTS[AVIF]
    found = wrk(run.on.url, asked, kind, tags, folder, connections=CONNECTIONS, seconds=seconds)
    return found, run.judge.wrong(seen, run.bodies)


def measure(name: str, made: Catalogue, folder: Path, sizes: Sizes) -> Result:
    """All stages, for one family."""
    content = inventory(made)
    names = list(content.records)
    keys, apart = names[:KEYS], names[KEYS:]
    rng = np.random.default_rng(11)
    # which keys are published late has nothing to do with which ones are popular
    late = [keys[k] for k in rng.permutation(KEYS)[:LATE]]
    ranked = [keys[k] for k in rng.permutation(KEYS)]
    first = content.batch(sorted(set(names) - set(late)), 1, first=True)
    second = content.batch(late, 2, first=False)
    forged = content.batch(late, 2, first=False, key=STRANGER)
    judge = Judge(made, content.records, {n: sha256(d) for n, d in content.originals.items()})
    with scene(str(folder / "store"), folder, content, sizes.workers) as on:
        if on.publish(first) != 200:
            raise InputError("the edge does not take the first batch")
        run = Run(on, content, judge, {}, rng)
        quiet, wrong = alone(run, apart[:-HERDS])
        herd, faults = herds(run, apart[-HERDS:])
        wrong += faults
        asks = [Ask(n, ACCEPTS[AVIF]) for n in zipf(ranked, sizes.requests, EXPONENT, rng)]
        loaded = load(run, asks, second, forged)
        asks = mixed(zipf(ranked, sizes.requests // 4, EXPONENT, rng), SHARES, rng)
        seen = crowd(on.url, asks, CONNECTIONS, run.bodies)
        wrong += judge.wrong(seen, run.bodies)
        by_wrk, faults = public(run, ranked, folder, sizes.wrk_seconds)
        wrong += faults
        counters = on.counters()
        mismatches = int(on.total('edge_generations_total{result="mismatch"}'))
    return Result(
        family=name,
        width=made.loaded.generator.width,
        height=made.loaded.generator.height,
        generator_bytes=len(made.file),
        batch_bytes=(len(first), len(second)),
        records=len(names),
        original_bytes=sum(map(len, content.originals.values())),
        workers=sizes.workers,
        quiet=quiet.ways,
        steps=quiet.steps,
        herds=HERDS,
        herd=herd,
        load=loaded,
        mixed=len(seen) + len(ranked),
        wrk=by_wrk,
        wrong=wrong,
        files=judge.checked,
        least_db=judge.least_db,
        counters=counters,
        mismatches=mismatches,
    )


@reports_errors
def main(
    generators: Annotated[
        list[Path] | None, typer.Argument(metavar="GENERATOR...", help="Of `media train`.")
    ] = None,
    requests: Annotated[int, typer.Option(min=1000, help="In the Zipf mix.")] = 20_000,
    wrk_seconds: Annotated[int, typer.Option(min=1, help="How long wrk runs.")] = 15,
    workers: Annotated[int, typer.Option(min=1, help="Drawing threads of each edge.")] = 1,
    out: Annotated[Path, typer.Option(help="Page to write.")] = OUT,
) -> None:
    """Measure the edge behind nginx and write the page; exit code 1 if anything was wrong."""
    for needed in ("nginx", "wrk"):
        program(needed)
    made: list[tuple[str, Generator]] = [("Jars, made from formulas", family(256, 24))]
    for path in generators or ():
        found = open_generator(path).generator
        made.append((f"`{found.name}`", found))
    results = []
    for name, generator in made:
        typer.echo(f"{name} ...")
        with TemporaryDirectory() as folder:
            content = catalogue(generator, KEYS + APART)
            sizes = Sizes(requests, wrk_seconds, workers)
            results.append(measure(name, content, Path(folder), sizes))
    text = page(
        results,
        connections=CONNECTIONS,
        cores=os.cpu_count() or 1,
        keys=KEYS,
        late=LATE,
        exponent=EXPONENT,
    )
    out.write_text(text, "utf-8")
    typer.echo(f"written to {out}")
    if not all(result.all_right for result in results):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
