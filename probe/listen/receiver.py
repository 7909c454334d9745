"""From a line to whole messages: what a listening probe does with bytes, before it looks into them.

One thread does nothing else, so that a message that takes minutes to regenerate keeps no byte
waiting in a small buffer of the system.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from probe.inbox.batch import Waiting
from probe.inbox.inbox import Inbox
from probe.inbox.lane import MOST_BYTES, Lane, Triage
from probe.inbox.standing import Standing
from probe.listen.faults import Clock, Faults
from probe.reception.framing import Framing, Units
from probe.reception.reassembly import Assembly, Kept, settled, take
from probe.reception.transports import Transport
from shared.ccsds.stack import Stack
from shared.errors import RehydrationError, StoreError
from shared.system.memory import came_of_lack

POLL_S = 0.2

Fault = Callable[[str], None]


class Receiver:
    """Reads a transport, puts messages and segments away, and hands messages on in order.

    Args:
        transport: where bytes come from.
        framing: how messages lie in them.
        stack: the frames' layers, where there are any.
        inbox: where they are put.
        max_bytes: longest message that is handed on whole.
        fault: told what was dropped, and when the disk refuses, once a second at most; called from
            the thread.
        clock: seconds from any fixed moment, for that.
    """

    def __init__(
        self,
        transport: Transport,
        framing: Framing,
        stack: Stack,
        inbox: Inbox,
        max_bytes: int,
        fault: Fault,
        clock: Clock = time.monotonic,
    ) -> None:
        self.triage = Triage(os.urandom(16))
        self.messages = Lane(most_bytes=max(MOST_BYTES, 2 * max_bytes))
        self.ended = threading.Event()
        self._transport = transport
        self._framing = framing
        self._stack = stack
        self._inbox = inbox
        self._max_bytes = max_bytes
        self._faults = Faults(fault, clock)
        self._assembly = Assembly()
        self._order = 0
        """Of messages."""
        self._came = 0
        """How many segments have come; by their own count, since its rhythm tells them apart."""
        self._accepted: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._stop = threading.Event()
        self.failure: Exception | None = None
        """What ended the reading before the input did."""
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)

    def start(self) -> None:
        """Begin to read; what the inbox holds from before comes first.

        Raises:
            StoreError: the inbox cannot be read.
        """
        before, segments = self._inbox.messages(), self._inbox.segments()
        self._order = max([0, *(w.order for w in before)])
        self._came = max([0, *(k.order for k in segments)])
        self._before = (before, segments)
        self._thread.start()

    def stop(self) -> None:
        """Read no more, and wait for the thread."""
        self._stop.set()
        self._thread.join()

    def accept(self, message: bytes) -> None:
        """Note that a message was authentic; its segments compete no more.  From any thread."""
        self._accepted.put(message)

    def _run(self) -> None:
        try:
            self._read()
        except Exception as error:  # the line itself, or what tells of faults
            self.failure = error
        finally:
            self.ended.set()

    def _read(self) -> None:
        before, segments = self._before
        try:
            for waiting in before:
                self._hand_on(waiting)
            for kept in segments:
                self._again(kept)
            while not self._stop.is_set():
                self._faults.report()
                try:
                    data = self._transport.receive(POLL_S)
                except Exception:
                    self._attend(b"")  # what came before counts as before an orderly end
                    raise
                if data is not None:
                    self._attend(data)
                self._attempt(self._inbox.keep)  # what the budget allows by now
                if data == b"":
                    break
        finally:
            self._faults.report(at_once=True)

    def _attend(self, data: bytes) -> None:
        """Deal with one input, b"" for its end; a defect costs the input and not the line."""
        try:
            self._dispose(self._framing.feed(data) if data else self._framing.end())
        except Exception as error:
            self._faults.note([f"what came is dropped: {failing(error)}"])

    def _dispose(self, units: Units) -> None:
        """Deal with what one input held."""
        self._faults.note(units.faults)
        for message in units.messages:
            self._message(message)
        while not self._accepted.empty():
            self._assembly = settled(self._assembly, self._accepted.get())
        source = self._transport.source
        for piece in units.pieces:
            self._came += 1
            kept = Kept(self._came, replace(piece, source=source))
            self._attempt(lambda kept=kept: self._inbox.put_segment(kept))  # type: ignore[misc]
            self._take(kept)

    def _again(self, kept: Kept) -> None:
        """Take in what was put away in an earlier session, under the same rule."""
        try:
            self._take(kept)
        except Exception as error:
            self._faults.note([f"a segment from before is passed over: {failing(error)}"])

    def _take(self, kept: Kept) -> None:
        taken = take(self._assembly, kept, self._stack)
        self._assembly = taken.assembly
        if taken.fault:
            self._faults.note([taken.fault])
        made = [self._message(message) for message in taken.messages]
        self._attempt(lambda: self._inbox.replace(taken.gone, made))

    def _message(self, data: bytes) -> Waiting:
        # One byte more than allowed is enough to be refused for its size.
        self._order += 1
        waiting = Waiting(self._order, data[: self._max_bytes + 1])
        guest = self.triage.guest(waiting)
        if self.messages.holds(waiting.data):  # a copy is worth nothing of its own
            guest = replace(guest, standing=Standing.HOPELESS)
        stored = False
        if guest.standing is not Standing.HOPELESS:
            authentic = guest.standing is Standing.AUTHENTIC
            stored = self._attempt(lambda: self._inbox.put_message(waiting, authentic=authentic))
        self._make_way(self.messages.put(guest, replace(waiting, stored=stored)))
        return waiting

    def _hand_on(self, waiting: Waiting) -> None:
        self._make_way(self.messages.put(self.triage.guest(waiting), waiting))

    def _make_way(self, gone: Iterable[Waiting]) -> None:
        for waiting in gone:
            self._faults.note(["a message made way: too many that prove nothing"])
            self._attempt(lambda waiting=waiting: self._inbox.drop_message(waiting))  # type: ignore[misc]

    def _attempt(self, action: Callable[[], bool | None]) -> bool:
        """Whether the disk did it; one that refuses costs the memory of this across a restart."""
        try:
            return action() is not False
        except StoreError as error:
            self._faults.note([str(error)])
            return False


def failing(error: Exception) -> str:
    """An error that nobody foresaw, in words."""
    if isinstance(error, RehydrationError):
        return str(error)
    if came_of_lack(error):
        return "there is too little memory for this now"
    return f"a defect in this program: {type(error).__name__}: {error}"
