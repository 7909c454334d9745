"""``groundstation compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from groundstation.commands.patch_options import PatchFile, Strip
from groundstation.commands.tables import cell, ratio_cell, table, wide_console
from groundstation.compare.compare import REFERENCE, Comparison, Way
from groundstation.compare.compare import compare as compare_ways
from groundstation.compare.plot import check_plot, draw
from groundstation.inputs import open_model, read_trees
from groundstation.peers.link_cost import (
    RATES_BITS_PER_S,
    duration,
    link_seconds,
    overhead_bytes,
    ratio,
)
from shared.terminal import print_json, progress, reports_errors


@reports_errors
def compare(
    base: Annotated[Path, typer.Option(help="Folder with the software that is on board.")],
    model: Annotated[str, typer.Option(help="The model pinned on board: a folder or a name.")],
    target: Annotated[Path | None, typer.Option(help="Folder as it shall be on board.")] = None,
    patch: PatchFile = None,
    strip: Strip = None,
    budget: Annotated[
        float, typer.Option(min=0, help="Seconds after which no new prompt is tried.")
    ] = 30.0,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the comparison into this PNG, PDF or SVG file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Send one patch in every way, classical and ours, and compare the bytes on the wire.

    Each row was encoded and decoded: "yes" means that the other end has exactly the target.
    """
    if plot is not None:
        check_plot(plot)
    trees = read_trees(base, target, patch, strip)
    with progress(quiet=as_json) as report:
        comparison = compare_ways(*trees, open_model(model), max_seconds=budget, report=report)
    if plot is not None:
        draw(comparison, plot)
    if as_json:
        print_json(comparison.as_dict())
    else:
        _print(comparison, wide_console())


def _print(comparison: Comparison, console: Console) -> None:
    authored = comparison.authored
    console.print(
        f"patch {len(authored.patch)} B, {len(authored.files)} changed files, "
        f"{authored.candidates} prompts scored in {authored.search_s:.1f} s\n"
    )
    console.print(_table(comparison))
    console.print(
        f"\nwire = payload + {overhead_bytes()} B around it (a drawn seed or deltas: a byte or two "
        f"more) + 64 B signature; × is relative to {REFERENCE}"
    )
    for way in comparison.ways:
        if way.note:
            console.print(f"{way.name}: {way.note}", markup=False)


def _table(comparison: Comparison) -> Table:
    rates = [f"{rate} bit/s" for rate in RATES_BITS_PER_S]
    reference = comparison.reference
    theirs = (reference.payload_bytes, reference.wire_bytes) if reference else (None, None)
    return table(
        ("way", "payload", "×", "wire", "×", *rates, "exact"),
        [_row(way, *theirs) for way in comparison.ways],
        bold={number for number, way in enumerate(comparison.ways) if way.ours},
    )


def _row(way: Way, payload_bytes: int | None, wire_bytes: int | None) -> list[str]:
    """A way beside the sizes that its own are told against."""
    size = way.wire_bytes
    return [
        way.name,
        cell(way.payload_bytes),
        ratio_cell(ratio(way.payload_bytes, payload_bytes)),
        cell(size),
        ratio_cell(ratio(size, wire_bytes)),
        *("-" if size is None else duration(link_seconds(size, rate)) for rate in RATES_BITS_PER_S),
        "-" if size is None else "yes" if way.verified else "NO",
    ]
