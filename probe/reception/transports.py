"""Where bytes come from and telemetry goes to: UDP, a serial line, or standard input and output.

The sender of a datagram can be forged, so an answer to it goes to whomever a stranger names.  By
default none is sent, and where answers are wanted a sender gets no more bytes than came from it.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
from dataclasses import dataclass
from typing import Any, Protocol

from shared.errors import InputError, words_of

MAX_DATAGRAM_BYTES = 65_536
CHUNK_BYTES = 4096
SENDER = "sender"
"""Stands for the address that a datagram says it comes from."""


class Transport(Protocol):
    """One way in and out.

    Attributes:
        datagrams: whether what comes at once belongs together, and nothing else does.
        source: whom the line says that what came last is from, or "" where it does not.
    """

    datagrams: bool
    source: str

    def receive(self, timeout_s: float) -> bytes | None:
        """What came, b"" at the end of all input, None if nothing came in time.

        Raises:
            InputError, OSError: the line has failed.
        """

    def send(self, data: bytes) -> None:
        """Send telemetry; what cannot be sent is dropped, since nobody may be listening."""

    def close(self) -> None:
        """Give up the line."""


@dataclass
class _Answer:
    """Whom to answer, and how many bytes more than it got so far that sender has sent."""

    peer: Any
    left: int


class Udp:
    """Datagrams to one address.

    Args:
        address: to listen on, HOST:PORT.
        telemetry: where telemetry goes: HOST:PORT; ``SENDER`` for whoever sent last, never more
            bytes than came from there; or "" for nowhere.

    Raises:
        InputError: the address cannot be used.
    """

    datagrams = True
    source = ""

    def __init__(self, address: str, telemetry: str = "") -> None:
        host, port = host_and_port(address)
        fixed = telemetry not in ("", SENDER)
        self._answer = _Answer(None, 0) if telemetry == SENDER else None
        try:
            self._peer = _resolved(*host_and_port(telemetry))[1] if fixed else None
            family, where = _resolved(host, port)
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self._socket.bind(where)
        except OSError as error:
            raise InputError(f"cannot listen on {address}: {error.strerror}") from error

    @property
    def port(self) -> int:
        """The port that is listened on; of interest where 0 was asked for."""
        return int(self._socket.getsockname()[1])

    def receive(self, timeout_s: float) -> bytes | None:
        """See ``Transport``; an empty datagram is nothing."""
        if not select.select([self._socket], [], [], timeout_s)[0]:
            return None
        try:
            data, sender = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
        except OSError:  # a peer's refusal of telemetry is reported here
            return None
        self.source = repr(sender)
        if (answer := self._answer) is not None:
            before = answer.left if answer.peer == sender else 0
            self._answer = _Answer(sender, min(before + len(data), MAX_DATAGRAM_BYTES))
        return data or None

    def send(self, data: bytes) -> None:
        """See ``Transport``."""
        peer = self._peer
        if (answer := self._answer) is not None and len(data) <= answer.left:
            answer.left -= len(data)
            peer = answer.peer
        if peer is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(data, peer)

    def close(self) -> None:
        """See ``Transport``."""
        self._socket.close()


class Serial:
    """A serial line by pyserial.  It has no end: one that is gone has failed.

    Args:
        device: of the line.
        baud: its speed, bit/s.

    Raises:
        InputError: pyserial is not installed, or the device cannot be opened.
    """

    datagrams = False
    source = ""

    def __init__(self, device: str, baud: int) -> None:
        try:
            import serial
        except ModuleNotFoundError as error:
            raise InputError(
                "pyserial is not installed",
                remedy="install it, for instance with pip install 'rehydration-uplink[serial]'",
            ) from error
        try:
            self._line: Any = serial.Serial(device, baud, timeout=0, write_timeout=1)
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise InputError(f"cannot open {device}: {words_of(error)}") from error
        self._device = device
        self._lost: type[Exception] = serial.SerialException

    def receive(self, timeout_s: float) -> bytes | None:
        """See ``Transport``.

        Raises:
            InputError: the line is lost: unplugged, hung up, or taken by another program.
        """
        try:
            if not select.select([self._line.fileno()], [], [], timeout_s)[0]:
                return None
            return bytes(self._line.read(CHUNK_BYTES)) or None
        except (OSError, self._lost) as error:
            raise InputError(
                f"the serial line {self._device} is lost: {error}",
                expected="a line that stays",
                remedy="plug it in again, see that no other program reads it, and start again",
            ) from error

    def send(self, data: bytes) -> None:
        """See ``Transport``."""
        try:
            self._line.write(data)
        except (OSError, self._lost):
            return

    def close(self) -> None:
        """See ``Transport``."""
        self._line.close()


class Stdio:
    """Standard input, and telemetry on standard output."""

    datagrams = False
    source = ""

    def __init__(self, source: int = 0) -> None:
        self._source = source

    def receive(self, timeout_s: float) -> bytes | None:
        """See ``Transport``."""
        if not select.select([self._source], [], [], timeout_s)[0]:
            return None
        return os.read(self._source, CHUNK_BYTES)

    def send(self, data: bytes) -> None:
        """See ``Transport``."""
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except OSError:
            return

    def close(self) -> None:
        """Nothing: these belong to the process."""


class Printed:
    """Standard output for a line that gets no telemetry; a reader that is slow stops nothing."""

    def __init__(self, sink: int = 1) -> None:
        self._sink = sink

    def send(self, data: bytes) -> None:
        """Write an event, or drop it where that would have to wait (select(2))."""
        try:
            if select.select([], [self._sink], [], 0)[1]:
                os.write(self._sink, data)
        except (OSError, ValueError):
            return


def host_and_port(address: str) -> tuple[str, int]:
    """``HOST:PORT``, the host of IPv6 in brackets.

    Raises:
        InputError: it is none.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 0xFFFF:
        raise InputError(f"{address!r} is no address", expected="HOST:PORT, such as 127.0.0.1:7000")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _resolved(host: str, port: int) -> tuple[int, Any]:
    family, _, _, _, where = socket.getaddrinfo(host or None, port, type=socket.SOCK_DGRAM)[0]
    return family, where
