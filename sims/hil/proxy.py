"""A line between a ground and a probe that runs by itself, UDP or serial, with weather on it.

The probe has a real end: a UDP address or a serial device (a pseudoterminal).  The ground has a
socket.  A thread carries what comes from one to the other through an ``Impairment`` each way.
"""

from __future__ import annotations

import os
import random
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from shared.errors import InputError, words_of
from sims.hil.impairments import Impairment, Stream, Weather

QUIET_S = 0.02
CHUNK = 65_536
SERIAL_CHUNK = 512
MOST_WAITING = 1 << 20
"""Bytes that wait for a full line; beyond, nothing more is taken in."""


@dataclass
class _Way:
    """One direction: where it comes from, what happens, where it goes."""

    source: int
    receive: Callable[[], bytes]
    impairment: Impairment
    send: Callable[[bytes], int]
    target: int
    waiting: bytes = b""


class Proxy:
    """A line under weather.  Made by ``udp`` and ``serial``; a context that ends the thread.

    Attributes:
        ground: the ground's socket, connected; datagrams on UDP, a stream on a serial line.
        device: the probe's end: ``HOST:PORT`` to listen on, or a serial device.
        telemetry: where the probe has to send telemetry, ``HOST:PORT``; "" on a serial line.
    """

    def __init__(
        self,
        ground: socket.socket,
        device: str,
        ways: list[_Way],
        close: Callable[[], None],
        telemetry: str = "",
    ) -> None:
        self.ground = ground
        self.device = device
        self.telemetry = telemetry
        self._ways = ways
        self._close = close
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="line", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._close()
        self.ground.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            sources = [way.source for way in self._ways if len(way.waiting) < MOST_WAITING]
            targets = [way.target for way in self._ways if way.waiting]
            ready, free, _ = select.select(sources, targets, [], QUIET_S)
            for way in self._ways:
                if way.source in ready and (data := _received(way)):
                    self._carry(way, way.impairment.carry(data))
                elif not ready:
                    self._carry(way, way.impairment.quiet())
                if way.target in free:
                    self._carry(way, [])

    def _carry(self, way: _Way, units: list[bytes]) -> None:
        """Send; on a stream what does not fit waits for its turn."""
        units = [way.waiting, *units] if way.waiting else units
        way.waiting = b""
        for unit in units:
            sent = 0
            if not way.waiting:
                try:
                    sent = way.send(unit)
                except BlockingIOError:
                    sent = 0
                except OSError:  # nobody listens (yet): lost, as on a real line
                    sent = len(unit)
            way.waiting += unit[sent:]


def _received(way: _Way) -> bytes:
    with suppress(OSError):
        return way.receive()
    return b""


def udp(up: Impairment, down: Impairment) -> Proxy:
    """A line of datagrams over the loopback interface."""
    ground, near, far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for each in (ground, near, far, probe):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        each.bind(("127.0.0.1", 0))
    ground.connect(near.getsockname())
    near.connect(ground.getsockname())
    port = probe.getsockname()[1]
    probe.close()  # for the probe to take
    where = ("127.0.0.1", port)
    ways = [
        _Way(
            near.fileno(),
            lambda: near.recv(CHUNK),
            up,
            lambda data: max(far.sendto(data, where), len(data)),
            far.fileno(),
        ),
        _Way(far.fileno(), lambda: far.recv(CHUNK), down, near.send, near.fileno()),
    ]

    def close() -> None:
        near.close()
        far.close()

    telemetry = f"127.0.0.1:{far.getsockname()[1]}"
    return Proxy(ground, f"127.0.0.1:{port}", ways, close, telemetry)


def serial(up: Impairment, down: Impairment) -> Proxy:
    """A serial line: the probe has the device of a pseudoterminal."""
    ground, near = socket.socketpair()
    master, slave = os.openpty()
    for descriptor in (near.fileno(), master):
        os.set_blocking(descriptor, False)
    ways = [
        _Way(
            near.fileno(),
            lambda: near.recv(SERIAL_CHUNK),
            up,
            lambda data: os.write(master, data),
            master,
        ),
        _Way(master, lambda: os.read(master, SERIAL_CHUNK), down, near.send, near.fileno()),
    ]

    def close() -> None:
        near.close()
        os.close(master)
        os.close(slave)

    return Proxy(ground, os.ttyname(slave), ways, close)


@contextmanager
def device(path: str, baud: int) -> Iterator[socket.socket]:
    """A serial device as a socket, without weather.

    Raises:
        InputError: it cannot be opened, or pyserial is not installed.
    """
    try:
        import serial as pyserial
    except ImportError as error:
        raise InputError(
            "a serial line needs pyserial", remedy="pip install 'rehydration-uplink[serial]'"
        ) from error
    try:
        port = pyserial.Serial(path, baud, timeout=0, write_timeout=0)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot open {path}: {words_of(error)}") from error
    ground, near = socket.socketpair()
    near.setblocking(False)
    clear = Weather()
    ways = [
        _Way(
            near.fileno(),
            lambda: near.recv(SERIAL_CHUNK),
            Stream(clear, random.Random(0)),
            lambda data: os.write(port.fileno(), data),
            port.fileno(),
        ),
        _Way(
            port.fileno(),
            lambda: os.read(port.fileno(), SERIAL_CHUNK),
            Stream(clear, random.Random(0)),
            near.send,
            near.fileno(),
        ),
    ]

    def close() -> None:
        near.close()
        port.close()

    with Proxy(ground, path, ways, close):
        yield ground
