"""A prepared campaign of sized messages, for the tests of missions and sweeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sims.campaign.campaign import Campaign
from sims.campaign.payloads import prepare
from sims.scenario.scenario import read_scenario

Make = Callable[[str], Campaign]


@pytest.fixture
def campaign(tmp_path: Path) -> Make:
    """Makes a campaign of a scenario's text."""

    def make(text: str) -> Campaign:
        path = tmp_path / "scenario.toml"
        path.write_text(text, "utf-8")
        scenario = read_scenario(path)
        made = tmp_path / f"made-{len(list(tmp_path.iterdir()))}"
        made.mkdir()
        return Campaign(scenario, prepare(scenario, made))

    return make
