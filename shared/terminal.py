"""What the command lines of both ends have in common: errors, JSON, progress."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from shared.errors import RehydrationError
from shared.system.interrupt import EXIT_CODE, interruptible
from shared.system.memory import blaming_memory

P = ParamSpec("P")
R = TypeVar("R")

Report = Callable[[str, int, int], None]
"""``report(stage, done, total)``: how long work tells what it is doing; total 0 is unknown."""


def silent(stage: str, done: int, total: int) -> None:
    """The report of callers who do not look."""


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn this project's errors into one message and the documented exit code, Ctrl-C into 130.

    With ``--json`` (a parameter named ``as_json``) the error is a JSON object on standard output.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with interruptible(), blaming_memory():
                return command(*args, **kwargs)
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(EXIT_CODE) from None
        except RehydrationError as error:
            if kwargs.get("as_json"):
                print_json(error.as_dict())
            else:
                print_error(error)
            raise typer.Exit(error.exit_code) from error

    return run


def print_error(error: RehydrationError) -> None:
    """Found, expected and remedy on standard error, a line each."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(f"[bold red]{error.kind}[/]: ", end="")
    console.print(error.found, markup=False)
    if error.expected:
        console.print(f"  expected: {error.expected}", markup=False)
    if error.remedy:
        console.print(f"  to do:    {error.remedy}", markup=False)


def print_json(value: Any) -> None:
    """One JSON document on standard output, keys in the order given."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


@contextmanager
def progress(quiet: bool = False) -> Iterator[Report]:
    """A progress bar on a terminal, nothing in a pipe.

    Yields:
        A ``Report``; a new stage name starts a new bar.
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield silent
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield report
