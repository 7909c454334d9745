"""One soak: a probe's process, a line, a ground; and what must hold when it is over."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from probe.disk.filesystem import Filesystem
from probe.state.records import Operation
from probe.trees.onboard import open_probe
from probe.trees.setup import Setup, initialise
from shared.prompts.language_model.pinned import PinnedModel
from shared.tree import Tree, read_tree, write_tree
from sims.hil import proxy
from sims.hil.ground import Ear, Framer, Ground, accepted, answered
from sims.hil.impairments import Datagrams, Stream, Tally, Weather
from sims.hil.messages import KEY, LIMITS, STEP, VALID, Item, first_tree, items
from sims.hil.tiny import tiny_pin

REPOSITORY: Final = Path(__file__).parents[2]
WINDOW: Final = 3
"""Valid messages under way at once."""
COPIES: Final = 2
"""How often a hostile message is sent."""
SILENCE_S: Final = 0.3
"""After so long without telemetry, what is not known to be taken is sent again."""
ROUNDS: Final = 400
"""Repetitions of one message after which the line counts as dead."""

UDP: Final = Weather(lose=0.15, damage=0.08, double=0.1, overtake=0.15)
SERIAL: Final = Weather(drop_byte=1e-3, flip_byte=1e-3)


class SoakError(Exception):
    """The probe did not do what it must; the text says what."""


@dataclass(frozen=True)
class Kind:
    """A line and what lies on it.

    Attributes:
        line: ``udp`` or ``serial``.
        form: ``bare`` or ``ccsds``.
        telemetry: ``json`` or ``packet``.
        weather: on it, both ways.
    """

    line: str
    form: str
    telemetry: str
    weather: Weather


KINDS: Final = (
    Kind("udp", "bare", "json", UDP),
    Kind("udp", "ccsds", "packet", UDP),
    Kind("serial", "bare", "packet", SERIAL),
    Kind("serial", "ccsds", "json", SERIAL),
)


@dataclass(frozen=True)
class Memory:
    """A process after so many messages: resident now and at its highest, KiB (proc_pid_status(5)),
    and the processor time that it has used, seconds."""

    messages: int
    resident_kib: int
    highest_kib: int
    cpu_s: float


@dataclass(frozen=True)
class Soak:
    """What happened.

    Attributes:
        kinds: messages by kind.
        applied: entries of the probe's history that a message made.
        sent, repeated, heard: see ``Ground``.
        up, down: what the line did.
        memory: of the probe's process, as messages were done with.
    """

    kind: Kind
    kinds: Mapping[str, int]
    applied: int
    sent: int
    repeated: int
    heard: int
    up: Tally
    down: Tally
    memory: Sequence[Memory]

    def grown_kib(self, since: int) -> int:
        """By how much more was resident at the end than after so many messages."""
        then = next(each for each in self.memory if each.messages >= since)
        return self.memory[-1].resident_kib - then.resident_kib


def soak(
    kind: Kind,
    folder: Path,
    *,
    messages: int,
    valid: int,
    seed: int,
    marks: Sequence[int],
    tell: Callable[[int], None] = lambda _: None,
) -> Soak:
    """Run one and check it.

    Args:
        kind: the line.
        folder: empty; root, state and pin go there.
        messages: how many different ones.
        valid: of them.
        seed: of messages and weather.  Times are not drawn, so two runs differ in repetitions.
        marks: after how many messages memory is looked at; ascending.
        tell: told how many messages are done with.

    Raises:
        SoakError: the wrong messages were applied, or in another order, or the line is dead.
    """
    choose = random.Random(f"{seed} {kind.line} {kind.form}")
    model = _prepare(folder)
    todo = list(items(messages, valid, model, choose))
    make = Datagrams if kind.line == "udp" else Stream
    up, down = (make(kind.weather, random.Random(choose.random())) for _ in range(2))
    memory: list[Memory] = []
    with (
        (proxy.udp if kind.line == "udp" else proxy.serial)(up, down) as line,
        listening(folder, kind, line) as process,
    ):
        ground = Ground(line.ground, Framer(kind.form, kind.line == "udp"), Ear(kind.telemetry))
        _settle(ground, b"is anybody there? ", choose)

        def done(count: int) -> None:
            tell(count)
            if count in marks:
                memory.append(look(process.pid, count))

        _exchange(ground, todo, choose, done)
        _settle(ground, b"is that all? ", choose)
        memory.append(look(process.pid, messages))
    applied = check(folder, [item.target for item in todo if item.target is not None])
    counted = Counter(item.kind for item in todo)
    return Soak(
        kind,
        counted,
        applied,
        ground.sent,
        ground.repeated,
        ground.heard,
        up.tally,
        down.tally,
        memory,
    )


def _prepare(folder: Path) -> PinnedModel:
    pin = tiny_pin(folder / "pin")
    write_tree(first_tree(), folder / "root")
    keys = [KEY.public_key().public_bytes_raw()]
    setup = Setup(folder / "root", folder / "pin", pin.digest, keys, 0, limits=LIMITS)
    initialise(folder / "state", setup, now_s=0.0, files=Filesystem())
    return PinnedModel.open(pin)


@contextmanager
def listening(folder: Path, kind: Kind, line: proxy.Proxy) -> Iterator[subprocess.Popen[bytes]]:
    """A probe's process on a line.

    Raises:
        SoakError: it ended in another way than it should.
    """
    words = [sys.executable, "-m", "probe", "listen", "--state", str(folder / "state")]
    words += [f"--{kind.line}", line.device, "--framing", kind.form]
    words += ["--telemetry", kind.telemetry]
    words += ["--telemetry-to", line.telemetry] if line.telemetry else []
    process = subprocess.Popen(
        words, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)
        if process.returncode or error:
            raise SoakError(f"the probe ended with {process.returncode}: {error.decode()}")
    finally:
        process.kill()
        process.communicate()


def _exchange(
    ground: Ground, todo: Sequence[Item], choose: random.Random, done: Callable[[int], None]
) -> None:
    """Send all in order, a few valid ones under way at once, until all of these are taken."""
    left, under_way, count = list(reversed(todo)), list[Item](), 0
    rounds = 0
    while left or under_way:
        fresh: list[Item] = []
        while left and (left[-1].kind != VALID or len(under_way) < WINDOW):
            item = left.pop()
            if item.kind == VALID:
                under_way.append(item)
            else:
                fresh += [item] * COPIES
                done(count := count + 1)
        burst = [*fresh, *under_way]
        choose.shuffle(burst)
        for item in burst:
            ground.transmit(item, again=rounds > 0 and item.kind == VALID)
        if choose.random() < 0.2:
            ground.noise(choose.randbytes(choose.randint(1, 60)))
        before = len(under_way)
        while under_way and (said := ground.listen(SILENCE_S)):
            under_way = [item for item in under_way if not any(accepted(item, s) for s in said)]
        for _ in range(before - len(under_way)):
            done(count := count + 1)
        rounds = 0 if len(under_way) < before else rounds + 1
        if rounds > ROUNDS:
            raise SoakError(f"nothing was taken in {ROUNDS} rounds, {len(left)} messages are left")


def _settle(ground: Ground, text: bytes, choose: random.Random) -> None:
    """Wait until the probe answers, having dealt with all that came before."""
    for _ in range(ROUNDS):
        item = Item("question", text + choose.randbytes(8))
        ground.transmit(item)
        while said := ground.listen(SILENCE_S):
            if any(answered(item, each) for each in said):
                return
    raise SoakError("the probe does not answer")


def look(process: int, messages: int) -> Memory:
    """What a process has taken by now."""
    status = Path(f"/proc/{process}/status").read_text()
    sizes = {name: int(kib) for name, kib in re.findall(r"^(Vm\w+):\s*(\d+) kB", status, re.M)}
    # The name in parentheses may hold blanks; user and system time are fields 14 and 15.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return Memory(messages, sizes["VmRSS"], sizes["VmHWM"], ticks / 100)


def check(folder: Path, targets: Sequence[Tree]) -> int:
    """Whether exactly these trees were put in place, in this order; how many.

    Raises:
        SoakError: they were not.
    """
    with open_probe(folder / "state") as probe:
        history = probe.store.ledger().history
    made = [entry for entry in history if entry.operation is not Operation.INIT]
    wrong = [entry.operation.value for entry in made if entry.operation is not Operation.APPLY]
    if wrong:
        raise SoakError(f"the history says {wrong[0]}")
    found, expected = [e.new_tree for e in made], [t.digest.hex() for t in targets]
    if found != expected:
        raise SoakError(f"{len(found)} trees were put in place, {len(expected)} were valid")
    counters = [entry.counter for entry in made]
    if counters != [STEP * turn for turn in range(1, len(targets) + 1)]:
        raise SoakError("a counter is another than its message has")
    if read_tree(folder / "root") != targets[-1]:
        raise SoakError("the root does not hold the last tree")
    return len(made)
