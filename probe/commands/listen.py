"""``probe listen`` as typed; what it does is imported only when it is asked for (``serving``)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from probe.commands.options import LowMemory, MaxMemory, MaxSeconds, MaxTokens, State
from shared.terminal import reports_errors


@reports_errors
def listen(
    state: State,
    udp: Annotated[str, typer.Option(metavar="HOST:PORT", help="Listen on UDP.")] = "",
    serial: Annotated[str, typer.Option(metavar="DEV", help="Listen on a serial line.")] = "",
    stdin: Annotated[bool, typer.Option("--stdin", help="Read standard input.")] = False,
    baud: Annotated[int, typer.Option(min=50, help="Speed of the serial line.")] = 115_200,
    framing: Annotated[
        str, typer.Option(help="bare: envelopes as they are, on streams in SLIP; or ccsds.")
    ] = "bare",
    scid: Annotated[int, typer.Option(min=0, max=1023, help="ccsds: spacecraft.")] = 1,
    vcid: Annotated[int, typer.Option(min=0, max=63, help="ccsds: virtual channel.")] = 0,
    apid: Annotated[int, typer.Option(min=0, max=2046, help="Application process.")] = 1,
    telemetry: Annotated[str, typer.Option(help="json lines, or packet: 62 bytes each.")] = "json",
    telemetry_to: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="udp: where telemetry goes, else standard output. The word sender answers whoever "
            "sent last, with no more bytes than came from there.",
        ),
    ] = "",
    inbox_disk: Annotated[
        int, typer.Option(min=1, metavar="MIB", help="Disk for what is not authentic yet.")
    ] = 16,
    inbox_writes: Annotated[
        int,
        typer.Option(min=2, help="Durable writes in a minute for what is not authentic yet."),
    ] = 60,
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Folder for pictures, named by their counter; without it they are refused."
        ),
    ] = None,
    generator: Annotated[
        list[Path] | None,
        typer.Option(help="File of a generator that draws them; may be repeated."),
    ] = None,
    max_tokens: MaxTokens = 200_000,
    max_seconds: MaxSeconds = 24 * 3600.0,
    max_memory: MaxMemory = 4096,
    low_memory: LowMemory = False,
    watts: Annotated[
        float | None,
        typer.Option(min=0, help="What the board draws to regenerate: energy in telemetry."),
    ] = None,
    joules_per_operation: Annotated[
        float | None,
        typer.Option(min=0, metavar="J", help="The same, of one multiply-add of the model."),
    ] = None,
) -> None:
    """Receive messages and deal with each; telemetry says how.

    Ends with its input, or on SIGTERM or Ctrl-C once the message in hand is dealt with.
    """
    if sum(map(bool, (udp, serial, stdin))) != 1:
        raise typer.BadParameter("name one of --udp, --serial and --stdin")
    if framing not in ("bare", "ccsds") or telemetry not in ("json", "packet"):
        raise typer.BadParameter("--framing is bare or ccsds, --telemetry json or packet")
    if (pictures is None) != (not generator):
        raise typer.BadParameter("--pictures and --generator go together")
    if watts is not None and joules_per_operation is not None:
        raise typer.BadParameter("name one of --watts and --joules-per-operation")
    from probe.disk.filesystem import Filesystem
    from probe.listen.assemble import Options, serve
    from probe.messages.generators import digests_of
    from probe.messages.model import budget_of
    from probe.messages.picture import Gallery
    from probe.resources.energy import Energy

    line = Options(
        *(udp, serial, baud, framing, scid, vcid, apid, telemetry, telemetry_to),
        inbox_mib=inbox_disk,
        inbox_writes=inbox_writes,
    )
    budget = budget_of(max_tokens, max_seconds, max_memory)
    gallery = None
    if pictures is not None:
        gallery = Gallery(pictures, tuple(generator or ()), digests_of(state, Filesystem()))
    estimate = Energy(watts, joules_per_operation)
    serve(state, line, budget, estimate, low_memory=low_memory, gallery=gallery)
