"""The probe's command line: parse, call, print."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from probe.commands import report
from probe.commands.listen import listen
from probe.commands.options import (
    File,
    Json,
    LowMemory,
    MaxMemory,
    MaxSeconds,
    MaxTokens,
    State,
    opened,
    show,
)
from probe.edge.cli import app as edge
from probe.messages.apply import apply, read_envelope, regenerate, verify
from probe.messages.rotate import rotate
from probe.messages.tesla import disclose, take_in, waits
from probe.trees.garbage import collect
from probe.trees.onboard import confirm, roll_back
from probe.trees.selftest import judge_in_time
from probe.trees.setup import DEFAULT_IGNORE, Setup, initialise
from shared.auth.profiles import DISCLOSURE_BYTES
from shared.auth.trust_file import load_trusted_keys
from shared.errors import InputError
from shared.files import replace_file
from shared.message.envelope import Limits
from shared.terminal import progress, reports_errors

_CODES = "\n\n".join(f"{code:3}  {meaning}" for code, meaning in report.exit_codes())

app = typer.Typer(
    help="Verify, regenerate and apply patches on board.",
    epilog=f"Exit codes:\n\n{_CODES}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(edge, name="edge")


@app.command()
@reports_errors
def init(
    state: State,
    root: Annotated[Path, typer.Option(help="Folder of the onboard software.")],
    model: Annotated[str, typer.Option(help="Folder or name of the pinned model.")],
    trust: Annotated[
        Path, typer.Option(help="File with the keys to trust; each has one profile for good.")
    ],
    ignore: Annotated[
        list[str] | None, typer.Option(help="Name that is no part of the tree; may be repeated.")
    ] = None,
    counter: Annotated[
        int | None, typer.Option(min=0, help="Last counter that counts as used.")
    ] = None,
    max_counter_jump: Annotated[
        int, typer.Option(min=1, help="Largest accepted step of the counter.")
    ] = Limits().max_counter_jump,
    max_envelope_bytes: Annotated[
        int, typer.Option(min=1, help="Largest accepted envelope.")
    ] = Limits().max_envelope_bytes,
    trial: Annotated[
        float,
        typer.Option(min=0, max=1e9, help="Seconds to confirm a new tree in; 0 for no trial."),
    ] = 0.0,
    self_test: Annotated[
        str, typer.Option(help="Command that confirms a new tree by ending with 0.")
    ] = "",
    max_disk: Annotated[
        int, typer.Option(min=0, help="MiB for root, slots and state together; 0 for no quota.")
    ] = 0,
    identity: Annotated[
        str | None,
        typer.Option(
            help="Name of this probe, 1 to 64 characters: what is signed for another is refused. "
            "The ground signs with the same --identity.",
        ),
    ] = None,
    rotation_threshold: Annotated[
        int | None,
        typer.Option(
            min=1, max=255, help="Trusted Ed25519 keys that must sign a change of keys; else 1."
        ),
    ] = None,
    counter_command: Annotated[
        str | None,
        typer.Option(
            help="Command of a monotonic counter of the hardware, run with 'read' or 'increment': "
            "an older copy of the whole state folder is then refused."
        ),
    ] = None,
    renew: Annotated[
        bool, typer.Option(help="Take the decisions anew, keep counter and history.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the state folder: what to look after, which model, whom to trust."""
    from probe.messages.model import check_model

    folder, pin = check_model(model)
    setup = Setup(
        root=root,
        model=folder,
        pin=pin,
        keys=load_trusted_keys(_read(trust)),
        counter=counter,
        ignore=(*DEFAULT_IGNORE, *(ignore or ())),
        limits=Limits(max_envelope_bytes, max_counter_jump),
        trial_s=trial,
        self_test=_words(self_test),
        max_disk_bytes=max_disk << 20,
        identity=identity,
        threshold=rotation_threshold,
        counter_command=None if counter_command is None else _words(counter_command),
    )
    show(report.of_setup(initialise(state, setup, now_s=time.time(), renew=renew), state), as_json)


@app.command("verify")
@reports_errors
def verify_command(file: File, state: State, as_json: Json = False) -> None:
    """Check an envelope: size, form, key, signature, counter, model, tree. Opens no model."""
    with opened(state) as probe:
        data = read_envelope(file, probe.config.max_envelope_bytes)
        show(report.of_verified(verify(probe, data), len(data)), as_json)


@app.command("regenerate")
@reports_errors
def regenerate_command(
    file: File,
    state: State,
    out: Annotated[str, typer.Option(help="File for the patch; - is standard output.")] = "-",
    max_tokens: MaxTokens = 200_000,
    max_seconds: MaxSeconds = 24 * 3600.0,
    max_memory: MaxMemory = 4096,
    low_memory: LowMemory = False,
    as_json: Json = False,
) -> None:
    """Verify an envelope and write out the patch it becomes; the tree stays as it is."""
    if as_json and out == "-":
        raise typer.BadParameter("--json needs --out FILE, since both go to standard output")
    from probe.messages.model import budget_of, regenerator

    with opened(state) as probe, progress() as tell:
        data = read_envelope(file, probe.config.max_envelope_bytes)
        budget = budget_of(max_tokens, max_seconds, max_memory)
        done = regenerate(
            verify(probe, data), regenerator(probe.config, budget, tell, low_memory=low_memory)
        )
    if out == "-":
        sys.stdout.buffer.write(done.patch)
        return
    _write(Path(out), done.patch)
    show(report.of_regenerated(done), as_json)


@app.command("apply")
@reports_errors
def apply_command(
    file: File,
    state: State,
    max_tokens: MaxTokens = 200_000,
    max_seconds: MaxSeconds = 24 * 3600.0,
    max_memory: MaxMemory = 4096,
    low_memory: LowMemory = False,
    as_json: Json = False,
) -> None:
    """Verify an envelope, regenerate its patch, and put the new tree in place: all or nothing.

    A message of a TESLA key is held instead, if it comes in time; probe disclose applies it.
    """
    from probe.messages.model import budget_of, regenerator

    with opened(state) as probe, progress() as tell:
        data = read_envelope(file, probe.config.max_envelope_bytes)
        if waits(probe, data):
            show(report.of_held(take_in(probe, data, time.time)), as_json)
            return
        budget = budget_of(max_tokens, max_seconds, max_memory)
        done = apply(
            probe, data, regenerator(probe.config, budget, tell, low_memory=low_memory), time.time
        )
    tested = judge_in_time(state, time.time, lambda told: typer.echo(told, err=True))
    facts = {
        **report.of_applied(done),
        **report.of_usage(done),
        **report.of_trial(done.entry, tested),
    }
    show(facts, as_json)


@app.command("draw")
@reports_errors
def draw_command(
    file: File,
    state: State,
    generator: Annotated[Path, typer.Option(help="File of the generator that the message names.")],
    out: Annotated[Path, typer.Option(help="Picture to write: PNG, or the file that was sent.")],
    threads: Annotated[int, typer.Option(min=1, help="Threads; the pixels are the same.")] = 1,
    as_json: Json = False,
) -> None:
    """Verify a message of kind media, draw its picture and write it, whole or not at all.

    Size, form, key, signature and counter are checked as for a patch; the pin is the generator's
    digest. The counter is used up. An image library is not needed.
    """
    from probe.messages.generators import digests_of
    from probe.messages.picture import draw_by

    with opened(state) as probe:
        data = read_envelope(file, probe.config.max_envelope_bytes)
        digests = digests_of(state, probe.store.files)
        made = draw_by(probe, data, generator, digests, out, time.time, threads=threads)
        show(report.of_drawn(made), as_json)


@app.command("disclose")
@reports_errors
def disclose_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The received disclosure.")],
    state: State,
    max_tokens: MaxTokens = 200_000,
    max_seconds: MaxSeconds = 24 * 3600.0,
    max_memory: MaxMemory = 4096,
    low_memory: LowMemory = False,
    as_json: Json = False,
) -> None:
    """Take in a disclosed key of a TESLA chain, and apply the held messages that it closes.

    The exit code tells of the key alone; what became of each message is in the report.
    """
    from probe.messages.model import budget_of, regenerator

    with opened(state) as probe, progress() as tell:
        data = read_envelope(file, DISCLOSURE_BYTES)
        budget = budget_of(max_tokens, max_seconds, max_memory)
        done = disclose(
            probe, data, regenerator(probe.config, budget, tell, low_memory=low_memory), time.time
        )
    show(report.of_disclosed(done), as_json)


@app.command("rotate")
@reports_errors
def rotate_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The received change of keys.")],
    state: State,
    as_json: Json = False,
) -> None:
    """Trust the keys that a signed message lists, and no others; the counter is used up."""
    with opened(state) as probe:
        data = read_envelope(file, probe.config.max_envelope_bytes)
        rotate(probe, data, time.time)
    with opened(state) as probe:
        show(report.of_rotated(probe), as_json)


app.command("listen")(listen)


@app.command("confirm")
@reports_errors
def confirm_command(state: State, as_json: Json = False) -> None:
    """Let the tree on trial stay; without this it goes back when the trial is over."""
    with opened(state) as probe:
        show(report.of_confirmed(confirm(probe, now_s=time.time())), as_json)


@app.command("gc")
@reports_errors
def gc_command(
    state: State,
    previous: Annotated[
        bool, typer.Option(help="Give up the previous tree too: nothing to roll back to.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove what nothing needs: left-over slots and drafts; say what the disk holds."""
    with opened(state) as probe:
        show(asdict(collect(probe, previous=previous)), as_json)


@app.command()
@reports_errors
def rollback(state: State, as_json: Json = False) -> None:
    """Put the previous tree back, bit for bit; the counter stays."""
    with opened(state) as probe:
        entry = roll_back(probe, now_s=time.time())
        show(report.of_rolled_back(entry, probe.notes), as_json)


@app.command()
@reports_errors
def status(state: State, as_json: Json = False) -> None:
    """Report tree, model, counter, keys and history, on record and as found."""
    with opened(state) as probe:
        recovered = probe.recovered.value if probe.recovered else None
        show({**report.of_status(probe), "recovered": recovered}, as_json)


def _words(command: str) -> tuple[str, ...]:
    """A command as program and arguments; no shell reads it."""
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise InputError(f"{command!r} is no command: {error}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    replace_file(path, data, durable=True)
