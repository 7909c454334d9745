"""A family, an edge and nginx as real processes on loopback, for the benchmark and for tests."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np

from shared.media.coding.transform import ZIGZAG, forward_blocks, to_blocks
from shared.media.container import generator_digest
from shared.media.generator import Generator, Loaded, write_generator
from shared.media.kinds.basis import Basis
from shared.media.message import encode_record, prompt_record
from shared.media.prompt import Attribute, Grammar, Prompt
from shared.media.render import Renderer

ROOT: Final = Path(__file__).parents[2]
NGINX_CONF: Final = ROOT / "docs" / "edge-nginx.conf"
PARTS: Final = ("lid", "body", "foot")
_STEP: Final = 2400


# --- a family ---------------------------------------------------------------------------------


def family(side: int, colours: int, *, channels: int = 3, seed: int = 5) -> Basis:
    """A jar of three parts in so many colours each, made from formulas.

    Args:
        side: width and height, a multiple of 8.
        colours: of each part.
        channels: 3, or 4 for a jar that is cut out.
        seed: of the colours.
    """
    y, x = (grid / side for grid in np.mgrid[0:side, 0:side])
    shade = 0.3 + 0.5 * np.cos(3.1 * x - 1.2) * np.cos(2.3 * y - 0.7)
    lid, foot = y < 0.31, y > 0.55
    body = ~lid & ~foot & (np.abs(x - 0.5) < 0.37)
    jar = lid | body | foot
    planes = np.stack([0.05 + 0.4 * ~jar, shade * lid, shade * body, shade * foot]) * 2.0**16
    waves = np.rint(forward_blocks(to_blocks(planes)) / _STEP).reshape(4, -1, 64)[..., ZIGZAG]
    coded = np.asarray((waves != 0).any(axis=2), bool)
    rng = np.random.default_rng(seed)
    tables = rng.integers(100, 4000, (3, colours, 1, channels)).astype(np.int16)
    levels = (np.arange(1, 256) - 0.5) / 255
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    curve = np.rint(light * 2**16).astype(np.int32)
    names = tuple(f"c{number:02d}" for number in range(colours))
    return Basis(
        name="jars",
        width=side,
        height=side,
        grammar=Grammar(tuple(Attribute(part, names) for part in PARTS)),
        tables=tuple(tables),
        gains=np.zeros((0, channels), np.int16),
        terms=((), (0,), (1,), (2,)),
        steps=(_STEP,) * 4,
        coded=coded,
        waves=waves[coded].astype(np.int16),
        curves=np.tile(curve, (channels, 1)),
        notes={"licence": "CC0-1.0"},
    )


@dataclass(frozen=True, eq=False)
class Catalogue:
    """A family ready to publish.

    Attributes:
        loaded: its generator.
        file: the same as a file.
        renderer: numpy's, so that it is not the kernel of the edge that judges the edge.
        prompts: by name.
    """

    loaded: Loaded
    file: bytes
    renderer: Renderer
    prompts: Mapping[str, Prompt]

    def records(self) -> dict[str, bytes]:
        """By name, drawn here to know the digests."""
        made = self.loaded.generator
        return {
            name: encode_record(prompt_record(made, prompt, self.renderer(prompt)))
            for name, prompt in self.prompts.items()
        }


def catalogue(generator: Generator, count: int, pattern: str = "jars/{:04d}.webp") -> Catalogue:
    """So many pictures of a family, all different."""
    shape = [len(attribute.values) for attribute in generator.grammar.attributes]
    total = math.prod(shape)
    if total < count:
        raise ValueError(f"the family has {total} pictures, not {count}")
    prompts = {}
    for number, place in enumerate(random.Random(7).sample(range(total), count)):
        values = []
        for size in reversed(shape):
            place, value = divmod(place, size)
            values.append(value)
        prompts[pattern.format(number)] = generator.grammar.plain(tuple(reversed(values)))
    file = write_generator(generator)
    loaded = Loaded(generator, generator_digest(file), len(file))
    return Catalogue(loaded, file, Renderer(generator, kernel="numpy"), prompts)


# --- processes --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Running:
    """A server.

    Attributes:
        url: where it answers.
        process: that serves.
    """

    url: str
    process: subprocess.Popen[str]

    def stop(self) -> int:
        """Tells it to finish what is under way and stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def free_port() -> int:
    """A port that nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """Of subprocesses: this tree first, one thread each for numpy."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def start_edge(
    store: str, *options: object, port: int = 0, errors: IO[bytes] | None = None
) -> Running:
    """``probe edge serve`` on loopback, once it answers; standard error goes there if named."""
    command = [sys.executable, "-m", "probe", "edge", "serve", "--store", store, "--json"]
    command += ["--port", str(port), *map(str, options)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment()
    )
    text = ""
    for line in process.stdout or ():
        text += line
        if line.startswith("}"):
            break
    value = json.loads(text or "{}")
    if "listening" not in value:
        process.wait(10)
        raise RuntimeError(f"the edge does not start: {text}")
    return Running(value["listening"], process)


@contextmanager
def edge_server(store: str, *options: object, errors: IO[bytes] | None = None) -> Iterator[Running]:
    """An edge that is stopped in the end."""
    running = start_edge(store, *options, errors=errors)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


def program(name: str) -> str:
    """Path of a program of Debian's.

    Raises:
        FileNotFoundError: it is not installed.
    """
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: apt-get install {name}")
    return found


def nginx_conf(folder: Path, port: int, edges: Sequence[str]) -> str:
    """The configuration of docs/edge-nginx.conf for other places.

    Raises:
        ValueError: a line that has to be replaced is not there.
    """
    text = NGINX_CONF.read_text("utf-8")
    ports = [edge.rpartition(":")[2] for edge in edges]
    temporary = "".join(
        f"    {kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    for old, new in [
        ("/run/nginx-edge.pid", f"{folder}/pid"),
        ("/var/cache/nginx-edge", f"{folder}/cache"),
        ("listen 8080;", f"listen 127.0.0.1:{port};"),
        ("127.0.0.1:8081", f"127.0.0.1:{ports[0]}"),
        ("server 127.0.0.1:8082", "# one" if len(ports) == 1 else f"server 127.0.0.1:{ports[1]}"),
        ("    access_log off;\n", f"    access_log off;\n{temporary}"),
    ]:
        if text.count(old) != 1:
            raise ValueError(f"{NGINX_CONF.name} has {old!r} {text.count(old)} times")
        text = text.replace(old, new)
    return text


@contextmanager
def nginx(folder: Path, edges: Sequence[str]) -> Iterator[str]:
    """nginx as the documentation has it, in front of one or two edges; yields its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    conf = folder / "nginx.conf"
    conf.write_text(nginx_conf(folder, port, edges), encoding="utf-8")
    with serving(conf, folder) as process:
        url = f"http://127.0.0.1:{port}"
        await_answer(f"{url}/metrics", process)
        yield url


@contextmanager
def serving(conf: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """nginx with a configuration, until the context ends; its errors go into a file."""
    # as root it would otherwise give its workers away to a user that cannot enter the folder
    user = " user root;" if os.geteuid() == 0 else ""
    log = folder / "error.log"
    command = [program("nginx"), "-c", str(conf), "-e", str(log), "-g", f"daemon off;{user}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def await_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    """Waits until something answers at a URL, whatever it says.

    Raises:
        RuntimeError: the process ended, or nothing answered for long.
    """
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"nothing answers at {url}")


def samples(edge: str) -> dict[str, float]:
    """The metrics of an edge: value by name with labels."""
    with urllib.request.urlopen(f"{edge}/metrics", timeout=30) as answer:
        text = answer.read().decode("utf-8")
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}
