"""The server: uvicorn on one socket, until it is told to stop; what is under way ends first."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.applications import Starlette

from probe.edge.server.connections import Hall
from probe.edge.server.logs import log_sparingly
from probe.edge.server.patience import Patience, Reason
from shared.errors import InputError

GRACE_S: Final = 30
_OTHER_FILES: Final = 256
"""Descriptors beside those of clients: store, origin, libraries."""
_LOOK_S: Final = 0.05
KEEP_ALIVE_S: Final = 75
"""Longer than nginx keeps connections (60 s), so that it is never the edge that closes one which
the proxy is just about to use."""


def bound_socket(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        InputError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By its protocol asyncio knows that it may switch off Nagle's algorithm. Without the number it
    # does not, and a body waits 40 ms for the acknowledgement of its header.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise InputError(
            f"cannot listen at {host}:{port}: {error.strerror or error}",
            expected="an address of this machine and a free port",
            remedy="choose another --port",
        ) from None
    return listening


def allow_connections(most: int) -> None:
    """Sees to it that this process may have so many connections.

    Raises:
        InputError: the system does not allow so many open files.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise InputError(
            f"{most} connections need {wanted} open files",
            expected=f"at most {max(hard - _OTHER_FILES, 1)}: this process may have {hard}",
            remedy="give a smaller --limit-concurrency, or raise the limit (LimitNOFILE, ulimit)",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(
    app: Starlette,
    listening: socket.socket,
    ready: Callable[[], None],
    patience: Patience,
    closed: Callable[[Reason], None],
) -> None:
    """Serves until SIGINT or SIGTERM.

    Args:
        app: what to serve.
        listening: where.
        ready: called when requests are answered.
        patience: with clients.
        closed: told of each connection that is closed for want of patience or room.

    Raises:
        InputError: the system does not allow so many connections.
    """
    allow_connections(patience.connections)
    log_sparingly()
    # uvicorn stops in good order and then raises the signal anew, for handlers that were there
    # before. These make of it that to be stopped is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    Server(app, ready, patience, closed).run(sockets=[listening])


class Server(uvicorn.Server):
    """uvicorn's, as an edge needs it; arguments as ``serve``."""

    def __init__(
        self,
        app: Starlette,
        ready: Callable[[], None],
        patience: Patience | None = None,
        closed: Callable[[Reason], None] = lambda _: None,
    ) -> None:
        self._hall = Hall(patience or Patience(), closed)
        self._watching: asyncio.Future[None] | None = None
        config = uvicorn.Config(
            app,
            http=self._hall.protocol,  # type: ignore[arg-type]
            ws="none",
            log_config=None,  # as ``log_sparingly`` has it
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            h11_max_incomplete_event_size=16 << 10,
        )
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As ever, and then says so."""
        await super().startup(sockets)
        self._watching = asyncio.ensure_future(self._hall.watch())
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As ever, but for connections that come into being meanwhile too.

        uvicorn tells its connections once that they are to end. One that was accepted in that
        moment, and that a proxy keeps open, would be waited for until the grace is over.
        """
        told = set(self.server_state.connections)

        async def tell() -> None:
            while True:
                await asyncio.sleep(_LOOK_S)
                late = self.server_state.connections - told
                told.update(late)
                for connection in late:
                    connection.shutdown()

        telling = asyncio.ensure_future(tell())
        try:
            await super().shutdown(sockets)
        finally:
            telling.cancel()
            if self._watching is not None:
                self._watching.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._watching
