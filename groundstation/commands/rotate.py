"""``groundstation rotate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from groundstation.counter import keep_counter, message_counter
from groundstation.job import read_file
from groundstation.keys import load_private_key
from shared.auth.keys import key_id, profile_of
from shared.auth.rotation import encode_rotation, may_change_trust
from shared.errors import InputError
from shared.terminal import print_json, reports_errors
from shared.trust import load_trusted_keys
from shared.wire import MAX_COUNTER


@reports_errors
def rotate(
    key: Annotated[Path, typer.Option(help="An Ed25519 key that the probe trusts now.")],
    trust: Annotated[
        Path, typer.Option(help="File with all keys to trust from then on, old and new.")
    ],
    out: Annotated[Path, typer.Option(help="File for the message.")],
    counter: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_COUNTER, help="Message counter; without it one more than the key's last."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Change whom the probe trusts: a new key, another TESLA chain, an old key no more.

    TRUST lists all keys of the new store, one file after the other. Shared keys in it are kept
    where the probe has them; they are secret and do not travel.
    """
    signer = load_private_key(key)
    if not isinstance(signer, Ed25519PrivateKey):
        raise InputError(
            f"a key of the profile {profile_of(signer).value} cannot change the trusted keys",
            expected="ed25519",
        )
    keys = load_trusted_keys(read_file(trust))
    if not may_change_trust(keys):
        raise InputError(
            f"{trust} has no Ed25519 key: the probe's trusted keys could never be changed again",
            expected="at least one Ed25519 key among them",
            remedy="add one that is kept offline: groundstation keygen",
        )
    number = message_counter(key, counter)
    data = encode_rotation(keys, number, signer)
    keep_counter(key, number)
    try:
        out.write_bytes(data)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}") from error
    names = [f"{key_id(each):02x} {profile_of(each).value}" for each in keys]
    if as_json:
        print_json({"counter": number, "keys": names, "total_bytes": len(data)})
        return
    typer.echo(f"trusted from then on: {', '.join(names)}")
    typer.echo(f"counter {number}, {len(data)} bytes, written to {out}")
