"""``python -m benchmarks.patches.workers``: the same search by one process and by several.

Prints a table for docs/search.md.  Every way scores the same candidates and must find the same
message; a way is timed as often as told, by turns, and the shortest time of each counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from benchmarks.archives import ArchiveCache, corpus_home, open_index
from benchmarks.patches.measure import trees
from benchmarks.patches.pairs import PAIRS, Pair, load_pair, read_rows
from groundstation.authoring.author import Effort, author
from groundstation.authoring.result import Authored
from groundstation.workers.open import Workers
from shared.errors import InputError
from shared.exact.kernels import usable_cores
from shared.exact.pin import load_pin, resolve_pin
from shared.prompts.language_model.pinned import PinnedModel

MODEL = "smollm2-135m"
PATCHES = (
    "cbor2-5.4.5-tags-f644",
    "paho-mqtt-2.2.0-subscribeoptions-5025",
    "adafruit-circuitpython-bno08x-1.2.9-spi-10ca",
)


@dataclass(frozen=True)
class Way:
    """Processes, and threads of the kernel in each."""

    processes: int
    threads: int

    def __str__(self) -> str:
        return f"{self.processes} x {self.threads}"


def run(pair: Pair, way: Way, trials: int) -> Authored:
    """Authors a patch in one way; several processes are started for it, which is timed too."""
    base, target = trees(pair)
    model = PinnedModel.open(load_pin(resolve_pin(MODEL), verify=False), threads=way.threads)
    workers = Workers(MODEL, way.processes)
    effort = Effort(max_seconds=1e9, max_candidates=trials, check=False, workers=workers)
    return author(base, target, model, effort=effort)


def main(
    trials: Annotated[int, typer.Option(min=1, help="Prompts scored for each.")] = 40,
    repeats: Annotated[int, typer.Option(min=1, help="Times that each is run.")] = 2,
) -> None:
    """Times one process on all cores against one process a core."""
    cores = usable_cores()
    ways = (Way(1, 1), Way(1, cores), Way(cores, 1))
    with open_index() as index:
        archives = ArchiveCache(corpus_home(), index)
        wanted = {row.id: row for row in read_rows(PAIRS)}
        pairs = [load_pair(wanted[name], archives) for name in PATCHES]
    typer.echo("| patch | prompts | message | " + " | ".join(f"{way}, s" for way in ways) + " |")
    typer.echo("|---|---:|---:|" + "---:|" * len(ways))
    for pair in pairs:
        seconds: dict[Way, float] = {}
        found = set()
        for _ in range(repeats):
            for way in ways:
                made = run(pair, way, trials)
                seconds[way] = min(made.search_s, seconds.get(way, made.search_s))
                found.add((made.candidates, made.payload_bytes, made.recipe.stream))
        if len(found) != 1:
            raise InputError(f"{pair.id}: the ways found different messages")
        ((candidates, size, _),) = found
        times = " | ".join(f"{seconds[way]:.1f}" for way in ways)
        typer.echo(f"| {pair.id} | {candidates} | {size} B | {times} |")


if __name__ == "__main__":
    typer.run(main)
