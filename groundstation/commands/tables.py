"""How reports of many numbers look: one plain table, numbers to the right."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

PIPE_COLUMNS = 120
"""Width of tables where no terminal says how wide it is."""


def wide_console() -> Console:
    """The terminal; a pipe gets lines as long as they need to be."""
    console = Console(highlight=False, soft_wrap=True)
    return (
        console
        if console.is_terminal
        else Console(highlight=False, soft_wrap=True, width=PIPE_COLUMNS)
    )


def table(first: str, *numbers: str) -> Table:
    """A table whose first column is text and whose others are numbers."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    made.add_column(first, no_wrap=True)
    for heading in numbers:
        made.add_column(heading, justify="right", no_wrap=True)
    return made


def cell(value: float | None) -> str:
    """A number, with one decimal where it is not whole."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def ratio_cell(value: float | None) -> str:
    """A ratio with two decimals."""
    return "-" if value is None else f"{value:.2f}"
