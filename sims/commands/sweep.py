"""``linksim sweep``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shared.exact.kernels import usable_cores
from shared.files import make_folder, replace_file
from shared.terminal import Report, print_json, progress, reports_errors
from sims.campaign.campaign import Campaign, Chunk
from sims.campaign.figures import draw
from sims.campaign.journal import Journal, open_journal
from sims.campaign.payloads import prepare
from sims.campaign.report import TABLE_WIDTH, as_csv, as_table, row
from sims.campaign.report import as_json as report_of
from sims.campaign.workers import fly_all
from sims.mission.endpoints import scratch
from sims.mission.mission import Result
from sims.scenario.scenario import read_scenario


@reports_errors
def sweep(
    scenario: Annotated[Path, typer.Argument(help="A TOML file; examples in sims/scenarios.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for report.json, report.csv, figures and the journal from which a killed "
            "sweep goes on; nothing is kept without it."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Local processes; as many as cores by default.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler whose workers fly the runs instead."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Fly every cell of a scenario many times and report shares, times and costs with limits."""
    checked = read_scenario(scenario)
    if out is not None:
        make_folder(out)
    with scratch() as folder, progress(quiet=as_json) as tell:
        campaign = Campaign(checked, prepare(checked, folder, tell))
        with _journal(out, campaign) as journal:
            results = _fly(campaign, journal, workers or usable_cores(), cluster, tell)
    rows = [
        row(campaign, changed, settings, results[cell])
        for cell, (changed, settings) in enumerate(checked.cells())
    ]
    report = report_of(campaign, rows)
    if out is not None:
        text = json.dumps(report, indent=2) + "\n"
        replace_file(out / "report.json", text.encode(), durable=True)
        replace_file(out / "report.csv", as_csv(rows).encode(), durable=True)
        draw(rows, out)
    if as_json:
        print_json(report)
    else:
        console = Console(highlight=False)
        console.width = max(console.width, TABLE_WIDTH)
        console.print(as_table(rows))


def _fly(
    campaign: Campaign, journal: Journal | None, workers: int, cluster: str | None, tell: Report
) -> list[list[Result]]:
    """Results by cell, in the order of their runs."""
    chunks = list(campaign.chunks())
    done: dict[str, list[Result]] = dict(journal.done) if journal else {}
    missing = [chunk for chunk in chunks if chunk.name not in done]
    total = sum(chunk.runs for chunk in chunks)
    flown = total - sum(chunk.runs for chunk in missing)
    for chunk, results in fly_all(campaign, missing, workers, cluster):
        done[chunk.name] = results
        if journal is not None:
            journal.add(chunk, results)
        flown += chunk.runs
        tell("runs", flown, total)
    return _by_cell(chunks, done)


def _by_cell(chunks: list[Chunk], done: dict[str, list[Result]]) -> list[list[Result]]:
    cells: list[list[Result]] = [[] for _ in range(chunks[-1].cell + 1)]
    for chunk in chunks:
        cells[chunk.cell] += done[chunk.name]
    return cells


@contextmanager
def _journal(out: Path | None, campaign: Campaign) -> Iterator[Journal | None]:
    if out is None:
        yield None
        return
    with open_journal(out / "journal.jsonl", campaign.digest) as journal:
        yield journal
