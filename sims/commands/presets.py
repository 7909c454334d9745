"""``linksim presets``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.terminal import print_json, reports_errors
from sims.campaign.report import TABLE_WIDTH
from sims.scenario.presets import PRESETS, Figure


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
    for heading in (
        "link",
        "up bit/s",
        "down bit/s",
        "light time",
        "passes",
        f"{size} B up",
        "strategy",
    ):
        table.add_column(heading, no_wrap=True)
    table.add_column("what")
    for preset in PRESETS:
        length, period = preset.pass_length_s, preset.pass_period_s
        table.add_row(
            preset.name,
            _marked(preset.uplink_bps, f"{preset.uplink_bps.value:g}"),
            _marked(preset.downlink_bps, f"{preset.downlink_bps.value:g}"),
            _marked(preset.one_way_light_s, _span(preset.one_way_light_s.value)),
            _marked(length, f"{_span(length.value)} in {_span(period.value)}"),
            f"{preset.sending_s(size):.1f} s",
            preset.advice.strategy.name,
            preset.summary,
        )
    console = Console(highlight=False)
    console.width = max(console.width, TABLE_WIDTH)
    console.print(table)
    console.print(
        "\n* no source found, an assumption; --json has all sources, and each strategy's reason"
    )


def _marked(figure: Figure, text: str) -> str:
    return text + "*" * figure.unsourced


def _span(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.2f} h"
    if seconds >= 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:g} s"
