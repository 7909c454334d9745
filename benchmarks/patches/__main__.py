"""``make bench``: measures every list with every model, resumes, and writes RESULTS.md.

Results are kept in the cache, a line of JSON a patch; a patch is measured again only when the code
that decides bytes, the model or the effort has changed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.patches.measure import Setting, measure
from benchmarks.patches.pairs import HELDOUT, PAIRS, load_corpus
from benchmarks.patches.report import Run, write_report
from groundstation.authoring.author import Effort
from groundstation.peers import ppmd
from shared.errors import InputError
from shared.exact.pin import cache_home, load_pin, resolve_pin
from shared.prompts.language_model.pinned import PinnedModel
from shared.terminal import Report, progress

HERE = Path(__file__).parents[1]
RESULTS = HERE / "RESULTS.md"
LISTS = {"pairs": PAIRS, "heldout": HELDOUT}


@dataclass(frozen=True)
class Job:
    """One list measured with one model.

    Attributes:
        title: for the report.
        list: which list.
        model: which pin.
        candidates: prompts tried a patch.
        limit: so many patches, spread over the list; None for all.
        base: the model that this one was specialised from, if any.
    """

    title: str
    list: str
    model: str
    candidates: int
    limit: int | None = None
    base: str | None = None


@dataclass(frozen=True)
class Shard:
    """Every ``of``-th patch, from ``number`` on: for one process a core."""

    number: int
    of: int


WHOLE = Shard(0, 1)

SEARCHED = 12
"""Prompts tried a patch: about half a minute of one core."""

JOBS = (
    Job("Release to release, SmolLM2-135M", "pairs", "smollm2-135m", SEARCHED),
    Job("Held-out flight and embedded software, SmolLM2-135M", "heldout", "smollm2-135m", SEARCHED),
    Job(
        "Release to release, SmolLM2-135M specialised",
        "pairs",
        "smollm2-135m-patch",
        SEARCHED,
        base="smollm2-135m",
    ),
    Job(
        "Held-out flight and embedded software, SmolLM2-135M specialised",
        "heldout",
        "smollm2-135m-patch",
        SEARCHED,
        base="smollm2-135m",
    ),
    Job("Release to release, Qwen2.5-Coder-0.5B", "pairs", "qwen2.5-coder-0.5b", 6, limit=20),
)


_SEARCHING = ("authoring", "scoring", "search")


def fingerprint(pin: bytes, effort: Effort) -> str:
    """Names everything that a measured size depends on, apart from the patch."""
    root = HERE.parent
    sources = [
        *sorted((root / "shared" / "prompts").rglob("*.py")),
        *sorted((root / "shared" / "seeds").glob("*.py")),
        *sorted((root / "groundstation" / "peers").glob("*.py")),
        *(
            path
            for room in _SEARCHING
            for path in sorted((root / "groundstation" / room).glob("*.py"))
        ),
    ]
    limits = (effort.seed_source, effort.max_seconds, effort.max_candidates, effort.hint)
    digest = hashlib.sha256(pin + repr(limits).encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def measure_job(job: Job, report: Report, shard: Shard = WHOLE) -> Run:
    """Measures a list, or a shard of it, or reads what was measured before."""
    # the real probe checks; a number of candidates, not a time, so that sizes can be repeated
    effort = Effort(max_seconds=math.inf, max_candidates=job.candidates, check=False)
    folder = resolve_pin(job.model)
    pin = load_pin(folder)
    setting = Setting(PinnedModel.open(pin), folder, effort)
    kept = _Kept(cache_home() / "benchmark" / f"{fingerprint(pin.digest, effort)}.jsonl")
    pairs = load_corpus(LISTS[job.list])
    if job.limit is not None:
        pairs = pairs[:: max(1, len(pairs) // job.limit)][: job.limit]
    rows = []
    for done, pair in enumerate(pairs):
        if done % shard.of != shard.number:
            continue
        report(job.title, done, len(pairs))
        row = kept.rows.get(pair.id)
        if row is None:
            row = measure(pair, setting)
            kept.add(row)
        published = ppmd.difference_bytes(pair.old, pair.new)
        rows.append({**row, "ppmd_difference_bytes": published})
    report(job.title, len(pairs), len(pairs))
    title, digest = job.title, pin.digest.hex()
    return Run(title, job.model, digest, job.candidates, tuple(rows), job.base, job.list)


def parse_shard(text: str) -> Shard:
    """``0/2``: the first of two shards.

    Raises:
        InputError: it is not of that form.
    """
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and int(number) < int(of)):
        raise InputError(f"shard {text!r}", expected="K/N with K below N, for example 0/2")
    return Shard(int(number), int(of))


class _Kept:
    """Rows that were measured before, in a file that only grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = {row["id"]: row for row in self._read()}

    def _read(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        for line in self.path.read_text("utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue  # cut short by an interruption: measured again

    def add(self, row: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self.rows[row["id"]] = row


def main(
    job: Annotated[
        list[int] | None, typer.Option(help="Only these jobs, counted from 0; may be repeated.")
    ] = None,
    shard: Annotated[
        str, typer.Option(help="Measure a part, 0/2 or 1/2 of two, and write no report.")
    ] = "0/1",
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    """Measure ours against every peer and write the report."""
    chosen = JOBS if not job else tuple(JOBS[k] for k in job)
    with progress() as report:
        runs = [measure_job(each, report, parse_shard(shard)) for each in chosen]
    if parse_shard(shard) != WHOLE:
        return
    write_report(runs, out)
    typer.echo(f"written to {out}")


if __name__ == "__main__":
    typer.run(main)
