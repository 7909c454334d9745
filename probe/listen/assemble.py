"""A listening probe put together: options to parts, parts to a service."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from probe.disk.filesystem import Filesystem
from probe.inbox.inbox import Bounds, open_inbox
from probe.listen.receiver import Receiver
from probe.listen.service import Doing, Service, completed
from probe.listen.telemetry import Event, Telemetry, json_line, packet
from probe.messages.apply import Regenerator
from probe.messages.model import regenerator
from probe.messages.picture import Gallery, check_place
from probe.reception.framing import Ccsds, Datagrams, Framing, Slip
from probe.reception.transports import Printed, Serial, Stdio, Transport, Udp
from probe.resources.energy import Energy
from probe.state.records import Config
from probe.trees.onboard import open_probe
from shared.ccsds.stack import Stack
from shared.errors import InputError
from shared.terminal import Report

if TYPE_CHECKING:
    from shared.regenerate import Budget


@dataclass(frozen=True)
class Options:
    """The line, as ``probe listen`` names it."""

    udp: str
    serial: str
    baud: int
    framing: str
    scid: int
    vcid: int
    apid: int
    telemetry: str
    telemetry_to: str
    inbox_mib: int = 16
    inbox_writes: int = 60

    @property
    def bounds(self) -> Bounds:
        """What strangers may cost the disk."""
        return Bounds(self.inbox_mib << 20, self.inbox_writes)


def serve(
    state: Path,
    options: Options,
    budget: Budget,
    energy: Energy,
    *,
    low_memory: bool,
    gallery: Gallery | None = None,
) -> None:
    """Listen until the input ends or a signal comes.

    Raises:
        InputError: the line cannot be opened, or pictures may not be put where they should.
        PinError: a generator cannot be read.
        StoreError: there is no state folder, or another listener has it.
    """
    with open_probe(state) as probe:
        max_bytes = probe.config.max_envelope_bytes
        if gallery is not None:
            check_place(probe, gallery.folder / "picture")
            for path in gallery.generators:
                gallery.digests.of(path)
    stack = Stack(scid=options.scid, vcid=options.vcid, apid=options.apid)

    def follow(config: Config, report: Report) -> Regenerator:
        return regenerator(config, budget, report, low_memory=low_memory)

    files = Filesystem()
    with open_inbox(state, files, options.bounds) as inbox:
        line = transport(options)
        # The sender of a datagram may be anybody: who wants telemetry on a network names a place.
        out = line if options.telemetry_to or not options.udp else Printed()
        say = speaker(out, options.telemetry, options.apid)
        doing = Doing(state, files, time.time, follow, say, energy, gallery)

        def fault(reason: str) -> None:
            say(completed(Telemetry(Event.FRAMES, reason=reason), doing))

        frames = framed(options.framing, line, stack, max_bytes)
        receiver = Receiver(line, frames, stack, inbox, max_bytes, fault)
        try:
            Service(doing, inbox, receiver).run(until_signalled())
        finally:
            line.close()


def transport(options: Options) -> Transport:
    """The line that the options name.

    Raises:
        InputError: it cannot be opened.
    """
    if options.udp:
        return Udp(options.udp, options.telemetry_to)
    if options.telemetry_to:
        raise InputError("--telemetry-to goes with --udp only")
    return Serial(options.serial, options.baud) if options.serial else Stdio()


def framed(framing: str, line: Transport, stack: Stack, max_bytes: int) -> Framing:
    """How messages lie in what the line brings."""
    if framing == "ccsds":
        return Ccsds(stack)
    return Datagrams() if line.datagrams else Slip(max_bytes + 1)


def speaker(line: Transport | Printed, form: str, apid: int) -> Callable[[Telemetry], None]:
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
