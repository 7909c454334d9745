"""``linksim presets``: figures with sources, and times by hand."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from sims.cli import app
from sims.scenario.presets import PRESETS


def test_times_are_bits_over_rate() -> None:
    by_name = {preset.name: preset for preset in PRESETS}
    assert by_name["voyager-1"].sending_s(130) == 65.0  # 1040 bit at 16 bit/s
    assert by_name["mars-direct"].sending_s(125) == 4.0


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_figure_is_positive_and_says_where_it_is_from(preset: object) -> None:
    row = preset.as_dict()  # type: ignore[attr-defined]
    for name in (
        "uplink_bps",
        "downlink_bps",
        "one_way_light_s",
        "pass_period_s",
        "pass_length_s",
        "uplink_ber",
    ):
        assert row[name]["value"] > 0
        assert row[name]["source"]


def test_the_table_and_the_json_agree() -> None:
    runner = CliRunner()
    shown = runner.invoke(app, ["presets", "--bytes", "99"])
    told = runner.invoke(app, ["presets", "--bytes", "99", "--json"])
    assert shown.exit_code == told.exit_code == 0
    for row in json.loads(told.stdout):
        assert row["name"] in shown.stdout
        assert row["sending_s"] == pytest.approx(99 * 8 / row["uplink_bps"]["value"])


def test_no_bytes_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["presets", "--bytes", "0"]).exit_code == 2
