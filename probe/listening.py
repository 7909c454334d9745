"""``probe listen``: options to parts, parts to a service."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Annotated

import typer

from probe.filesystem import Filesystem
from probe.inbox import open_inbox
from probe.onboard import open_probe
from probe.options import LowMemory, MaxMemory, MaxSeconds, MaxTokens, State
from probe.receiver import Receiver
from probe.records import Config
from probe.service import Doing, Service, completed
from probe.telemetry import Event, Telemetry, json_line, packet
from probe.transports import Serial, Stdio, Transport, Udp
from probe.units import Ccsds, Datagrams, Framing, Slip
from probe.update import Regenerator
from shared.ccsds.stack import Stack
from shared.errors import InputError
from shared.terminal import Report, reports_errors


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
    telemetry: Annotated[str, typer.Option(help="json lines, or packet: 46 bytes each.")] = "json",
    telemetry_to: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="udp: where telemetry goes, else the sender."),
    ] = "",
    max_tokens: MaxTokens = 200_000,
    max_seconds: MaxSeconds = 24 * 3600.0,
    max_memory: MaxMemory = 4096,
    low_memory: LowMemory = False,
) -> None:
    """Receive messages and deal with each; telemetry goes back the same way.

    Ends with its input, or on SIGTERM or Ctrl-C once the message in hand is dealt with.
    """
    from probe.model import budget_of, regenerator

    if sum(map(bool, (udp, serial, stdin))) != 1:
        raise typer.BadParameter("name one of --udp, --serial and --stdin")
    if framing not in ("bare", "ccsds") or telemetry not in ("json", "packet"):
        raise typer.BadParameter("--framing is bare or ccsds, --telemetry json or packet")
    with open_probe(state) as probe:
        max_bytes = probe.config.max_envelope_bytes
    stack = Stack(scid=scid, vcid=vcid, apid=apid)
    budget = budget_of(max_tokens, max_seconds, max_memory)

    def follow(config: Config, report: Report) -> Regenerator:
        return regenerator(config, budget, report, low_memory=low_memory)

    files = Filesystem()
    with open_inbox(state, files) as inbox:
        line = transport(udp, serial, baud, telemetry_to)
        say = speaker(line, telemetry, apid)
        doing = Doing(state, files, time.time, follow, say)

        def fault(reason: str) -> None:
            say(completed(Telemetry(Event.FRAMES, reason=reason), doing))

        frames = framed(framing, line, stack, max_bytes)
        receiver = Receiver(line, frames, stack, inbox, max_bytes, fault)
        try:
            Service(doing, inbox, receiver).run(until_signalled())
        finally:
            line.close()


def transport(udp: str, serial: str, baud: int, telemetry_to: str) -> Transport:
    """The line that the options name.

    Raises:
        InputError: it cannot be opened.
    """
    if udp:
        return Udp(udp, telemetry_to)
    if telemetry_to:
        raise InputError("--telemetry-to goes with --udp only")
    return Serial(serial, baud) if serial else Stdio()


def framed(framing: str, line: Transport, stack: Stack, max_bytes: int) -> Framing:
    """How messages lie in what the line brings."""
    if framing == "ccsds":
        return Ccsds(stack)
    return Datagrams() if line.datagrams else Slip(max_bytes + 1)


def speaker(line: Transport, form: str, apid: int) -> Callable[[Telemetry], None]:
    """What sends telemetry; two threads may call it."""
    lock = threading.Lock()
    count = 0

    def say(telemetry: Telemetry) -> None:
        nonlocal count
        with lock:
            if form == "json":
                line.send(json_line(telemetry))
            else:
                line.send(packet(telemetry, apid, count))
            count += 1

    return say


def until_signalled() -> Callable[[], bool]:
    """Whether SIGTERM or SIGINT has come; a second one ends the process at once."""
    came = threading.Event()

    def note(number: int, _: object) -> None:
        came.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    return came.is_set
