"""What tests of the edge share: a family, keys, batches, and servers that really run."""

from __future__ import annotations

import contextlib
import functools
import http.client
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.edge.stack import Catalogue, catalogue, family, program
from shared.auth.keys import SigningKey
from shared.media.batch import Batch, sign_batch

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
BROWSER = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@functools.cache
def jars() -> Catalogue:
    """60 pictures of 40 x 40 pixels."""
    return catalogue(family(40, 4), 60, "jars/{:02d}.webp")


@functools.cache
def records() -> Mapping[str, bytes]:
    """Of ``jars``."""
    return jars().records()


def batch(
    counter: int = 1,
    content: Mapping[str, bytes] | None = None,
    *,
    file: bytes | None = None,
    key: SigningKey = KEY,
    site: str = "default",
) -> bytes:
    """A signed batch of the jars, or of other records, with the generator along."""
    jar = jars()
    found = records() if content is None else content
    return sign_batch(
        Batch(jar.loaded.digest, counter, found, jar.file if file is None else file), site, key
    )


def trust_file(folder: Path) -> Path:
    """A trust file with the public half of ``KEY``."""
    path = folder / "ground.pub"
    path.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


@dataclass(frozen=True)
class Reply:
    """An answer; the names of fields in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes


def ask(
    url: str,
    path: str,
    accept: str | None = "image/png",
    *,
    method: str = "GET",
    body: bytes | None = None,
    **fields: str,
) -> Reply:
    """One request on a connection of its own; the path goes out as it is written."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    header = {name.replace("_", "-"): value for name, value in fields.items()}
    if accept is not None:
        header["Accept"] = accept
    try:
        connection.request(method, path, body, header)
        answer = connection.getresponse()
        found = {key.lower(): value for key, value in answer.getheaders()}
        return Reply(answer.status, found, answer.read())
    finally:
        connection.close()


@dataclass
class Origin:
    """An origin that answers what a test put into ``pages``, and remembers what it was asked.

    Attributes:
        pages: status, fields and body by path with query.
        asked: path and header of every request.
        hold_s: how long each answer takes.
    """

    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    hold_s: float = 0.0
    url: str = ""


@contextlib.contextmanager
def origin() -> Iterator[Origin]:
    """A real HTTP server on loopback."""
    made = Origin()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
            time.sleep(made.hold_s)
            status, fields, body = made.pages.get(self.path, (404, {}, b"none"))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **fields}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/originals"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def needed(name: str) -> str:
    """Path of a program that a test runs; where it is not installed pytest's summary tells."""
    try:
        return program(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))


@contextlib.contextmanager
def redis_server(folder: Path, *, durable: bool = False) -> Iterator[str]:
    """A Redis of its own, at a socket in a folder; yields its URL."""
    path = folder / "redis.sock"
    command = [needed("redis-server"), "--port", "0", "--unixsocket", str(path)]
    command += ["--save", "", "--appendonly", "yes" if durable else "no", "--dir", str(folder)]
    path.unlink(missing_ok=True)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if path.exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        yield f"unix://{path}"
    finally:
        process.terminate()
        process.wait(30)
