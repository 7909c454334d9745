"""The link simulator's command line: parse, call, print."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.terminal import print_json, reports_errors
from sims.presets import PRESETS, UNSOURCED

app = typer.Typer(
    help="Links to far-away probes: how long bytes take to get there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def linksim() -> None:
    """Keeps ``presets`` a command of its own."""


@app.command()
@reports_errors
def presets(
    size: Annotated[
        int, typer.Option("--bytes", min=1, help="Bytes to send, an envelope's for example.")
    ] = 128,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """List known links, and how long some bytes take on them; framing is not included."""
    if as_json:
        print_json(
            [{**preset.as_dict(), "sending_s": preset.sending_s(size)} for preset in PRESETS]
        )
        return
    table = Table(box=None)
    for heading in ("link", "up bit/s", "down bit/s", "light time", f"{size} B up"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what")
    for preset in PRESETS:
        unsure = "*" if preset.uplink_bps.source == UNSOURCED else ""
        table.add_row(
            preset.name,
            f"{preset.uplink_bps.value:g}{unsure}",
            f"{preset.downlink_bps.value:g}",
            f"{preset.one_way_light_s.value / 3600:.2f} h",
            f"{preset.sending_s(size):.1f} s",
            preset.summary,
        )
    console = Console(highlight=False)
    console.print(table)
    console.print("\n* no source found, an assumption; --json names every figure's source")
