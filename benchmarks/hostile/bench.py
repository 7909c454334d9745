"""Rounds with a stranger and without in turn, each against a real listener of its own."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.hostile.attacks import Attack, Target, nothing
from benchmarks.hostile.cargo import Cargo
from benchmarks.hostile.cases import Setting
from benchmarks.hostile.lines import Line
from benchmarks.hostile.listener import Listener

RATE_BYTES_S = 520.0
BEFORE_S = 1.5
"""The stranger begins so long before the honest sender."""
LIMIT_S = 60.0
ROUNDS = 3


@dataclass(frozen=True)
class Run:
    """What one round measured.

    Attributes:
        delay_s: from the first honest byte to the new tree; None if it did not come.
        sent: bytes that the stranger sent.
        answered: bytes that came back to either sender.
        written: bytes that the listener gave to the disk meanwhile.
        processor_s: of the listener meanwhile.
        seconds: how long the round was.
    """

    delay_s: float | None
    sent: int
    answered: int
    written: int
    processor_s: float
    seconds: float


@dataclass(frozen=True)
class Row:
    """Rounds of one attack, and the undisturbed ones before and after each of them.

    Attributes:
        where: title of the setting.
        name: of the attack.
        quiet: rounds without, one more than ``disturbed``.
        disturbed: rounds with it.
        events: what the disturbed listener reported of each kind.
    """

    where: str
    name: str
    quiet: tuple[Run, ...]
    disturbed: tuple[Run, ...]
    events: Counter[str]

    @property
    def times(self) -> float | None:
        """The median of how much longer a disturbed round took than those around it."""
        found = []
        for number, run in enumerate(self.disturbed):
            around = [self.quiet[number].delay_s, self.quiet[number + 1].delay_s]
            known = [delay_s for delay_s in around if delay_s is not None]
            if run.delay_s is None or not known:
                return None
            found.append(run.delay_s / (sum(known) / len(known)))
        return median(found)

    @property
    def answered(self) -> int:
        """Bytes that came back to either sender, in all rounds."""
        return sum(run.answered for run in self.disturbed)

    def holds(self) -> bool:
        """Whether every message came, as a rule within twice its time, and nobody was answered."""
        return self.times is not None and self.times <= 2 and self.answered == 0


class Bench:
    """A listener for each setting that no stranger knows, kept for all rounds without one.

    Args:
        cargo: what is sent.
        folder: for all state.
    """

    def __init__(self, cargo: Cargo, folder: Path) -> None:
        self._cargo, self._folder = cargo, folder
        self._quiet: dict[str, tuple[Listener, Run]] = {}
        self._made = 0

    def row(self, setting: Setting, name: str, attack: Attack, rounds: int = ROUNDS) -> Row:
        """Try one attack."""
        known = self._quiet.get(setting.title)
        if known is None:
            listener = self._listener(setting)
            known = listener, self._round(listener, setting, nothing)
        listener, last = known
        quiet, disturbed = [last], []
        with self._closed(self._listener(setting)) as suffering:
            for _ in range(rounds):
                disturbed.append(self._round(suffering, setting, attack))
                quiet.append(self._round(listener, setting, nothing))
            events = suffering.events()
        self._quiet[setting.title] = listener, quiet[-1]
        return Row(setting.title, name, tuple(quiet), tuple(disturbed), events)

    def close(self) -> None:
        """End what still runs."""
        for listener, _ in self._quiet.values():
            listener.close()
        self._quiet.clear()

    @contextmanager
    def _closed(self, listener: Listener) -> Iterator[Listener]:
        try:
            yield listener
        finally:
            listener.close()

    def _listener(self, setting: Setting) -> Listener:
        self._made += 1
        folder = self._folder / str(self._made)
        folder.mkdir()
        words = list(setting.words)
        if setting.pictures:
            (folder / "pictures").mkdir()
            words += ["--pictures", str(folder / "pictures")]
            words += ["--generator", str(self._cargo.generator)]
        return Listener(self._cargo, folder, setting.line(), words, setting.trust)

    def _round(self, listener: Listener, setting: Setting, attack: Attack) -> Run:
        """Send one honest message, and see what becomes of it."""
        state = listener.state()
        listener.counter += 1
        known = self._cargo.envelope(state, listener.counter)
        choose = random.Random(self._made * 1000 + listener.counter)
        target = Target(self._cargo, known, listener.counter, choose)
        before, began_s = listener.took(), time.monotonic()
        with annoyed(listener.line, attack(target)) as sent:
            time.sleep(0 if attack is nothing else BEFORE_S)
            delay_s = self._deliver(listener, setting, state)
        spent, seconds = listener.took().since(before), time.monotonic() - began_s
        answered = listener.line.answered()
        return Run(delay_s, sum(sent), answered, spent.written, spent.processor_s, seconds)

    def _deliver(self, listener: Listener, setting: Setting, state: int) -> float | None:
        """Send the message, and the key that closes it; the delay of the new tree, seconds."""
        cargo = self._cargo
        key, interval = setting.key(cargo)
        envelope = cargo.envelope(state, listener.counter, key)
        first_s = time.monotonic()
        setting.sends(listener, envelope)
        if interval:
            due_ms = cargo.chain.commitment.schedule.disclosable_ms(interval)
            time.sleep(max(due_ms / 1000 - time.time(), 0))
            listener.line.honest(cargo.disclosure(interval))
        came = listener.wait(1 - state, first_s + LIMIT_S)
        return time.monotonic() - first_s if came else None


@contextmanager
def annoyed(line: Line, pieces: Iterator[bytes]) -> Iterator[list[int]]:
    """A stranger on a line, at its rate; how much it has sent so far."""
    stop, sent = threading.Event(), [0]

    def annoy() -> None:
        for piece in pieces:
            line.strange(piece)
            sent.append(len(piece))
            if stop.wait(len(piece) / RATE_BYTES_S):
                return

    thread = threading.Thread(target=annoy)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()
