"""From a line to whole messages: what a listening probe does with bytes, before it looks into them.

One thread does nothing else, so that a message that takes minutes to regenerate keeps no byte
waiting in a small buffer of the system.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import replace

from probe.assembly import Assembly, Kept, take
from probe.inbox import Inbox, Waiting
from probe.transports import Transport
from probe.units import Framing, Units, told
from shared.ccsds.stack import Stack
from shared.errors import RehydrationError, StoreError
from shared.memory import came_of_lack

POLL_S = 0.2
MAX_WAITING = 256
"""Messages on disk and in memory; beyond, the line is not read until one is dealt with."""

Fault = Callable[[str], None]


class Receiver:
    """Reads a transport, puts messages and segments away, and hands messages on in order.

    Args:
        transport: where bytes come from.
        framing: how messages lie in them.
        stack: the frames' layers, where there are any.
        inbox: where they are put.
        max_bytes: longest message that is handed on whole.
        fault: told what of one input was dropped, and when the disk refuses; called from the
            thread.
    """

    def __init__(
        self,
        transport: Transport,
        framing: Framing,
        stack: Stack,
        inbox: Inbox,
        max_bytes: int,
        fault: Fault,
    ) -> None:
        self.messages: queue.Queue[Waiting] = queue.Queue(MAX_WAITING)
        self.ended = threading.Event()
        self._transport = transport
        self._framing = framing
        self._stack = stack
        self._inbox = inbox
        self._max_bytes = max_bytes
        self._tell = fault
        self._faults: list[str] = []
        self._assembly = Assembly()
        self._order = 0
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
        self._order = max([0, *(w.order for w in before), *(k.order for k in segments)])
        self._before = (before, segments)
        self._thread.start()

    def stop(self) -> None:
        """Read no more, and wait for the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            before, segments = self._before
            for waiting in before:
                self._hand_on(waiting)
            for kept in segments:
                self._again(kept)
            self._report()
            while not self._stop.is_set():
                data = self._transport.receive(POLL_S)
                if data is not None:
                    self._attend(data)
                if data == b"":
                    break
        except Exception as error:  # the line itself, or what tells of faults
            self.failure = error
        finally:
            self.ended.set()

    def _attend(self, data: bytes) -> None:
        """Deal with one input, b"" for its end; a defect costs the input and not the line."""
        try:
            self._dispose(self._framing.feed(data) if data else self._framing.end())
        except Exception as error:
            self._faults.append(f"what came is dropped: {failing(error)}")
        self._report()

    def _dispose(self, units: Units) -> None:
        """Deal with what one input held; its faults are one report."""
        self._faults += units.faults
        for message in units.messages:
            self._message(message)
        for piece in units.pieces:
            self._order += 1
            kept = Kept(self._order, piece)
            self._attempt(lambda kept=kept: self._inbox.put_segment(kept))  # type: ignore[misc]
            self._take(kept)

    def _report(self) -> None:
        if self._faults:
            self._tell(told(self._faults))
            self._faults.clear()

    def _again(self, kept: Kept) -> None:
        """Take in what was put away in an earlier session, under the same rule."""
        try:
            self._take(kept)
        except Exception as error:
            self._faults.append(f"a segment from before is passed over: {failing(error)}")

    def _take(self, kept: Kept) -> None:
        taken = take(self._assembly, kept, self._stack)
        self._assembly = taken.assembly
        if taken.fault:
            self._faults.append(taken.fault)
        for message in taken.messages:
            self._message(message)
        for gone in taken.gone:
            self._attempt(lambda gone=gone: self._inbox.drop_segment(gone))  # type: ignore[misc]

    def _message(self, data: bytes) -> None:
        # One byte more than allowed is enough to be refused for its size.
        self._order += 1
        waiting = Waiting(self._order, data[: self._max_bytes + 1])
        stored = self._attempt(lambda: self._inbox.put_message(waiting))
        self._hand_on(replace(waiting, stored=stored))

    def _hand_on(self, waiting: Waiting) -> None:
        while not self._stop.is_set():
            try:
                self.messages.put(waiting, timeout=POLL_S)
                return
            except queue.Full:
                continue

    def _attempt(self, action: Callable[[], None]) -> bool:
        """Whether the disk did it; one that refuses costs the memory of this across a restart."""
        try:
            action()
        except StoreError as error:
            self._faults.append(str(error))
            return False
        return True


def failing(error: Exception) -> str:
    """An error that nobody foresaw, in words."""
    if isinstance(error, RehydrationError):
        return str(error)
    if came_of_lack(error):
        return "there is too little memory for this now"
    return f"a defect in this program: {type(error).__name__}: {error}"
