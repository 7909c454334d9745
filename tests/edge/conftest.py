"""Stores and servers for the tests of the edge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from edge_world import ask, batch, redis_server, trust_file

from benchmarks.edge.stack import Running, edge_server
from probe.edge.stores.open_store import open_store
from probe.edge.stores.store import Store


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis that runs; paths of sockets must be short."""
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as url:
        yield url


@pytest.fixture(params=["lmdb", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store of either kind is."""
    if request.param == "lmdb":
        return str(tmp_path / "store")
    import redis

    url = str(request.getfixturevalue("redis_url"))
    redis.Redis.from_url(url).flushall()
    return url


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    """An empty store of either kind."""
    opened = open_store(place, create=True)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a module's edge: trust file and store."""
    return tmp_path_factory.mktemp("edge")


@pytest.fixture(scope="module")
def edge(folder: Path) -> Iterator[Running]:
    """A real server with all jars in its store."""
    options = ("--trust", trust_file(folder), "--parameter", "lid", "--parameter", "body")
    with edge_server(str(folder / "store"), *options) as running:
        assert ask(running.url, "/batches", method="POST", body=batch()).status == 200
        yield running
