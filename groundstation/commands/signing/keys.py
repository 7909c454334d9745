"""``groundstation keygen`` and ``groundstation disclose``."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from groundstation.signing.keys import disclosure, load_private_key, write_key_pair
from shared.auth.keys import SHARED_KEY_BYTES, GroundKey, SharedKey
from shared.auth.profiles import CHAIN_KEY_BYTES, Profile
from shared.auth.schedule import Schedule
from shared.auth.tesla import SALT_BYTES, encode_disclosure, make_chain
from shared.errors import InputError
from shared.files import check_free, replace_file
from shared.terminal import print_json, reports_errors


@reports_errors
def keygen(
    out: Annotated[Path, typer.Option("--out", help="Folder for ground.key and ground.pub.")],
    profile: Annotated[
        Profile,
        typer.Option(
            help="ed25519: a signature of 64 bytes. cmac16, cmac8: a MAC of 16 or 8 bytes; the "
            "probe's key can forge. tesla: 10 bytes now, 19 later, and clocks that agree roughly."
        ),
    ] = Profile.ED25519,
    intervals: Annotated[
        int, typer.Option(min=1, help="tesla: keys in the chain; each serves one interval.")
    ] = 8760,
    interval: Annotated[float, typer.Option(min=0.001, help="tesla: seconds of one.")] = 3600.0,
    start: Annotated[
        float | None,
        typer.Option(min=0, help="tesla: Unix time at which the first begins.", show_default="now"),
    ] = None,
    delay: Annotated[
        int,
        typer.Option(min=1, help="tesla: intervals from the start of one until its key is public."),
    ] = 2,
    clock_error: Annotated[
        float,
        typer.Option(min=0, help="tesla: seconds by which the clocks of both ends differ at most."),
    ] = 60.0,
    light_min: Annotated[
        float, typer.Option(min=0, help="tesla: shortest light time to the probe, seconds.")
    ] = 0.0,
    light_max: Annotated[
        float,
        typer.Option(
            min=0, help="tesla: longest time from sending to arrival, transmission included."
        ),
    ] = 1800.0,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Make the key that signs messages; existing files are never overwritten.

    A probe trusts the second file with probe init --trust, and holds the key to its profile.
    """
    key: GroundKey
    if profile is Profile.ED25519:
        key = Ed25519PrivateKey.generate()
    elif profile is Profile.TESLA:
        try:
            schedule = Schedule(
                intervals=intervals,
                start_ms=_milliseconds(time.time() if start is None else start),
                interval_ms=_milliseconds(interval),
                delay=delay,
                clock_error_ms=_milliseconds(clock_error),
                light_min_ms=_milliseconds(light_min),
                light_max_ms=_milliseconds(light_max),
            )
        except ValueError as error:
            raise InputError(f"no chain can have this schedule: {error}") from error
        salt, seed = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(CHAIN_KEY_BYTES)
        key = make_chain(schedule, salt, seed)
    else:
        key = SharedKey(profile, secrets.token_bytes(SHARED_KEY_BYTES))
    files = write_key_pair(out, key)
    if as_json:
        print_json(files.as_dict())
        return
    kind = "shared key " if isinstance(key, SharedKey) else "public key "
    typer.echo(f"private key  {files.private}   keep it on the ground")
    typer.echo(f"{kind}  {files.public}   give it to the probe: probe init --trust")
    typer.echo(f"key id       {files.key_id:02x}")
    if isinstance(key, SharedKey):
        typer.echo("both files are secret: who has either can forge messages", err=True)


@reports_errors
def disclose(
    key: Annotated[Path, typer.Option(help="The ground's private key, of a TESLA chain.")],
    out: Annotated[Path, typer.Option(help="File for the disclosure, 19 bytes.")],
    interval: Annotated[
        int | None,
        typer.Option(min=1, help="Whose key.", show_default="the latest that may be known"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there under the name --out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Make a key of a chain public: the probe then applies the messages of its interval.

    One disclosure closes all messages of that interval and of earlier ones. A key whose time has
    not come is refused: with it, anybody could forge.
    """
    found = disclosure(load_private_key(key), interval, time.time())
    data = encode_disclosure(found)
    check_free(out, force=force)
    replace_file(out, data, durable=True)
    if as_json:
        print_json(
            {
                "key_id": f"{found.key_id:02x}",
                "interval": found.shown.interval,
                "total_bytes": len(data),
            }
        )
        return
    typer.echo(f"key of interval {found.shown.interval}, {len(data)} bytes, written to {out}")


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
