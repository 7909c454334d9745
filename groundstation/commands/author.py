"""``groundstation author``."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from groundstation.authoring.author import Effort
from groundstation.authoring.author import author as find_recipe
from groundstation.authoring.history import (
    close_to_others,
    default_history,
    gains,
    learned_order,
    remember,
)
from groundstation.authoring.probe_limits import ProbeLimits, check_envelope, check_files
from groundstation.authoring.result import Authored
from groundstation.authoring.signed import Sent, send
from groundstation.commands.options import Identity
from groundstation.commands.patch_options import PatchFile, Strip
from groundstation.inputs import open_model, read_trees
from groundstation.search.steps import Order
from groundstation.seeds.drawn import SEEDS
from groundstation.seeds.drawn_search import Pace
from groundstation.signing.counter import message_counter
from groundstation.signing.keys import load_private_key, signing_key
from groundstation.signing.outgoing import check_outgoing, write_outgoing
from groundstation.workers.open import Workers
from shared.auth.identity import check_identity
from shared.errors import InputError
from shared.files import is_stream
from shared.message.wire import MAX_COUNTER
from shared.seeds.coins import SeedSource
from shared.terminal import print_json, progress, reports_errors
from shared.tree import Tree

PACE_SECONDS = 10.0
"""Between two lines about the search for a drawn seed."""


class Source(StrEnum):
    """Values of --seed-source."""

    AUTO = "auto"
    GREEDY = "greedy"
    DRAWN = "drawn"
    CODED = "coded"

    @property
    def seed_source(self) -> SeedSource | None:
        """As the library names it."""
        return None if self is Source.AUTO else SeedSource[self.name]


@reports_errors
def author(
    base: Annotated[Path, typer.Option(help="Folder with the software that is on board.")],
    model: Annotated[str, typer.Option(help="The model pinned on board: a folder or a name.")],
    key: Annotated[Path, typer.Option(help="The ground's private key; its profile signs.")],
    out: Annotated[Path, typer.Option(help="File for the envelope.")],
    target: Annotated[Path | None, typer.Option(help="Folder as it shall be on board.")] = None,
    patch: PatchFile = None,
    strip: Strip = None,
    counter: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_COUNTER, help="Message counter; without it one more than the key's last."
        ),
    ] = None,
    seed_source: Annotated[
        Source, typer.Option(help="Where the probe's random numbers come from; auto is shortest.")
    ] = Source.AUTO,
    budget: Annotated[
        float, typer.Option(min=0, help="Seconds after which no new prompt is tried.")
    ] = 30.0,
    trials: Annotated[
        int, typer.Option(min=1, help="Prompts tried at most; gives the same bytes everywhere.")
    ] = 1 << 20,
    max_seeds: Annotated[
        int,
        typer.Option(
            min=1,
            max=SEEDS,
            help="Numbers tried for a drawn seed at most; refused at once when more are expected.",
        ),
    ] = Effort.max_seeds,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace a file that is there under the name --out; and search for a drawn seed "
            "however long it takes: when stopped, the next run goes on from a file beside --out.",
        ),
    ] = False,
    hint: Annotated[
        str,
        typer.Option(
            help="What changes, in a line, such as the subject of a commit: the model is told so, "
            "or its words, where that makes the message shorter."
        ),
    ] = "",
    workers: Annotated[
        int, typer.Option(min=1, help="Processes on this machine that score prompts.")
    ] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Dask scheduler whose workers score prompts and try drawn seeds; they must know "
            "the model by the same name or folder.",
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(help="Database of past searches.", show_default="one in the cache"),
    ] = None,
    no_history: Annotated[
        bool,
        typer.Option("--no-history", help="Try prompts in the fixed order, and remember nothing."),
    ] = False,
    sent_at: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="With a TESLA key: Unix time at which the message is transmitted.",
            show_default="when the search ends",
        ),
    ] = None,
    identity: Identity = "",
    max_envelope_bytes: Annotated[
        int, typer.Option(min=1, help="Longest envelope that the probe takes: as its `init`.")
    ] = ProbeLimits.max_envelope_bytes,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Tokens that the probe lets its model take: as its `apply`.")
    ] = ProbeLimits.max_tokens,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Find the prompt and seed that make the probe's model write a patch; sign them.

    The envelope in --out is all that has to be sent. It is regenerated here, bit for bit, before
    it is written. Ctrl-C ends the search for a better prompt and sends the best so far; a second
    one ends it all. A search that was killed goes on from a file beside --out.
    """
    check_identity(identity)
    private = load_private_key(key)
    signing_key(private, time.time() if sent_at is None else sent_at)  # a chain may have ended
    check_outgoing(out, [key], force=force, inputs=[None if str(patch) == "-" else patch])
    number = message_counter(key, counter)
    trees = read_trees(base, target, patch, strip)
    limits = ProbeLimits(max_envelope_bytes, max_tokens)
    check_files(*trees, limits)
    pinned = open_model(model)
    past = None if no_history else Past(history or default_history())
    beside = None if is_stream(out) else out  # nothing to go on from beside /dev/stdout
    journal = beside and out.with_name(out.name + ".search.jsonl")
    with progress(quiet=as_json) as report:
        effort = Effort(
            seed_source.seed_source,
            max_seconds=budget,
            max_candidates=trials,
            max_seeds=max_seeds,
            force=force,
            drawn_state=beside and out.with_name(out.name + ".drawn.json"),
            tell_pace=None if as_json else _teller(),
            hint=hint,
            workers=Workers(model, workers, cluster),
            journal=journal,
            order=past.order(pinned.digest) if past else Order(),
            tell_interrupt=_tell_interrupt,
            limits=limits,
        )
        authored = find_recipe(*trees, pinned, effort=effort, report=report)
    signer = signing_key(private, time.time() if sent_at is None else sent_at)
    sent = send(authored, number, signer, identity)
    sizes = [(file.path, file.bits) for file in authored.files]
    check_envelope(len(sent.envelope), sizes, limits)
    write_outgoing(out, sent.envelope, [key], number)
    if journal is not None:
        with contextlib.suppress(OSError):
            journal.unlink()
    if past:
        past.remember(*trees, authored)
    if as_json:
        print_json(sent.as_dict())
    else:
        _print(sent, out)


@dataclass(frozen=True)
class Past:
    """The history, as a convenience: whatever is wrong with it is told and goes no further."""

    path: Path

    def order(self, pin: bytes) -> Order:
        """In which settings are tried."""
        if not self.path.exists():
            return Order()
        try:
            return learned_order(gains(self.path, pin))
        except InputError as error:
            typer.echo(f"the history is not used: {error}", err=True)
            return Order()

    def remember(self, base: Tree, target: Tree, authored: Authored) -> None:
        """Adds what was found."""
        if said := close_to_others(self.path):
            typer.echo(said, err=True)
        try:
            remember(self.path, base, target, authored, datetime.now(UTC).isoformat("T", "seconds"))
        except InputError as error:
            typer.echo(f"the envelope is written, the history is not: {error}", err=True)


def _tell_interrupt(scored: int) -> None:
    typer.echo(
        f"interrupted: the best of {scored} prompts is used; Ctrl-C again ends without a message",
        err=True,
    )


def _teller(clock: Callable[[], float] = time.monotonic) -> Callable[[Pace], None]:
    """Writes to standard error what a search will take, and on a terminal its pace now and then."""
    last: float | None = None

    def tell(pace: Pace) -> None:
        nonlocal last
        if last is None or (sys.stderr.isatty() and clock() - last >= PACE_SECONDS):
            last = clock()
            typer.echo(str(pace), err=True)

    return tell


def _print(sent: Sent, out: Path) -> None:
    authored = sent.authored
    console = Console(highlight=False)
    files = Table(
        "file", "change", "sent as", "bytes", "zstd delta", box=None, padding=(0, 2, 0, 0)
    )
    for file in authored.files:
        files.add_row(
            Text(_printable(file.path)),
            file.kind,
            file.codec,
            f"{file.bits / 8:.1f}",
            str(file.classical_bytes),
        )
    console.print(files)
    for file in authored.files:
        for path, line, lines in file.references:
            _print_aside(console, file.path, f"shows lines {line} to {line + lines - 1} of {path}")
        if file.hint:
            _print_aside(console, file.path, f"says {file.hint!r}")
    console.print(
        f"\npatch {len(authored.patch)} B -> envelope {len(sent.envelope)} B: "
        f"prompt {authored.prompt_bytes} + seed {authored.seed_bytes} + delta "
        f"{authored.delta_bytes} + overhead {sent.overhead_bytes} + "
        f"signature {sent.signature_bytes}\n"
        f"seed source {authored.recipe.seed_source.name.lower()}, counter {sent.counter}, "
        f"{authored.candidates} prompts scored in {authored.search_s:.1f} s\n"
        f"written to {_printable(str(out))}",
        markup=False,
    )


def _print_aside(console: Console, path: str, text: str) -> None:
    """What the message does before a file."""
    console.print(Text(f"before {_printable(path)} it {_printable(text)}"), style="dim")


def _printable(path: str) -> str:
    """A path without what a terminal would obey or could not show."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in path
    )
