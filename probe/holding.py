"""Messages of TESLA chains on board: held when they come, applied when their key is disclosed.

Everything that is decided is decided in ``probe.pending``, and written down durably before the next
step.  After a crash the same disclosure may be handed in again: it goes on where it was stopped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from probe import checks
from probe.onboard import Clock, Probe
from probe.pending import Held, Pending, disclosed, hold, known_key, without
from probe.update import Applied, Regenerator, apply, on_record, trusted_keys
from shared.auth.keys import fingerprint, key_id
from shared.auth.tags import interval_of
from shared.auth.tesla import ChainKey, Commitment, decode_disclosure
from shared.envelope import check_counter
from shared.errors import Refusal, UnknownKey, UntimelyMessage


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


def take_in(probe: Probe, data: bytes, clock: Clock) -> Held:
    """Hold a message, if it came in time.

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
    after = hold(
        _fresh(stored, record.counter),
        data,
        chain,
        interval=interval_of(envelope.signature),
        counter=envelope.message.counter,
        now_ms=_milliseconds(clock),
    )
    if after != stored:
        probe.store.write(after)
    return next(held for held in after.messages if held.data == data)


def disclose(probe: Probe, data: bytes, regenerator: Regenerator, clock: Clock) -> Disclosed:
    """Take in a key and apply what it closes, in the order of counters.

    Raises:
        Refusal: the bytes are no disclosure, or not of a trusted chain.
        StoreError: the state or the disk refuses.
        PinError: the model is damaged.
    """
    disclosure = decode_disclosure(data)
    chain = _chain(probe, disclosure.key_id)
    before = probe.store.pending()
    pending, exposed = disclosed(before, chain, disclosure.shown, now_ms=_milliseconds(clock))
    probe.store.write(pending)
    early = UntimelyMessage(
        "the key was disclosed before its time; the message is given up",
        remedy="compare the clocks of both ends; find out who knew the key",
    )
    done = [Closed(held, refusal=early) for held in exposed]
    done += _apply_all(probe, _closable(pending, chain), regenerator, clock)
    gone = [closed.held for closed in done if not closed.kept]
    probe.store.write(without(pending, gone))
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
        return Closed(held, refusal=refusal, kept=True)


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
