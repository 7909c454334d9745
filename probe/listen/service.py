"""A probe that listens: each message that comes is dealt with, and telemetry says how.

Nothing that comes may stop it or keep the next message waiting: a refusal, a full disk and a defect
of this program end in telemetry.  A message that may do later is *parked*: one that names another
tree (an earlier message may still be on its way), comes while a tree is on trial, or finds a disk
that refuses.  Parked messages are tried again when the ledger has changed, and those that a disk
refused also from time to time, ever more rarely; what they become is regenerated once.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from probe.disk.filesystem import Filesystem
from probe.inbox.batch import Waiting
from probe.inbox.inbox import Inbox
from probe.listen.dispatch import Dealt, deal
from probe.listen.parking import Parking, refused_by_disk
from probe.listen.receiver import Receiver, failing
from probe.listen.telemetry import Event, Telemetry
from probe.messages.apply import Regenerator, on_record
from probe.messages.picture import Gallery
from probe.messages.remembered import Remembered
from probe.messages.tesla import Attempts
from probe.resources.disk import free_bytes
from probe.resources.energy import Energy
from probe.resources.usage import peak_memory_kib
from probe.state.patience import Patience, refused
from probe.state.records import Config
from probe.trees.onboard import Clock, Probe, open_probe
from probe.trees.selftest import AGAIN_S, judge
from shared.digest import sha256
from shared.errors import Defect, InputError, OutOfMemory, RehydrationError, StoreError
from shared.system.memory import blaming_memory
from shared.terminal import Report

IDLE_S = 1.0
PROGRESS_S = 1.0
BUSY_S = 30.0
"""How long another command may hold the state folder before a message is parked."""

Emit = Callable[[Telemetry], None]
Follow = Callable[[Config, Report], Regenerator]


@dataclass(frozen=True)
class Doing:
    """What the service works with.

    Attributes:
        state: the state folder.
        files: the disk.
        clock: Unix time, seconds.
        follow: makes the regenerator for a state's configuration; told where to report progress.
        emit: takes telemetry; may be called from two threads.
        energy: how to estimate what regeneration takes.
        gallery: where pictures go, and what draws them; None to refuse them.
    """

    state: Path
    files: Filesystem
    clock: Clock
    follow: Follow
    emit: Emit
    energy: Energy = field(default_factory=Energy)
    gallery: Gallery | None = None


class Service:
    """Deals with the messages of one receiver, in the order in which they came."""

    def __init__(self, doing: Doing, inbox: Inbox, receiver: Receiver) -> None:
        self._doing = doing
        self._receiver = receiver
        self._parking = Parking(inbox, receiver, self._emit)
        self._test_again: Patience | None = None
        """When a self-test is due that could not be run, by the monotonic clock."""
        self._remembered = Remembered()
        self._attempts = Attempts()
        self._sequence = -1
        self._told_s = 0.0

    def run(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Work until the input has ended and all is dealt with, or until told to stop.

        Raises:
            StoreError: the state folder cannot be opened at the start.
            InputError: the line has failed.
            Defect: what reads the line has.
        """
        self._tick(first=True)
        self._receiver.start()
        try:
            while not stopped():
                # Before the queue is looked at: what comes in between is not missed.
                ended = self._receiver.ended.is_set()
                try:
                    waiting = self._receiver.messages.get(timeout=0 if ended else IDLE_S)
                except queue.Empty:
                    self._tick()
                    if ended:
                        break
                    continue
                self._deal(waiting)
                self._retry()
        finally:
            self._receiver.stop()
        self._check_line()

    def _check_line(self) -> None:
        """Say why the line was given up, if it was; the exit code tells whoever restarts this."""
        error = self._receiver.failure
        if error is None:
            return
        known = isinstance(error, (OSError, RehydrationError))
        family = InputError if known else Defect
        found = f"the line has failed: {error if known else failing(error)}"
        self._emit(Telemetry(Event.FRAMES, exit_code=family.exit_code, reason=found))
        remedy = "see to the line and start the service again; what waits is kept"
        raise family(found, remedy=remedy) from error

    def _deal(self, waiting: Waiting) -> bool:
        """Whether the message is done with, one way or the other."""
        dealt = self._attempt(waiting.data)
        if dealt.later:
            dealt = self._parking.put(waiting, dealt)
        done = not dealt.later
        if done:
            self._parking.drop(waiting)
        event = Event.PARKED if dealt.later else dealt.telemetry.event
        self._emit(replace(dealt.telemetry, event=event))
        self._note(dealt)
        if dealt.telemetry.event is Event.APPLIED:
            self._judge()
        return done

    def _attempt(self, data: bytes) -> Dealt:
        began_s = time.monotonic()
        while True:
            try:
                with blaming_memory(), self._open() as probe:
                    self._learn(probe)
                    self._sequence = probe.store.ledger().sequence
                    follow = self._doing.follow(probe.config, self._progress)
                    follow = self._remembered.around(follow)
                    gallery = self._doing.gallery
                    clock, attempts = self._doing.clock, self._attempts
                    dealt = deal(probe, data, follow, clock, gallery, attempts)
                break
            except StoreError as error:
                if "another probe command" in error.found and time.monotonic() < began_s + BUSY_S:
                    time.sleep(0.1)
                    continue
                dealt = Dealt.refused(error, later=True)
                break
            except OutOfMemory as error:
                dealt = Dealt.refused(error, later=True)
                break
            except RehydrationError as error:
                dealt = Dealt.refused(error)
                break
            except OSError as error:  # of the disk, and nobody named it: the next attempt may do
                dealt = Dealt.refused(StoreError(f"the disk refuses: {error}"), later=True)
                break
            except Exception as error:  # a defect must not take the link down with it
                dealt = Dealt(Telemetry(Event.REFUSED, exit_code=1, reason=failing(error)))
                break
        if not dealt.telemetry.exit_code:
            self._receiver.accept(data)
        digest = dealt.telemetry.digest if any(dealt.telemetry.digest) else sha256(data)[:8]
        return replace(dealt, telemetry=replace(dealt.telemetry, digest=digest))

    def _note(self, dealt: Dealt) -> None:
        """Say what could not be done and was no reason to fail."""
        for note in dealt.notes:
            told = dealt.telemetry
            self._emit(Telemetry(Event.STORAGE, counter=told.counter, reason=note))

    def _learn(self, probe: Probe) -> None:
        """Tell those who look at messages first what there is to know."""
        ledger, pending = probe.store.ledger(), probe.store.pending()
        self._receiver.triage.record = on_record(probe.config, ledger, pending)

    def _retry(self) -> None:
        """Try parked messages as long as that changes anything."""
        tried = None
        parked = self._parking.messages
        while parked and (sequence := self._now()) is not None and sequence != tried:
            if self._sequence_of_parked == sequence:
                return
            tried = self._sequence_of_parked = sequence
            self._try(self._parking.worth())

    def _retry_disk(self) -> None:
        """Try those again that a disk refused a while ago."""
        if self._try(self._parking.due(), say=True):
            self._retry()

    def _try(self, messages: Sequence[Waiting], *, say: bool = False) -> bool:
        """Each once, until one is applied; whether one was.  Those parked again are told of."""
        for waiting in list(messages):
            dealt = self._attempt(waiting.data)
            if dealt.later:
                dealt = self._parking.put(waiting, dealt)
                if say:
                    self._emit(replace(dealt.telemetry, event=Event.PARKED))
                continue
            self._parking.leave(waiting)
            self._emit(dealt.telemetry)
            self._note(dealt)
            if dealt.telemetry.event is Event.APPLIED:
                self._judge()
                return True
        return False

    _sequence_of_parked = -1

    def _now(self) -> int | None:
        try:
            with self._open() as probe:
                self._learn(probe)
                return probe.store.ledger().sequence
        except StoreError:
            return None

    def _tick(self, *, first: bool = False) -> None:
        """Nothing to do: end a trial that is over, try parked messages again."""
        try:
            with self._open() as probe:
                self._learn(probe)
                ledger = probe.store.ledger()
                settled = probe.settled
        except StoreError as error:
            if first:
                raise
            if "another probe command" not in error.found:
                self._emit(refused_by_disk(error))
            return
        tree = bytes.fromhex(ledger.tree)[:8]
        if settled:
            reason = f"the trial was over: {settled.operation.value}"
            self._emit(Telemetry(Event.SETTLED, counter=ledger.counter, digest=tree, reason=reason))
        if first:
            self._emit(Telemetry(Event.READY, counter=ledger.counter, digest=tree))
            self._judge()
            return
        if self._test_again and time.monotonic() >= self._test_again.due_s:
            self._judge()
        self._retry()
        self._retry_disk()

    def _judge(self) -> None:
        """Run the self-test of a tree on trial, if there is one.

        What keeps it from being run or its verdict from being written is not the tree's fault.
        """
        try:
            tested = judge(self._doing.state, self._doing.clock)
        except RehydrationError as error:
            again = self._test_again = refused(self._test_again, time.monotonic(), AGAIN_S)
            told = refused_by_disk(error)
            self._emit(replace(told, reason=f"{told.reason} ({again})"))
            return
        self._test_again = None
        if tested and tested.entry:
            reason = f"{tested.entry.operation.value}: {tested.verdict}"
            tree = bytes.fromhex(tested.entry.new_tree)[:8]
            counter = tested.entry.counter
            self._emit(Telemetry(Event.SETTLED, counter=counter, digest=tree, reason=reason))

    def _progress(self, stage: str, done: int, total: int) -> None:
        del total
        now_s = time.monotonic()
        if stage == "regenerating" and now_s >= self._told_s + PROGRESS_S:
            self._told_s = now_s
            self._emit(Telemetry(Event.PROGRESS, tokens=done))

    def _open(self) -> AbstractContextManager[Probe]:
        return open_probe(self._doing.state, self._doing.files, self._doing.clock)

    def _emit(self, telemetry: Telemetry) -> None:
        self._doing.emit(completed(telemetry, self._doing))


def completed(telemetry: Telemetry, doing: Doing) -> Telemetry:
    """An event with time and resources filled in."""
    try:
        disk = free_bytes(doing.state) >> 10
    except OSError:
        disk = 0
    joules = None
    if telemetry.event in (Event.APPLIED, Event.DISCLOSED):
        joules = doing.energy.joules(telemetry.milliseconds / 1000, telemetry.operations)
    return replace(
        telemetry,
        time_s=doing.clock(),
        memory_kib=peak_memory_kib(),
        disk_kib=disk,
        millijoules=None if joules is None else round(1000 * joules),
    )
