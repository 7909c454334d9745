"""Stopping: what is under way ends, and nothing else is waited for."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from probe.edge.app import application
from probe.edge.server.serve import Server, bound_socket
from probe.edge.service import Edge
from probe.edge.stores.open_store import open_store


def test_bodies_do_not_wait_for_the_acknowledgement_of_their_header() -> None:
    """What an accepted connection has inherited decides whether asyncio sends at once."""

    async def accepted() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def came(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            found.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listening = bound_socket("127.0.0.1", 0)
        async with await asyncio.start_server(came, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            result = await found
            writer.close()
        return result

    assert asyncio.run(accepted())


@pytest.mark.parametrize("turns", range(8))
def test_a_connection_that_comes_while_it_stops_does_not_keep_it(
    tmp_path: Path, turns: int
) -> None:
    """It is accepted so many turns of the event loop before, and kept open by its client.  There
    is no grace here: a server that waited for it would wait for ever."""

    async def run() -> None:
        edge = Edge(open_store(str(tmp_path / "store"), create=True))
        server = Server(application(edge), lambda: None)
        config = server.config
        config.timeout_graceful_shutdown = None
        config.load()
        server.lifespan = config.lifespan_class(config)
        listening = bound_socket("127.0.0.1", 0)
        await server.startup([listening])
        with socket.create_connection(listening.getsockname()):
            for _ in range(turns):
                await asyncio.sleep(0)
            await asyncio.wait_for(server.shutdown([listening]), 20)

    asyncio.run(run())
