"""``groundstation survey``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from groundstation.commands.tables import cell, ratio_cell, table, wide_console
from groundstation.git.history import parse_since
from groundstation.inputs import open_model
from groundstation.peers.link_cost import RATES_BITS_PER_S, duration, link_seconds, ratio
from groundstation.survey.report import CommitCost, Outcome, Survey
from groundstation.survey.survey import Care, Selection
from groundstation.survey.survey import survey as survey_commits
from shared.terminal import print_json, progress, reports_errors

DEFAULT_MODEL = "smollm2-135m-patch"
INTERRUPTED = 130  # as a shell has it: 128 and the number of the signal
NOTHING_SENT = 3
"""Exit code of a survey in which no commit could be sent."""

_COLUMNS = ("diff_bytes", "payload_bytes", "total_bytes", "zstd_dict_bytes")


@reports_errors
def survey(
    repo: Annotated[Path, typer.Option(help="A folder of a git repository, bare or not.")],
    since: Annotated[
        str | None,
        typer.Option(help='Only commits since then: 2025-11-30, or "6 weeks".'),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many, the newest.", show_default="20 without --since"),
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
        typer.Option(help="File that keeps what is done.", show_default="one in the cache"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """What the last commits of a repository would have cost to send to a probe.

    Each commit with one parent is authored as a patch to that parent; merges and the first commit
    are left out. Stop it with Ctrl-C whenever you like: the next run goes on where it was.
    Exit code 3 if none could be sent.
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
    if not found.having(Outcome.SENT):
        raise typer.Exit(NOTHING_SENT)


def _print(found: Survey, console: Console) -> None:
    sent = found.having(Outcome.SENT)
    if sent:
        console.print(_table(found, console.width))
        console.print(
            f"\n{len(sent)} of {found.selected} commits: payload (×) "
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
    console.print(
        f"kept in {found.state}; {found.resumed} commits were known from before", markup=False
    )


def _table(found: Survey, width: int) -> Table:
    """A row for each commit that was sent, then what they come to."""
    rates = [f"{rate} bit/s" for rate in RATES_BITS_PER_S]
    sent = found.having(Outcome.SENT)
    rows = [[cost.commit[:8], *_numbers(cost), cost.codec] for cost in sent]
    sums = [_sums(found, row) for row in ("median", "mean", "worst", "total")]
    subjects = [f"{cost.date[:10]} {cost.subject}" for cost in sent]
    return table(
        ("commit", "diff", "payload", "wire", "zstd", "×", *rates, "sent as"),
        [*rows, *sums],
        bold=range(len(rows), len(rows) + len(sums)),
        texts=("subject", [*subjects, *([""] * len(sums))]),
        width=width,
    )


def _numbers(cost: CommitCost) -> list[str]:
    return [
        *(cell(getattr(cost, column)) for column in _COLUMNS),
        ratio_cell(ratio(cost.payload_bytes, cost.zstd_dict_bytes)),
        *_seconds(cost.total_bytes),
    ]


def _sums(found: Survey, row: str) -> list[str]:
    """One statistic of each column on its own; of ratios, only that of the totals has a meaning."""
    values = [getattr(found.summary(column), row, None) for column in _COLUMNS]
    share = found.ratio("payload_bytes", "zstd_dict_bytes") if row == "total" else None
    times = "" if share is None else ratio_cell(share)
    return [row, *map(cell, values), times, *_seconds(values[2] or 0), ""]


def _seconds(size_bytes: float) -> list[str]:
    return [duration(link_seconds(size_bytes, rate)) for rate in RATES_BITS_PER_S]
