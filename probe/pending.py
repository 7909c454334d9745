"""Messages that wait for the key that closes them (TESLA, ``shared.auth.tesla``): pure decisions.

A message is held only if it came in time, so that what is held and fits the key that comes later
is authentic.  Nothing held has been authenticated: room for it is bounded, and a forger can use it
up until the next disclosure.  Keep him off the link with its own security (SDLS).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from shared.auth.keys import IntervalKey, fingerprint
from shared.auth.tesla import ChainKey, Commitment
from shared.errors import Refusal, UntimelyMessage

MAX_HELD = 16
MAX_HELD_BYTES = 1 << 20


@dataclass(frozen=True)
class Held:
    """A message that came in time.

    Attributes:
        chain: fingerprint of the chain that it names, hex.
        interval: that it names.
        counter: that it names.
        arrived_ms: when it came, by the probe's clock.
        envelope: its bytes, hex.
    """

    chain: str
    interval: int
    counter: int
    arrived_ms: int
    envelope: str

    @property
    def data(self) -> bytes:
        """The envelope."""
        return bytes.fromhex(self.envelope)


@dataclass(frozen=True)
class Known:
    """The latest key of a chain that was disclosed.

    Attributes:
        chain: fingerprint, hex.
        interval: its place.
        key: hex.
    """

    chain: str
    interval: int
    key: str


@dataclass(frozen=True)
class Pending:
    """What the probe remembers of chains.

    Attributes:
        messages: held, in the order in which they came.
        known: one for each chain of which a key was disclosed.
        latest_ms: what earlier versions wrote: when the latest message or key came.  It decides
            nothing any more: a clock that was ahead for a while would have to stay there.
    """

    messages: tuple[Held, ...] = ()
    known: tuple[Known, ...] = ()
    latest_ms: int = 0


def known_key(pending: Pending, commitment: Commitment) -> ChainKey:
    """The latest key of a chain; its root if none was disclosed."""
    chain = fingerprint(commitment).hex()
    for known in pending.known:
        if known.chain == chain:
            return ChainKey(known.interval, bytes.fromhex(known.key))
    return ChainKey(0, commitment.root)


def hold(
    pending: Pending,
    data: bytes,
    commitment: Commitment,
    *,
    interval: int,
    counter: int,
    now_ms: int,
) -> Pending:
    """Take a message in, if it cannot have been made with a key that others know.

    Args:
        pending: before.
        data: the envelope.
        commitment: of the chain that it names.
        interval: that it names.
        counter: that it names.
        now_ms: by the probe's clock.

    Raises:
        UntimelyMessage: it came too late or too early, or its key is known already.
        Refusal: there is no room.
    """
    if any(held.data == data for held in pending.messages):
        return pending
    known = known_key(pending, commitment)
    if interval <= known.interval:
        raise UntimelyMessage(
            f"the key of interval {interval} is known already",
            expected=f"a message of interval {known.interval + 1} or later",
            remedy="sign it again for the interval in which it is sent",
        )
    commitment.schedule.check_arrival(interval, now_ms)
    if not _fits(pending, data):
        pending = _without_future(pending, commitment, now_ms)
    if not _fits(pending, data):
        raise Refusal(
            f"{len(pending.messages)} messages wait already, and there is no room for another",
            expected=f"at most {MAX_HELD} messages and {MAX_HELD_BYTES} bytes",
            remedy="disclose the key of an interval that is over, then send it again",
        )
    held = Held(fingerprint(commitment).hex(), interval, counter, now_ms, data.hex())
    return replace(pending, messages=(*pending.messages, held))


def _fits(pending: Pending, data: bytes) -> bool:
    size = len(data) + sum(len(held.envelope) // 2 for held in pending.messages)
    return len(pending.messages) < MAX_HELD and size <= MAX_HELD_BYTES


def _without_future(pending: Pending, commitment: Commitment, now_ms: int) -> Pending:
    """Without messages of a chain that came while the clock was ahead: it has been corrected."""
    chain, begun = fingerprint(commitment).hex(), commitment.schedule.begun(now_ms)
    ahead = [held for held in pending.messages if held.chain == chain and held.interval > begun]
    return without(pending, ahead)


def disclosed(
    pending: Pending, commitment: Commitment, shown: ChainKey, *, now_ms: int
) -> tuple[Pending, tuple[Held, ...]]:
    """Take a key in.

    Args:
        pending: before.
        commitment: of its chain.
        shown: the key.
        now_ms: by the probe's clock.

    Returns:
        After it, and the messages that are dropped because their key came before its time: then
        the clocks differ by more than they should, or the key was known too early.  A key that is
        known already, which anybody can show again, changes nothing.

    Raises:
        BadSignature: the key is not of the chain.
        UntimelyMessage: the key is too early or too old to be looked at.
    """
    chain = fingerprint(commitment).hex()
    known = known_key(pending, commitment)
    latest = commitment.accept(known, shown, now_ms)
    if latest == known:
        return pending, ()
    # A key before its time gives away all earlier ones, and shows that the clock cannot be trusted
    # with those either: of what it would be the first to close, nothing is authentic.
    early = commitment.schedule.before_disclosure(shown.interval, now_ms)
    others = tuple(known for known in pending.known if known.chain != chain)
    after = replace(pending, known=(*others, Known(chain, latest.interval, latest.key.hex())))
    exposed = tuple(
        held
        for held in pending.messages
        if held.chain == chain
        and held.interval <= shown.interval
        and (
            (early and held.interval > known.interval)
            or commitment.schedule.before_disclosure(held.interval, now_ms)
        )
    )
    return without(after, exposed), exposed


def without(pending: Pending, gone: Iterable[Held]) -> Pending:
    """The same without some messages."""
    out = set(gone)
    left = tuple(held for held in pending.messages if held not in out)
    return replace(pending, messages=left)


def checking_key(pending: Pending, held: Held, commitment: Commitment) -> IntervalKey | None:
    """What closes a held message, or None while its key is not known."""
    known = known_key(pending, commitment)
    if held.chain != fingerprint(commitment).hex() or held.interval > known.interval:
        return None
    return IntervalKey(commitment, known, held.interval)
