"""What the edge is measured in: an origin, two edges on one store, nginx, and what befalls them."""

from __future__ import annotations

import io
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from PIL import Image

from benchmarks.edge.stack import (
    Catalogue,
    Running,
    await_answer,
    free_port,
    nginx,
    samples,
    serving,
    start_edge,
)
from shared.media.batch import Batch, sign_batch
from shared.media.fixed import U8
from shared.media.message import encode_record, prompt_record

KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ORIGINAL_QUALITY: Final = 95
"""JPEG: what an origin might hold."""


@dataclass(frozen=True)
class Inventory:
    """Pictures, as records and as an origin's files.

    Attributes:
        catalogue: what they are of.
        records: for the edge, by name.
        originals: the files, by name.
    """

    catalogue: Catalogue
    records: Mapping[str, bytes]
    originals: Mapping[str, bytes]

    def batch(
        self, names: Sequence[str], counter: int, *, first: bool, key: Ed25519PrivateKey = KEY
    ) -> bytes:
        """A signed batch; the first one has the generator along."""
        loaded = self.catalogue.loaded
        content = {name: self.records[name] for name in names}
        file = self.catalogue.file if first else b""
        return sign_batch(Batch(loaded.digest, counter, content, file), "default", key)


def inventory(catalogue: Catalogue) -> Inventory:
    """Draws every picture once, with numpy's kernel."""
    records, originals = {}, {}
    for name, prompt in catalogue.prompts.items():
        pixels = catalogue.renderer(prompt)
        records[name] = encode_record(prompt_record(catalogue.loaded.generator, prompt, pixels))
        originals[name] = _jpeg(pixels)
    return Inventory(catalogue, records, originals)


def _jpeg(pixels: U8) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels[..., :3]).save(out, "JPEG", quality=ORIGINAL_QUALITY, subsampling=0)
    return out.getvalue()


@dataclass
class Scene:
    """Everything that runs.

    Attributes:
        url: nginx's.
        edges: both.
        happened: what befell them: when (the clock of ``time.perf_counter``), what, and how it
            ended.
    """

    store: str
    options: Sequence[object]
    log: Path
    edges: list[Running] = field(default_factory=list)
    url: str = ""
    happened: list[tuple[float, str, object]] = field(default_factory=list)

    def note(self, what: str, outcome: object = "") -> None:
        """Something happened."""
        self.happened.append((time.perf_counter(), what, outcome))

    def start(self, number: int) -> None:
        """Starts an edge anew, at its old port."""
        port = int(self.edges[number].url.rpartition(":")[2])
        self.edges[number] = start_edge(self.store, *self.options, port=port)

    def publish(self, data: bytes, number: int = 0) -> int:
        """Sends a batch to an edge; the status of its answer."""
        request = urllib.request.Request(f"{self.edges[number].url}/batches", data)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def counters(self) -> list[int]:
        """Of the last batch, as each edge has it."""
        found = []
        for edge in self.edges:
            with urllib.request.urlopen(f"{edge.url}/status", timeout=30) as answer:
                found.append(int(json.loads(answer.read())["counter"]))
        return found

    def total(self, sample: str) -> float:
        """A metric, of both edges together, since each was started."""
        return sum(samples(edge.url)[sample] for edge in self.edges)

    def origin_bytes(self) -> tuple[int, int]:
        """Requests that the origin answered, and bytes of pictures in the answers."""
        lines = self.log.read_text("ascii").split()
        return len(lines), sum(map(int, lines))


@contextmanager
def scene(store: str, folder: Path, content: Inventory, workers: int) -> Iterator[Scene]:
    """Starts origin, edges and nginx; the store is empty yet."""
    trust = folder / "ground.pub"
    trust.write_bytes(
        KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    with ExitStack() as stack:
        origin = stack.enter_context(_origin(folder / "origin", content.originals))
        options = ("--trust", trust, "--upstream", origin, "--workers", workers)
        made = Scene(store, options, folder / "origin" / "bytes.log")

        def stop() -> None:
            for edge in made.edges:
                if edge.process.poll() is None:
                    edge.stop()

        stack.callback(stop)
        for _ in range(2):
            made.edges.append(start_edge(store, *options))
        made.url = stack.enter_context(nginx(folder / "nginx", [edge.url for edge in made.edges]))
        yield made


@contextmanager
def _origin(folder: Path, files: Mapping[str, bytes]) -> Iterator[str]:
    """nginx as a plain server of files, which writes down how many bytes of them it sent."""
    for name, data in files.items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    port = free_port()
    conf = folder / "nginx.conf"
    conf.write_text(
        f"""worker_processes 1;
pid {folder}/pid;
events {{ worker_connections 1024; }}
http {{
    types {{ }}
    default_type image/jpeg;
    log_format bytes $body_bytes_sent;
    access_log {folder}/bytes.log bytes;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            root {folder}/files;
            add_header Cache-Control no-cache;
        }}
    }}
}}
""",
        "utf-8",
    )
    (folder / "bytes.log").touch()
    with serving(conf, folder) as process:
        await_answer(f"http://127.0.0.1:{port}/", process)
        (folder / "bytes.log").write_bytes(b"")
        yield f"http://127.0.0.1:{port}/"


class Script:
    """Things that happen beside a load, when so many requests have begun."""

    def __init__(self, acts: Sequence[tuple[int, Callable[[], None]]]) -> None:
        self._acts = acts
        self._begun = 0
        self._more = threading.Condition()
        self._thread = threading.Thread(target=self._run)
        self.failure: BaseException | None = None

    def step(self, number: int) -> None:
        """A request begins."""
        with self._more:
            self._begun = max(self._begun, number)
            self._more.notify()

    def __enter__(self) -> Script:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.step(1 << 60)
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            for due, act in self._acts:
                with self._more:
                    self._more.wait_for(lambda due=due: self._begun >= due)  # type: ignore[misc]
                act()
        except BaseException as failure:
            self.failure = failure
