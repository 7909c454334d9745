"""``groundstation sign``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from groundstation.commands.options import Identity
from groundstation.inputs import read_file
from groundstation.signing.counter import message_counter
from groundstation.signing.keys import load_private_key, signing_key
from groundstation.signing.outgoing import check_outgoing, write_outgoing
from groundstation.signing.resign import resign
from shared.auth.identity import check_identity
from shared.auth.keys import profile_of
from shared.auth.profiles import Profile
from shared.exact.pin import load_pin, resolve_pin
from shared.message.wire import MAX_COUNTER
from shared.terminal import print_json, reports_errors
from shared.tree import read_tree


@reports_errors
def sign(
    file: Annotated[Path, typer.Argument(help="An envelope that `author` wrote.")],
    base: Annotated[Path, typer.Option(help="Folder with the software that is on board.")],
    model: Annotated[str, typer.Option(help="The model pinned on board: a folder or a name.")],
    key: Annotated[Path, typer.Option(help="The ground's private key; its profile signs.")],
    out: Annotated[Path, typer.Option(help="File for the envelope.")],
    was: Annotated[
        Profile, typer.Option(help="Profile of the key that signed FILE before.")
    ] = Profile.ED25519,
    counter: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_COUNTER, help="Message counter; without it one more than the key's last."
        ),
    ] = None,
    sent_at: Annotated[
        float | None,
        typer.Option(
            min=0, help="tesla: Unix time at which it is transmitted.", show_default="now"
        ),
    ] = None,
    identity: Identity = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there under the name --out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Sign a message again: with another key, a higher counter, or for a later interval.

    Prompt and seed stay as they are, so nothing is searched for. FILE's own signature does not
    count: sign only what you authored.
    """
    check_identity(identity)
    signer = signing_key(load_private_key(key), time.time() if sent_at is None else sent_at)
    check_outgoing(out, [key], force=force, inputs=[file])
    number = message_counter(key, counter)
    envelope = resign(
        read_file(file),
        signer,
        was=was,
        counter=number,
        pin=load_pin(resolve_pin(model)).digest,
        baseline=read_tree(base).digest,
        identity=identity,
    )
    write_outgoing(out, envelope, [key], number)
    profile = profile_of(signer)
    if as_json:
        print_json(
            {
                "profile": profile.value,
                "counter": number,
                "signature_bytes": profile.tail_bytes,
                "total_bytes": len(envelope),
            }
        )
        return
    typer.echo(
        f"signed with {profile.value}, counter {number}: {len(envelope)} bytes, "
        f"{profile.tail_bytes} of them signature, written to {out}"
    )
