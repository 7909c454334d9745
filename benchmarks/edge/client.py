"""Many clients at once, each with a connection of its own, who keep all that they get.

HTTP/1.1 by hand on asyncio, so that nothing is retried, followed or decoded behind our back: what a
server does wrong is seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from shared.digest import sha256


@dataclass(frozen=True)
class Ask:
    """A request: for a name, in what a client accepts."""

    name: str
    accept: str


@dataclass(frozen=True)
class Seen:
    """What came of a request.

    Attributes:
        ask: the request.
        status: of the answer; 0 if there was none, or half of one.
        began: by the clock of ``time.perf_counter``.
        seconds: from sending to the last byte.
        body: sha256 of it.
        size_bytes: of it.
        fields: of the header, names in lower case.
        why: what went wrong with the connection.
    """

    ask: Ask
    status: int
    began: float
    seconds: float
    body: bytes = b""
    size_bytes: int = 0
    fields: Mapping[str, str] = field(default_factory=dict)
    why: str = ""

    @property
    def way(self) -> str:
        """Who answered: nginx, or what the edge says of itself."""
        if self.fields.get("x-cache") == "HIT":
            return "nginx"
        status = self.fields.get("cache-status", "")
        if "fwd=" in status:
            return "upstream"
        if "; hit" in status:
            return status.partition("detail=")[2] or "hit"
        return "other"


def crowd(
    url: str,
    asks: Sequence[Ask],
    connections: int,
    bodies: dict[bytes, bytes],
    step: Callable[[int], None] = lambda _: None,
) -> list[Seen]:
    """Sends all requests, so many at a time, and waits for all answers.

    Args:
        url: of the server.
        asks: in this order; every connection takes the next one when it is free.
        connections: that are kept open.
        bodies: gets every body that came, by its sha256.
        step: called with the number of requests begun before each of them; must return at once.

    Returns:
        What came of each, in the order in which they ended.
    """
    return asyncio.run(_crowd(url, asks, connections, bodies, step))


async def _crowd(
    url: str,
    asks: Sequence[Ask],
    connections: int,
    bodies: dict[bytes, bytes],
    step: Callable[[int], None],
) -> list[Seen]:
    seen: list[Seen] = []
    queue = enumerate(asks)
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_client(url, queue, seen, bodies, step))
    return seen


async def _client(
    url: str,
    queue: Iterator[tuple[int, Ask]],
    seen: list[Seen],
    bodies: dict[bytes, bytes],
    step: Callable[[int], None],
) -> None:
    host = urlsplit(url).netloc
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for number, ask in queue:
        step(number)
        began = time.perf_counter()
        try:
            if connection is None:
                connection = await asyncio.open_connection(*host.split(":"))
            reader, writer = connection
            writer.write(
                f"GET /{ask.name} HTTP/1.1\r\nHost: {host}\r\nAccept: {ask.accept}\r\n\r\n".encode()
            )
            status, fields, body = await _answer(reader)
        except (OSError, EOFError, ValueError, KeyError, asyncio.LimitOverrunError) as error:
            seen.append(Seen(ask, 0, began, time.perf_counter() - began, why=repr(error)))
            if connection is not None:
                connection[1].close()
            connection = None
            continue
        seconds = time.perf_counter() - began
        key = sha256(body)
        bodies.setdefault(key, body)
        seen.append(Seen(ask, status, began, seconds, key, len(body), fields))
        if fields.get("connection") == "close":
            writer.close()
            connection = None
    if connection is not None:
        connection[1].close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in head[1:] if line)
    fields = {key.strip().lower(): value.strip() for key, _, value in pairs}
    return (
        int(head[0].split(" ")[1]),
        fields,
        await reader.readexactly(int(fields["content-length"])),
    )
