"""Kill -9 at random moments of ``probe apply``: the root holds the old tree or the new one.

One probe lives through all of it: whatever a kill leaves behind is where the next command starts.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from powercut import Quick
from world import World, classical, envelope

from probe.trees.onboard import open_probe
from shared.tree import Entry, Mode, Tree, write_tree

KILLS = 200
FILES = 60
REPLAYED = 16


def software(flavour: int) -> Tree:
    """A tree of which few files differ from another flavour's: most of apply is writing."""
    entries = {}
    for number in range(FILES):
        lines = [f"line {line} of file {number}\n" for line in range(800)]
        if number % 8 == 0:
            lines[number] = f"flavour {flavour}\n"
        entries[f"dir{number % 7}/file{number}.c"] = Entry(Mode.REGULAR, "".join(lines).encode())
    entries[f"only/in{flavour}"] = Entry(Mode.EXECUTABLE, b"flavour %d" % flavour)
    return Tree(entries)


@dataclass
class Server:
    """A running forkserver."""

    process: subprocess.Popen[str]

    def run(self, *arguments: object, kill_after_s: float | None = None) -> tuple[int, float]:
        """Exit status and duration of a command, killed after a while unless it ends before."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(argument) for argument in arguments]) + "\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        started = time.monotonic()
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return int(self.process.stdout.readline()), time.monotonic() - started


@contextmanager
def forkserver() -> Iterator[Server]:
    """Start a forkserver and stop it."""
    with subprocess.Popen(
        [sys.executable, Path(__file__).with_name("forkserver.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()


@dataclass
class Life:
    """A probe between two flavours of its software, and what has happened to it."""

    world: World
    server: Server
    here: Tree = field(default_factory=lambda: software(0))
    there: Tree = field(default_factory=lambda: software(1))
    counter: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    durations_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recipes = {
            self.here.digest: classical(self.here, self.there),
            self.there.digest: classical(self.there, self.here),
        }

    def next_message(self) -> Path:
        """A message from the tree in place to the other one."""
        self.counter += 1
        path = self.world.folder / "message"
        path.write_bytes(envelope(self.recipes[self.here.digest], self.counter))
        return path

    def apply(self, kill_after_s: float | None = None) -> int:
        """Run ``probe apply`` on the last message written."""
        message = self.world.folder / "message"
        status, duration_s = self.server.run(
            "apply", message, "--state", self.world.state, kill_after_s=kill_after_s
        )
        if status == 0:
            self.durations_s.append(duration_s)
        return status

    def usual_s(self) -> float:
        """How long an undisturbed apply took of late; the machine may have other work."""
        return statistics.median(self.durations_s[-9:])

    def arrive(self) -> None:
        """The other flavour is in place now."""
        self.here, self.there = self.there, self.here

    def survive(self, kill_after_s: float) -> None:
        """One kill and everything that must hold after it."""
        self.next_message()
        status = self.apply(kill_after_s)
        if status == 0:
            self.seen["ended before the kill"] += 1
            self.arrive()
            return
        self.seen["killed"] += 1
        assert status == -signal.SIGKILL
        found = self.world.tree()  # as it stands on disk, before any recovery
        assert found in (self.here, self.there)
        with open_probe(self.world.state, Quick()) as probe:
            self.seen[f"recovery: {probe.recovered}"] += 1
            ledger = probe.store.ledger()
        assert self.world.tree() == found
        assert ledger.tree == found.digest.hex()
        if found == self.here:
            self.seen["old tree"] += 1
            assert ledger.counter == self.counter - 1
            assert self.apply() == 0
        else:
            self.seen["new tree"] += 1
            assert ledger.counter == self.counter
            assert self.apply() == REPLAYED
        assert self.world.tree() == self.there
        self.arrive()


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    """A probe over the first flavour and a server that runs its commands."""
    world = World(tmp_path)
    write_tree(software(0), world.root)
    world.initialise(counter=0)
    with forkserver() as server:
        yield Life(world, server)


@pytest.mark.slow
def test_kill_at_random_moments(life: Life, record_property: Callable[[str, object], None]) -> None:
    choose = random.Random(20240915)
    for _ in range(5):
        life.next_message()
        assert life.apply() == 0
        life.arrive()
    while life.seen["killed"] < KILLS:
        life.survive(choose.uniform(0, 1.1 * life.usual_s()))
        assert life.seen["ended before the kill"] <= 2 * KILLS
    record_property("outcomes", dict(life.seen))
    print(f"\napply takes {life.usual_s() * 1e3:.0f} ms; {dict(life.seen)}")
    assert life.seen["old tree"] + life.seen["new tree"] == KILLS
    # The kills must have come before and after the change of trees.
    assert life.seen["old tree"] >= KILLS // 20
    assert life.seen["new tree"] >= 1
    assert life.world.ledger().counter == life.counter
    assert life.world.tree() == life.here
