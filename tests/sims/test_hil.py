"""The bench kit: the suite is what its generator writes, the probe passes, and liars do not."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from probe.listen.telemetry import Event, Telemetry, json_line
from shared.digest import sha256
from shared.errors import InputError
from shared.tree import read_tree
from sims.cli import app
from sims.hil.certify import certify
from sims.hil.device import ProbeFailed, attached, own_probe, started
from sims.hil.impairment_presets import weather_named
from sims.hil.impairments import Weather
from sims.hil.messages import HOSTILE, VALID, first_tree
from sims.hil.suite import (
    FOLDER,
    VALID_CASES,
    Case,
    Suite,
    check_complete,
    initialised,
    load_suite,
    write_suite,
)

ROOT = Path(__file__).parents[2]
SUITE = load_suite()
DUE = {
    "noise": (2, 3),
    "cut short": (2, 4),
    "one bit flipped": (1, 2, 3, 4, 5),
    "bytes appended": (4,),
    "longer than allowed": (1,),
    "signed by a stranger": (3,),
    "signed by a stranger in the ground's name": (4,),
    "an earlier message again": (4, 5),
    "signed, counter used up": (5,),
    "signed, counter too far ahead": (5,),
    "signed, for a tree that never was": (7,),
    "signed, for another model": (6,),
    "signed, another patch than it says": (9,),
    "signed, decisions that lead nowhere": (8,),
    "change of keys by a stranger": (3, 4),
    "disclosed key of no chain": (3,),
    VALID: (0,),
}
"""The step in which each kind may be refused, as docs/probe.md has the checks."""


def test_the_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    made = write_suite(tmp_path / "suite", tmp_path / "scratch")
    assert made.cases == SUITE.cases
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {path.name for path in (tmp_path / "suite").iterdir()}
    for name in names:
        assert (FOLDER / name).read_bytes() == (tmp_path / "suite" / name).read_bytes(), name


def test_every_kind_is_there_and_refused_where_it_should_be() -> None:
    check_complete(SUITE.cases)
    assert sum(case.kind == VALID for case in SUITE.cases) == VALID_CASES
    assert len(SUITE.cases) == VALID_CASES + len(HOSTILE)
    for case in SUITE.cases:
        assert case.step in DUE[case.kind], case.name
        assert (case.events == ("applied",)) == (case.kind == VALID)
    again = next(case for case in SUITE.cases if case.kind == "an earlier message again")
    valid = [SUITE.message(case) for case in SUITE.cases if case.kind == VALID]
    assert SUITE.message(again) in valid and again.step == 5
    with pytest.raises(InputError, match="no case of"):
        check_complete(SUITE.cases[:5])


@pytest.mark.parametrize(
    ("kind", "framing", "telemetry"),
    [("udp", "bare", "json"), ("udp", "ccsds", "packet"), ("serial", "bare", "packet")],
)
def test_this_probe_passes(tmp_path: Path, kind: str, framing: str, telemetry: str) -> None:
    initialised(tmp_path)
    words = [*own_probe(), "--state", str(tmp_path / "state")]
    with started(words, kind=kind, framing=framing, telemetry=telemetry) as probe:
        findings = list(certify(probe, SUITE))
    assert [finding.fault for finding in findings] == [""] * len(SUITE.cases)
    assert read_tree(tmp_path / "root").digest.hex()[:16] == SUITE.cases[-1].digest


Answer = Callable[[str, Telemetry], list[Telemetry]]


@contextmanager
def liar(suite: Suite, answer: Answer) -> Iterator[str]:
    """Says of each message what the manifest has, but for what ``answer`` makes of it."""
    known: dict[bytes, list[Case]] = {}
    for each in suite.cases:  # a replay has the bytes of a case before it
        known.setdefault(suite.message(each), []).append(each)
    ears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ears.bind(("127.0.0.1", 0))
    ears.settimeout(0.1)
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            try:
                data, ground = ears.recvfrom(65_536)
            except TimeoutError:
                continue
            cases = known.get(data, [])
            case = cases.pop(0) if len(cases) > 1 else next(iter(cases), None)
            truth = Telemetry(Event.REFUSED, step=2, exit_code=13, digest=sha256(data)[:8])
            if case is not None:
                digest = bytes.fromhex(case.digest) or sha256(data)[:8]
                event = Event[case.events[0].upper()]
                code = case.exit_code
                truth = Telemetry(event, step=case.step, exit_code=code, digest=digest)
            for said in answer(case.kind if case else "", truth):
                ears.sendto(json_line(said), ground)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"127.0.0.1:{ears.getsockname()[1]}"
    finally:
        stop.set()
        thread.join()
        ears.close()


APPLIED = Telemetry(Event.APPLIED, digest=bytes(8))


@pytest.mark.parametrize(
    ("kind", "answer", "fault"),
    [
        ("", lambda _, truth: [truth], ""),
        ("an earlier message again", lambda _, __: [APPLIED], "applied"),
        ("an earlier message again", lambda _, truth: [truth, APPLIED], "and then a tree"),
        ("noise", lambda _, __: [], "no answer"),
        ("signed by a stranger", lambda _, t: [replace(t, step=4)], "refused in step 4"),
        ("signed by a stranger", lambda _, t: [replace(t, exit_code=15)], "with code 15"),
        (VALID, lambda _, t: [Telemetry(t.event, digest=bytes(8))], "expected"),
    ],
    ids=["honest", "replay", "replay late", "silent", "wrong step", "wrong code", "wrong tree"],
)
def test_liars_are_found(
    kind: str, answer: Answer, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lies(of: str, truth: Telemetry) -> list[Telemetry]:
        return answer(of, truth) if of == kind else [truth]

    with liar(SUITE, lies) as where, attached("udp", where) as probe:
        if fault == "no answer":
            monkeypatch.setattr("sims.hil.device.PATIENCE_S", 1.0)
        found = [finding for finding in certify(probe, SUITE, tries=1) if finding.fault]
    expected = [case.name for case in SUITE.cases if case.kind == kind and fault]
    assert [finding.case.name for finding in found] == expected
    assert all(fault in finding.fault for finding in found)


def test_the_command_and_the_files(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["conformance", "--json"])
    assert ran.exit_code == 0, ran.output
    told: dict[str, Any] = json.loads(ran.stdout)
    assert (told["held"], told["failed"]) == (len(SUITE.cases), 0)
    bench = tmp_path / "bench"
    ran = CliRunner().invoke(app, ["conformance", "--files", str(bench), "--json"])
    assert ran.exit_code == 0, ran.output
    assert read_tree(bench / "root") == first_tree()
    assert load_suite(bench / "messages").cases == SUITE.cases
    ran = CliRunner().invoke(app, ["conformance", "--files", str(bench)])
    assert ran.exit_code == InputError.exit_code
    with liar(SUITE, lambda kind, t: [APPLIED] if kind == "cut short" else [t]) as where:
        ran = CliRunner().invoke(app, ["conformance", "--udp", where])
    assert ran.exit_code == 3 and "23 of 24 cases hold" in ran.output
    ran = CliRunner().invoke(app, ["conformance", "--suite", str(tmp_path)])
    assert ran.exit_code == InputError.exit_code and "no conformance suite" in ran.output


@pytest.mark.parametrize(("line", "weather"), [("udp", "rain"), ("serial", "lora-cubesat")])
def test_the_example_bench_runs_as_its_page_says(tmp_path: Path, line: str, weather: str) -> None:
    """With the plugin as pytest finds it, in a process of its own."""
    initialised(tmp_path)
    words = shlex.join([*own_probe(), "--state", str(tmp_path / "state")])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [str(ROOT / "docs/examples/hil"), "--hil-command", words]
    command += ["--hil-line", line, "--hil-weather", weather]
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "MESSAGES": str(FOLDER), "PYTHONPATH": str(ROOT)},
    )
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr


def test_a_failed_expectation_tells_what_was_said(tmp_path: Path) -> None:
    initialised(tmp_path)
    words = [*own_probe(), "--state", str(tmp_path / "state")]
    with started(words, weather=Weather(double=1.0)) as probe:
        digest = probe.send(b"\x00" * 30)
        with pytest.raises(ProbeFailed, match=r"refused 1\d in step 2") as caught:
            probe.expect(Event.APPLIED, timeout_s=2.0)
        assert caught.value.expected == "applied"
        probe.send(b"\x00" * 30)
        said = probe.expect(Event.REFUSED, digest=digest, step=2)
        assert said.reason


def test_weather_has_names() -> None:
    assert weather_named("clear") == Weather()
    found = weather_named("voyager-1")  # one wrong bit in 100,000
    assert found.flip_byte == pytest.approx(8e-5, rel=1e-3)
    assert found.damage == pytest.approx(8 * 150 * 1e-5, rel=1e-2)
    with pytest.raises(InputError, match="no weather is called 'hail'"):
        weather_named("hail")


def test_what_cannot_be_reached_is_said() -> None:
    with pytest.raises(InputError, match="HOST:PORT"), attached("udp", "nowhere"):
        pass
    with pytest.raises(InputError, match="cannot open"), attached("serial", "/dev/none"):
        pass
    with pytest.raises(InputError, match="cannot start"), started(["/no/such/probe"]):
        pass
