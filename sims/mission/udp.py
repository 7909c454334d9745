"""On the air: CLTUs as UDP datagrams, and a receiver that reads them into a real probe.

A datagram is one CLTU with idle bytes around it, nothing else: what a ground system hands to its
modulator, and what a demodulator hands on.  Datagrams may be lost, doubled, spoilt or out of order;
the receiver searches each for frames as it would search a signal (docs/link-frames.md).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.ccsds.cltu import FILL_BYTE
from shared.ccsds.cop1.words import Farm
from shared.ccsds.link import deliver, receive_frames, send
from shared.ccsds.segmentation import Reassembly
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import FrameType, TcFrame
from shared.errors import InputError
from sims.channel.channel import IDLE_BYTES
from sims.mission.mission import numbered_stack
from sims.mission.strategies import Order, Strategy, blind_order

LARGEST_DATAGRAM = 65_535
IDLE = bytes([FILL_BYTE]) * IDLE_BYTES


def address_of(text: str) -> tuple[str, int]:
    """Host and port.

    Raises:
        InputError: it is not ``HOST:PORT``.
    """
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise InputError(f"the address {text!r}", expected="HOST:PORT", remedy="127.0.0.1:50000")
    return host.strip("[]"), int(port)


def datagrams(envelope: bytes, stack: Stack, strategy: Strategy) -> list[bytes]:
    """Everything that is put on the air, in order.

    Raises:
        InputError: the envelope does not fit, or the strategy needs answers.
    """
    if strategy.order is Order.COP1:
        raise InputError(
            "cop-1 needs telemetry, which no one hears here",
            expected="once, AAABBB or ABCABC",
            remedy="choose a blind strategy",
        )
    numbered = strategy.order is not Order.ONCE
    cltus = send(envelope, numbered_stack(stack) if numbered else stack)
    return [IDLE + cltus[index] + IDLE for index in blind_order(strategy, len(cltus))]


def transmit(
    packets: Sequence[bytes],
    address: tuple[str, int],
    bits_per_s: float,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Sends each datagram when its last bit would have left a transmitter of this rate.

    Args:
        packets: of ``datagrams``.
        address: host and port.
        bits_per_s: 0 for as fast as it goes.
        pause: sleeps so many seconds.

    Raises:
        InputError: the network refuses.
    """
    try:
        family = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0][0]
        with socket.socket(family, socket.SOCK_DGRAM) as out:
            for packet in packets:
                if bits_per_s:
                    pause(8 * len(packet) / bits_per_s)
                out.sendto(packet, address)
    except OSError as error:
        raise InputError(f"cannot send to {address[0]}:{address[1]}: {error.strerror}") from error


@dataclass
class Receiver:
    """The probe's end, from a signal to envelopes; keeps what is under way between datagrams."""

    stack: Stack
    farm: Farm = field(default_factory=lambda: Farm(window=254))
    parts: Reassembly = field(default_factory=Reassembly)

    def hear(self, signal: bytes) -> tuple[list[bytes], list[str]]:
        """Envelopes that are whole now, and what was dropped and why."""
        found = receive_frames(signal, self.stack)
        accepted = [frame for frame in found.frames if self._accepts(frame)]
        done = deliver(accepted, self.stack, state=self.parts)
        self.parts = done.state
        faults = [fault.found for fault in (*found.faults, *done.faults)]
        faults += [] if found.frames or found.faults else ["no frame in this datagram"]
        return list(done.envelopes), faults

    def _accepts(self, frame: TcFrame) -> bool:
        if frame.type is FrameType.AD:
            self.farm, accepted = self.farm.ad(frame.sequence_number)
            return accepted
        self.farm = self.farm.bd()
        return True


@contextmanager
def listening(address: tuple[str, int]) -> Iterator[socket.socket]:
    """A bound socket.

    Raises:
        InputError: the address cannot be had.
    """
    try:
        family = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0][0]
        ears = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise InputError(f"cannot listen at {address[0]}: {error.strerror}") from error
    with ears:
        try:
            ears.bind(address)
        except OSError as error:
            raise InputError(
                f"cannot listen at {address[0]}:{address[1]}: {error.strerror}",
                remedy="choose another port, or end what listens there",
            ) from error
        yield ears
