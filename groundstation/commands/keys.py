"""``groundstation keygen``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from groundstation.keys import write_key_pair
from shared.terminal import print_json, reports_errors


@reports_errors
def keygen(
    out: Annotated[Path, typer.Option("--out", help="Folder for ground.key and ground.pub.")],
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Make the key pair that signs messages; existing files are never overwritten."""
    files = write_key_pair(out, Ed25519PrivateKey.generate())
    if as_json:
        print_json(files.as_dict())
        return
    typer.echo(f"private key  {files.private}   keep it on the ground")
    typer.echo(f"public key   {files.public}   give it to the probe: probe init --trust")
    typer.echo(f"key id       {files.key_id:02x}")
