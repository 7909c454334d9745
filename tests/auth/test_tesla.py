"""TESLA: the chain by another computation, and the condition on time over all times."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from probe.state.pending import Pending, checking_key, disclosed, hold, known_key
from shared.auth.keys import IntervalKey, fingerprint
from shared.auth.schedule import Schedule
from shared.auth.tags import fits, make_tail
from shared.auth.tesla import (
    Chain,
    ChainKey,
    Commitment,
    Disclosure,
    decode_disclosure,
    encode_disclosure,
    make_chain,
)
from shared.errors import BadSignature, InputError, MalformedMessage, Refusal, UntimelyMessage

SALT = bytes(range(0x20, 0x28))
SEED = bytes(range(0x70, 0x80))
PLAN = Schedule(
    intervals=9,
    start_ms=1_000_000,
    interval_ms=1_000,
    delay=3,
    clock_error_ms=150,
    light_min_ms=20_000,
    light_max_ms=21_500,
)
CHAIN = make_chain(PLAN, SALT, SEED)
ROOT = CHAIN.commitment


def by_hand(interval: int, seed: bytes = SEED, salt: bytes = SALT) -> bytes:
    """The chain from the page docs/authentication.md alone."""
    key = seed
    for number in range(8, interval - 1, -1):
        text = b"rehydration-uplink/tesla/1/chain\n" + salt + number.to_bytes(2, "big") + key
        key = hashlib.sha256(text).digest()[:16]
    return key


def test_the_chain_is_the_one_on_the_page() -> None:
    assert [CHAIN.key(number).key for number in range(1, 10)] == [by_hand(n) for n in range(1, 10)]
    assert ROOT.root == by_hand(0)
    assert by_hand(9) == SEED
    mac = hashlib.sha256(b"rehydration-uplink/tesla/1/mac\n" + SALT + b"\0\4" + by_hand(4))
    assert IntervalKey(ROOT, CHAIN.key(4), 4).mac_key == mac.digest()[:16]
    assert IntervalKey(ROOT, CHAIN.key(7), 4).mac_key == mac.digest()[:16]


def test_earlier_keys_do_not_lead_to_later_ones() -> None:
    with pytest.raises(ValueError, match="no key 5 follows"):
        ROOT.key_at(5, CHAIN.key(4))
    with pytest.raises(ValueError, match="no key"):
        CHAIN.key(10)
    for number in (0, -1):
        with pytest.raises(ValueError, match="has no key"):
            CHAIN.key(number)
    for salt, seed in ((SALT[:7], SEED), (SALT, SEED[:15])):
        with pytest.raises(ValueError, match="not 8 and 16"):
            make_chain(PLAN, salt, seed)


def test_a_key_behind_the_last_interval_is_refused_though_it_hashes_to_the_root() -> None:
    longer = make_chain(replace(PLAN, intervals=10), SALT, SEED)
    cut = Commitment(PLAN, SALT, longer.commitment.root)
    assert cut.accept(ChainKey(0, cut.root), longer.key(9)) == longer.key(9)
    with pytest.raises(BadSignature, match="not of the trusted chain"):
        cut.accept(ChainKey(0, cut.root), longer.key(10))


@given(st.integers(0, 9), st.integers(1, 9))
def test_a_key_is_accepted_from_any_known_one(known: int, shown: int) -> None:
    before = ChainKey(known, ROOT.root if not known else CHAIN.key(known).key)
    after = ROOT.accept(before, CHAIN.key(shown))
    assert after == max(before, CHAIN.key(shown), key=lambda key: key.interval)


@given(st.integers(0, 9), st.integers(1, 12), st.binary(min_size=16, max_size=16))
def test_another_key_is_not(known: int, shown: int, key: bytes) -> None:
    before = ChainKey(known, ROOT.root if not known else CHAIN.key(known).key)
    assume(shown > 9 or key != CHAIN.key(shown).key)
    with pytest.raises(BadSignature):
        ROOT.accept(before, ChainKey(shown, key))


def test_every_damage_to_a_disclosure_is_refused() -> None:
    data = encode_disclosure(Disclosure(0xA7, CHAIN.key(5)))
    assert data.hex() == "a7" + "0005" + by_hand(5).hex()
    for size in (*range(19), 20, 38):
        with pytest.raises(MalformedMessage):
            decode_disclosure((data * 2)[:size])
    for bit in range(8, 8 * 19):  # the key id is looked up by whoever reads it
        flipped = bytearray(data)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        shown = decode_disclosure(bytes(flipped)).shown
        with pytest.raises(BadSignature):
            ROOT.accept(ChainKey(0, ROOT.root), shown)
    with pytest.raises(MalformedMessage):
        decode_disclosure(data[:1] + b"\0\0" + data[3:])


def test_commitments_come_back() -> None:
    assert Commitment.unpack(ROOT.pack()) == ROOT
    assert len(ROOT.pack()) == 52
    for wrong in (b"", ROOT.pack()[:-1], ROOT.pack() + b"\0", bytes(52)):
        with pytest.raises(ValueError):
            Commitment.unpack(wrong)


# --- time ----------------------------------------------------------------------------------------


def test_the_schedule_in_numbers() -> None:
    """By hand: interval 4 is [1003, 1004) s; its key may be known from 1006 s, so a message of it
    is safe until 1006 + 20 - 0.15 s, and none can come before 1003 + 20 - 0.15 s."""
    assert PLAN.interval_at(1_003_000) == PLAN.interval_at(1_003_999) == 4
    assert PLAN.disclosable_ms(4) == 1_006_000
    PLAN.check_arrival(4, 1_022_850)
    PLAN.check_arrival(4, 1_025_849)
    with pytest.raises(UntimelyMessage, match="may have been known"):
        PLAN.check_arrival(4, 1_025_850)
    with pytest.raises(UntimelyMessage, match="before one of interval 4 can come"):
        PLAN.check_arrival(4, 1_022_849)
    for interval in (0, 10):
        with pytest.raises(UntimelyMessage, match="names interval"):
            PLAN.check_arrival(interval, 1_022_850)
    PLAN.check_disclosable(4, 1_006_000)
    for interval, now in ((4, 1_005_999), (0, 9_000_000), (10, 9_000_000)):
        with pytest.raises(InputError):
            PLAN.check_disclosable(interval, now)
    for sent in (999_999, 1_009_000):
        with pytest.raises(InputError, match="has no key"):
            PLAN.interval_at(sent)


@pytest.mark.parametrize(
    "wrong",
    [
        {"intervals": 0},
        {"intervals": 65_536},
        {"interval_ms": 0},
        {"delay": 0},
        {"delay": 1},
        {"clock_error_ms": -1},
        {"light_max_ms": 19_999},
        {"clock_error_ms": 251},  # 2 intervals of 1000 ms for 1500 + 2 * 251
        {"start_ms": -1},
    ],
)
def test_schedules_that_cannot_work(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        replace(PLAN, **wrong)
    assert replace(PLAN, clock_error_ms=250).delay == 3


plans = st.builds(
    lambda interval, delay, error, light, jitter: (interval, delay, error, light, jitter),
    st.integers(1, 5_000),
    st.integers(1, 6),
    st.integers(0, 3_000),
    st.integers(0, 90_000),
    st.integers(0, 3_000),
).filter(lambda plan: (plan[1] - 1) * plan[0] >= plan[4] + 2 * plan[2])
schedules = plans.map(lambda p: Schedule(40, 10**6, p[0], p[1], p[2], p[3], p[3] + p[4]))


@given(schedules, st.data())
def test_an_honest_message_is_always_in_time(plan: Schedule, data: st.DataObject) -> None:
    """Sent at any time, after any light time and with any error of the clock within the bounds."""
    end = plan.start_ms + plan.intervals * plan.interval_ms - 1
    sent = data.draw(st.integers(plan.start_ms, end))
    light = data.draw(st.integers(plan.light_min_ms, plan.light_max_ms))
    error = data.draw(st.integers(-plan.clock_error_ms, plan.clock_error_ms))
    plan.check_arrival(plan.interval_at(sent), sent + light + error)


@given(schedules, st.data())
def test_whoever_heard_the_key_is_always_too_late(plan: Schedule, data: st.DataObject) -> None:
    """His forgery cannot reach the probe before the light that brought him the key."""
    interval = data.draw(st.integers(1, plan.intervals))
    known = plan.disclosable_ms(interval) + data.draw(st.integers(0, 10**6))
    plan.check_disclosable(interval, known)
    light = data.draw(st.integers(plan.light_min_ms, 10**6))
    error = data.draw(st.integers(-plan.clock_error_ms, plan.clock_error_ms))
    with pytest.raises(UntimelyMessage):
        plan.check_arrival(interval, known + light + error)


# --- what the probe holds ------------------------------------------------------------------------

Step = tuple[str, int, int]
"""What happens, the interval it is about, and how many milliseconds pass before it."""


def message(interval: int, chain: Chain = CHAIN) -> bytes:
    """Not an envelope; the decisions do not look into it."""
    covered = b"message of %d" % interval
    key = IntervalKey(chain.commitment, chain.key(interval), interval)
    return covered + make_tail(key, covered)


def closes(pending: Pending, data: bytes) -> bool:
    """Whether the probe would take these bytes as authentic now."""
    for held in pending.messages:
        key = checking_key(pending, held, ROOT)
        if held.data == data and key is not None:
            return fits(key, data[-10:], data[:-10])
    return False


def take(
    pending: Pending,
    interval: int,
    now_ms: int,
    data: bytes | None = None,
    lot: bytes = b"middling",
) -> Pending:
    data = message(interval) if data is None else data
    return hold(pending, data, ROOT, interval=interval, counter=interval, now_ms=now_ms, lot=lot)


def in_time(interval: int) -> int:
    return PLAN.begins_ms(interval) + PLAN.light_min_ms + 500


def test_held_closed_and_not_before() -> None:
    pending = take(take(Pending(), 2, in_time(2)), 4, in_time(4))
    assert not closes(pending, message(2))
    after, early = disclosed(pending, ROOT, CHAIN.key(2), now_ms=PLAN.disclosable_ms(2) + 20_500)
    assert early == ()
    assert closes(after, message(2))
    assert not closes(after, message(4))
    # a key that was lost on the way follows from a later one
    later, _ = disclosed(pending, ROOT, CHAIN.key(7), now_ms=PLAN.disclosable_ms(7) + 20_500)
    assert closes(later, message(2))
    assert closes(later, message(4))


def test_a_known_key_accepts_nothing_whatever_the_clock_says() -> None:
    after, _ = disclosed(Pending(), ROOT, CHAIN.key(5), now_ms=PLAN.disclosable_ms(5) + 20_500)
    for interval in range(1, 6):
        with pytest.raises(UntimelyMessage, match="known already"):
            take(after, interval, in_time(interval))


def test_a_clock_that_was_ahead_and_is_right_again_holds_messages() -> None:
    """Nor does it matter what an earlier version wrote down while it was ahead."""
    pending = take(replace(Pending(), latest_ms=in_time(9)), 8, in_time(8))
    assert [held.interval for held in take(pending, 2, in_time(2)).messages] == [8, 2]


def test_a_key_before_its_time_closes_nothing() -> None:
    pending = take(take(Pending(), 2, in_time(2)), 4, in_time(4))
    now = PLAN.disclosable_ms(4) + PLAN.light_min_ms - PLAN.clock_error_ms
    after, exposed = disclosed(pending, ROOT, CHAIN.key(4), now_ms=now - 1)
    assert [held.interval for held in exposed] == [2, 4]
    assert not closes(after, message(2))
    assert not closes(after, message(4))
    assert known_key(after, ROOT).interval == 4
    assert disclosed(pending, ROOT, CHAIN.key(4), now_ms=now)[1] == ()


def test_a_key_before_its_time_leaves_what_was_closed_before_it() -> None:
    """Key 2 came in its time and showed message 2 to be authentic; key 4 comes early."""
    pending = take(take(take(Pending(), 2, in_time(2)), 3, in_time(3)), 4, in_time(4))
    pending, _ = disclosed(pending, ROOT, CHAIN.key(2), now_ms=1_024_000)
    after, exposed = disclosed(pending, ROOT, CHAIN.key(4), now_ms=1_025_849)
    assert [held.interval for held in exposed] == [3, 4]
    assert closes(after, message(2))


def test_a_slow_clock_that_an_early_key_betrays_closes_no_forgery() -> None:
    """The clock is 2 s behind, 0.15 s are allowed.  Key 2 is public from 1004 s; its hearer's
    forgery comes at 1024.1 s, by the probe's clock 1022.1 s and in time.  Disclosure 2 was lost;
    key 3 comes at 1025.1 s, which the clock says is 1023.1 s: early for key 3."""
    covered = b"forged"
    forged = covered + make_tail(IntervalKey(ROOT, CHAIN.key(2), 2), covered)
    pending = take(Pending(), 2, 1_022_100, forged)
    for late in (1_023_100, 1_023_850, 1_024_849):
        after, exposed = disclosed(pending, ROOT, CHAIN.key(3), now_ms=late)
        assert [held.data for held in exposed] == [forged]
        assert not closes(after, forged)


def test_a_schedule_in_which_honest_messages_could_be_late_is_refused() -> None:
    """(3 - 1) x 1000 ms cover 1500 ms of light time and twice 250 ms of clock error, no more."""
    assert replace(PLAN, clock_error_ms=250).delay == 3
    for wider in ({"clock_error_ms": 251}, {"clock_error_ms": 250, "light_max_ms": 21_501}):
        with pytest.raises(ValueError, match="raise delay or interval"):
            replace(PLAN, **wider)


def test_tag_and_key_are_24_bytes_and_the_link_carries_30() -> None:
    """One message of an interval: key id 1, interval 2, tag 8; key id 1, interval 2, key 16."""
    data, shown = message(4), encode_disclosure(Disclosure(0xA7, CHAIN.key(4)))
    tag, key = data[len(b"message of 4") + 2 :], shown[3:]
    assert (len(tag), len(key), len(tag) + len(key)) == (8, 16, 24)
    assert 1 + 2 + len(tag) + len(shown) == 30
    # Two messages under one disclosure: 41 bytes, so that each has less than 24 with all framing
    assert 2 * (1 + 2 + len(tag)) + len(shown) == 41


def test_room_is_bounded_and_twice_is_once() -> None:
    pending = Pending()
    for number in range(16):
        pending = take(pending, 3, in_time(3), b"forged %d" % number)
    assert take(pending, 3, in_time(3), b"forged 7") == pending
    with pytest.raises(Refusal, match="no room"):
        take(pending, 3, in_time(3), lot=bytes(8))
    drawn = take(pending, 3, in_time(3), lot=b"the best")
    assert message(3) in {held.data for held in drawn.messages}
    assert b"forged 0" in {held.data for held in drawn.messages}
    assert len(drawn.messages) == 16
    large = take(Pending(), 3, in_time(3), bytes(2**20 - 4))
    assert take(large, 3, in_time(3), b"1234")
    with pytest.raises(Refusal, match="no room"):
        take(large, 3, in_time(3), b"12345")


def test_chains_are_kept_apart() -> None:
    other = make_chain(PLAN, SALT, SEED[::-1])
    pending = take(Pending(), 3, in_time(3))
    after, _ = disclosed(pending, other.commitment, other.key(6), now_ms=10**9)
    assert known_key(after, ROOT) == ChainKey(0, ROOT.root)
    assert not closes(after, message(3))
    assert fingerprint(other.commitment) != fingerprint(ROOT)
    with pytest.raises(BadSignature):
        disclosed(pending, ROOT, other.key(6), now_ms=10**9)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["sent", "replayed", "forged", "damaged"]),
            st.integers(1, 9),
            st.integers(0, 4_000),  # from sending to arriving, beyond the shortest light time
        ),
        max_size=12,
    ),
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 6_000)), max_size=5),
)
def test_only_what_the_ground_sent_in_time_is_ever_authentic(
    arrivals: list[Step], disclosures: list[tuple[int, int]]
) -> None:
    """Every order of messages and keys, late ones too, with a forger who uses each key that he
    has heard at once."""
    events: list[tuple[int, str, int, bytes]] = []
    for kind, interval, late in arrivals:
        data, sent = message(interval), PLAN.begins_ms(interval)
        if kind == "forged":  # with the key, as soon as it is public
            covered = b"forged of %d" % interval
            data = covered + make_tail(IntervalKey(ROOT, CHAIN.key(interval), interval), covered)
            sent = PLAN.disclosable_ms(interval)
        elif kind == "damaged":
            data = bytes([data[0] ^ 1]) + data[1:]
        elif kind == "replayed":
            sent += 2_000
        events.append((sent + PLAN.light_min_ms + late, kind, interval, data))
    for interval, late in disclosures:
        at = PLAN.disclosable_ms(interval) + PLAN.light_min_ms + late
        events.append((at, "key", interval, b""))
    pending = Pending()
    accepted: set[bytes] = set()
    for at, kind, interval, data in sorted(events):
        if kind == "key":
            pending, exposed = disclosed(pending, ROOT, CHAIN.key(interval), now_ms=at)
            assert exposed == ()
            accepted |= {held.data for held in pending.messages if closes(pending, held.data)}
            continue
        latest = known_key(pending, ROOT).interval
        safe = at < PLAN.disclosable_ms(interval) + PLAN.light_min_ms - PLAN.clock_error_ms
        try:
            pending = take(pending, interval, at, data)
        except UntimelyMessage:
            assert not safe or interval <= latest
        else:
            assert any(held.data == data for held in pending.messages)
    assert accepted <= {message(interval) for interval in range(1, 10)}
    heard = max((interval for interval, _ in disclosures), default=0)
    held = {held.data for held in pending.messages}
    assert accepted == {message(n) for n in range(1, heard + 1) if message(n) in held}
