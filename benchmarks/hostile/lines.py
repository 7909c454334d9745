"""Lines to a listener: UDP, its standard input, or a serial line that is a pseudo terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import socket
import subprocess
import threading
import time
import tty
from pathlib import Path
from typing import Protocol

LINE_BYTES_S = 1200
"""What a stream carries: 9600 bit/s with a start and a stop bit."""


class Line(Protocol):
    """One way to a listener.

    Attributes:
        words: options of ``probe listen``.
        stdin: what it reads as standard input.
    """

    words: list[str]
    stdin: int

    def reports(self, log: Path) -> None:
        """Put what comes back as telemetry there, if it comes on this line."""

    def honest(self, data: bytes) -> None:
        """Send a piece of the ground's."""

    def strange(self, data: bytes) -> None:
        """Send a piece of a stranger's, which does not cut one of the ground's in two."""

    def answered(self) -> int:
        """Bytes that came back to either sender since this was asked last."""

    def close(self) -> None:
        """Give it up."""


class UdpLine:
    """Datagrams from two addresses."""

    stdin = subprocess.DEVNULL

    def __init__(self) -> None:
        self._ground, self._stranger = _ear(), _ear()
        with _ear() as free:
            self._to = ("127.0.0.1", int(free.getsockname()[1]))
        self.words = ["--udp", f"127.0.0.1:{self._to[1]}"]

    def reports(self, log: Path) -> None:
        """See ``Line``: a stranger's line gets none."""

    def honest(self, data: bytes) -> None:
        """See ``Line``."""
        self._ground.sendto(data, self._to)

    def strange(self, data: bytes) -> None:
        """See ``Line``."""
        self._stranger.sendto(data, self._to)

    def answered(self) -> int:
        """See ``Line``."""
        return _heard(self._ground) + _heard(self._stranger)

    def close(self) -> None:
        """See ``Line``."""
        self._ground.close()
        self._stranger.close()


class Stream:
    """One stream of so many bytes a second, on which the pieces of both follow each other.

    Telemetry goes back on a serial line, and to standard output otherwise: nobody is answered.
    """

    def __init__(self, *, serial: bool) -> None:
        self._turn = threading.Lock()
        if serial:
            self._out, self._far = pty.openpty()
            tty.setraw(self._far)
            self.words = ["--serial", os.ttyname(self._far)]
            self.stdin = subprocess.DEVNULL
        else:
            self._far, self._out = os.pipe()
            self.words, self.stdin = ["--stdin"], self._far
        self._serial = serial

    def reports(self, log: Path) -> None:
        """See ``Line``."""
        if self._serial:
            threading.Thread(target=self._copy, args=(log,), daemon=True).start()

    def honest(self, data: bytes) -> None:
        """See ``Line``."""
        self._write(data)

    def strange(self, data: bytes) -> None:
        """See ``Line``."""
        self._write(data)

    def answered(self) -> int:
        """See ``Line``."""
        return 0

    def close(self) -> None:
        """See ``Line``."""
        for end in (self._out, self._far):
            with contextlib.suppress(OSError):
                os.close(end)

    def _copy(self, log: Path) -> None:
        with log.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while data := os.read(self._out, 4096):
                file.write(data)

    def _write(self, data: bytes) -> None:
        with self._turn:
            for at in range(0, len(data), 60):
                piece = data[at : at + 60]
                os.write(self._out, piece)
                time.sleep(len(piece) / LINE_BYTES_S)


def _ear() -> socket.socket:
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.bind(("127.0.0.1", 0))
    ear.setblocking(False)
    return ear


def _heard(ear: socket.socket) -> int:
    total = 0
    while True:
        try:
            total += len(ear.recv(1 << 16))
        except BlockingIOError:
            return total
