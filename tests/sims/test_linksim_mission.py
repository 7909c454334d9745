"""Whole missions: the probe's real store and checks behind the link, strategy by strategy."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest

from shared.errors import InputError
from shared.tree import Tree, read_tree
from sims.campaign.campaign import Campaign, Crew, fly_once
from sims.mission.authentication import Origin
from sims.mission.endpoints import Spacecraft
from sims.mission.mission import NEVER, Result
from sims.mission.strategies import Order, Strategy, blind_order
from sims.mission.synthetic import BASE, PATH, sized_cargo
from sims.trace import Event, Trace

ONCE = 'strategy = "once"\n'
QUIET = 'preset = "voyager-1"\n[link]\nup_ber = 0.0\npass_length_s = 86400\n'


def flown(campaign: Campaign, run: int = 0, cell: int = 0) -> tuple[Result, list[Event]]:
    """One run with its events."""
    settings = [settings for _, settings in campaign.scenario.cells()][cell]
    trace = Trace()
    return fly_once(campaign, settings, run, trace), trace.in_order()


def shares(campaign: Campaign, tmp_path: Path, runs: int, cell: int = 0) -> list[Result]:
    """Many runs without their events."""
    crew = Crew(campaign, tmp_path / f"crew-{cell}")
    settings = [settings for _, settings in campaign.scenario.cells()][cell]
    return [crew.run(settings, run, Trace(keep=False)) for run in range(runs)]


def test_one_kilobyte_at_160_bit_s_by_hand(campaign) -> None:
    """1,024 B in two frames; payload alone 51.2 s, as sent 62.6 s, and a day of light."""
    made = campaign(ONCE + QUIET + "up_bps = 160\n[message]\nbytes = 1024\n")
    result, _ = flown(made)
    # packet 1,030 B: 1,016 in the first frame of 1,024 B (147 codewords), 14 in one of 22 B (4)
    bits = 8 * (16 + (2 + 147 * 8 + 8) + 8 + (2 + 4 * 8 + 8))
    assert result.applied_s == 86_400 + bits / 160
    assert result.station_s == pytest.approx((bits + 64) / 160)
    assert result.known_s == pytest.approx(2 * 86_400 + bits / 160, abs=3.3)


def test_orders() -> None:
    assert blind_order(Strategy(Order.HAMMER, 3), 2) == [0, 0, 0, 1, 1, 1]
    assert blind_order(Strategy(Order.CYCLE, 3), 2) == [0, 1, 0, 1, 0, 1]
    assert blind_order(Strategy(Order.ONCE, 3), 2) == [0, 1]


@pytest.mark.parametrize("level", ["frames", "bits"])
@pytest.mark.parametrize("strategy", ["once", "AAABBB", "ABCABC", "cop-1"])
def test_every_strategy_on_a_quiet_link(campaign, strategy: str, level: str) -> None:
    made = campaign(
        f'strategy = "{strategy}"\nlevel = "{level}"\n{QUIET}'
        "[message]\nbytes = 500\n[frames]\nmax_frame_bytes = 256\n"
    )
    result, events = flown(made)
    copies = {"once": 1, "cop-1": 1}.get(strategy, 3)
    assert result.applied and result.cltus == result.survived == 3 * copies
    assert result.known_s > result.applied_s > 86_400
    # the FARM drops every copy: the message is put together once
    assert result.refused == 0
    dropped = sum(event.what == "FARM refuses" for event in events)
    assert dropped == 3 * (copies - 1)


def test_the_tree_on_board_is_the_target_and_nothing_else(tmp_path: Path) -> None:
    base, cargo = sized_cargo(333)
    probe = Spacecraft(tmp_path / "probe", base, cargo)
    memo = probe.regenerate()
    assert len(memo) == 1
    probe.renew()
    root = tmp_path / "probe/live/root"
    assert read_tree(root) == BASE
    damaged = bytearray(cargo.envelope)
    damaged[100] ^= 8
    assert probe.receive(bytes(damaged), memo, 1.0).refusal == "signature"
    assert probe.receive(cargo.envelope[:-1], memo, 1.0).refusal in ("signature", "malformed")
    assert read_tree(root) == BASE
    assert probe.receive(cargo.envelope, memo, 2.0).applied
    after = read_tree(root)
    assert set(after) == {*BASE, PATH} if isinstance(after, Tree) else False
    assert probe.receive(cargo.envelope, memo, 3.0).refusal == "counter"
    probe.renew()
    assert read_tree(root) == BASE
    assert probe.receive(cargo.envelope, memo, 4.0).applied


@pytest.mark.parametrize("profile", ["cmac16", "cmac8"])
def test_other_ways_to_authenticate(tmp_path: Path, profile: str) -> None:
    _, signed = sized_cargo(200)
    base, cargo = sized_cargo(200, Origin(profile))
    assert len(cargo.envelope) == 200 - 64 + {"cmac16": 16, "cmac8": 8}[profile]
    probe = Spacecraft(tmp_path / "probe", base, cargo)
    memo = probe.regenerate()
    probe.renew()
    assert probe.receive(signed.envelope, memo, 1.0).refusal == "unknown-key"
    damaged = cargo.envelope[:-1] + bytes([cargo.envelope[-1] ^ 1])
    assert probe.receive(damaged, memo, 1.0).refusal == "signature"
    assert probe.receive(cargo.envelope, memo, 1.0).applied


def test_what_is_remembered_must_still_have_the_signed_digest(tmp_path: Path) -> None:
    """A memo that lies is refused by the probe like any other wrong patch."""
    base, cargo = sized_cargo(120)
    probe = Spacecraft(tmp_path / "probe", base, cargo)
    memo = probe.regenerate()
    probe.renew()
    ((key, patch),) = memo.items()
    lie = patch.replace(b"update", b"upbeat")
    assert lie != patch
    assert probe.receive(cargo.envelope, {key: lie}, 1.0).refusal == "digest"
    assert probe.receive(cargo.envelope, {}, 1.0).applied  # unknown: made for real


def test_a_size_is_met_exactly() -> None:
    for size in (90, 91, 115, 400, 4096):
        assert len(sized_cargo(size)[1].envelope) == size
    with pytest.raises(InputError, match="64 bytes"):
        sized_cargo(64)


@pytest.mark.parametrize("strategy", ["once", "AAABBB", "ABCABC"])
def test_blind_success_is_as_reckoned(campaign, tmp_path: Path, strategy: str) -> None:
    """Three frames, each surviving with p; n copies of each."""
    copies = "" if strategy == "once" else "copies = 2\n"
    made = campaign(
        f'strategy = "{strategy}"\n{copies}preset = "lora-cubesat"\n'
        "[link]\nup_ber = 0.004\n[message]\nbytes = 300\n[frames]\nmax_frame_bytes = 128\n"
    )
    from sims.planning.planner import frame_chance, frame_sizes
    from sims.scenario.scenario import profile_of, stack_of

    settings = made.scenario.settings
    sizes = frame_sizes(300, stack_of(settings))
    assert sizes == [128, 128, 74]
    profile, stack = profile_of(settings), stack_of(settings)
    a, b, c = (frame_chance(size, profile, stack) for size in sizes)
    expected = {
        "once": a * b * c,
        "AAABBB": (1 - (1 - a) ** 2) * (1 - (1 - b) ** 2) * (1 - (1 - c) ** 2),
        # all at once, or the second round from where the first was cut
        "ABCABC": a * b * c + (1 - a) * a * b * c + a * (1 - b) * b * c + a * b * (1 - c) * c,
    }[strategy]
    runs = 400
    found = sum(each.applied for each in shares(made, tmp_path, runs)) / runs
    error = 3.29 * math.sqrt(expected * (1 - expected) / runs)
    assert 0.05 < expected < 0.95
    assert found == pytest.approx(expected, abs=error)


def test_cop_1_brings_everything_across_a_bad_link(campaign, tmp_path: Path) -> None:
    made = campaign(
        'strategy = "cop-1"\ncopies = 40\npreset = "lora-cubesat"\n'
        "[link]\nup_ber = 0.003\ndown_ber = 1e-4\nlose_lock = 0.1\nduplicate = 0.1\n"
        "[message]\nbytes = 900\n[frames]\nmax_frame_bytes = 64\n"
    )
    results = shares(made, tmp_path, 60)
    assert all(each.applied and each.known_s >= each.applied_s for each in results)
    assert {each.refused for each in results} == {0}  # each envelope is whole exactly once
    assert min(each.cltus for each in results) >= 19
    assert len({each.cltus for each in results}) > 10


@pytest.mark.parametrize("copies", [1, 2, 4])
def test_cop_1_far_away_is_as_reckoned(campaign, tmp_path: Path, copies: int) -> None:
    """Answers come hours later and only while the probe is up; losses in both directions."""
    from sims.planning.planner import frame_chance, frame_sizes, go_back_n
    from sims.scenario.scenario import profile_of, stack_of

    made = campaign(
        f'strategy = "cop-1"\ncopies = {copies}\npreset = "new-horizons"\n'
        "[link]\nup_ber = 0.002\ndown_ber = 1e-4\n"
        "[message]\nbytes = 700\n[frames]\nmax_frame_bytes = 128\n"
    )
    profile, stack = profile_of(made.scenario.settings), stack_of(made.scenario.settings)
    sizes = frame_sizes(700, stack)
    chances = [frame_chance(size, profile, stack) for size in sizes]
    expected, _, rounds = go_back_n(chances, [1.0] * len(sizes), copies)
    assert len(sizes) == 6 and 0.8 < chances[0] < 0.9
    runs = 200
    results = shares(made, tmp_path, runs)
    found = sum(each.applied for each in results) / runs
    assert found == pytest.approx(
        expected, abs=3.29 * math.sqrt(expected * (1 - expected) / runs) + 1e-9
    )
    # what was applied is known in the end
    assert all((each.known_s >= 0) == each.applied for each in results)
    if copies == 4:
        assert rounds > 1.5 and expected > 0.99


def test_cop_1_gives_up_where_nothing_gets_through(campaign) -> None:
    made = campaign(
        'strategy = "cop-1"\ncopies = 3\npreset = "voyager-1"\n'
        "[link]\nup_ber = 0.5\n[message]\nbytes = 200\n"
    )
    result, events = flown(made)
    assert result == Result(NEVER, NEVER, result.station_s, result.sent_bytes, 3, 0, 0)
    assert [event.what for event in events][-1] == "COP-1 ends"
    waits = [event.time_s for event in events if event.what == "sends"]
    assert all(later - earlier > 2 * 86_400 for earlier, later in pairwise(waits))


def test_attempts_begin_again_only_without_an_answer(campaign) -> None:
    text = (
        ONCE
        + 'preset = "mars-direct"\nattempts = 5\n[link]\nup_ber = {ber}\n[message]\nbytes = 115\n'
    )
    quiet, _ = flown(campaign(text.format(ber=0.0)))
    assert quiet.cltus == 1
    hopeless, events = flown(campaign(text.format(ber=0.5)))
    assert hopeless.cltus == 5 and not hopeless.applied
    sent = [event.time_s for event in events if event.what == "sends"]
    assert all(b - a > 2 * 1334 for a, b in pairwise(sent))


def test_a_further_attempt_goes_on_where_numbers_stopped(campaign, tmp_path: Path) -> None:
    """Frames keep their numbers, so that the probe takes in the next round what it still lacks."""
    text = (
        'strategy = "ABCABC"\ncopies = 1\npreset = "lora-cubesat"\nattempts = {}\n'
        "[frames]\nmax_frame_bytes = 64\n[link]\nup_ber = 5e-3\n[message]\nbytes = 150\n"
    )
    once, often = (
        sum(each.applied for each in shares(campaign(text.format(n)), tmp_path / str(n), 60))
        for n in (1, 8)
    )
    assert once < 35 and often > 50


def test_an_outage_takes_what_is_sent_into_it(campaign, tmp_path: Path) -> None:
    text = (
        ONCE
        + QUIET
        + "up_outage_between_s = 900\nup_outage_length_s = 100\n[message]\nbytes = 115\n"
    )
    made = campaign(text)
    runs = 500
    found = sum(each.applied for each in shares(made, tmp_path, runs)) / runs
    # the first outage begins after 900 s in the mean; needed are 16 + 154 bytes at 16 bit/s
    seconds = (16 + 2 + 19 * 8) * 8 / 16
    expected = math.exp(-seconds / 900)
    assert found == pytest.approx(expected, abs=3.29 * math.sqrt(expected * (1 - expected) / runs))


def test_the_onboard_time_comes_before_the_change(campaign) -> None:
    text = "onboard_s = 600\n" + ONCE + QUIET + "[message]\nbytes = 115\n"
    slow, fast = flown(campaign(text))[0], flown(campaign(text.replace("600", "0")))[0]
    assert slow.applied_s == fast.applied_s + 600


def test_the_same_seed_is_the_same_history(campaign) -> None:
    text = (
        'strategy = "cop-1"\ncopies = 9\npreset = "lora-cubesat"\n'
        "[link]\nup_ber = 0.003\ndelay = 0.3\ndelay_s = 5\n[message]\nbytes = 300\n"
    )
    first, events = flown(campaign(text), run=4)
    again, same = flown(campaign(text), run=4)
    other, _ = flown(campaign(text), run=5)
    assert first == again and events == same and first != other
    assert all(json.dumps(event.as_dict()) for event in events)


def test_late_frames_are_overtaken_and_sorted_out(campaign, tmp_path: Path) -> None:
    """Blind frames out of order make no message; numbered ones do, in the end."""
    text = (
        'strategy = {strategy}\npreset = "lora-cubesat"\n'
        "[link]\nup_ber = 0.0\ndelay = 0.5\ndelay_s = 30\n"
        "[message]\nbytes = 300\n[frames]\nmax_frame_bytes = 64\n"
    )
    blind = shares(campaign(text.format(strategy='"once"')), tmp_path / "a", 60)
    numbered = shares(campaign(text.format(strategy='"cop-1"\ncopies = 30')), tmp_path / "b", 30)
    assert sum(each.applied for each in blind) < 40
    assert all(each.applied for each in numbered)
