"""``linksim run``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shared.errors import InputError
from shared.files import make_folder, replace_file
from shared.terminal import progress, reports_errors
from sims.campaign.campaign import Campaign, fly_once
from sims.campaign.figures import draw_run
from sims.campaign.payloads import prepare
from sims.campaign.report import TABLE_WIDTH
from sims.campaign.versus import Flown, as_table, fly_encodings
from sims.mission.endpoints import scratch
from sims.mission.mission import Result
from sims.scenario.scenario import read_scenario
from sims.scenario.schema import Settings
from sims.trace import Event, Trace, clock


@reports_errors
def run(
    scenario: Annotated[Path, typer.Argument(help="A TOML file; examples in sims/scenarios.")],
    number: Annotated[
        int, typer.Option("--run", min=0, help="Which history: the number of the run in a sweep.")
    ] = 0,
    cell: Annotated[
        int, typer.Option(min=0, help="Which cell of the sweep, in the order of its report.")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for run.json and figures; nothing is kept without it."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="One JSON object a line: events, the result, the comparison."),
    ] = False,
) -> None:
    """Fly one history of a scenario, show all that happened, and compare forms of the patch.

    Every encoding that the scenario names flies through the same weather.
    """
    if out is not None:
        make_folder(out)
    checked = read_scenario(scenario)
    cells = [settings for _, settings in checked.cells()]
    if cell >= len(cells):
        raise InputError(f"cell {cell}", expected=f"0 to {len(cells) - 1}")
    with scratch() as folder, progress(quiet=as_json) as tell:
        campaign = Campaign(checked, prepare(checked, folder, tell))
        trace = Trace()
        result = fly_once(campaign, cells[cell], number, trace)
        flown = fly_encodings(campaign, cells[cell], number)
    if out is not None:
        _keep(out, checked.preset, cells[cell], result, flown)
    if as_json:
        for event in trace.in_order():
            sys.stdout.write(json.dumps(event.as_dict()) + "\n")
        sys.stdout.write(json.dumps({"what": "result", **_facts(result)}) + "\n")
        for each in flown:
            sys.stdout.write(json.dumps({"what": "compared", **each.as_dict()}) + "\n")
        return
    console = Console(highlight=False, soft_wrap=True)
    for event in trace.in_order():
        console.print(_line(event), markup=False)
    console.print(
        f"\n{'applied after ' + clock(result.applied_s) if result.applied else 'not applied'}; "
        f"{'known after ' + clock(result.known_s) if result.known_s >= 0 else 'not known'}; "
        f"station {result.station_s / 60:.2f} min, {result.sent_bytes} B, "
        f"{result.survived} of {result.cltus} CLTUs"
    )
    if flown:
        console.print("\nevery form of the patch through the same weather:")
        console.width = max(console.width, TABLE_WIDTH)
        console.print(as_table(flown))


def _keep(
    out: Path, preset: str, settings: Settings, result: Result, flown: Sequence[Flown]
) -> None:
    """Writes what was found and its figures."""
    facts = {
        "preset": preset,
        "result": _facts(result),
        "compared": [each.as_dict() for each in flown],
    }
    replace_file(out / "run.json", (json.dumps(facts, indent=2) + "\n").encode(), durable=True)
    if flown:
        draw_run(preset, settings, flown, out)


def _facts(result: Result) -> dict[str, object]:
    return {
        "applied": result.applied,
        "applied_s": result.applied_s if result.applied else None,
        "known_s": result.known_s if result.known_s >= 0 else None,
        "station_s": result.station_s,
        "sent_bytes": result.sent_bytes,
        "cltus": result.cltus,
        "survived": result.survived,
        "refused": result.refused,
    }


def _line(event: Event) -> str:
    details = ", ".join(
        f"{name.replace('_', ' ')} {_shown(value)}" for name, value in event.detail.items()
    )
    return f"{clock(event.time_s)}  {event.where:<6}  {event.what:<22}  {details}".rstrip()


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)
