"""``groundstation survey``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from groundstation.commands.tables import cell, ratio_cell, table, wide_console
from groundstation.git_history import parse_since
from groundstation.job import open_model
from groundstation.survey import Care, Selection
from groundstation.survey import survey as survey_commits
from groundstation.survey_report import CommitCost, Outcome, Survey
from groundstation.wire_cost import RATES_BITS_PER_S, duration, link_seconds, ratio
from shared.terminal import print_json, progress, reports_errors

DEFAULT_MODEL = "smollm2-135m"
INTERRUPTED = 130  # as a shell has it: 128 and the number of the signal

_COLUMNS = ("diff_bytes", "payload_bytes", "total_bytes", "zstd_dict_bytes")
_SUBJECT_COLUMNS = 40


@reports_errors
def survey(
    repo: Annotated[Path, typer.Option(help="A folder of a git repository, bare or not.")],
    since: Annotated[
        str | None,
        typer.Option(help='Only commits since then: 2025-11-30, or "6 weeks".'),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many, the newest. [default: 20 without --since]"),
    ] = None,
    paths: Annotated[
        list[str] | None,
        typer.Option(help="Only these files: a git pathspec like '*.c'. May be repeated."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="The model pinned on board: a folder or a name.")
    ] = DEFAULT_MODEL,
    budget: Annotated[
        float,
        typer.Option(min=0, help="Seconds a commit to search for better prompts."),
    ] = 0.0,
    max_diff: Annotated[
        int, typer.Option(min=0, help="Leave out commits with a longer patch, in bytes.")
    ] = Care().max_diff_bytes,
    check: Annotated[
        bool, typer.Option(help="Regenerate each message, as the probe would.")
    ] = True,
    state: Annotated[
        Path | None,
        typer.Option(help="File that keeps what is done. [default: one in the cache]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """What the last commits of a repository would have cost to send to a probe.

    Each commit with one parent is authored as a patch to that parent; merges and the first commit
    are left out. Stop it with Ctrl-C whenever you like: the next run goes on where it was.
    """
    moment = None if since is None else parse_since(since, datetime.now(UTC))
    selection = Selection(moment, limit, tuple(paths or ()))
    care = Care(budget, check, max_diff)
    with progress(quiet=as_json) as report:
        found = survey_commits(
            repo, open_model(model), selection, care=care, state=state, report=report
        )
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found, wide_console())
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)


def _print(found: Survey, console: Console) -> None:
    sent = found.having(Outcome.SENT)
    if sent:
        console.print(_table(found))
        console.print(
            f"\nall {len(sent)} commits: payload (×) "
            f"{ratio_cell(found.ratio('payload_bytes', 'zstd_dict_bytes'))}, wire "
            f"{ratio_cell(found.ratio('total_bytes', 'zstd_dict_total_bytes'))} times that of "
            "zstd with the old files as dictionary"
        )
    for cost in found.costs:
        if cost.note:
            console.print(f"{cost.commit[:8]} {cost.outcome}: {cost.note}", markup=False)
    left = found.selected - len(found.costs)
    if left:
        console.print(f"stopped with {left} commits to go; run it again to go on")
    console.print(f"{found.resumed} of {len(found.costs)} known from {found.state}", markup=False)


def _table(found: Survey) -> Table:
    rates = [f"{rate} bit/s" for rate in RATES_BITS_PER_S]
    made = table("commit", "diff", "payload", "wire", "zstd", "×", *rates)
    made.add_column("sent as", no_wrap=True)
    made.add_column("date", no_wrap=True)
    made.add_column("subject", no_wrap=True, overflow="ellipsis", max_width=_SUBJECT_COLUMNS)
    for cost in found.having(Outcome.SENT):
        made.add_row(cost.commit[:8], *_numbers(cost), cost.codec, cost.date[:10], _plain(cost))
    made.add_section()
    for row in ("median", "mean", "worst", "total"):
        values = [getattr(found.summary(column), row, None) for column in _COLUMNS]
        size = values[2] or 0
        seconds = [duration(link_seconds(size, rate)) for rate in RATES_BITS_PER_S]
        share = ratio_cell(ratio(values[1], values[3])) if row in ("mean", "total") else ""
        made.add_row(row, *map(cell, values), share, *seconds, style="bold")
    return made


def _numbers(cost: CommitCost) -> list[str]:
    return [
        *(cell(getattr(cost, column)) for column in _COLUMNS),
        ratio_cell(ratio(cost.payload_bytes, cost.zstd_dict_bytes)),
        *(duration(link_seconds(cost.total_bytes, rate)) for rate in RATES_BITS_PER_S),
    ]


def _plain(cost: CommitCost) -> Text:
    """A subject that the terminal takes neither for markup nor for commands."""
    return Text("".join(c for c in cost.subject if c.isprintable()))
