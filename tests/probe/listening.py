"""A service over a line that a test writes down, and what comes of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from powercut import Quick
from world import BASE, TARGET, THIRD, World, classical, envelope, regenerator

from probe.disk.filesystem import Filesystem
from probe.inbox.batch import Item, Waiting, read_items
from probe.inbox.inbox import open_inbox
from probe.listen.receiver import Receiver
from probe.listen.service import Doing, Service
from probe.listen.telemetry import Event, Telemetry
from probe.reception.framing import Datagrams
from probe.reception.reassembly import Kept
from shared.ccsds.link import send
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import FrameType

FIRST = envelope(classical(BASE, TARGET), 5)
SECOND = envelope(classical(TARGET, THIRD), 6)
NOW_S = 1000.0
"""Unix time of these services."""

STACK = Stack(type=FrameType.AD, max_frame_bytes=16)
"""Small frames: FIRST takes a few dozen."""


class Line:
    """A line that brings what a test lists, a piece at a time, and keeps what is sent."""

    source = ""

    def __init__(self, pieces: list[bytes], *, datagrams: bool = True) -> None:
        self.datagrams = datagrams
        self.pieces = list(pieces)

    def receive(self, timeout_s: float) -> bytes:
        del timeout_s
        return self.pieces.pop(0) if self.pieces else b""

    def send(self, data: bytes) -> None:
        raise AssertionError(f"telemetry goes elsewhere here: {data!r}")

    def close(self) -> None:
        pass


class AtOnce:
    """Stands where a thread would: what it runs is over when it has started."""

    def __init__(self, run: Callable[[], None]) -> None:
        self.start = run

    def join(self) -> None:
        """Nothing runs."""


def listen(
    world: World,
    line: Line,
    framing: object = None,
    files: Filesystem | None = None,
    stack: Stack = STACK,
    *,
    at_once: bool = False,
    said: list[Telemetry] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> list[Telemetry]:
    """Run a service over a line until its end; the telemetry, as it comes in ``said`` if given.

    ``clock`` is the receiver's, by which it tells of faults.
    """
    said = [] if said is None else said
    disk = files or Quick()
    doing = Doing(world.state, disk, lambda: NOW_S, lambda *_: regenerator, said.append)
    with open_inbox(world.state, disk) as inbox:

        def fault(reason: str) -> None:
            said.append(Telemetry(Event.FRAMES, reason=reason))

        frames = framing or Datagrams()
        receiver = Receiver(line, frames, stack, inbox, 1 << 20, fault, clock)  # type: ignore[arg-type]
        if at_once:  # all is read before anything is dealt with
            receiver._thread = AtOnce(receiver._run)  # type: ignore[assignment]
        Service(doing, inbox, receiver).run()
    return said


def events(said: list[Telemetry]) -> list[str]:
    return [one.event.name.lower() for one in said]


def cltus(data: bytes, first: int, count: int = 0) -> list[bytes]:
    return send(data, STACK, first_number=first, packet_count=count)


def stored(world: World) -> tuple[list[bytes], list[Kept]]:
    """Messages and segments on disk, read beside a listener that may be at work."""
    items: list[Item] = []
    for path in (world.state / "inbox").glob("*.batch"):
        with contextlib.suppress(FileNotFoundError):
            items += read_items(path.name, path.read_bytes())
    messages = [item.data for item in items if isinstance(item, Waiting)]
    return messages, [item for item in items if isinstance(item, Kept)]
