"""How reports of many numbers look: one plain table, numbers to the right, text where it fits."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_COLUMNS = 120
"""Width of tables where no terminal says how wide it is."""

_GAP = 2


def wide_console() -> Console:
    """The terminal; in a pipe, lines may be longer than the width."""
    console = Console(highlight=False, soft_wrap=True)
    if console.is_terminal:
        return console
    return Console(highlight=False, soft_wrap=True, width=PIPE_COLUMNS)


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    bold: Collection[int] = (),
    texts: tuple[str, Sequence[str]] | None = None,
    width: int = PIPE_COLUMNS,
) -> Table:
    """A table whose first column is a name and whose others are numbers.

    Args:
        headings: of the name and of each number.
        rows: as many cells each.
        bold: positions of the rows that stand out.
        texts: heading and cells of a last column that takes what is left of the width, and is left
            out where that is less than its heading.  It may hold anything, also what a terminal
            would take for markup or commands.
        width: of the whole table.
    """
    made = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
    made.add_column(headings[0], no_wrap=True)
    for heading in headings[1:]:
        made.add_column(heading, justify="right", no_wrap=True)
    used = sum(
        _GAP + max(cell_len(cell) for cell in column)
        for column in zip(headings, *rows, strict=True)
    )
    last = None if texts is None or width - used < len(texts[0]) else texts
    if last is not None:
        made.add_column(last[0], no_wrap=True)
    for number, row in enumerate(rows):
        cells = [Text(cell) for cell in row]
        if last is not None:
            cells.append(_cut(last[1][number], width - used))
        made.add_row(*cells, style="bold" if number in bold else None)
    return made


def _cut(text: str, width: int) -> Text:
    """Printable characters that take at most this width."""
    plain = Text("".join(character for character in text if character.isprintable()))
    plain.truncate(width, overflow="ellipsis")
    return plain


def cell(value: float | None) -> str:
    """A number, with one decimal where it is not whole."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def ratio_cell(value: float | None) -> str:
    """A ratio with two decimals."""
    return "-" if value is None else f"{value:.2f}"
