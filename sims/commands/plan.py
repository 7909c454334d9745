"""``linksim plan``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.errors import InputError
from shared.terminal import print_json, progress, reports_errors
from sims.campaign.payloads import prepare
from sims.campaign.report import TABLE_WIDTH
from sims.mission.endpoints import scratch
from sims.planning.planner import Option
from sims.planning.planner import plan as find_options
from sims.scenario.scenario import profile_of, read_scenario, stack_of
from sims.trace import clock

SHOWN = 8


@reports_errors
def plan(
    scenario: Annotated[Path, typer.Argument(help="A TOML file; examples in sims/scenarios.")],
    success: Annotated[
        float, typer.Option(help="Wanted chance that the message gets through.")
    ] = 0.999,
    within: Annotated[
        float | None, typer.Option(help="Seconds from the first bit to the last at most.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Find the code, frame length and strategy that need the least station time, by formula.

    Of a sweep the first cell counts.
    """
    checked = read_scenario(scenario)
    _, settings = next(checked.cells())
    with scratch() as folder, progress(quiet=as_json) as tell:
        parcel = next(iter(prepare(checked, folder, tell).values()))
    if parcel.cargo.later is not None:
        raise InputError(
            "a plan of a message that waits for its key",
            expected="authentication by ed25519, cmac16 or cmac8: one message",
            remedy="fly a sweep over strategy and copies: linksim sweep",
        )
    size = len(parcel.cargo.envelope)
    options = find_options(
        size,
        profile_of(settings),
        stack_of(settings),
        success,
        math.inf if within is None else within,
    )
    if not options:
        raise InputError(
            f"nothing gets {size} bytes across this link with a chance of {success:g}",
            expected="a link on which a frame survives at all",
            remedy="lower --success, allow more time, or change the link",
        )
    if as_json:
        print_json({"envelope_bytes": size, "options": [each.as_dict() for each in options]})
        return
    console = Console(highlight=False)
    console.width = max(console.width, TABLE_WIDTH)
    console.print(f"{size} B to get across with a chance of {success:g}; least station time first")
    console.print(_table(options[:SHOWN]))


def _table(options: list[Option]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("code", "strategy"):
        table.add_column(heading, no_wrap=True)
    for heading in ("frames", "link B once", "chance", "station min", "elapsed", "at the latest"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in options:
        table.add_row(
            each.coding,
            each.strategy.name,
            str(each.frames),
            str(each.link_bytes),
            f"{each.success:.6f}",
            f"{each.station_s / 60:.2f}",
            clock(each.elapsed_s),
            clock(each.latest_s),
        )
    return table
