"""Room for messages that wait for a key, under floods: who stays, how likely, and what it costs."""

from __future__ import annotations

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from probe.state.pending import MAX_HELD, MAX_HELD_BYTES, WRITES_A_MINUTE, Pending, disclosed, hold
from shared.auth.schedule import Schedule
from shared.auth.tesla import make_chain
from shared.errors import Refusal

PLAN = Schedule(
    intervals=50,
    start_ms=2_000_000,
    interval_ms=600_000,
    delay=2,
    clock_error_ms=1_000,
    light_min_ms=100_000,
    light_max_ms=105_000,
)
CHAIN = make_chain(PLAN, bytes(range(8)), bytes(range(16)))
ROOT = CHAIN.commitment
HONEST = b"the honest one"
FIRST_MS = PLAN.begins_ms(3) + PLAN.light_min_ms + 2_000


def flood(
    draw: random.Random,
    forgeries: int,
    place: int,
    *,
    counters: int,
    apart_ms: int = 2_000,
    size: int = 30,
) -> tuple[Pending, int]:
    """What is held after forgeries with the honest message among them, and the durable writes."""
    pending, writes = Pending(), 0
    for number in range(forgeries + 1):
        honest = number == place
        data = HONEST if honest else b"%d " % number + draw.randbytes(size)
        counter = 0 if honest else draw.randrange(counters)
        now_ms = FIRST_MS + number * apart_ms
        before = pending
        try:
            pending = hold(
                *(pending, data, ROOT),
                interval=3,
                counter=counter,
                now_ms=now_ms,
                lot=draw.randbytes(8),
            )
        except Refusal:
            assert pending is before
        writes += pending != before
        assert len(pending.messages) <= MAX_HELD
        assert sum(len(one.data) for one in pending.messages) <= MAX_HELD_BYTES
    return pending, writes


def stays(pending: Pending) -> bool:
    return HONEST in {one.data for one in pending.messages}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), forgeries=st.integers(0, 250))
def test_the_first_of_its_counter_stays_by_construction(seed: int, forgeries: int) -> None:
    """Whatever then claims the same counter."""
    pending, _ = flood(random.Random(seed), forgeries, 0, counters=1)
    assert stays(pending)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), forgeries=st.integers(0, 250), data=st.data())
def test_a_flood_under_another_counter_displaces_itself(
    seed: int, forgeries: int, data: st.DataObject
) -> None:
    """At any place, where the forger has not guessed the counter."""
    place = data.draw(st.integers(0, forgeries))
    pending, draw = Pending(), random.Random(seed)
    for number in range(forgeries + 1):
        honest = number == place
        try:
            pending = hold(
                *(pending, HONEST if honest else b"%d" % number, ROOT),
                interval=3,
                counter=7 if honest else 8,
                now_ms=FIRST_MS + 2_000 * number,
                lot=draw.randbytes(8),
            )
        except Refusal:
            assert not honest
    assert stays(pending)


def test_the_chance_in_any_place() -> None:
    """Counted over 150 floods each: 16 places among 32, early, amid and last, by a fixed draw.

    Where every message claims a counter of its own the chance is 16/32; where the forger knows the
    counter and came first, 15/31.  Four standard deviations to either side.
    """
    runs, forgeries = 150, 31
    for counters, chance in ((1 << 40, 16 / 32), (1, 15 / 31)):
        for place in (1, 15, 31):
            draw = random.Random(f"{counters} {place}")
            found = sum(
                stays(flood(draw, forgeries, place, counters=counters)[0]) for _ in range(runs)
            )
            spread = 4 * math.sqrt(runs * chance * (1 - chance))
            assert abs(found - runs * chance) < spread, (counters, place, found)


def test_what_is_sent_again_is_drawn_again() -> None:
    draw, kept = random.Random(5), 0
    for _ in range(100):
        pending, _ = flood(draw, 63, -1, counters=1 << 40)
        for number in range(8):
            try:
                pending = hold(
                    *(pending, HONEST, ROOT),
                    interval=3,
                    counter=0,
                    now_ms=FIRST_MS + 200_000 + number,
                    lot=draw.randbytes(8),
                )
            except Refusal:
                continue
            break
        kept += stays(pending)
    assert kept > 100 * 0.75  # once alone: a quarter


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    apart_ms=st.integers(0, 300),
    size=st.sampled_from([30, 3_000, 200_000]),
)
def test_writes_are_bounded(seed: int, apart_ms: int, size: int) -> None:
    """By the budget, and in a long flood by the draw: 16 + 16 ln(N / 16) are expected."""
    forgeries = 60 if size > 10_000 else 600
    _, writes = flood(
        random.Random(seed), forgeries, -1, counters=1 << 40, apart_ms=apart_ms, size=size
    )
    minutes = forgeries * apart_ms / 60_000
    assert writes <= WRITES_A_MINUTE / 2 * (1 + minutes) + 1
    assert writes <= 3 * MAX_HELD * (1 + math.log(forgeries / MAX_HELD))


def test_what_a_known_key_has_closed_makes_no_way() -> None:
    """It was found to be authentic and waits for something else, such as memory."""
    pending = hold(Pending(), HONEST, ROOT, interval=3, counter=0, now_ms=FIRST_MS, lot=bytes(8))
    later = PLAN.disclosable_ms(3) + PLAN.light_min_ms + 2_000
    pending, exposed = disclosed(pending, ROOT, CHAIN.key(3), now_ms=later)
    assert not exposed
    draw = random.Random(1)
    for number in range(100):
        try:
            pending = hold(
                *(pending, b"%d" % number, ROOT),
                interval=5,
                counter=number,
                now_ms=later + 2_000 * number,
                lot=draw.randbytes(8),
            )
        except Refusal:
            continue
    assert stays(pending)
    assert len(pending.messages) == MAX_HELD


def test_a_clock_that_was_ahead_does_not_hold_up_the_budget() -> None:
    pending = Pending()
    for number in range(WRITES_A_MINUTE // 2):
        pending = hold(
            *(pending, b"%d" % number, ROOT),
            interval=40,
            counter=number,
            now_ms=PLAN.begins_ms(40) + PLAN.light_min_ms + 2_000,
            lot=number.to_bytes(8, "big"),
        )
    pending = hold(pending, HONEST, ROOT, interval=3, counter=0, now_ms=FIRST_MS, lot=bytes(8))
    assert stays(pending)
