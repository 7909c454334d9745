"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Identity = Annotated[
    str,
    typer.Option(
        "--identity",
        help="Name of the probe, as its probe init --identity says; nobody else takes the message.",
        show_default=False,
    ),
]
"""An option whose text ``shared.auth.identity`` checks when something is signed."""
