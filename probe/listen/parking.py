"""Messages that may do later: where they are kept, who makes way, and when they are tried again.

Strangers can have messages parked too, so there is a bound on what is parked
(``probe.resources.room``), and
where a signature was found to fit a message keeps its place.  A copy of one that is parked takes no
place of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from probe.inbox.batch import Waiting
from probe.inbox.inbox import Inbox
from probe.listen.dispatch import STEPS, Dealt
from probe.listen.receiver import Receiver
from probe.listen.telemetry import Event, Telemetry
from probe.resources.room import Guest, Standing, makes_way
from probe.state.patience import Patience, refused
from shared.digest import sha256
from shared.errors import RehydrationError, StoreError

MAX_PARKED = 1024
"""Messages of strangers; they have room for as many bytes as on the way here."""
DISK_S = 60.0
"""From the first attempt to the second where a disk refused; it doubles each time."""


class Parking:
    """The parked messages of one service.

    Args:
        inbox: where they lie on disk.
        receiver: knows what a message is at sight, and how many bytes there may be.
        emit: takes telemetry about what is given up and what a disk refuses.
    """

    def __init__(self, inbox: Inbox, receiver: Receiver, emit: Callable[[Telemetry], None]) -> None:
        self._inbox = inbox
        self._receiver = receiver
        self._emit = emit
        self.messages: list[Waiting] = []
        """Oldest first."""
        self._refused_by_disk: dict[Waiting, Patience] = {}
        """Of the parked, those that a disk refused, by the monotonic clock."""
        self._guests: dict[Waiting, Guest] = {}
        """What the parked are, oldest first."""

    def put(self, waiting: Waiting, dealt: Dealt) -> Dealt:
        """Keep a message for later; what to say of it."""
        # A ground that hears nothing sends again: copies must not take the room of others.
        parked = next((one for one in self.messages if one.data == waiting.data), None)
        kept = parked or waiting
        if dealt.telemetry.step == STEPS[StoreError]:
            before = self._refused_by_disk.get(kept)
            patience = refused(before, time.monotonic(), DISK_S)
            self._refused_by_disk[kept] = patience
            reason = f"{dealt.telemetry.reason} ({patience})"
            dealt = replace(dealt, telemetry=replace(dealt.telemetry, reason=reason))
        else:
            self._refused_by_disk.pop(kept, None)
        if parked is not None:
            if parked != waiting:
                self.drop(waiting)
            return dealt
        self.messages.append(waiting)
        self._guests[waiting] = self._guest(waiting, dealt)
        if not waiting.stored and not self._store(waiting):
            reason = f"{dealt.telemetry.reason} (in memory for now)"
            dealt = replace(dealt, telemetry=replace(dealt.telemetry, reason=reason))
        # Anybody can have messages parked that name another tree.
        most_bytes = self._receiver.messages.most_bytes
        while (one := makes_way(list(self._guests.values()), MAX_PARKED, most_bytes)) is not None:
            given_up = next(parked for parked in self.messages if parked.order == one.order)
            # Said before it is done: what is said to be parked is on disk.
            reason = f"more than {MAX_PARKED} messages are parked: one is given up"
            self._emit(Telemetry(Event.REFUSED, digest=sha256(given_up.data)[:8], reason=reason))
            self.leave(given_up)
        return dealt

    def _guest(self, waiting: Waiting, dealt: Dealt) -> Guest:
        """What a parked message is.  Where a signature was found to fit, it keeps its place."""
        guest = self._receiver.triage.guest(waiting)
        if dealt.authentic:
            return replace(guest, standing=Standing.AUTHENTIC)
        return guest

    def leave(self, waiting: Waiting) -> None:
        """Let a parked message go: it is dealt with, or given up."""
        self.messages.remove(waiting)
        self._refused_by_disk.pop(waiting, None)
        self._guests.pop(waiting, None)
        self.drop(waiting)

    def _store(self, waiting: Waiting) -> bool:
        """Put a parked message on disk that was not when it came; whether it is there now.

        A stranger's goes there when the inbox may write for strangers.
        """
        authentic = self._guests[waiting].standing is Standing.AUTHENTIC
        try:
            return self._inbox.put_message(waiting, authentic=authentic)
        except StoreError as error:
            self._emit(refused_by_disk(error, sha256(waiting.data)[:8]))
            return False

    def worth(self) -> Sequence[Waiting]:
        """List those worth an attempt when the ledger has changed: most belong to strangers."""
        return [one for one in self.messages if self._may_do(one)]

    def due(self) -> Sequence[Waiting]:
        """List those that a disk refused and that are to be tried again by now."""
        now_s = time.monotonic()
        return [one for one, wait in self._refused_by_disk.items() if now_s >= wait.due_s]

    def drop(self, waiting: Waiting) -> None:
        """Let the inbox forget a message that is dealt with; a disk that refuses is told of."""
        try:
            self._inbox.drop_message(waiting)
        except StoreError as error:
            self._emit(refused_by_disk(error))

    def _may_do(self, waiting: Waiting) -> bool:
        if waiting in self._refused_by_disk:
            return True
        return self._receiver.triage.guest(waiting).standing is not Standing.UNPROVEN


def refused_by_disk(error: RehydrationError, digest: bytes = bytes(8)) -> Telemetry:
    """What is said when the disk refuses, perhaps of one message."""
    return Telemetry(Event.STORAGE, exit_code=error.exit_code, digest=digest, reason=str(error))
