"""How the commands of the media mode report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from groundstation.commands.tables import cell, table, wide_console
from groundstation.media.learn.train import Trained
from groundstation.media.records.book import Book
from groundstation.media.records.encode import tier_of, totals
from shared.digest import to_hex
from shared.media.generator import Generator, Loaded
from shared.media.kinds.diffusion import Diffusion
from shared.media.kinds.network import Network
from shared.terminal import print_json


def info_dict(loaded: Loaded) -> dict[str, object]:
    """What a generator is, for ``--json``."""
    made = loaded.generator
    return {
        "name": made.name,
        "digest": to_hex(loaded.digest),
        "generator_bytes": loaded.size_bytes,
        "width": made.width,
        "height": made.height,
        "channels": made.channels,
        **_of_kind(made),
        "attributes": {a.name: list(a.values) for a in made.grammar.attributes},
        **{f"note {key}": value for key, value in made.notes.items()},
    }


def _of_kind(made: Generator) -> dict[str, object]:
    if isinstance(made, Diffusion):
        book = {"seeds": made.seeds} if made.seeds else {"book": made.book}
        return {"kind": "diffusion", "steps": made.steps, **book}
    if isinstance(made, Network):
        hidden = [len(layer.weights) for layer in made.hidden]
        return {"kind": "network", "planes": len(made.steps), "hidden": hidden}
    return {"terms": len(made.terms)}


def trained_dict(trained: Trained, loaded: Loaded, out: Path, pictures: int) -> dict[str, object]:
    """What was learned, for ``--json``."""
    return {
        **info_dict(loaded),
        "out": str(out),
        "pictures": pictures,
        "tier": tier_of(loaded.generator),
        "model": trained.model,
        "step": trained.step,
        "target_reached": trained.reached,
        "trials": [trial.as_dict() for trial in trained.trials],
    }


def print_trained(trained: Trained, loaded: Loaded, out: Path, pictures: int) -> None:
    """What was learned, for people."""
    console = wide_console()
    rows = [
        [
            t.model,
            f"{t.step:.5f}",
            cell(t.size_bytes),
            f"{t.mean_score:.2f}",
            f"{t.least_score:.2f}",
        ]
        for t in trained.trials
    ]
    console.print(table(("model", "step", "generator bytes", "mean score", "least score"), rows))
    console.print("scores: SSIMULACRA2 on pictures held back from the fit\n")
    print_pairs(
        {
            "generator": f"{out}, {loaded.size_bytes:,} bytes",
            "kept": f"{tier_of(loaded.generator)}, {trained.model}, step {trained.step:.5f}",
            "learned from": f"{pictures} pictures",
            "digest": to_hex(loaded.digest),
        },
        console,
    )
    if not trained.reached:
        console.print(
            "the target was not reached: allow more bytes, or let `media encode` fall back to files"
        )


def report_book(book: Book, loaded: Loaded, as_json: bool, extra: dict[str, object]) -> None:
    """A book, for ``--json`` or for people, with more at its end."""
    entries = list(book.entries.values())
    summed = totals(entries)
    if as_json:
        print_json(
            {
                "family": book.family,
                "generator_bytes": loaded.size_bytes,
                **summed.as_dict(),
                **extra,
                "left_out": dict(book.left_out),
                "kept_as_files": {entry.key: entry.remark for entry in entries if entry.remark},
                "entries": [
                    {key: value for key, value in entry.as_dict().items() if key != "record"}
                    for entry in entries
                ],
            }
        )
        return
    console = wide_console()
    rows = [
        [
            entry.tier,
            cell(entry.size_bytes),
            cell(entry.original_bytes),
            f"{entry.verdict.score:.2f}",
            f"{entry.verdict.block_levels:.1f}",
            f"{entry.verdict.psnr_db:.1f}",
            *([] if entry.verdict.butteraugli is None else [f"{entry.verdict.butteraugli:.2f}"]),
        ]
        for entry in entries
    ]
    headings = ["tier", "bytes", "original", "score", "worst block", "PSNR"]
    if any(entry.verdict.butteraugli is not None for entry in entries):
        headings.append("Butteraugli")
    names = ("picture", [entry.key for entry in entries])
    console.print(table(headings, rows, texts=names, width=console.width))
    console.print(
        f"\n{summed.by_prompt} of {summed.pictures} pictures by prompt, "
        f"{summed.corrected} of these with a residual; "
        f"{summed.record_bytes:,} bytes for {summed.original_bytes:,}, and a generator of "
        f"{loaded.size_bytes:,} bytes once; mean score {summed.mean_score:.2f}, least "
        f"{summed.least_score:.2f}"
    )
    for key, value in extra.items():
        console.print(f"{key}: {value}" if value else f"{key}: none", markup=False)
    for entry in entries:
        if entry.remark:
            console.print(f"kept as its file: {entry.key}: {entry.remark}", markup=False)
    print_left_out(book.left_out, console)


def print_left_out(left_out: Mapping[str, str], console: Console | None = None) -> None:
    """What was left out and why, a line each; nothing if there is nothing."""
    console = console or wide_console()
    for name, why in left_out.items():
        console.print(f"left out: {name}: {why}", markup=False)


def print_pairs(found: dict[str, object], console: Console | None = None) -> None:
    """Names and values, a line each."""
    console = console or wide_console()
    width = max(len(key) for key in found) + 2
    for key, value in found.items():
        console.print(f"{key:{width}}{value}", markup=False)
