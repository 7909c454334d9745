"""Options of the commands that take a patch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PatchFile = Annotated[
    Path | None, typer.Option(help="Instead of --target: a git diff against --base.")
]
Strip = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=64,
        help="With --patch: folders to leave away before each path, as -p of git apply; without it "
        "one, where the patch shows that it is a prefix such as a/.",
    ),
]
