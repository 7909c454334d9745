"""A client's delay at a real edge, with a stranger at it and without, in turn."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.edge.stack import Running, catalogue, edge_server, environment, family, samples
from benchmarks.hostile.listener import Took, took
from shared.media.batch import Batch, sign_batch

OPTIONS = ("--limit-concurrency", 60, "--request-seconds", 1, "--answer-seconds", 1)
NAMES = 20
BEFORE_S = 1.5
"""The stranger begins so long before the client."""
ASKS = 25
GAP_S = 0.02
"""Between two requests of the client."""
ROUNDS = 3
_REASONS = ("half", "unread", "room", "full")


@dataclass(frozen=True)
class Round:
    """What one round measured.

    Attributes:
        delays_s: of each request of the client, connection included.
        wrong: answers that were not the picture.
        took: of the edge.
        seconds: how long it was.
    """

    delays_s: tuple[float, ...]
    wrong: int
    took: Took
    seconds: float


@dataclass(frozen=True)
class EdgeRow:
    """Rounds of one attack, and the undisturbed ones before and after each of them.

    Attributes:
        name: of the attack.
        quiet: rounds without, one more than ``disturbed``.
        disturbed: rounds with it.
        closed: connections that the edge closed, by reason.
        log_bytes: that it wrote to standard error.
        foreign: bytes of the origin's SVG or HTML that came through.
    """

    name: str
    quiet: tuple[Round, ...]
    disturbed: tuple[Round, ...]
    closed: dict[str, int]
    log_bytes: int
    foreign: int

    @property
    def times(self) -> float:
        """The median of how much longer the median request took than in the rounds around it."""
        found = []
        for number, run in enumerate(self.disturbed):
            around = [median(self.quiet[number + side].delays_s) for side in (0, 1)]
            found.append(median(run.delays_s) / (sum(around) / 2))
        return median(found)

    @property
    def wrong(self) -> int:
        """Answers to the client that were not its picture."""
        return sum(run.wrong for run in self.disturbed)

    def holds(self) -> bool:
        """Whether the client got all pictures, as a rule within twice the time."""
        return self.times <= 2 and self.wrong == 0 and self.foreign == 0


class Edges:
    """An edge that no stranger visits, and one for each attack.

    Args:
        folder: for all of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        key = Ed25519PrivateKey.generate()
        pictures = catalogue(family(256, 6), NAMES)
        self._names = tuple(pictures.prompts)
        batch = Batch(pictures.loaded.digest, 1, pictures.records(), pictures.file)
        self._batch = sign_batch(batch, "default", key)
        self._trust = folder / "edge.pub"
        form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self._trust.write_bytes(key.public_key().public_bytes(*form))

    def rows(self, names: list[str], rounds: int = ROUNDS) -> Iterator[EdgeRow]:
        """Try these attacks, one after the other."""
        with hostile_origin() as origin, self._edge("quiet", origin) as (quiet, _):
            last = self._round(quiet)
            for number, name in enumerate(names):
                before, disturbed = [last], []
                with self._edge(f"edge{number}", origin) as (edge, log):
                    for _ in range(rounds):
                        disturbed.append(self._round(edge, name))
                        before.append(self._round(quiet))
                    closed = closings(edge)
                    size = log.stat().st_size
                    foreign = _foreign(edge, name)
                last = before[-1]
                yield EdgeRow(name, tuple(before), tuple(disturbed), closed, size, foreign)

    @contextmanager
    def _edge(self, name: str, origin: str) -> Iterator[tuple[Running, Path]]:
        log = self._folder / f"{name}.log"
        options = ("--trust", self._trust, "--upstream", origin, *OPTIONS)
        with (
            log.open("wb") as file,
            edge_server(str(self._folder / name), *options, errors=file) as edge,
        ):
            if ask(edge, "/batches", self._batch)[0] != 200:
                raise RuntimeError("the edge takes no batch")
            for one in self._names:
                ask(edge, f"/{one}")
            yield edge, log

    def _round(self, edge: Running, attack: str = "") -> Round:
        before, began_s = took(edge.process.pid), time.monotonic()
        delays, wrong = [], 0
        with annoyed(edge, attack):
            time.sleep(BEFORE_S if attack else 0)
            for number in range(ASKS):
                time.sleep(GAP_S)
                since_s = time.perf_counter()
                status, kind, _ = ask(edge, f"/{self._names[number % NAMES]}")
                delays.append(time.perf_counter() - since_s)
                wrong += (status, kind) != (200, "image/png")
        spent = took(edge.process.pid).since(before)
        return Round(tuple(delays), wrong, spent, time.monotonic() - began_s)


def ask(edge: Running, path: str, body: bytes | None = None) -> tuple[int, str, bytes]:
    """Status, type and body of an answer; 0 if there was none."""
    connection = http.client.HTTPConnection(urlsplit(edge.url).netloc, timeout=20)
    try:
        connection.request("GET" if body is None else "POST", path, body, {"Accept": "image/png"})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type") or "", answer.read()
    except (OSError, http.client.HTTPException):
        return 0, "", b""
    finally:
        connection.close()


def closings(edge: Running) -> dict[str, int]:
    """Connections that an edge has closed, by reason."""
    found = samples(edge.url)
    counts = {
        why: int(found[f'edge_connections_closed_total{{reason="{why}"}}']) for why in _REASONS
    }
    return {why: count for why, count in counts.items() if count}


@contextmanager
def annoyed(edge: Running, attack: str) -> Iterator[None]:
    """A stranger at an edge, if there is one, in a process of its own."""
    if not attack:
        yield
        return
    where = urlsplit(edge.url)
    words = [sys.executable, "-m", "benchmarks.hostile.edge_attacks", attack]
    process = subprocess.Popen(
        [*words, str(where.hostname), str(where.port)],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _foreign(edge: Running, attack: str) -> int:
    """Bytes of what the origin should not have sent that a client gets."""
    kinds = {"SVG of the origin": "svg", "HTML of the origin": "html"}
    if attack not in kinds:
        return 0
    status, _, body = ask(edge, f"/evil-last.{kinds[attack]}")
    return len(body) if status == 200 else 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: an edge that is ended leaves its connections."""


@contextmanager
def hostile_origin() -> Iterator[str]:
    """An origin that has scripts where pictures should be, and nothing else; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind = {"svg": "image/svg+xml", "html": "text/html"}.get(self.path.rpartition(".")[2])
            body = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
            body = body if kind else b"none"
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind or "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/originals"
    finally:
        server.shutdown()
        server.server_close()
