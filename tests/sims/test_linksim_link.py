"""Windows, outages, faults and the link's times, by hand."""

from __future__ import annotations

import math

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from shared.ccsds.link import build_frame, data_fields
from shared.ccsds.stack import Stack
from sims.channel.faults import Fate, Faults, draw_fate
from sims.channel.link import Downlink, LinkProfile, Uplink
from sims.channel.noise import Noise
from sims.channel.passes import OutageRates, Outages, Passes
from sims.random_streams import Streams
from sims.trace import Trace, clock

PASSES = Passes(period_s=100.0, length_s=30.0, first_s=7.0)


@pytest.mark.parametrize(
    ("time", "duration", "expected"),
    [
        (0.0, 10.0, 7.0),
        (7.0, 30.0, 7.0),
        (8.0, 30.0, 107.0),
        (26.9, 10.0, 26.9),
        (27.1, 10.0, 107.0),
        (37.0, 1.0, 107.0),
        (120.0, 17.0, 120.0),
        (0.0, 30.1, None),
    ],
)
def test_the_earliest_start(time: float, duration: float, expected: float | None) -> None:
    assert PASSES.earliest(time, duration) == expected


def test_no_gaps_where_passes_touch() -> None:
    always = Passes(50.0, 50.0)
    assert always.earliest(13.0, 1e9) == 13.0 and always.visible(49.0)
    assert not PASSES.visible(6.9) and PASSES.visible(7.0) and not PASSES.visible(37.0)
    assert PASSES.closing(50.0) == 137.0 and always.closing(3.0) == math.inf


@given(st.floats(0, 1e6), st.floats(0, 30))
def test_what_is_sent_ends_in_its_window(time: float, duration: float) -> None:
    start = PASSES.earliest(time, duration)
    assert start is not None and start >= time
    rise = PASSES.rise(start)
    assert rise <= start and start + duration <= rise + 30.0 + 1e-6
    # and nothing earlier would have done
    if start > time:
        assert not PASSES.visible(time) or time + duration > PASSES.closing(time) - 1e-6


def test_outages_have_their_share_and_stay_what_they_were() -> None:
    rates = OutageRates(between_s=90.0, length_s=10.0)
    outages = Outages(rates, Streams(3).stream("o"))
    silent = sum(outages.first_within(t, t + 1e-9) is not None for t in range(40_000))
    assert silent / 40_000 == pytest.approx(0.1, abs=0.02)
    again = Outages(rates, Streams(3).stream("o"))
    far = again.first_within(39_000.0, 39_500.0)
    assert far == outages.first_within(39_000.0, 39_500.0)
    assert Outages(OutageRates(), Streams(3).stream("o")).first_within(0, 1e12) is None


def test_fates_are_as_frequent_as_said_and_independent_of_each_other() -> None:
    faults = Faults(truncate=0.2, lose_lock=0.1, duplicate=0.3, delay=0.25, delay_s=8.0)
    fates = [draw_fate(faults, 800, 5.0, Streams(1).stream("f", n)) for n in range(4000)]
    for cause, chance in (
        ("truncated", 0.2),
        ("lock lost", 0.1),
        ("duplicated", 0.3),
        ("delayed", 0.25),
    ):
        found = sum(cause in fate.causes for fate in fates) / 4000
        assert found == pytest.approx(chance, abs=3.29 * math.sqrt(chance * (1 - chance) / 4000))
    assert all(0 <= fate.usable_bits <= 800 for fate in fates)
    assert {fate.delays_s[1] for fate in fates if len(fate.delays_s) == 2} == {5.0}
    assert max(fate.delays_s[0] for fate in fates) < 8.0
    # one chance changed leaves the others where they were
    less = Faults(truncate=0.0, lose_lock=0.1, duplicate=0.3, delay=0.25, delay_s=8.0)
    for number, fate in enumerate(fates[:200]):
        other = draw_fate(less, 800, 5.0, Streams(1).stream("f", number))
        assert [each for each in fate.causes if each != "truncated"] == list(other.causes)
        assert fate.delays_s == other.delays_s
    assert draw_fate(Faults(), 800, 5.0, Streams(1).stream("f")) == Fate(800)


def flown(profile: LinkProfile, sizes: list[int], *, every_bit: bool = False) -> list[float]:
    """Sends frames around so many bytes; when something arrived."""
    env = simpy.Environment()
    times: list[float] = []
    stack = Stack()
    uplink = Uplink(
        env,
        profile,
        stack,
        Streams(1),
        Trace(),
        lambda _: times.append(env.now),
        every_bit=every_bit,
    )

    def ground() -> object:
        for size in sizes:
            yield from uplink.send(build_frame(data_fields(bytes(size), stack)[0], stack))

    env.process(ground())
    env.run()
    assert uplink.busy_s == pytest.approx(uplink.sent_bytes * 8 / profile.up_bps)
    return times


def test_times_of_two_frames_by_hand() -> None:
    """96 B in a packet, segment and frame: 112 B, 16 codewords, a CLTU of 138 B; 8 B idle."""
    profile = LinkProfile(16.0, 160.0, 1000.0, Noise(0.0))
    first = (16 + 138) * 8 / 16 + 1000.0
    assert flown(profile, [96, 96]) == [first, first + (138 + 8) * 8 / 16]
    assert flown(profile, [96, 96], every_bit=True) == [first, first + (138 + 8) * 8 / 16]


def test_a_pass_too_short_for_the_next_frame() -> None:
    """81 s are needed (16 + 138 + 8 bytes), then 73 s more: they do not fit into 100 s."""
    passes = Passes(1000.0, 100.0, 50.0)
    profile = LinkProfile(16.0, 160.0, 7.0, Noise(0.0), passes=passes)
    assert flown(profile, [96, 96]) == [50 + 77 + 7.0, 1050 + 77 + 7.0]


def test_no_pass_is_long_enough() -> None:
    profile = LinkProfile(16.0, 160.0, 7.0, Noise(0.0), passes=Passes(1000.0, 80.0))
    assert flown(profile, [96]) == []


def heard(profile: LinkProfile, tells: list[float]) -> list[tuple[float, float]]:
    """When the ground hears what the probe tells at these times."""
    env = simpy.Environment()
    found: list[tuple[float, float]] = []
    downlink = Downlink(
        env, profile, Streams(2), Trace(), lambda state: found.append((state, env.now))
    )
    for time in tells:
        event = env.timeout(time)
        event.callbacks.append(lambda _, time=time: downlink.tell(time))
    env.run()
    return found


def test_telemetry_goes_with_the_next_frame() -> None:
    """32 B at 160 bit/s take 1.6 s; a frame begins every 1.6 s."""
    profile = LinkProfile(16.0, 160.0, 500.0)
    assert heard(profile, [0.0, 0.1, 0.9, 1.7]) == [
        (0.0, pytest.approx(501.6)),
        (0.9, pytest.approx(503.2)),  # what was so at 0.1 is no news any more
        (1.7, pytest.approx(504.8)),
    ]


def test_telemetry_is_heard_only_in_passes() -> None:
    profile = LinkProfile(16.0, 160.0, 500.0, passes=Passes(1000.0, 100.0))
    ((state, time),) = heard(profile, [0.0, 480.0])
    assert state == 480.0 and 1001.6 <= time <= 1003.2


def test_lost_telemetry_is_followed_by_the_next() -> None:
    """Half of the frames are lost: the mean wait is two frames."""
    ber = 1 - 0.5 ** (1 / 256)
    profile = LinkProfile(16.0, 160.0, 0.0, down_ber=ber)
    times = [160.0 * number for number in range(500)]
    waits = [(now - told) / 1.6 for told, now in heard(profile, times)]
    assert len(waits) == 500
    assert sum(waits) / 500 == pytest.approx(2.0, abs=3.29 * math.sqrt(2 / 500))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0d 00:00:00.000"), (93784.5, "1d 02:03:04.500"), (59.9996, "0d 00:01:00.000")],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
