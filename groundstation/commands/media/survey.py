"""``groundstation media survey``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from groundstation.commands.media.options import JsonOption
from groundstation.commands.tables import cell, table, wide_console
from groundstation.media.files import checked_out, write_new
from groundstation.media.survey.grouping import Likeness
from groundstation.media.survey.page import survey_page
from groundstation.media.survey.survey import (
    Found,
    Inventory,
    find_families,
    read_requests,
    take_inventory,
)
from groundstation.media.survey.worth import Prices
from shared.errors import InputError
from shared.files import readable
from shared.terminal import print_json, progress, reports_errors

PRICES = Prices()
LIKENESS = Likeness()


@reports_errors
def survey(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the inventory.")],
    log: Annotated[
        Path | None,
        typer.Option(help="CSV with columns file and requests: a month, that reach the origin."),
    ] = None,
    requests: Annotated[
        float, typer.Option(min=0, help="Requests a month of a picture that the log has not.")
    ] = PRICES.requests,
    wire: Annotated[
        float, typer.Option(min=0, help="Price of a GiB from the origin.")
    ] = PRICES.wire_gib,
    storage: Annotated[
        float, typer.Option(min=0, help="Price of a GiB stored for a month.")
    ] = PRICES.storage_gib_month,
    core: Annotated[
        float, typer.Option(min=0, help="Price of an hour of one core.")
    ] = PRICES.core_hour,
    regions: Annotated[int, typer.Option(min=1, help="Places that store and draw.")] = 1,
    months: Annotated[int, typer.Option(min=1, help="Months to reckon with.")] = PRICES.months,
    mismatch: Annotated[
        float,
        typer.Option(
            min=0.02, max=2, help="How differently edges and outlines may lie in the worst block."
        ),
    ] = LIKENESS.mismatch,
    top: Annotated[int, typer.Option(min=1, help="Families to list.")] = 20,
    page: Annotated[
        Path | None, typer.Option("--html", help="Page to write, with contact sheets.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find families of recoloured pictures in a folder, and what each would save.

    Pictures are grouped by where their edges lie; names are not read. What cannot be opened, or
    shows more than a generator can draw, is named. Money is in the currency of the prices. Sizes of
    generators are estimates from thumbnails: `media train` tells the truth.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is no folder", expected="a folder of pictures", remedy="check the path"
        )
    if page is not None:
        checked_out(page)
    counts = {} if log is None else read_requests(log)
    prices = Prices(wire, storage, core, regions, months, PRICES.draw_seconds, requests)
    likeness = Likeness(LIKENESS.cosine, mismatch)
    with progress(quiet=as_json) as report:
        inventory = take_inventory(folder, report)
        families = find_families(inventory, counts, prices, likeness, report)
    if page is not None:
        write_new(page, readable(survey_page(inventory, families, top)))
    if as_json:
        print_json(_as_dict(inventory, families))
    else:
        _print(inventory, families[:top])


def _as_dict(inventory: Inventory, families: Sequence[Found]) -> dict[str, object]:
    return {
        "pictures": len(inventory.names),
        "unreadable": list(inventory.unreadable),
        "reasons": dict(inventory.unreadable),
        "beyond_generators": dict(inventory.beyond),
        "families": [family.as_dict(inventory) for family in families],
    }


def _print(inventory: Inventory, families: Sequence[Found]) -> None:
    console = wide_console()
    rows = [
        [
            cell(family.worth.pictures),
            cell(family.worth.stored_bytes),
            cell(family.worth.generator_bytes),
            f"{family.fit.chance:.2f}",
            f"{family.worth.saved_month:.4f}",
            f"{family.worth.break_even_months:.2f}",
            f"{family.worth.total:.4f}",
        ]
        for family in families
    ]
    headings = ("pictures", "stored", "generator ~", "chance", "a month", "even after", "in all")
    names = [inventory.names[family.members[0]] for family in families]
    console.print(table(headings, rows, texts=("first picture", names), width=console.width))
    console.print(
        f"\n{len(inventory.names)} pictures, {len(inventory.beyond)} that no generator can draw, "
        f"{len(inventory.unreadable)} unreadable"
    )
    for name, why in inventory.beyond.items():
        console.print(f"stays a file: {name}: {why}", markup=False)
    for name, why in inventory.unreadable.items():
        console.print(f"unreadable: {name}: {why}", markup=False)
