"""Messages that wait for the key that closes them (TESLA, ``shared.auth.tesla``): pure decisions.

A message is held only if it came in time, so that what is held and fits the key that comes later
is authentic.  Nothing held has been authenticated, so room and durable writes for it are bounded
(``probe.resources.room``, ``probe.resources.wear``).  Where there is no room the draw decides: each
message that comes
gets a number that nobody foresees, and the lowest of the largest group goes.  So a forger cannot
displace an honest message with certainty, in whatever order he sends, and since ever fewer win a
place the longer he sends, his writes grow with the logarithm of his messages.  It is the multiple
buffer random selection of Liu and Ning, Multilevel uTESLA (ACM TECS 3(4), 2004, 4.2), by groups.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from probe.resources.room import Guest, Standing, makes_way
from probe.resources.wear import Wear
from shared.auth.keys import IntervalKey, fingerprint
from shared.auth.tesla import ChainKey, Commitment
from shared.errors import Refusal, UntimelyMessage

MAX_HELD = 16
MAX_HELD_BYTES = 1 << 20
WRITES_A_MINUTE = 60
"""Durable ones, for what is held."""
_FIRST_LOT = b"\xff" * 8
"""Of what an earlier version held, without a draw."""


@dataclass(frozen=True)
class Held:
    """A message that came in time.

    Attributes:
        chain: fingerprint of the chain that it names, hex.
        interval: that it names.
        counter: that it names.
        arrived_ms: when it came, by the probe's clock.
        envelope: its bytes, hex.
        lot: its number in the draw, hex; "" if an earlier version held it.
    """

    chain: str
    interval: int
    counter: int
    arrived_ms: int
    envelope: str
    lot: str = ""

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
        writes_left: durable writes that might be made for messages when the last one was; below 0
            if there was none.
        written_ms: when that was, by the probe's clock.
    """

    messages: tuple[Held, ...] = ()
    known: tuple[Known, ...] = ()
    latest_ms: int = 0
    writes_left: float = -1.0
    written_ms: int = 0


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
    lot: bytes,
) -> Pending:
    """Take a message in, if it cannot have been made with a key that others know.

    Where there is no room, another makes way, or this one (``probe.resources.room``).

    Args:
        pending: before.
        data: the envelope.
        commitment: of the chain that it names.
        interval: that it names.
        counter: that it names.
        now_ms: by the probe's clock.
        lot: 8 random bytes, drawn for this arrival: an honest message that is sent again is drawn
            again.

    Raises:
        UntimelyMessage: it came too late or too early, or its key is known already.
        Refusal: the room is full and the draw went against it, or it may not be written now.
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
    held = Held(fingerprint(commitment).hex(), interval, counter, now_ms, data.hex(), lot.hex())
    after = replace(pending, messages=(*pending.messages, held))
    if _one_too_many(after):
        pending = _without_future(pending, commitment, now_ms)
        after = replace(pending, messages=(*pending.messages, held))
    while (gone := _one_too_many(after)) is not None:
        if gone == held:
            raise Refusal(
                f"{len(pending.messages)} messages wait, and there is no room for all",
                expected=f"at most {MAX_HELD} messages and {MAX_HELD_BYTES} bytes",
                remedy="send it again, or disclose the key of an interval that is over and then "
                "send it again",
            )
        after = without(after, [gone])
    return _written(after, now_ms)


def _one_too_many(pending: Pending) -> Held | None:
    """The message that has to make way for the others, if one has to.

    What a known key has closed and is still held was found to be authentic, and stays.  All others
    are the same at sight, and a group is what claims the same counter of the same chain.
    """
    latest = {one.chain: one.interval for one in pending.known}
    guests = [
        Guest(
            order=place,
            size_bytes=len(one.envelope) // 2,
            standing=Standing.AUTHENTIC
            if one.interval <= latest.get(one.chain, 0)
            else Standing.UNPROVEN,
            group=f"{one.chain} {one.counter}".encode(),
            lot=bytes.fromhex(one.lot) or _FIRST_LOT,
        )
        for place, one in enumerate(pending.messages)
    ]
    gone = makes_way(guests, MAX_HELD, MAX_HELD_BYTES)
    return None if gone is None else pending.messages[gone.order]


def _written(pending: Pending, now_ms: int) -> Pending:
    """With one more durable write counted, if the budget allows it.

    By the probe's clock, since each command may be a process of its own; a clock that was set back
    begins with a full budget, since it would else have to come back to where it was.
    """
    now_s, then_s = now_ms / 1000, pending.written_ms / 1000
    wear = Wear(WRITES_A_MINUTE, pending.writes_left, then_s)
    if pending.writes_left < 0 or now_s < then_s:
        wear = Wear.full(WRITES_A_MINUTE, now_s)
    spent = wear.spent(now_s)
    if spent is None:
        raise Refusal(
            f"messages that wait for a key have been written {WRITES_A_MINUTE // 2} times at once",
            expected=f"at most {WRITES_A_MINUTE} durable writes a minute for them",
            remedy="send it again in a few seconds, in time for its interval",
        )
    return replace(pending, writes_left=spent.left, written_ms=now_ms)


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
