"""Delayed disclosure in whole missions: the key's own way, its time, and what the link does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.auth.keys import key_id
from shared.errors import InputError
from sims.campaign.audit import audit_cells, audited_run, summed
from sims.campaign.campaign import Campaign, Crew, fly_once
from sims.cli import app
from sims.mission.authentication import EPOCH_MS, Origin, Timing
from sims.mission.endpoints import NOTHING_HELD, Spacecraft
from sims.mission.mission import Result
from sims.mission.synthetic import sized_cargo
from sims.trace import Event, Trace

TESLA = 'authentication = "tesla"\n'
QUIET = 'preset = "voyager-1"\n'
LINK = "[link]\nup_ber = 0.0\npass_length_s = 86400\none_way_light_s = 70000\n"
MESSAGE = "[message]\nbytes = 115\n"


def flown(campaign: Campaign, run: int = 0) -> tuple[Result, list[Event]]:
    """One run with its events."""
    _, settings = next(campaign.scenario.cells())
    trace = Trace()
    return fly_once(campaign, settings, run, trace), trace.in_order()


def times(events: list[Event], what: str) -> list[float]:
    """When something happened."""
    return [event.time_s for event in events if event.what == what]


def test_the_key_follows_in_its_time_by_hand(campaign) -> None:
    """61 B in a frame of 75 and 19 B in one of 33, at 16 bit/s, over 70,000 s of light."""
    once = 'strategy = "once"\n'
    made = campaign(TESLA + once + QUIET + "[tesla]\ninterval_s = 900\n" + LINK + MESSAGE)
    result, events = flown(made)
    # start sequence 2 B, codewords of 8 B for 7, tail 8 B: 75 B in 11, 33 B in 5
    message_s, key_s = 8 * (16 + 2 + 11 * 8 + 8) / 16, 8 * (16 + 2 + 5 * 8 + 8) / 16
    assert times(events, "holds until its key comes") == [70_000 + message_s]
    assert times(events, "discloses the key") == [1800]  # sent in interval 1, delay 2
    assert result.applied_s == 1800 + key_s + 70_000
    assert result.known_s > 1800 + key_s + 140_000
    assert (result.cltus, result.refused) == (2, 0)


def test_a_message_that_waits_costs_the_model_no_time(campaign) -> None:
    """500 s on board are taken when the key is there; the message is held at once."""
    once = 'strategy = "once"\nonboard_s = 500\n'
    made = campaign(TESLA + once + QUIET + "[tesla]\ninterval_s = 900\n" + LINK + MESSAGE)
    result, events = flown(made)
    assert times(events, "holds until its key comes") == [70_000 + 57]
    assert result.applied_s == 1800 + 33 + 70_000 + 500


@pytest.mark.parametrize("level", ["frames", "bits"])
@pytest.mark.parametrize("strategy", ["once", "AAABBB", "ABCABC", "cop-1"])
def test_every_strategy_carries_both_messages(campaign, strategy: str, level: str) -> None:
    """Several frames each, so that the second message's numbers must go on from the first's."""
    copies = "" if strategy == "once" else "copies = 2\n"
    head = f'strategy = "{strategy}"\nlevel = "{level}"\n{copies}{TESLA}preset = "lora-cubesat"\n'
    made = campaign(
        f"{head}[frames]\nmax_frame_bytes = 30\n[tesla]\ninterval_s = 60\nclock_error_s = 1\n"
        "[link]\nup_ber = 0.0\n" + MESSAGE
    )
    result, events = flown(made)
    assert result.applied and result.known_s >= result.applied_s
    assert len(times(events, "holds until its key comes")) == 1
    # a round of ABCABC brings nothing new the second time; numbers keep copies from being read
    assert result.refused == 0


def test_a_message_that_comes_after_its_key_may_be_known_is_refused(campaign) -> None:
    """57 s on the way, but the key is open after 40."""
    head = TESLA + 'strategy = "once"\n' + QUIET
    times_of_chain = "[tesla]\ninterval_s = 20\nclock_error_s = 2\n"
    result, events = flown(campaign(head + times_of_chain + LINK + MESSAGE))
    refusals = [event.detail["refusal"] for event in events if event.what == "refuses"]
    assert not result.applied and refusals == ["untimely", NOTHING_HELD]


@pytest.mark.parametrize(("offset", "applied"), [(9.0, True), (-9.0, True), (1801.0, False)])
def test_the_probes_clock(campaign, offset: float, applied: bool) -> None:
    """Within the error that the chain allows nothing is lost; far ahead, the message is late."""
    head = TESLA + 'strategy = "once"\n' + QUIET
    chain = f"[tesla]\ninterval_s = 900\nclock_error_s = 10\nclock_offset_s = {offset}\n"
    result, _ = flown(campaign(head + chain + LINK + MESSAGE))
    assert result.applied is applied


def test_a_clock_behind_makes_the_probe_give_the_message_up(campaign) -> None:
    """By a clock 50 s behind the message comes in time, and its key 7 s before it can be known."""
    head = TESLA + 'strategy = "once"\n' + QUIET
    chain = "[tesla]\ninterval_s = 900\nclock_error_s = 10\nclock_offset_s = -50\n"
    result, events = flown(campaign(head + chain + LINK + MESSAGE))
    assert len(times(events, "holds until its key comes")) == 1
    refusals = [event.detail["refusal"] for event in events if event.what == "refuses"]
    assert not result.applied and refusals == ["untimely"]


def test_the_chain_of_a_scenario(campaign) -> None:
    made = campaign(TESLA + QUIET + "[tesla]\ninterval_s = 900\n" + LINK + MESSAGE)
    _, settings = next(made.scenario.cells())
    later = made.parcel(settings).cargo.later
    assert later is not None and later.due_s == 1800
    assert later.data[0] == key_id(later.trust)
    assert later.trust.schedule.start_ms == EPOCH_MS
    # the longest way that a delay of two intervals and clocks 10 s wrong leave
    assert later.trust.schedule.light_max_ms == 70_000_000 + 900_000 - 20_000


def test_the_key_is_sent_again_until_telemetry_tells(campaign, tmp_path: Path) -> None:
    """One attempt loses what several bring: the message is there, and the key is short."""
    text = (
        'preset = "lora-cubesat"\nstrategy = "once"\n'
        + TESLA
        + "attempts = {}\n[tesla]\ninterval_s = 60\nclock_error_s = 1\n[link]\nup_ber = 2e-3\n"
        + "[message]\nbytes = 90\n"
    )
    shares = []
    for attempts in (1, 6):
        made = campaign(text.format(attempts))
        crew = Crew(made, tmp_path / str(attempts))
        _, settings = next(made.scenario.cells())
        results = [crew.run(settings, run, Trace(keep=False)) for run in range(120)]
        shares.append(sum(each.applied for each in results))
        assert all(each.survived <= each.cltus for each in results)
    assert 0 < shares[0] < shares[1] < 120


def test_audited_over_a_bad_link(campaign) -> None:
    made = campaign(
        'preset = "mars-relay-pass"\nlevel = "bits"\nruns = 40\nseed = 1996\n'
        + TESLA
        + "[tesla]\ninterval_s = 60\n[frames]\nmax_frame_bytes = 64\n[link]\nduplicate = 0.2\n"
        "pass_length_s = 86400\npass_period_s = 86400\ndown_ber = 1e-4\ntruncate = 0.05\n"
        "[message]\nbytes = 150\n[sweep]\nup_ber = [1e-3, 1e-5]\n"
    )
    verdicts = audit_cells(made)
    total = summed(verdicts)
    assert total.runs == 80 and total.applied >= 70 and not total.failed
    assert total.replays >= 2 * total.applied
    assert audit_cells(made, 2) == verdicts


def test_damaged_messages_are_held_and_never_applied(campaign, tmp_path: Path) -> None:
    """Without checksums in frames: what noise made of a message waits too, and its key says no."""
    made = campaign(
        'preset = "lora-cubesat"\nlevel = "bits"\nstrategy = "once"\nattempts = 4\n'
        + TESLA
        + "[tesla]\ninterval_s = 60\nclock_error_s = 1\n[link]\nup_ber = 8e-3\n"
        "[message]\nbytes = 100\n"
    )
    _, settings = next(made.scenario.cells())
    parcel = made.parcel(settings)
    probe = Spacecraft(tmp_path / "probe", parcel.base, parcel.cargo)
    found = summed(audited_run(probe, parcel, settings, n, fecf=False) for n in range(150))
    assert found.damaged >= 5 and not found.failed


def test_times_that_cannot_be_are_refused() -> None:
    origin = Origin("tesla", Timing(0.0, 5.0, 10.0, 2, 6.0))
    with pytest.raises(InputError, match=r"intervals of 10 s, disclosed 2 later"):
        sized_cargo(115, origin)
    late = replace(origin, timing=Timing(1e6, 5.0, 10.0, 2, 1.0))
    with pytest.raises(InputError, match="65535"):
        sized_cargo(115, late)


def test_a_message_is_signed_for_the_interval_of_its_pass() -> None:
    """The first pass begins in interval 4: 3,050 s, intervals of 1,000 s."""
    origin = Origin("tesla", Timing(3050.0, 2.5, 1000.0, 3, 20.0))
    _, cargo = sized_cargo(115, origin)
    assert cargo.later is not None
    assert cargo.envelope[-10:-8] == b"\x00\x04" and cargo.later.data[1:3] == b"\x00\x04"
    assert cargo.later.due_s == 6000.0
    assert len(cargo.envelope) == 115 - 64 + 10 and len(cargo.later.data) == 19
    assert cargo.messages == (cargo.envelope, cargo.later.data)


def test_a_plan_says_what_to_do_instead(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(TESLA + QUIET + MESSAGE, "utf-8")
    ran = CliRunner().invoke(app, ["plan", str(path)])
    assert ran.exit_code == InputError.exit_code and "linksim sweep" in ran.output
