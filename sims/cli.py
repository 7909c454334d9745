"""The link simulator's command line: parse, call, print."""

from __future__ import annotations

import typer

from sims.commands.air import listen, send
from sims.commands.audit import audit
from sims.commands.conformance import conformance
from sims.commands.plan import plan
from sims.commands.presets import presets
from sims.commands.run import run
from sims.commands.sweep import sweep

app = typer.Typer(
    help="Links to far-away probes: what it takes to get a patch across one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (presets, run, sweep, plan, audit, send, listen, conformance):
    app.command()(command)
