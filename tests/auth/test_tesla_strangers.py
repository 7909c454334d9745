"""What a stranger can do with disclosures and clocks: hash steps counted, no clock moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shared.auth.tesla
from probe.state.pending import Pending, checking_key, disclosed, hold, known_key
from shared.auth.keys import IntervalKey
from shared.auth.schedule import Schedule
from shared.auth.tags import fits, make_tail
from shared.auth.tesla import NEAR_INTERVALS, ChainKey, make_chain
from shared.errors import BadSignature, Refusal, UntimelyMessage

PLAN = Schedule(
    intervals=20_000,
    start_ms=1_000_000,
    interval_ms=1_000,
    delay=3,
    clock_error_ms=150,
    light_min_ms=20_000,
    light_max_ms=21_500,
)
LOT = b"middling"
CHAIN = make_chain(PLAN, bytes(range(8)), bytes(range(16)))
ROOT = CHAIN.commitment
KEYS = [ROOT.root]
"""All keys of the chain, so that the tests need no walks of their own."""


def keys() -> list[bytes]:
    if len(KEYS) == 1:
        found = [CHAIN.last.key]
        for number in range(PLAN.intervals - 1, -1, -1):
            found.append(ROOT.key_at(number, ChainKey(number + 1, found[-1])))
        KEYS[:] = reversed(found)
    return KEYS


def key(interval: int) -> ChainKey:
    return ChainKey(interval, keys()[interval])


@contextmanager
def counted() -> Iterator[list[int]]:
    """Counts the hash steps of chains."""
    real, steps = shared.auth.tesla.sha256, [0]

    def counting(*parts: bytes) -> bytes:
        steps[0] += 1
        return real(*parts)

    shared.auth.tesla.sha256 = counting
    try:
        yield steps
    finally:
        shared.auth.tesla.sha256 = real


def true_arrival(interval: int) -> int:
    """When a message of the middle of an interval comes."""
    return PLAN.begins_ms(interval) + PLAN.light_min_ms + 500


intervals = st.integers(1, PLAN.intervals)


@settings(deadline=None)
@given(
    known=st.integers(0, PLAN.intervals),
    shown=st.integers(1, 65_535),
    now=intervals,
    genuine=st.booleans(),
)
def test_the_walk_is_bounded_by_the_clock_and_forgeries_change_nothing(
    known: int, shown: int, now: int, genuine: bool
) -> None:
    chain = disclosed(Pending(), ROOT, key(known), now_ms=true_arrival(PLAN.intervals))[0]
    before = chain if known else Pending()
    value = key(shown) if genuine and shown <= PLAN.intervals else ChainKey(shown, bytes(16))
    with counted() as steps:
        try:
            after, exposed = disclosed(before, ROOT, value, now_ms=true_arrival(now))
        except (BadSignature, UntimelyMessage):
            after, exposed = before, ()
        else:
            assert value == key(shown) if shown <= PLAN.intervals else False
    assert steps[0] <= max(now - known, 0) + NEAR_INTERVALS + 1
    assert exposed == ()
    if value.interval <= known or value.interval > PLAN.intervals or value.key == bytes(16):
        assert after is before or after == before  # nothing to write
    elif shown <= now + NEAR_INTERVALS:
        assert known_key(after, ROOT) == value
    assert after.latest_ms == 0


def test_a_key_of_the_far_future_costs_no_hash_at_all() -> None:
    """Genuine or not: by this clock nobody can know it."""
    for value in (key(PLAN.intervals), ChainKey(PLAN.intervals, bytes(16)), ChainKey(65_535, b"")):
        with counted() as steps, pytest.raises((UntimelyMessage, BadSignature)):
            disclosed(Pending(), ROOT, value, now_ms=true_arrival(4))
        assert steps == [0]


def test_a_forgery_of_the_remote_past_costs_no_hash_at_all() -> None:
    known, _ = disclosed(Pending(), ROOT, key(15_000), now_ms=true_arrival(15_010))
    with counted() as steps, pytest.raises(UntimelyMessage, match="is known"):
        disclosed(known, ROOT, ChainKey(1, bytes(16)), now_ms=true_arrival(15_010))
    assert steps == [0]


def test_room_taken_while_the_clock_was_ahead_comes_back() -> None:
    pending = Pending()
    for number in range(16):  # by a clock that is 9,000 intervals ahead
        forged = b"forged %d" % number
        now = true_arrival(9_005)
        pending = hold(pending, forged, ROOT, interval=9_005, counter=number, now_ms=now, lot=LOT)
    now = true_arrival(9_005)
    with pytest.raises(Refusal, match="no room"):
        hold(pending, b"more", ROOT, interval=9_005, counter=99, now_ms=now, lot=bytes(8))
    now = true_arrival(5)
    after = hold(pending, b"honest", ROOT, interval=5, counter=5, now_ms=now, lot=bytes(8))
    assert [held.data for held in after.messages] == [b"honest"]


Event = tuple[str, int, int]
"""What happens, by how many intervals the clock is off then, and a number for the stranger."""

events = st.lists(
    st.tuples(
        st.sampled_from(["honest", "forged", "key", "old key", "false key", "quiet"]),
        st.sampled_from([0, 0, 0, 0, 40, 900, 15_000, -1, -2, -60, -900]),
        st.integers(0, 2**32),
    ),
    min_size=1,
    max_size=25,
)


@settings(deadline=None, max_examples=150)
@given(events)
def test_clocks_ahead_and_behind_and_corrected(events: list[Event]) -> None:
    """A stranger uses each key from the moment that the ground has sent it.

    - What is authentic is the ground's, unless the clock was behind by more than it may when a
      forgery came, and no key that new had reached the probe by then.
    - Once the clock is right, an honest message is held and closed, whatever happened before.
    - Only a genuine key that is new is written.
    """
    pending, true = Pending(), 1_000
    holes: set[bytes] = set()
    honest: set[bytes] = set()
    for kind, off, number in events:
        true += 1 + number % 7
        now = true_arrival(true) + off * PLAN.interval_ms
        public = true - PLAN.delay
        latest = known_key(pending, ROOT).interval
        before = pending
        if kind == "honest":
            data = tagged(b"honest %d" % true, true)
            pending = taken(pending, data, true, now)
            if data in {held.data for held in pending.messages}:
                honest.add(data)
        elif kind == "forged":
            # for the interval that the clock believes in, if its key is public; else without it
            interval = max(1, min(true + off, PLAN.intervals))
            covered = b"forged %d %d" % (interval, number)
            data = tagged(covered, interval if interval <= public else None)
            pending = taken(pending, data, interval, now)
            if interval <= public and data in {held.data for held in pending.messages}:
                assert off < 0
                assert interval > latest
                holes.add(data)
        elif kind == "key":
            pending = shown(pending, key(public), now)
        elif kind == "old key":
            pending = shown(pending, key(1 + number % public), now)
        elif kind == "false key":
            pending = shown(pending, ChainKey(1 + number % 65_535, bytes(16)), now)
        if kind in ("false key", "quiet") or known_key(pending, ROOT).interval == latest:
            assert pending.known == before.known
        for held in pending.messages:
            assert not authentic(pending, held.data) or held.data in honest | holes
    # the clock is right again
    true += 5
    data = tagged(b"the last one", true)
    pending = taken(pending, data, true, true_arrival(true))
    room = {held.data for held in pending.messages}
    crowded = len(pending.messages) == 16
    assert data in room or crowded
    pending = shown(pending, key(true), true_arrival(true + PLAN.delay))
    assert known_key(pending, ROOT).interval >= true
    assert authentic(pending, data) or crowded


def tagged(covered: bytes, interval: int | None) -> bytes:
    if interval is None:
        return covered + bytes(10)
    return covered + make_tail(IntervalKey(ROOT, key(interval), interval), covered)


def taken(pending: Pending, data: bytes, interval: int, now: int) -> Pending:
    try:
        return hold(pending, data, ROOT, interval=interval, counter=1, now_ms=now, lot=LOT)
    except Refusal:
        return pending


def shown(pending: Pending, value: ChainKey, now: int) -> Pending:
    try:
        return disclosed(pending, ROOT, value, now_ms=now)[0]
    except Refusal:
        return pending


def authentic(pending: Pending, data: bytes) -> bool:
    for held in pending.messages:
        found = checking_key(pending, held, ROOT)
        if held.data == data and found is not None:
            return fits(found, data[-10:], data[:-10])
    return False
