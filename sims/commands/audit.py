"""``linksim audit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.exact.kernels import usable_cores
from shared.terminal import print_json, progress, reports_errors
from sims.campaign.audit import Verdict, audit_cells
from sims.campaign.campaign import Campaign
from sims.campaign.payloads import prepare
from sims.campaign.report import TABLE_WIDTH
from sims.mission.endpoints import scratch
from sims.scenario.scenario import read_scenario

COUNTS = ("runs", "applied", "wrong", "torn", "replays", "replayed", "damaged", "forged")


@reports_errors
def audit(
    scenario: Annotated[Path, typer.Argument(help="A TOML file; examples in sims/scenarios.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Local processes; as many as cores by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Fly every run, then read the probe's tree from its disk and play all of the link to it again.

    Exit code 1 if a tree was wrong or torn, or an envelope was accepted twice or altered.
    """
    checked = read_scenario(scenario)
    with scratch() as folder, progress(quiet=as_json) as tell:
        campaign = Campaign(checked, prepare(checked, folder, tell))
        verdicts = audit_cells(campaign, workers or usable_cores(), tell)
    cells = [changed for changed, _ in checked.cells()]
    if as_json:
        print_json(
            [
                {**changed, **verdict.as_dict()}
                for changed, verdict in zip(cells, verdicts, strict=True)
            ]
        )
    else:
        console = Console(highlight=False)
        console.width = max(console.width, TABLE_WIDTH)
        console.print(_table(list(cells[0]), cells, verdicts))
    if any(verdict.failed for verdict in verdicts):
        raise typer.Exit(1)


def _table(names: list[str], cells: list[dict[str, object]], verdicts: list[Verdict]) -> Table:
    table = Table(*names, box=None, padding=(0, 2, 0, 0))
    for name in COUNTS:
        table.add_column(name, justify="right")
    for changed, verdict in zip(cells, verdicts, strict=True):
        counts = verdict.as_dict()
        table.add_row(*map(str, changed.values()), *(str(counts[name]) for name in COUNTS))
    return table
