"""RESULTS.md: tables of what was measured, written by the benchmark itself."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.patches.tuned import tuned
from benchmarks.patches.won import won

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One list measured with one model.

    Attributes:
        title: heading.
        model: name of the pin.
        pin: its digest, hexadecimal.
        candidates: prompts tried a patch.
        rows: one a patch, see ``benchmarks.patches.measure.measure``.
        base: the model that this one was specialised from, if any.
        list: which patches.
    """

    title: str
    model: str
    pin: str
    candidates: int
    rows: tuple[Row, ...]
    base: str | None
    list: str


def write_report(runs: Sequence[Run], out: Path) -> None:
    """Writes the report."""
    out.write_text("\n".join(_report(runs)) + "\n", "utf-8")


def _report(runs: Sequence[Run]) -> Iterator[str]:
    yield "# Measured sizes"
    yield ""
    yield "Written by `make bench` (`python -m benchmarks.patches`); do not edit. Sizes in bytes."
    yield "Every envelope was applied by the"
    yield "`probe` command in a process of its own, and the tree on disk compared with the target;"
    yield "every peer was decoded and compared too. *Payload* is prompt + seed (+ delta where the"
    yield "message falls back on one): all but envelope and signature. Peers carry no envelope and"
    yield "no path either. `zstd-dict-frame` is zstd 22 with the old file as raw dictionary, magic"
    yield "number left out, the usual figure; `zstd-dict` leaves out 5 bytes more of its frame."
    yield "PPMd is given twice: as published elsewhere, size of old and added text less size of"
    yield "old text, which nobody can decode; and `ppmd-primed`, a message that decodes."
    yield "The weights of hunk places and line counts (`hunk_place_tables.py`) and of n-grams"
    yield "(`ngrams.py`) were fitted to releases of other packages"
    yield "(`benchmarks/fit`)."
    yield f"Machine: {platform.machine()}, Python {platform.python_version()}."
    for run in runs:
        yield from _section(run, runs)


def _section(run: Run, runs: Sequence[Run]) -> Iterator[str]:
    rows = run.rows
    exact = sum(row["probe"]["exact"] for row in rows)
    yield ""
    yield f"## {run.title}"
    yield ""
    packages = {row["package"] for row in rows}
    languages = sorted({row["language"] for row in rows})
    counts = ", ".join(
        f"{sum(row['language'] == language for row in rows)} {language}" for language in languages
    )
    yield f"{len(rows)} patches ({counts}) of {len(packages)} packages; model `{run.model}`, pin"
    yield f"`{run.pin[:16]}`, {run.candidates} prompts tried a patch."
    yield f"**Regenerated bit-exactly by the probe: {exact} of {len(rows)}.**"
    yield ""
    yield "| way to send | mean | median | worst | exact | mean: ours is of it |"
    yield "|---|---|---|---|---|---|"
    ours = [row["ours"]["payload_bytes"] for row in rows]
    yield _line("**ours: payload**", ours, exact, ours)
    yield _line("ours: whole envelope", [row["ours"]["total_bytes"] for row in rows], exact, None)
    for name in [peer["name"] for peer in rows[0]["peers"]]:
        found = [_peer(row, name) for row in rows]
        sizes = [peer["bytes"] for peer in found if peer["bytes"] is not None]
        if name == "ppmd-primed":
            published = [row["ppmd_difference_bytes"] for row in rows]
            yield _line("PPMd primed, difference of sizes", published, 0, ours)
        if len(sizes) == len(rows):
            yield _line(name, sizes, sum(peer["verified"] for peer in found), ours)
        else:
            yield f"| {name} | {len(rows) - len(sizes)} without a size | | | | |"
    yield ""
    yield from won(run.model, rows)
    for other in runs:
        if (other.model, other.list) == (run.base, run.list):
            yield from tuned(other.model, other.rows, rows)
    yield from _details(rows)


def _line(name: str, sizes: Sequence[int], exact: int, ours: Sequence[int] | None) -> str:
    ratio = "" if ours is None or ours is sizes else f"{mean(ours) / mean(sizes):.3f}"
    counted = f"{exact} of {len(sizes)}" if exact else "not decodable"
    return (
        f"| {name} | {mean(sizes):.1f} | {median(sizes):g} | {max(sizes)} | {counted} | {ratio} |"
    )


def _peer(row: Row, name: str) -> Row:
    return next(peer for peer in row["peers"] if peer["name"] == name)


def _details(rows: Sequence[Row]) -> Iterator[str]:
    def of(pick: Callable[[Row], float]) -> str:
        values = [pick(row) for row in rows]
        return f"{mean(values):.1f} mean, {median(values):.1f} median, {max(values):.1f} worst"

    overhead = {row["ours"]["overhead_bytes"] for row in rows}
    codecs = [file["codec"] for row in rows for file in row["ours"]["files"]]
    yield f"- prompt {of(lambda row: row['ours']['prompt_bytes'])} bytes; seed "
    yield f"  {of(lambda row: row['ours']['seed_bytes'])} bytes"
    yield f"- overhead of message and envelope {min(overhead)} to {max(overhead)} bytes, and 64 of"
    yield "  the signature"
    yield f"- written by the model {codecs.count('model')}, classical delta "
    yield f"  {codecs.count('delta')}, stored {codecs.count('stored')}"
    yield f"- authoring {of(lambda row: row['ours']['search_s'])} seconds"
    longest = max(rows, key=lambda row: row["probe"]["tokens"])["probe"]
    yield f"- `probe apply`, from start to end: {of(lambda row: row['probe']['seconds'])} seconds;"
    if "resident_bytes" in longest:
        yield f"  {longest['resident_bytes'] / 2**20:.0f} MiB of memory at most where it reads and"
        yield f"  writes most tokens ({longest['tokens']})"
    yield ""
    yield "<details><summary>Patch by patch</summary>"
    yield ""
    yield "| patch | diff | ours | zstd-dict-frame | ppmd-primed | author s | probe s |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        yield (
            f"| {row['id']} | {row['diff_bytes']} | {row['ours']['payload_bytes']} | "
            f"{_peer(row, 'zstd-dict-frame')['bytes']} | {_peer(row, 'ppmd-primed')['bytes']} | "
            f"{row['ours']['search_s']:.1f} | {row['probe']['seconds']:.1f} |"
        )
    yield ""
    yield "</details>"
