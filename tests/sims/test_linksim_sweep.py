"""Sweeps: the same report however it is computed, killed and resumed, and by command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.ccsds.overhead import overhead
from shared.ccsds.stack import Stack
from shared.errors import InputError
from sims.campaign.break_even import charges, link_bytes
from sims.campaign.campaign import fly_chunk
from sims.campaign.figures import grouped
from sims.campaign.journal import open_journal
from sims.campaign.report import row as counted
from sims.campaign.workers import fly_all
from sims.cli import app
from sims.mission.mission import Result

TEXT = """
preset = "lora-cubesat"
runs = 250
seed = 9
strategy = "AAABBB"
copies = 2

[sweep]
up_ber = [1e-3, 8e-3]
bytes = [90, 200]
"""


def sweep(path: Path, *options: str) -> str:
    """The command's output."""
    result = CliRunner().invoke(app, ["sweep", str(path), "--json", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "s.toml"
    path.write_text(TEXT, "utf-8")
    return path


def test_one_and_two_processes_report_the_same_bytes(scenario: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert sweep(scenario, "--workers", "1", "--out", str(one)) == sweep(
        scenario, "--workers", "2", "--out", str(two)
    )
    made = {path.name for path in one.iterdir()}
    assert made == {
        "report.json",
        "report.csv",
        "journal.jsonl",
        "success.svg",
        "times.svg",
        "authentication.svg",
    }
    for name in made:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    report = json.loads((one / "report.json").read_text("utf-8"))
    assert [row["runs"] for row in report["rows"]] == [250] * 4
    shares = [row["applied"]["value"] for row in report["rows"]]
    assert shares[0] > 0.99 > shares[2] > shares[3]
    for row in report["rows"]:
        assert row["applied"]["low"] <= row["applied"]["value"] <= row["applied"]["high"]
        assert row["link_bytes"] == overhead(row["envelope_bytes"], Stack()).total
    # the table has what the JSON has
    lines = (one / "report.csv").read_text("utf-8").splitlines()
    assert lines[0].startswith("up_ber,bytes,envelope_bytes,link_bytes,frames,runs,applied,")
    assert lines[1].startswith("0.001,90,90,")
    # a journal that was cut anywhere, its last line torn, gives the same report again
    whole = (one / "journal.jsonl").read_bytes()
    cut = len(whole) // 2
    (one / "journal.jsonl").write_bytes(whole[:cut])
    (one / "report.json").unlink()
    sweep(scenario, "--workers", "1", "--out", str(one))
    assert (one / "report.json").read_bytes() == (two / "report.json").read_bytes()
    assert (one / "journal.jsonl").read_bytes() == whole


def test_only_what_is_missing_is_flown(campaign, tmp_path: Path) -> None:
    made = campaign(TEXT)
    chunks = list(made.chunks())
    assert [chunk.runs for chunk in chunks] == [100, 100, 50] * 4
    with open_journal(tmp_path / "j", made.digest) as journal:
        journal.add(chunks[1], fly_chunk(made, chunks[1]))
        with pytest.raises(InputError, match="another sweep"), open_journal(tmp_path / "j", "x"):
            pass
    with open_journal(tmp_path / "j", made.digest) as journal:
        assert list(journal.done) == [chunks[1].name]
        assert journal.done[chunks[1].name] == fly_chunk(made, chunks[1])
    with open_journal(tmp_path / "j", "of another scenario") as journal:
        assert journal.done == {}


def test_the_digest_is_of_everything_that_counts(campaign) -> None:
    first = campaign(TEXT).digest
    assert campaign(TEXT).digest == first
    for old, new in (("seed = 9", "seed = 8"), ("copies = 2", "copies = 3"), ("200", "201")):
        assert campaign(TEXT.replace(old, new)).digest != first


def test_all_encodings_fly_through_the_same_weather(campaign) -> None:
    """The same runs of two cells with equal settings but for the size: losses fall together."""
    made = campaign(TEXT.replace("[90, 200]", "[198, 203]").replace("[1e-3, 8e-3]", "[8e-3]"))
    cells: dict[int, list[bool]] = {}
    for chunk in made.chunks():
        cells.setdefault(chunk.cell, []).extend(each.applied for each in fly_chunk(made, chunk))
    assert cells[0] == cells[1]
    assert 20 < sum(cells[0]) < 230


def test_a_cluster_computes_the_same(campaign) -> None:
    from distributed import LocalCluster

    made = campaign(TEXT.replace("250", "110"))
    chunks = list(made.chunks())
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        found = list(fly_all(made, chunks, cluster=cluster.scheduler_address))
    assert found == list(fly_all(made, chunks))


def test_a_cluster_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sims.campaign.workers.CONNECT_SECONDS", 1)
    result = CliRunner().invoke(
        app,
        ["sweep", "sims/scenarios/mars-direct.toml", "--cluster", "tcp://127.0.0.1:9", "--json"],
    )
    assert result.exit_code == InputError.exit_code
    assert "no cluster answers" in json.loads(result.stdout)["found"]


def test_run_tells_the_history_both_ways(scenario: Path) -> None:
    shown = CliRunner().invoke(app, ["run", str(scenario), "--run", "3"])
    told = CliRunner().invoke(app, ["run", str(scenario), "--run", "3", "--json"])
    assert shown.exit_code == told.exit_code == 0
    events = [json.loads(line) for line in told.stdout.splitlines()]
    assert events[-1]["what"] == "result" and events[-1]["applied"]
    assert [event["time_s"] for event in events[:-1]] == sorted(
        event["time_s"] for event in events[:-1]
    )
    lines = shown.stdout.splitlines()
    assert len([line for line in lines if line.startswith("0d ")]) == len(events) - 1
    assert lines[-1].startswith("applied after 0d 00:00:0")
    far = CliRunner().invoke(app, ["run", str(scenario), "--cell", "9", "--json"])
    assert far.exit_code == InputError.exit_code


def test_plan_says_what_is_cheapest(scenario: Path) -> None:
    told = CliRunner().invoke(app, ["plan", str(scenario), "--success", "0.99", "--json"])
    assert told.exit_code == 0
    options = json.loads(told.stdout)["options"]
    assert options[0]["station_s"] == min(each["station_s"] for each in options)
    assert all(each["success"] >= 0.99 for each in options)
    shown = CliRunner().invoke(app, ["plan", str(scenario), "--success", "0.99"])
    assert options[0]["coding"] in shown.stdout
    none = CliRunner().invoke(app, ["plan", str(scenario), "--within", "0.001", "--json"])
    assert none.exit_code == InputError.exit_code


def test_figures_group_by_what_is_left(campaign) -> None:
    """Rows of one setting but for an axis belong together, whichever axis it is."""
    made = campaign(TEXT.replace("up_ber = [1e-3, 8e-3]", 'strategy = ["once", "AAABBB"]'))
    none = [Result(1.0, 2.0, 3.0, 4, 1, 1, 0)]
    rows = [counted(made, changed, settings, none) for changed, settings in made.scenario.cells()]
    groups = {name: len(group) for name, group in grouped(rows, "strategy").items()}
    assert groups == {"bytes 90": 2, "bytes 200": 2}
    groups = {name: len(group) for name, group in grouped(rows, "bytes").items()}
    assert groups == {"once": 2, "AAABBB x2": 2}


def test_what_authentication_costs_by_hand() -> None:
    """A payload of 38 B: 115 B with Ed25519 in 19 codewords, 67 B with cmac16 in 12."""
    assert link_bytes("ed25519", 38, Stack()) == 10 + 8 * 19
    assert link_bytes("cmac16", 38, Stack()) == 10 + 8 * 12
    # 61 B, and 19 B of a second message in a CLTU of its own: 11 and 5 codewords
    assert link_bytes("tesla", 38, Stack()) == 10 + 8 * 11 + 10 + 8 * 5
    ed, cmac, _, _ = charges([38], Stack(), 16.0)
    assert ed.seconds == 81.0 and cmac.profile == "cmac16" and cmac.seconds == 53.0
    # 133 B fill 19 codewords: 14 of headers, 13 + 16 around the payload
    assert cmac.spare_bytes == 133 - 14 - 13 - 16 - 38


@pytest.mark.model
def test_every_form_of_a_patch_flies_the_same_run(tmp_path: Path) -> None:
    """A small patch with the real model; what the table says is what each cell's run says."""
    path = tmp_path / "patch.toml"
    path.write_text(
        Path("sims/scenarios/voyager-1.toml")
        .read_text("utf-8")
        .replace('"thermal/', f'"{Path("sims/scenarios/thermal").resolve()}/'),
        "utf-8",
    )
    out = tmp_path / "out"
    told = CliRunner().invoke(app, ["run", str(path), "--json", "--out", str(out)])
    assert told.exit_code == 0, told.output
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    result = next(line for line in lines if line["what"] == "result")
    compared = {line["encoding"]: line for line in lines if line["what"] == "compared"}
    assert list(compared) == ["ours", "zstd-dict-frame", "hdiffpatch-tuz", "diff"]
    assert compared["ours"]["station_s"] == result["station_s"]
    assert compared["ours"]["applied_h"] == result["applied_s"] / 3600
    assert all(
        compared["ours"]["envelope_bytes"] < each["envelope_bytes"]
        and compared["ours"]["station_s"] < each["station_s"]
        for name, each in compared.items()
        if name != "ours"
    )
    assert {each.name for each in out.iterdir()} == {"run.json", "run.svg"}
    assert "raw diff" in (out / "run.svg").read_text("utf-8")
