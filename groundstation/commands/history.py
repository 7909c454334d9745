"""``groundstation history``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from groundstation.authoring.history import Gain, Run, default_history, gains, learned_order, runs
from groundstation.commands.tables import cell, table, wide_console
from shared.terminal import print_json, reports_errors


@reports_errors
def history(
    history: Annotated[
        Path | None, typer.Option(help="The database.", show_default="one in the cache")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Runs shown at most, the newest.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """What past searches of `author` tried, and which settings and hunks have gained bytes.

    `author` tries first what has gained most so far; it finds the same kind of message without,
    only later.
    """
    path = history or default_history()
    found, sums = runs(path, limit), gains(path)
    if as_json:
        order = learned_order(sums)
        print_json(
            {
                "history": str(path),
                "runs": [each.as_dict() for each in found],
                "gains": [each.as_dict() for each in sums],
                "order": {name: order.all_values(name) for name in order.all_coordinates()},
            }
        )
    else:
        _print(found, sums, wide_console())


def _print(found: list[Run], sums: list[Gain], console: Console) -> None:
    console.print(
        table(
            ("when", "files", "hunks", "lines", "patch", "payload", "prompts", "seconds", "gained"),
            [
                [
                    run.at,
                    *map(cell, (run.features.files, run.features.hunks, run.features.lines)),
                    *map(cell, (run.features.patch_bytes, run.payload_bytes, run.candidates)),
                    f"{run.seconds:.1f}",
                    f"{run.gained_bits / 8:.1f} B",
                ]
                for run in found
            ],
            texts=("suffixes", [run.features.suffixes for run in found]),
            width=console.width,
        )
    )
    console.print()
    console.print(
        table(
            ("step", "tried", "taken", "gained"),
            [
                [
                    f"{gain.kind} {gain.what}",
                    *map(cell, (gain.tried, gain.taken)),
                    f"{gain.bits / 8:.1f} B",
                ]
                for gain in sums
            ],
            width=console.width,
        )
    )
