"""The ground's end of a bench: frames messages, repeats them, and reads what the probe says."""

from __future__ import annotations

import select
import socket
from dataclasses import dataclass
from typing import NamedTuple

from probe.listen.telemetry import PACKET_BYTES, Event, read_packet
from probe.reception.framing import slip
from shared.ccsds.link import send
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import FrameType
from shared.errors import Refusal, Replayed
from shared.untrusted import PARSING_FAULTS, json_value
from sims.hil.messages import Item

STACK = Stack(type=FrameType.AD, max_frame_bytes=64)
"""Small numbered frames: a message takes three to forty."""


class Said(NamedTuple):
    """What one piece of telemetry says.

    Attributes:
        event: what happened.
        exit_code: of a refusal.
        digest: 8 bytes.
        step: of a refusal.
        reason: in words; packets have none.
    """

    event: Event
    exit_code: int
    digest: bytes
    step: int = 0
    reason: str = ""


@dataclass
class Framer:
    """Messages to what goes onto the line, a datagram or a burst of bytes each.

    Attributes:
        form: ``bare`` or ``ccsds``.
        datagrams: whether the line keeps them apart.
    """

    form: str
    datagrams: bool
    number: int = 0
    count: int = 0

    def frame(self, data: bytes) -> list[bytes]:
        """A message, each time in frames of new numbers."""
        if self.form == "bare":
            return [data if self.datagrams else slip(data)]
        frames = send(data, STACK, first_number=self.number, packet_count=self.count)
        self.number = (self.number + len(frames)) % 256
        self.count = (self.count + 1) % 16_384
        return frames


@dataclass
class Ear:
    """Telemetry out of what comes, whatever the line has done to it."""

    form: str
    waiting: bytes = b""

    def hear(self, data: bytes, *, datagram: bool) -> list[Said]:
        """What more bytes say; what is damaged says nothing."""
        self.waiting = data if datagram else self.waiting + data
        said = self._lines() if self.form == "json" else self._packets()
        if datagram:
            self.waiting = b""
        return said

    def _lines(self) -> list[Said]:
        *lines, self.waiting = self.waiting.split(b"\n")
        return [said for said in map(_line, lines) if said]

    def _packets(self) -> list[Said]:
        """Packets wherever their checksum fits: a stream that loses bytes has no other marks."""
        found = []
        while len(self.waiting) >= PACKET_BYTES:
            try:
                one = read_packet(self.waiting[:PACKET_BYTES])
            except Refusal:
                self.waiting = self.waiting[1:]
                continue
            found.append(Said(one.event, one.exit_code, one.digest, one.step))
            self.waiting = self.waiting[PACKET_BYTES:]
        return found


def _line(line: bytes) -> Said | None:
    try:
        told = json_value(line)
        event, code = Event[str(told["event"]).upper()], int(told["exit_code"])
        digest, step = bytes.fromhex(told["digest"]), int(told["step"])
        return Said(event, code, digest, step, str(told["reason"]))
    except PARSING_FAULTS:
        return None


@dataclass
class Ground:
    """Sends over a line and knows what has come through.

    Attributes:
        sent: messages sent, repetitions included.
        repeated: of them, repetitions.
        heard: pieces of telemetry understood.
    """

    line: socket.socket
    framer: Framer
    ear: Ear
    sent: int = 0
    repeated: int = 0
    heard: int = 0

    def transmit(self, item: Item, *, again: bool = False) -> None:
        """Send a message once."""
        self.sent += 1
        self.repeated += again
        for unit in self.framer.frame(item.data):
            self.line.sendall(unit)

    def noise(self, data: bytes) -> None:
        """Bytes without any frame around them."""
        self.line.sendall(data)

    def listen(self, timeout_s: float) -> list[Said]:
        """What the probe says, as far as it can be understood; nothing if it is silent so long."""
        if not select.select([self.line], [], [], timeout_s)[0]:
            return []
        try:
            said = self.ear.hear(self.line.recv(65_536), datagram=self.framer.datagrams)
        except OSError:  # nobody listens there yet
            return []
        self.heard += len(said)
        return said


def accepted(item: Item, said: Said) -> bool:
    """Whether telemetry says that a valid message was applied, now or before."""
    event, code, digest = said.event, said.exit_code, said.digest
    if event is Event.APPLIED and item.target is not None:
        return digest == item.target.digest[:8]
    return event is Event.REFUSED and code == Replayed.exit_code and digest == item.digest


def answered(item: Item, said: Said) -> bool:
    """Whether telemetry says that a message was refused."""
    return said.event is Event.REFUSED and said.digest == item.digest
