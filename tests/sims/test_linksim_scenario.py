"""Scenarios: what is read, and what is refused with its place and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.ccsds.stack import Stack
from shared.errors import InputError
from sims.channel.link import LinkProfile
from sims.channel.noise import Noise
from sims.mission.strategies import Order, Strategy
from sims.planning.planner import frame_chance
from sims.scenario.presets import BY_NAME, PRESETS
from sims.scenario.scenario import profile_of, read_scenario, stack_of, strategy_of
from sims.scenario.schema import KEYS, table

HERE = Path(__file__).parents[2] / "sims" / "scenarios"
SIZED = "[message]\nbytes = 115\n"


def read(tmp_path: Path, text: str) -> object:
    """A scenario from its text."""
    path = tmp_path / "case.toml"
    path.write_text(text, "utf-8")
    return read_scenario(path)


def test_there_is_an_example_of_every_preset() -> None:
    found = {read_scenario(path).preset for path in HERE.glob("*.toml")}
    assert found == set(BY_NAME)
    assert {path.stem for path in HERE.glob("*.toml")} == set(BY_NAME)


def test_a_preset_fills_in_its_figures() -> None:
    for preset in PRESETS:
        scenario = read_scenario(HERE / f"{preset.name}.toml")
        profile = profile_of(scenario.settings)
        assert profile.up_bps == preset.uplink_bps.value
        assert profile.one_way_light_s == preset.one_way_light_s.value
        assert profile.passes.length_s == preset.pass_length_s.value


def test_everything_lands_where_it_belongs(tmp_path: Path) -> None:
    """Every key of [link] and [frames] with a value of its own."""
    link = {
        name: 0.001 * number
        for number, (name, key) in enumerate(KEYS.items(), start=1)
        if key.section == "link" and key.kind is float
    }
    link.update(good_bits=71.0, burst_bits=13.0, pass_length_s=link["pass_period_s"] / 2)
    text = 'preset = "voyager-2"\nstrategy = "AAABBB"\ncopies = 5\n' + SIZED
    text += '[frames]\ncoding = "bch-detect"\nmax_frame_bytes = 77\n[link]\nreport_bytes = 19\n'
    text += "".join(f"{name} = {value}\n" for name, value in link.items())
    scenario = read(tmp_path, text)
    profile, stack = profile_of(scenario.settings), stack_of(scenario.settings)  # type: ignore[attr-defined]
    noise, passes, faults = profile.up_noise, profile.passes, profile.faults
    found = {
        "up_bps": profile.up_bps,
        "down_bps": profile.down_bps,
        "one_way_light_s": profile.one_way_light_s,
        "up_ber": noise.ber,
        "burst_ber": noise.burst_ber,
        "good_bits": noise.good_bits,
        "burst_bits": noise.burst_bits,
        "down_ber": profile.down_ber,
        "pass_period_s": passes.period_s,
        "pass_length_s": passes.length_s,
        "pass_first_s": passes.first_s,
        "up_outage_between_s": profile.up_outages.between_s,
        "up_outage_length_s": profile.up_outages.length_s,
        "down_outage_between_s": profile.down_outages.between_s,
        "down_outage_length_s": profile.down_outages.length_s,
        "truncate": faults.truncate,
        "lose_lock": faults.lose_lock,
        "duplicate": faults.duplicate,
        "delay": faults.delay,
        "delay_s": faults.delay_s,
        "report_every_s": profile.report_every_s,
    }
    assert found == pytest.approx(link)
    assert profile.report_bytes == 19 and stack.max_frame_bytes == 77
    assert stack.channel.start_errors_allowed == 0
    strategy = strategy_of(scenario.settings)  # type: ignore[attr-defined]
    assert (strategy.order, strategy.copies) == (Order.HAMMER, 5)


REFUSED = [
    ("", "preset None", None, "one of voyager-1"),
    ('preset = "pluto"\n' + SIZED, "preset 'pluto'", 1, "new-horizons"),
    ('preset = "voyager-1"\nruns = 0\n' + SIZED, "runs = 0", 2, "a whole number from 1"),
    ('preset = "voyager-1"\nruns = 2.5\n' + SIZED, "runs = 2.5", 2, "a whole number"),
    ('preset = "voyager-1"\nruns = true\n' + SIZED, "runs = True", 2, "a whole number"),
    ('preset = "voyager-1"\n\nstratgy = "once"\n' + SIZED, "stratgy", 3, "strategy"),
    ('preset = "voyager-1"\nstrategy = "twice"\n' + SIZED, "'twice'", 2, "AAABBB"),
    ('preset = "voyager-1"\nauthentication = "none"\n' + SIZED, "'none'", 2, "ed25519"),
    ('preset = "voyager-1"\n' + SIZED + "[link]\nup_ber = 0.7\n", "up_ber = 0.7", 5, "0 to 0.5"),
    ('preset = "voyager-1"\n' + SIZED + "[link]\nup_ber = nan\n", "up_ber = nan", 5, "0 to 0.5"),
    ('preset = "voyager-1"\n' + SIZED + "[link]\nup_bps = 0\n", "up_bps = 0", 5, "above 0"),
    ('preset = "voyager-1"\n' + SIZED + "[link]\nbits = 3\n", "called bits", 5, "up_bps"),
    ('preset = "voyager-1"\n' + SIZED + "[lnik]\nup_ber = 0\n", "called lnik", 4, "link"),
    ('preset = "voyager-1"\n' + SIZED + "[sweep]\nup_ber = 0.1\n", "up_ber = 0.1", 5, "a list"),
    ('preset = "voyager-1"\n' + SIZED + "[sweep]\nup_ber = [2]\n", "2 in up_ber", 5, "0 to 0.5"),
    ('preset = "voyager-1"\n' + SIZED + "[sweep]\nruns = [2]\n", "called runs", 5, "up_ber"),
    ('preset = "voyager-1"\n' + SIZED + "[sweep]\nup_ber = [0.1, 0.1]\n", "twice", 5, "once"),
    ('preset = "voyager-1"\n', "neither [patch] nor bytes", None, "one of them"),
    ('preset = "voyager-1"\n[patch]\nbase = "x"\n', "x is no folder", 3, "a software tree"),
    ('preset = "voyager-1"\n[patch]\nbass = "x"\n', "called bass", 3, "base"),
    (
        'preset = "voyager-1"\n' + SIZED + "[link]\ngood_bits = 90\n",
        "bursts of 0 bits",
        5,
        "at least one",
    ),
    (
        'preset = "voyager-1"\n[frames]\ncoding = "ldpc-128-64"\n'
        "[link]\ngood_bits = 90\nburst_bits = 3\n" + SIZED,
        "ldpc-128-64 with bursts",
        3,
        "BCH",
    ),
    ('preset = "voyager-1"\nstrategy = "cop-1"\nattempts = 2\n' + SIZED, "attempts = 2", 3, "1"),
    ("preset = voyager\n", "line 1", 1, "TOML"),
]


@pytest.mark.parametrize(("text", "found", "line", "expected"), REFUSED)
def test_refusals_say_where_what_and_what_else(
    tmp_path: Path, text: str, found: str, line: int | None, expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    error = caught.value
    assert "case.toml" in error.found and found in error.found
    assert error.expected is not None and expected in error.expected
    assert line is None or f"line {line}" in error.found


def test_a_near_miss_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, 'preset = "voyager-1"\n[link]\nup_bet = 0.1\n' + SIZED)
    assert caught.value.remedy == "did you mean up_ber?"


def test_cells_are_the_product_in_order(tmp_path: Path) -> None:
    text = 'preset = "voyager-1"\n[sweep]\nbytes = [115, 90]\nup_ber = [0, 1e-3]\n'
    cells = list(read(tmp_path, text).cells())  # type: ignore[attr-defined]
    assert [changed for changed, _ in cells] == [
        {"bytes": 115, "up_ber": 0.0},
        {"bytes": 115, "up_ber": 0.001},
        {"bytes": 90, "up_ber": 0.0},
        {"bytes": 90, "up_ber": 0.001},
    ]
    assert cells[2][1]["up_bps"] == 16.0


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_scenario(tmp_path / "none.toml")


def test_the_page_has_every_key() -> None:
    page = (HERE.parents[1] / "docs" / "linksim.md").read_text("utf-8")
    assert table() in page


def test_a_preset_advises_and_the_page_says_why(tmp_path: Path) -> None:
    page = (HERE.parents[1] / "docs" / "linksim.md").read_text("utf-8")
    for preset in PRESETS:
        scenario = read(tmp_path, f'preset = "{preset.name}"\n{SIZED}')
        assert strategy_of(scenario.settings) == preset.advice.strategy  # type: ignore[attr-defined]
        assert f"{preset.advice.strategy.name} | {preset.advice.why} |" in page
    assert BY_NAME["voyager-1"].advice.strategy == Strategy(Order.HAMMER, 3)
    assert BY_NAME["lora-cubesat"].advice.strategy == Strategy(Order.COP1, 20)


def test_every_figure_has_a_source_or_is_marked() -> None:
    for preset in PRESETS:
        assert len(preset.figures) == 6
        assert all(len(figure.source) > 7 for figure in preset.figures.values())
    assert BY_NAME["voyager-1"].uplink_bps.unsourced
    assert not BY_NAME["voyager-1"].downlink_bps.unsourced


def test_why_three_copies() -> None:
    """The advice for far-away probes names a chance: 129 B at one wrong bit in 1,000."""
    once = frame_chance(129, LinkProfile(16.0, 160.0, 0.0, Noise(1e-3)), Stack())
    assert 0.9999 < 1 - (1 - once) ** 3 < 1
