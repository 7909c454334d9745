"""What the probe's commands have in common: options, opening the state, showing a report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from probe.commands import report
from probe.trees.onboard import Probe, open_probe
from shared.terminal import print_json

State = Annotated[Path, typer.Option("--state", help="The probe's state folder.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The received envelope.")]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
MaxTokens = Annotated[
    int, typer.Option(min=1, help="Most tokens that the model may read or write.")
]
MaxSeconds = Annotated[float, typer.Option(min=0.1, help="Longest time to regenerate, seconds.")]
LowMemory = Annotated[
    bool, typer.Option("--low-memory", help="Take less memory and more time to regenerate.")
]
MaxMemory = Annotated[int, typer.Option(min=16, help="Most memory to take, MiB.")]


@contextmanager
def opened(state: Path) -> Iterator[Probe]:
    """The open probe; says on standard error what a crash left to recover."""
    with open_probe(state) as probe:
        for said in probe.store.sealing.mended:
            typer.echo(said, err=True)
        if probe.recovered:
            typer.echo(f"recovered: an interrupted change was {probe.recovered.value}", err=True)
        if probe.settled:
            typer.echo(f"the trial was over: {probe.settled.operation.value}", err=True)
        yield probe


def show(facts: report.Report, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        typer.echo("\n".join(report.lines(facts)))
