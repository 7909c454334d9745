"""A real ``probe listen`` as a process, the tree that it changes, and what it takes to do so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hostile.cargo import NAME, Cargo, run
from benchmarks.hostile.lines import Line

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
LOOK_S = 0.005


@dataclass(frozen=True)
class Took:
    """What a process has taken so far.

    Attributes:
        written: bytes that it gave to the disk.
        processor_s: of all its threads.
    """

    written: int = 0
    processor_s: float = 0.0

    def since(self, before: Took) -> Took:
        """The difference."""
        return Took(self.written - before.written, self.processor_s - before.processor_s)

    def and_(self, other: Took) -> Took:
        """The sum."""
        return Took(self.written + other.written, self.processor_s + other.processor_s)


def took(pid: int) -> Took:
    """What a process has taken by now (proc(5))."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    written = next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return Took(written, (int(fields[11]) + int(fields[12])) * TICK_S)


class Listener:
    """A probe with a tree of its own.

    Args:
        cargo: the keys that it trusts and the tree that it begins with.
        folder: for both, new.
        line: to it.
        words: further options.
        trust: which keys.
    """

    def __init__(
        self, cargo: Cargo, folder: Path, line: Line, words: Sequence[str], trust: str
    ) -> None:
        self.line, self._cargo, self._words = line, cargo, words
        self._folder, self._log = folder, folder / "reports"
        self.counter = 0
        self._before = Took()
        shutil.copytree(cargo.tree, folder / "root")
        state, root = str(folder / "state"), str(folder / "root")
        with_trust = ["--model", cargo.model, "--trust", str(cargo.trust[trust])]
        run("probe", "init", "--state", state, "--root", root, *with_trust)
        self._log.touch()
        self._process = self._start()

    def state(self) -> int:
        """Which of the cargo's states the tree is in."""
        return self._cargo.states.index((self._folder / "root" / NAME).read_bytes())

    def wait(self, state: int, until_s: float) -> bool:
        """Whether the tree came into a state by a time of ``time.monotonic``."""
        while self.state() != state:
            if time.monotonic() >= until_s or self._process.poll() is not None:
                return False
            time.sleep(LOOK_S)
        return True

    def restart(self) -> None:
        """End it in good order and start it anew."""
        self._stop()
        self._process = self._start()

    def took(self) -> Took:
        """All of its processes so far."""
        return self._before.and_(took(self._process.pid))

    def events(self) -> Counter[str]:
        """What it has reported."""
        lines = self._log.read_bytes().splitlines()
        return Counter(json.loads(one)["event"] for one in lines if one.endswith(b"}"))

    def close(self) -> None:
        """End it and give up the line."""
        self._stop()
        self.line.close()

    def _stop(self) -> None:
        if self._process.poll() is None:
            self._before = self._before.and_(took(self._process.pid))
        self._process.terminate()
        self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        ready = self.events()["ready"]
        words = [sys.executable, "-m", "probe", "listen", "--state", str(self._folder / "state")]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [*words, *self.line.words, *self._words],
                stdin=self.line.stdin,
                stdout=log,
                stderr=subprocess.DEVNULL,
            )
        self.line.reports(self._log)
        while self.events()["ready"] == ready:
            if process.poll() is not None:
                raise RuntimeError("the listener has ended before it was ready")
            time.sleep(0.02)
        return process
