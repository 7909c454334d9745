"""The planner: by hand, against an exhaustive reckoning, and against flown runs."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from shared.ccsds.link import build_frame, data_fields
from shared.ccsds.stack import Stack
from shared.errors import InputError
from sims.campaign.campaign import Crew
from sims.channel.faults import Faults
from sims.channel.link import LinkProfile
from sims.channel.noise import Noise
from sims.channel.passes import OutageRates
from sims.mission.strategies import Order, Strategy
from sims.planning.planner import evaluate, frame_chance, frame_sizes, go_back_n, plan
from sims.trace import Trace

PROFILE = LinkProfile(16.0, 160.0, 3600.0, Noise(1e-3))


@pytest.mark.parametrize("size", [1, 115, 1010, 1011, 2500])
@pytest.mark.parametrize("longest", [64, 1024])
def test_frame_sizes_are_those_of_real_frames(size: int, longest: int) -> None:
    stack = Stack(max_frame_bytes=longest)
    real = [len(build_frame(field, stack)) for field in data_fields(bytes(size), stack)]
    assert frame_sizes(size, stack) == real


def test_blind_by_hand() -> None:
    stack = Stack()
    p = frame_chance(129, PROFILE, stack)
    once = evaluate(115, PROFILE, stack, "bch", Strategy())
    thrice = evaluate(115, PROFILE, stack, "bch", Strategy(Order.CYCLE, 3))
    assert once.success == pytest.approx(p)
    assert thrice.success == pytest.approx(1 - (1 - p) ** 3)
    # 19 codewords: 2 + 152 + 8 bytes, 8 idle, and 16 to begin with
    assert once.station_s == (16 + 170) * 8 / 16
    assert thrice.station_s == (16 + 3 * 170) * 8 / 16
    assert thrice.elapsed_s == thrice.station_s + 3600


def test_go_back_n_of_one_frame_is_a_geometric_series() -> None:
    success, station, rounds = go_back_n([0.7], [5.0], 3)
    assert success == pytest.approx(1 - 0.3**3)
    assert rounds == pytest.approx(1 + 0.3 + 0.3**2)
    assert station == pytest.approx(5.0 * rounds)


def test_go_back_n_as_played() -> None:
    """The rules played out many times by dice."""
    chances, times, limit = [0.6, 0.8, 0.5], [3.0, 4.0, 1.0], 3
    dice = random.Random(8)
    games, won, spent, begun = 20_000, 0, 0.0, 0
    for _ in range(games):
        first, sent = 0, 0
        while first < 3 and sent < limit:
            begun += 1
            spent += sum(times[first:])
            lost = next((n for n in range(first, 3) if dice.random() >= chances[n]), 3)
            sent = sent + 1 if lost == first else 1
            first = lost
        won += first == 3
    success, station, rounds = go_back_n(chances, times, limit)
    assert won / games == pytest.approx(success, abs=0.012)
    assert spent / games == pytest.approx(station, rel=0.02)
    assert begun / games == pytest.approx(rounds, rel=0.02)


def test_the_plan_is_the_cheapest_that_is_good_enough() -> None:
    options = plan(115, PROFILE, Stack(), 0.999)
    assert options == sorted(options, key=lambda each: each.station_s)
    assert all(each.success >= 0.999 for each in options)
    best_blind = next(each for each in options if each.strategy.order is not Order.COP1)
    # one copy less of the same would not have been enough
    if best_blind.strategy.copies > 1:
        less = replace(best_blind.strategy, copies=best_blind.strategy.copies - 1)
        stack = Stack(max_frame_bytes=best_blind.max_frame_bytes)
        assert evaluate(115, PROFILE, stack, best_blind.coding, less).success < 0.999
    quick = plan(115, PROFILE, Stack(), 0.999, within_s=3600 + 400)
    assert quick and all(each.latest_s <= 3600 + 400 for each in quick)
    assert all(each.strategy.order is not Order.COP1 for each in quick)
    with pytest.raises(InputError, match="wanted success"):
        plan(115, PROFILE, Stack(), 1.0)


def test_nothing_helps_against_noise_alone() -> None:
    assert plan(115, replace(PROFILE, up_noise=Noise(0.5)), Stack(), 0.9) == []


@pytest.mark.parametrize("name", ["faults", "outages"])
def test_chances_with_faults_and_outages_are_those_flown(
    campaign, tmp_path: Path, name: str
) -> None:
    text = {
        "faults": "truncate = 0.2\nlose_lock = 0.3\n",
        "outages": "up_outage_between_s = 30\nup_outage_length_s = 10\npass_first_s = 2000\n",
    }[name]
    made = campaign(
        'preset = "lora-cubesat"\nstrategy = "once"\n[message]\nbytes = 300\n'
        "[link]\nup_ber = 0.001\n" + text
    )
    profile = replace(
        PROFILE,
        up_bps=335.7,
        faults=Faults(0.2, 0.3) if name == "faults" else Faults(),
        up_outages=OutageRates(30, 10) if name == "outages" else OutageRates(),
    )
    (size,) = frame_sizes(300, Stack())
    expected = frame_chance(size, profile, Stack())
    crew = Crew(made, tmp_path / "crew")
    runs = 400
    results = [crew.run(made.scenario.settings, run, Trace(keep=False)) for run in range(runs)]
    found = sum(each.applied for each in results) / runs
    assert 0.2 < expected < 0.9
    assert found == pytest.approx(expected, abs=3.29 * math.sqrt(expected * (1 - expected) / runs))
