"""A command that is killed leaves no worker behind: nobody would ever tell them to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SWEEP = """
preset = "lora-cubesat"
runs = 1000000
level = "bits"
strategy = "AAABBB"
copies = 9
[message]
bytes = 2000
"""
POOL = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import {module} as room
import time
if __name__ == "__main__":
    with ProcessPoolExecutor(2, get_context("spawn"), room.{begin}, ({argument},)) as pool:
        list(pool.map(time.sleep, [3600, 3600]))
"""


def children(pid: int) -> list[int]:
    """All processes below one, by the system's own table."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found, new = [], [pid]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def workers_of(pid: int) -> list[int]:
    """Those that are at work: they have begun to use their processor."""
    return [child for child in children(pid) if b"spawn_main" in command(child)]


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def started(process: subprocess.Popen[bytes], begun: Callable[[list[int]], bool]) -> list[int]:
    while True:
        assert process.poll() is None, "it ended by itself"
        found = workers_of(process.pid)
        if begun(found):
            return children(process.pid)
        time.sleep(0.05)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_sweep_leaves_no_worker(tmp_path: Path, kind: signal.Signals) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SWEEP, "utf-8")
    script = "from sims.cli import app; app()"
    arguments = ["sweep", str(path), "--workers", "2", "--out", str(tmp_path / "out")]
    with subprocess.Popen([sys.executable, "-c", script, *arguments], cwd=ROOT) as process:
        journal = tmp_path / "out" / "journal.jsonl"
        left = started(
            process,
            lambda found: len(found) == 2 and journal.exists() and journal.stat().st_size > 0,
        )
        assert len(left) >= 2
        process.send_signal(kind)
        process.wait()
    while any(map(alive, left)):
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("module", "begin", "argument"),
    [
        ("sims.campaign.workers", "_begin", "None"),
        ("groundstation.workers.open", "_begin_local", "None"),
    ],
)
@pytest.mark.parametrize("wait_s", [0.0, 0.3])
def test_no_pool_outlives_its_command(
    tmp_path: Path, module: str, begin: str, argument: str, wait_s: float
) -> None:
    """Idle or busy, also while workers are still importing when the command is killed."""
    path = tmp_path / "pool.py"
    path.write_text(POOL.format(module=module, begin=begin, argument=argument), "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, str(path)], env=environment) as process:
        left = started(process, lambda found: len(found) == 2)
        time.sleep(wait_s)
        left = sorted({*left, *children(process.pid)})
        process.kill()
        process.wait()
    while any(map(alive, left)):
        time.sleep(0.05)
