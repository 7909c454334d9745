"""One run: a real listener, a stranger at its rate, and the honest message between."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hostile.attacks import HONEST, Attack
from shared.ccsds.link import send

RATE_BYTES_S = 520.0
BEFORE_S = 4.0
"""The stranger begins so long before the honest sender."""
GAP_S = 0.5
"""Between two honest segments."""
LIMIT_S = 60.0
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """What one run measured.

    Attributes:
        delay_s: from the first honest segment to the target tree; None if it did not come.
        sent: bytes that the stranger sent.
        answered: bytes that came back to the stranger and to the honest sender.
        written: bytes that the listener gave to the disk, from ready to the end of the run.
        processor_s: of the listener, over the same time.
        seconds: how long that was.
    """

    delay_s: float | None
    sent: int
    answered: int
    written: int
    processor_s: float
    seconds: float


@dataclass(frozen=True)
class Cargo:
    """A probe to copy, the envelope for it, and what a file holds once it is applied."""

    probe: Path
    envelope: bytes
    applied: bytes


def prepare(folder: Path, model: str) -> Cargo:
    """Make keys, a probe and a signed patch with the real commands."""
    base, target, keys = folder / "base", folder / "target", folder / "keys"
    for tree, text in ((base, "a = 1\n"), (target, "a = 2\n")):
        tree.mkdir()
        (tree / "a.py").write_text(text)
    _run("groundstation", "keygen", "--out", str(keys))
    words = ["author", "--base", str(base), "--target", str(target), "--model", model]
    key, out = str(keys / "ground.key"), str(folder / "envelope")
    _run("groundstation", *words, "--key", key, "--out", out, "--trials", "1", "--no-history")
    probe = folder / "probe"
    shutil.copytree(base, probe / "root")
    _initialise(probe, model, keys / "ground.pub")
    return Cargo(probe, Path(out).read_bytes(), b"a = 2\n")


def measure(cargo: Cargo, folder: Path, attack: Attack, model: str, seed: int) -> Run:
    """Run the attack against a listener of its own; all on the loopback."""
    root = folder / "root"
    shutil.copytree(cargo.probe / "root", root)
    _initialise(folder, model, cargo.probe.parent / "keys" / "ground.pub")
    port = _free_port()
    where = ("127.0.0.1", port)
    words = [sys.executable, "-m", "probe", "listen", "--state", str(folder / "state")]
    words += ["--udp", f"127.0.0.1:{port}", "--framing", "ccsds"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stop = threading.Event()
    with _ear() as stranger, _ear() as ground:
        try:
            _await_bound(port, process)
            before, began_s = _counters(process.pid), time.monotonic()
            sent: list[int] = []
            arguments = (attack(cargo.envelope, random.Random(seed)), stranger, where, stop, sent)
            thread = threading.Thread(target=_annoy, args=arguments)
            thread.start()
            time.sleep(BEFORE_S)
            first_s = time.monotonic()
            for cltu in send(cargo.envelope, HONEST):
                ground.sendto(cltu, where)
                time.sleep(GAP_S)
            delay_s = None
            while delay_s is None and time.monotonic() < first_s + LIMIT_S:
                if (root / "a.py").read_bytes() == cargo.applied:
                    delay_s = time.monotonic() - first_s
                time.sleep(0.02)
            after, seconds = _counters(process.pid), time.monotonic() - began_s
            stop.set()
            thread.join()
            answered = _heard(stranger) + _heard(ground)
        finally:
            stop.set()
            process.terminate()
            process.wait()
    written, processor_s = after[0] - before[0], after[1] - before[1]
    return Run(delay_s, sum(sent), answered, written, processor_s, seconds)


def _annoy(datagrams, out, where, stop, sent) -> None:  # type: ignore[no-untyped-def]
    for datagram in datagrams:
        if stop.wait(len(datagram) / RATE_BYTES_S):
            return
        out.sendto(datagram, where)
        sent.append(len(datagram))


def _counters(pid: int) -> tuple[int, float]:
    """Bytes written to disk and processor seconds of a process."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    written = next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return written, (int(fields[11]) + int(fields[12])) * TICK_S


def _await_bound(port: int, process: subprocess.Popen[bytes]) -> None:
    wanted = f":{port:04X} "
    while wanted not in Path("/proc/net/udp").read_text():
        if process.poll() is not None:
            raise RuntimeError("the listener has ended before it was ready")
        time.sleep(0.05)
    time.sleep(1.0)


def _ear() -> socket.socket:
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.bind(("127.0.0.1", 0))
    ear.setblocking(False)
    return ear


def _heard(ear: socket.socket) -> int:
    total = 0
    while True:
        try:
            total += len(ear.recv(1 << 16))
        except BlockingIOError:
            return total


def _free_port() -> int:
    with _ear() as ear:
        return int(ear.getsockname()[1])


def _initialise(folder: Path, model: str, trust: Path) -> None:
    state, root = str(folder / "state"), str(folder / "root")
    words = ["--state", state, "--root", root, "--model", model, "--trust", str(trust)]
    _run("probe", "init", *words)


def _run(module: str, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-c", f"from {module}.cli import app; app()", *words],
        check=True,
        capture_output=True,
    )
