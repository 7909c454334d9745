"""Connections that are not waited for longer than ``patience`` allows: uvicorn's, looked at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from probe.edge.active_content import GUARD
from probe.edge.server.patience import Patience, Reason, Seen, dispensable, verdict, written

LOOK_S: Final = 0.25
RETRY_AFTER_S: Final = 2
_FULL: Final = b"the edge has as many connections as it takes; ask again\n"
_REFUSAL: Final = b"".join(
    [
        b"HTTP/1.1 503 Service Unavailable\r\n",
        b"content-type: text/plain; charset=utf-8\r\n",
        b"content-length: %d\r\n" % len(_FULL),
        b"cache-control: no-store\r\n",
        b"retry-after: %d\r\n" % RETRY_AFTER_S,
        *(f"{name.lower()}: {value}\r\n".encode() for name, value in GUARD.items()),
        b"connection: close\r\n\r\n",
        _FULL,
    ]
)


class Hall:
    """All connections of a server.

    Args:
        patience: with their clients.
        closed: told of each that is closed for want of patience or room.
    """

    def __init__(self, patience: Patience, closed: Callable[[Reason], None]) -> None:
        self.patience, self._closed = patience, closed
        self._inside: dict[Connection, Seen] = {}

    def protocol(self, config: Config, server_state: ServerState, **rest: Any) -> Connection:
        """A connection's protocol; uvicorn calls this as it would its own class."""
        return Connection(self, config=config, server_state=server_state, **rest)

    def enter(self, connection: Connection) -> bool:
        """Whether there is room, or was made."""
        if len(self._inside) >= self.patience.connections:
            goes = dispensable(self._inside.items())
            if goes is None:
                self._closed(Reason.FULL)
                return False
            self.dismiss(goes, Reason.ROOM)
        self._inside[connection] = connection.seen
        return True

    def leave(self, connection: Connection) -> None:
        """It is closed."""
        self._inside.pop(connection, None)

    def dismiss(self, connection: Connection, why: Reason) -> None:
        """Closes a connection at once, whatever is still to be sent."""
        self._closed(why)
        self.leave(connection)
        connection.transport.abort()

    def look(self, now_s: float) -> None:
        """Closes all that have taken too long."""
        for connection, seen in list(self._inside.items()):
            written(seen, connection.transport.get_write_buffer_size(), now_s, self.patience)
            why = verdict(seen, now_s, self.patience)
            if why is not None:
                self.dismiss(connection, why)

    async def watch(self) -> None:
        """Looks again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look(time.monotonic())


class Connection(H11Protocol):
    """uvicorn's, which tells its hall what it has seen.

    Args:
        hall: where it belongs.
        arguments: of uvicorn's.
    """

    def __init__(self, hall: Hall, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.hall = hall
        self.seen = Seen(time.monotonic())

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As ever, if there is room."""
        super().connection_made(transport)
        if not self.hall.enter(self):
            transport.write(_REFUSAL)
            # what is in the kernel's buffer goes out; the rest of a client's request is not read
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """As ever."""
        self.hall.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As ever; the clock of a request begins with its first byte."""
        if self.transport.is_closing():
            return
        self._begins()
        self.seen.received_bytes += len(data)
        before = self.conn.their_state
        super().data_received(data)
        # empty lines before a request are part of it: whoever sends nothing else is late as well
        self._noted(rests=before is h11.SEND_BODY)

    def on_response_complete(self) -> None:
        """As ever; what comes next is another request."""
        super().on_response_complete()
        self._noted(rests=True)

    def _noted(self, *, rests: bool) -> None:
        """Looks at what the client has still to send.

        Args:
            rests: where a header is next and nothing of it is there, nothing is outstanding.
        """
        self.seen.working = self.cycle is not None and not self.cycle.response_complete
        state = self.conn.their_state
        header_is_next = state is h11.IDLE
        if (header_is_next and rests and not self.conn.trailing_data[0]) or (
            not header_is_next and state is not h11.SEND_BODY
        ):
            self.seen.since_s = None
        else:
            self._begins()

    def _begins(self) -> None:
        if self.seen.since_s is None:
            self.seen.since_s, self.seen.received_bytes = time.monotonic(), 0
