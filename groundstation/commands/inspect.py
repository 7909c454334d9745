"""``groundstation inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from groundstation.inputs import read_file
from groundstation.signing.inspect import inspect_envelope
from shared.auth.profiles import Profile
from shared.terminal import print_json, reports_errors


@reports_errors
def inspect(
    file: Annotated[Path, typer.Argument(help="An envelope that `author` wrote.")],
    profile: Annotated[
        Profile, typer.Option(help="Profile of the key that signed it, which FILE does not tell.")
    ] = Profile.ED25519,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Show what an envelope holds, field by field; no key and no model needed."""
    inspection = inspect_envelope(read_file(file), profile)
    if as_json:
        print_json(inspection.as_dict())
    else:
        typer.echo("\n".join(inspection.lines()))
