"""Butteraugli, by libjxl's own program."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("ssimulacra2")

from groundstation.cli import app
from groundstation.media.images import encode_picture
from groundstation.media.judge.butteraugli import PROGRAM, butteraugli
from groundstation.media.judge.gate import Gate, judge
from shared.errors import InputError

INSTALLED = pytest.mark.skipif(not shutil.which(PROGRAM), reason=f"{PROGRAM} is not installed")
RUNNER = CliRunner()
SPOT = np.random.default_rng(1).integers(60, 120, (64, 64, 3), np.uint8)


def spotted(by: int) -> np.ndarray:
    """A picture with four pixels that are wrong by ``by``."""
    wrong = SPOT.copy()
    wrong[30:32, 20:22] += np.uint8(by)
    return wrong


@INSTALLED
def test_the_distance_grows_with_the_error() -> None:
    distances = [butteraugli(SPOT, spotted(by)) for by in (0, 8, 64, 128)]
    assert distances[0] == 0
    assert distances == sorted(set(distances))
    assert 1 < distances[2] < 10


@INSTALLED
@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 30, 3), (30, 7, 1), (4, 4, 1)])
def test_small_pictures_differ_too(shape: tuple[int, ...]) -> None:
    """The program itself takes those of less than eight pixels for equal."""
    assert butteraugli(np.zeros(shape, np.uint8), np.full(shape, 200, np.uint8)) > 3


@INSTALLED
def test_a_transparent_picture_is_judged_on_both_grounds() -> None:
    clear = np.zeros((24, 24, 4), np.uint8)
    grey = clear.copy()
    grey[8:16, 8:16] = (255, 255, 255, 255)  # white: unseen on white, plain on black
    assert (judge(clear, grey, with_butteraugli=True).butteraugli or 0) > 3


@INSTALLED
def test_the_gate_asks_for_it() -> None:
    verdict = judge(SPOT, spotted(64), with_butteraugli=True)
    assert verdict.butteraugli is not None
    assert verdict.as_dict()["butteraugli"] == pytest.approx(verdict.butteraugli, abs=1e-4)
    loose = Gate(-1000, 255)
    assert loose.passes(verdict)
    assert Gate(-1000, 255, verdict.butteraugli).passes(verdict)
    assert not Gate(-1000, 255, verdict.butteraugli - 0.01).passes(verdict)
    unmeasured = judge(SPOT, spotted(64))
    assert "butteraugli" not in unmeasured.as_dict()
    assert not Gate(-1000, 255, 100.0).passes(unmeasured), "what is asked for has to be measured"


@INSTALLED
def test_qa_reports_it_and_fails_by_it(folder: Path, tmp_path: Path) -> None:
    generator, book, page = (tmp_path / name for name in ("jars.gen", "jars.book", "qa.html"))
    for arguments in (
        ["train", folder, "--rows", "1-40", "--out", generator],
        ["encode", folder, "--rows", "41-43", "--generator", generator, "--out", book],
    ):
        assert RUNNER.invoke(app, ["media", *map(str, arguments)]).exit_code == 0
    asked = ["media", "qa", str(folder), "--generator", str(generator), "--book", str(book)]
    done = RUNNER.invoke(app, [*asked, "--butteraugli", "30", "--html", str(page), "--json"])
    assert done.exit_code == 0, done.output
    distances = [entry["butteraugli"] for entry in json.loads(done.stdout)["entries"]]
    assert len(distances) == 3
    assert all(0 < each < 30 for each in distances)
    text = page.read_text()
    assert "Butteraugli distance of at most 30" in text
    assert [f"{each:.2f}" in text for each in distances] == [True] * 3
    strict = RUNNER.invoke(app, [*asked, "--butteraugli", str(min(distances) / 2), "--json"])
    assert strict.exit_code == 3
    assert len(json.loads(strict.stdout)["failed"]) == 3
    told = RUNNER.invoke(app, [*asked, "--butteraugli", "30"]).output
    assert re.search(r"PSNR\s+Butteraugli", told)
    assert "Butteraugli" not in RUNNER.invoke(app, asked).output


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (None, "there is no program"),
        ("echo", "does not tell a distance"),
        ("echo nothing", "does not tell a distance"),
        ("exit 1", "does not tell a distance"),
    ],
)
def test_a_program_that_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, found: str
) -> None:
    if script is not None:
        (tmp_path / PROGRAM).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / PROGRAM).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=found) as refused:
        butteraugli(SPOT, SPOT)
    assert "libjxl-devtools" in refused.value.remedy


def test_a_program_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / PROGRAM).write_bytes(b"\x7fELF, but no more of it")
    (tmp_path / PROGRAM).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="cannot be run: Exec format error"):
        butteraugli(SPOT, SPOT)


def test_what_the_program_gets_is_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Original first, made second, in PNG: the distance is not symmetric."""
    (tmp_path / PROGRAM).write_text(f'#!/bin/sh\n/bin/cat "$1" "$2" > {tmp_path}/seen\necho 2.5\n')
    (tmp_path / PROGRAM).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    wrong = spotted(3)
    assert butteraugli(SPOT, wrong) == 2.5
    files = [encode_picture(each, "PNG", compress_level=1) for each in (SPOT, wrong)]
    assert (tmp_path / "seen").read_bytes() == b"".join(files)
