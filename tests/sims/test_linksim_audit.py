"""Nothing wrong, nothing torn, nothing twice: a small share of what benchmarks.link flies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.link.__main__ import audit_unchecked, campaign_of, compare_levels, preset_scenario
from benchmarks.link.page import Agreement
from sims.campaign.audit import Recorder, Verdict, audit, audit_cells, summed
from sims.campaign.payloads import Parcel
from sims.cli import app
from sims.mission.authentication import Origin, Timing
from sims.mission.endpoints import Memo, Outcome, Spacecraft
from sims.mission.synthetic import sized_cargo
from sims.scenario.presets import PRESETS


@pytest.mark.parametrize("preset", [preset.name for preset in PRESETS])
def test_every_preset_with_every_bit(preset: str) -> None:
    verdicts = audit_cells(campaign_of(preset_scenario(preset, 8)))
    total = summed(verdicts)
    assert len(verdicts) == 4 and total.runs == 32 and total.applied >= 28
    assert (total.wrong, total.torn, total.replayed, total.forged) == (0, 0, 0, 0)
    assert total.replays >= 4 * total.applied


def test_one_and_two_processes_come_to_the_same_verdicts() -> None:
    campaign = campaign_of(preset_scenario("lora-cubesat", 110, [1e-3]))
    assert len(list(campaign.chunks())) == 2
    assert audit_cells(campaign, 1) == audit_cells(campaign, 2)


def test_damaged_envelopes_reach_the_probe_and_are_refused() -> None:
    found = audit_unchecked(40, lambda _: None)
    assert found.damaged >= 5 and not found.failed


def parcel_and_probe(folder: Path) -> tuple[Parcel, Spacecraft]:
    """What a run would have, before it."""
    base, cargo = sized_cargo(150)
    return Parcel(dict(base.entries), cargo, {}), Spacecraft(folder / "probe", base, cargo)


def test_a_torn_and_a_wrong_tree_are_seen(tmp_path: Path) -> None:
    """The judge itself: a file altered behind the probe's back."""
    parcel, probe = parcel_and_probe(tmp_path)
    silent = Recorder(probe, {})
    assert audit(probe, parcel, silent, 1.0) == Verdict(runs=1)
    (tmp_path / "probe/live/root/onboard.conf").write_bytes(b"heater = 18\n")
    found = audit(probe, parcel, silent, 1.0)
    assert found == Verdict(runs=1, wrong=1, torn=1) and found.failed


def test_a_probe_that_takes_a_message_twice_is_seen(tmp_path: Path) -> None:
    parcel, probe = parcel_and_probe(tmp_path)
    recorder = Recorder(probe, {})
    assert recorder(parcel.cargo.envelope, 0.0).applied
    twice = replace(recorder, heard=recorder.heard * 2)
    assert audit(probe, parcel, twice, 1.0).replayed == 1
    # and an envelope of other bytes that was taken
    parcel, probe = parcel_and_probe(tmp_path / "b")
    recorder = Recorder(probe, {})
    recorder(parcel.cargo.envelope, 0.0)
    forged = replace(recorder, heard=[(b"other", recorder.heard[0][1])])
    assert audit(probe, parcel, forged, 1.0).forged == 1


class Forgetful(Spacecraft):
    """Holds a message again for which it has the key already."""

    def receive(self, data: bytes, memo: Memo, time_s: float) -> Outcome:
        found = super().receive(data, memo, time_s)
        return Outcome(False, held=True) if found.refusal == "counter" else found


def test_a_probe_that_holds_a_used_message_again_is_seen(tmp_path: Path) -> None:
    base, cargo = sized_cargo(150, Origin("tesla", Timing(0.0, 5.0, 100.0, 2, 1.0)))
    assert cargo.later is not None
    for kind, replayed in ((Spacecraft, 0), (Forgetful, 1)):
        probe = kind(tmp_path / kind.__name__, base, cargo)
        recorder = Recorder(probe, {})
        assert recorder(cargo.envelope, 5.0).held
        assert recorder(cargo.later.data, cargo.later.due_s + 5.0).applied
        found = audit(probe, Parcel(dict(base.entries), cargo, {}), recorder, 400.0)
        assert (found.applied, found.replayed, found.wrong, found.torn) == (1, replayed, 0, 0)


def test_both_levels_agree() -> None:
    found = list(compare_levels(150, lambda _: None))
    assert len(found) == 12 and all(each.agrees for each in found)
    assert sum(0.1 < each.bits / each.runs < 0.9 for each in found) >= 6


def test_a_level_that_differed_would_be_seen() -> None:
    assert not Agreement("", 1000, 840, 780).agrees
    assert Agreement("", 1000, 840, 820).agrees


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(preset_scenario("mars-relay-pass", 3), "utf-8")
    shown = CliRunner().invoke(app, ["audit", str(path), "--workers", "1"])
    assert shown.exit_code == 0 and len(shown.stdout.splitlines()) == 5
