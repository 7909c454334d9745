"""Messages of TESLA chains on board: held when they come, applied when their key is disclosed.

Everything that is decided is decided in ``probe.state.pending``, and written down durably before
the next
step.  After a crash the same disclosure may be handed in again: it goes on where it was stopped.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from probe.messages.apply import Applied, Regenerator, apply, on_record, trusted_keys
from probe.state.pending import Held, Pending, disclosed, hold, known_key, without
from probe.trees.onboard import Clock, Probe
from shared.auth.keys import fingerprint, key_id
from shared.auth.tags import interval_of
from shared.auth.tesla import ChainKey, Commitment, decode_disclosure
from shared.errors import (
    DigestMismatch,
    Refusal,
    RegenerationError,
    UnknownKey,
    Unstageable,
    UntimelyMessage,
)
from shared.message import checks
from shared.message.envelope import check_counter

FINAL = (RegenerationError, DigestMismatch, Unstageable)
"""Refusals of an authentic message that come again however often it is tried."""


@dataclass(frozen=True)
class Closed:
    """What became of one held message.

    Attributes:
        held: the message.
        applied: what it did, or None.
        refusal: why it did nothing, or None.
        kept: whether it is still held, to be tried again: it is authentic, but for now it cannot
            be applied.
    """

    held: Held
    applied: Applied | None = None
    refusal: Refusal | None = None
    kept: bool = False


class Attempts:
    """Authentic messages that failed, and on which state: not again while nothing has changed.

    A disclosed key is public, and anybody can show it again; what it closed must not be computed
    each time.  In memory: a probe that starts anew tries each once more.
    """

    def __init__(self) -> None:
        self._failed: dict[Held, int] = {}

    def worth(self, held: Held, sequence: int) -> bool:
        """Whether the ledger has changed since this one failed, if it did."""
        return self._failed.get(held) != sequence

    def note(self, closed: Sequence[Closed], sequence: int) -> None:
        """Remember what failed just now; all others are done with."""
        self._failed |= {one.held: sequence for one in closed if one.kept}
        for one in closed:
            if not one.kept:
                self._failed.pop(one.held, None)


@dataclass(frozen=True)
class Disclosed:
    """What a disclosure did.

    Attributes:
        key_id: names the chain.
        latest: the latest key of the chain that is known now.
        closed: the held messages that it was about.
    """

    key_id: int
    latest: ChainKey
    closed: tuple[Closed, ...]


def waits(probe: Probe, data: bytes) -> bool:
    """Whether an envelope can only be held for now."""
    return checks.waits(data, _record(probe))


def take_in(
    probe: Probe, data: bytes, clock: Clock, draw: Callable[[int], bytes] = os.urandom
) -> Held:
    """Hold a message, if it came in time and there is room, or the draw makes some.

    Args:
        probe: the open probe; its notes tell what made way.
        data: the envelope.
        clock: Unix time, seconds.
        draw: so many random bytes, which nobody foresees.

    Raises:
        Refusal: of the family of the check that failed; nothing is held.
        StoreError: the disk refuses.
    """
    record = _record(probe)
    # 1 to 3: size, form, key
    envelope, keys = checks.claim(data, record)
    # 5: a counter that is used up will not do later either
    check_counter(envelope.message, record.counter, record.limits)
    chain = next(key for key in keys if isinstance(key, Commitment))
    stored = probe.store.pending()
    before = _fresh(stored, record.counter)
    after = hold(
        before,
        data,
        chain,
        interval=interval_of(envelope.signature),
        counter=envelope.message.counter,
        now_ms=_milliseconds(clock),
        lot=draw(8),
    )
    if after != stored:
        probe.store.write(after)
    if gone := len(set(before.messages) - set(after.messages)):
        probe.notes.append(f"{gone} of the messages that wait for a key made way: no room")
    return next(held for held in after.messages if held.data == data)


def disclose(
    probe: Probe,
    data: bytes,
    regenerator: Regenerator,
    clock: Clock,
    attempts: Attempts | None = None,
) -> Disclosed:
    """Take in a key and apply what it closes, in the order of counters.

    A key that is known already writes nothing by itself; what is still held is tried again.

    Args:
        probe: the open probe.
        data: the disclosure.
        regenerator: follows the messages that it closes.
        clock: Unix time, seconds.
        attempts: what failed before, and shall not be tried again on the same state; None to try
            all.

    Raises:
        Refusal: the bytes are no disclosure, or not of a trusted chain.
        StoreError: the state or the disk refuses.
        PinError: the model is damaged.
    """
    disclosure = decode_disclosure(data)
    chain = _chain(probe, disclosure.key_id)
    before = probe.store.pending()
    pending, exposed = disclosed(before, chain, disclosure.shown, now_ms=_milliseconds(clock))
    if pending != before:
        probe.store.write(pending)
    early = UntimelyMessage(
        "the key was disclosed before its time; the message is given up",
        remedy="compare the clocks of both ends; find out who knew the key",
    )
    done = [Closed(held, refusal=early) for held in exposed]
    attempts = attempts or Attempts()
    sequence = probe.store.ledger().sequence
    worth = [held for held in _closable(pending, chain) if attempts.worth(held, sequence)]
    done += _apply_all(probe, worth, regenerator, clock)
    attempts.note(done, probe.store.ledger().sequence)
    left = without(pending, [closed.held for closed in done if not closed.kept])
    if left != pending:
        probe.store.write(left)
    return Disclosed(disclosure.key_id, known_key(pending, chain), tuple(done))


def _apply_all(
    probe: Probe, waiting: list[Held], regenerator: Regenerator, clock: Clock
) -> list[Closed]:
    """Each is written for the tree that the one before it leaves: so again after each success."""
    done: list[Closed] = []
    while waiting:
        refused: list[Closed] = []
        for held in waiting:
            outcome = _apply(probe, held, regenerator, clock)
            if outcome.applied:
                break
            refused.append(outcome)
        else:
            return done + refused
        done.append(outcome)
        waiting = [other for other in waiting if other != outcome.held]
    return done


def _apply(probe: Probe, held: Held, regenerator: Regenerator, clock: Clock) -> Closed:
    try:
        checks.authenticate(held.data, _record(probe))
    except Refusal as refusal:
        return Closed(held, refusal=refusal)
    try:
        return Closed(held, applied=apply(probe, held.data, regenerator, clock))
    except Refusal as refusal:
        return Closed(held, refusal=refusal, kept=not isinstance(refusal, FINAL))


def _closable(pending: Pending, chain: Commitment) -> list[Held]:
    name, latest = fingerprint(chain).hex(), known_key(pending, chain).interval
    closable = [h for h in pending.messages if h.chain == name and h.interval <= latest]
    return sorted(closable, key=lambda held: held.counter)


def _chain(probe: Probe, number: int) -> Commitment:
    chains = [key for key in trusted_keys(probe.config) if isinstance(key, Commitment)]
    for chain in chains:
        if key_id(chain) == number:
            return chain
    known = ", ".join(sorted(f"{key_id(chain):#04x}" for chain in chains)) or "none"
    raise UnknownKey(
        f"the disclosure names key {number:#04x}", expected=f"a trusted chain: {known}"
    )


def _record(probe: Probe) -> checks.Record:
    return on_record(probe.config, probe.store.ledger(), probe.store.pending())


def _fresh(pending: Pending, counter: int) -> Pending:
    """Without messages whose counter is used up: they make room."""
    return without(pending, [held for held in pending.messages if held.counter <= counter])


def _milliseconds(clock: Clock) -> int:
    """Rounded up: a message must not count as earlier than it came."""
    return math.ceil(clock() * 1000)
