"""``groundstation rotate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from groundstation.commands.options import Identity
from groundstation.inputs import read_file
from groundstation.signing.counter import message_counter
from groundstation.signing.keys import load_private_key
from groundstation.signing.outgoing import check_outgoing, write_outgoing
from shared.auth.identity import check_identity
from shared.auth.keys import TrustedKey, key_id, profile_of, to_text
from shared.auth.rotation import (
    MAX_KEYS,
    add_signature,
    decode_rotation,
    encode_rotation,
    may_change_trust,
)
from shared.auth.trust_file import load_trusted_keys
from shared.errors import InputError
from shared.message.wire import MAX_COUNTER
from shared.terminal import print_json, reports_errors


@reports_errors
def rotate(
    key: Annotated[
        list[Path],
        typer.Option(help="An Ed25519 key that the probe trusts now; may be repeated."),
    ],
    out: Annotated[Path, typer.Option(help="File for the message.")],
    trust: Annotated[
        Path | None,
        typer.Option(help="File with all keys to trust from then on, old and new."),
    ] = None,
    new_key: Annotated[
        list[Path] | None,
        typer.Option(help="An Ed25519 key that TRUST brings, to sign too; may be repeated."),
    ] = None,
    threshold: Annotated[
        int,
        typer.Option(
            min=1, max=MAX_KEYS, help="Ed25519 keys of TRUST that must sign the change after this."
        ),
    ] = 1,
    identity: Identity = "",
    cosign: Annotated[
        Path | None,
        typer.Option(help="Instead of TRUST: a message that others signed, to sign it too."),
    ] = None,
    draft: Annotated[
        bool, typer.Option("--draft", help="Others will add signatures that are missing.")
    ] = False,
    counter: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_COUNTER, help="Message counter; without it one more than the keys' last."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there under the name --out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Change whom the probe trusts: a new key, another TESLA chain, an old key no more.

    TRUST lists all keys of the new store, one file after the other. Shared keys in it are kept
    where the probe has them; they are secret and do not travel. As many old keys sign as the
    probe's threshold says, as many of TRUST as --threshold says, and one that comes new.
    """
    check_identity(identity)
    files = (*key, *(new_key or ()))
    signers = [_signer(file) for file in files]
    if (trust is None) == (cosign is None):
        raise InputError(
            "--trust and --cosign are both there" if trust else "neither --trust nor --cosign",
            expected="one of them",
            remedy="name the new trust file with --trust, or a message to sign with --cosign",
        )
    check_outgoing(out, files, force=force, inputs=[trust])
    if cosign is not None:
        data, number = _cosigned(cosign, signers, identity, counter)
        names = []
    else:
        assert trust is not None
        keys = load_trusted_keys(read_file(trust))
        _check_signed(trust, keys, signers, threshold, draft=draft)
        wanted = [message_counter(file, counter) for file in files]
        number = max(wanted)
        data = encode_rotation(keys, number, *signers, threshold=threshold, identity=identity)
        names = [f"{key_id(each):02x} {profile_of(each).value}" for each in keys]
    write_outgoing(out, data, files, number)
    signatures = len(decode_rotation(data).signatures)
    if as_json:
        facts = {"counter": number, "keys": names, "signatures": signatures}
        print_json({**facts, "total_bytes": len(data)})
        return
    if names:
        typer.echo(f"trusted from then on: {', '.join(names)}")
    typer.echo(f"counter {number}, {signatures} signatures, {len(data)} bytes, written to {out}")


def _signer(path: Path) -> Ed25519PrivateKey:
    signer = load_private_key(path)
    if not isinstance(signer, Ed25519PrivateKey):
        raise InputError(
            f"a key of the profile {profile_of(signer).value} cannot change the trusted keys",
            expected="ed25519",
        )
    return signer


def _check_signed(
    trust: Path,
    keys: Sequence[TrustedKey],
    signers: Sequence[Ed25519PrivateKey],
    threshold: int,
    *,
    draft: bool,
) -> None:
    """What the ground can know of the rule; which keys are old, only the probe knows."""
    if not may_change_trust(keys, threshold):
        raise InputError(
            f"{trust} has fewer than {threshold} Ed25519 keys: the probe's trusted keys could "
            "never be changed again",
            expected=f"at least {threshold} different Ed25519 keys among them",
            remedy="add one that is kept offline: groundstation keygen",
        )
    own = {to_text(signer.public_key()) for signer in signers}
    if len(own) < len(signers):
        raise InputError("a key is named twice", remedy="name each once, as --key or --new-key")
    found = len(own & {to_text(each) for each in keys})
    if found < threshold and not draft:
        raise InputError(
            f"{found} keys of {trust} sign the change",
            expected=f"{threshold}, so that nobody trusts a key that nobody has",
            remedy="name them with --new-key, or add them later: --draft, then --cosign",
        )


def _cosigned(
    path: Path, signers: Sequence[Ed25519PrivateKey], identity: str, counter: int | None
) -> tuple[bytes, int]:
    if counter is not None:
        raise InputError("--counter and --cosign", remedy="leave out --counter: it is signed")
    data = read_file(path)
    for signer in signers:
        data = add_signature(data, signer, identity)
    return data, decode_rotation(data).counter
