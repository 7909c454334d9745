"""The benchmark of the LDPC decoder: its theory, its sums, and a quick run of all of it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.link import ldpc as module
from benchmarks.link.ldpc import (
    PAGE,
    POINTS,
    Point,
    information,
    losses,
    measure,
    noise_variance,
    normal_approximation,
    reached_at,
)
from shared.ccsds.coding.ldpc_codes import LDPC_128_64, LDPC_512_256

ROW = re.compile(r"\| ([\d.]+) \| ([\d,]+) \| (\d+) \| (\S+) \| (\S+) \| (\S+) \| (\d+) \| .*")
DOCS = Path(__file__).parents[2] / "docs" / "link-frames.md"


def test_capacity_at_the_known_limit_of_rate_one_half() -> None:
    """0.187 dB for binary antipodal signals (for example Costello and Forney, Proc. IEEE 95)."""
    capacity, dispersion = information(noise_variance(0.187, 0.5))
    assert capacity == pytest.approx(0.5, abs=3e-4)
    assert 0.5 < dispersion < 1.5
    assert information(1e-3)[0] == pytest.approx(1)
    assert information(1e4)[0] == pytest.approx(0.5e-4 / math.log(2), rel=0.01)


def test_the_normal_approximation_falls_faster_for_the_longer_code() -> None:
    for code in (LDPC_128_64, LDPC_512_256):
        rates = [normal_approximation(code, ebn0_db) for ebn0_db in (0.5, 1.0, 2.0)]
        assert rates == sorted(rates, reverse=True)
    # At 10^-4 about 2.9 and 1.7 dB, read from figures of Liva, Gaudio and Ninacs (2016).
    assert 1e-5 < normal_approximation(LDPC_128_64, 3.0) < 3e-4
    assert 1e-6 < normal_approximation(LDPC_512_256, 1.8) < 3e-4


def test_reached_at() -> None:
    curve = [(1.0, 1e-1), (2.0, 1e-3), (2.5, 1e-4)]
    assert reached_at(1e-2, curve) == pytest.approx(1.5)
    assert reached_at(1e-1, curve) == pytest.approx(1.0)
    assert reached_at(10**-3.5, curve) == pytest.approx(2.25)
    assert math.isnan(reached_at(0.2, curve))
    assert math.isnan(reached_at(1e-5, curve))


def test_losses_are_how_far_right_of_the_published_curve_points_lie() -> None:
    def point(ebn0_db: float, wrong: int) -> Point:
        return Point(LDPC_128_64, ebn0_db, 10_000, wrong, 0, 3.0, 1.0)

    assert losses([point(3.2, 496), point(3.4, 103)]) == [
        (0.0496, pytest.approx(0.2)),
        (0.0103, pytest.approx(-0.1)),
    ]
    assert losses([point(1.0, 9000)]) == []


def test_measuring_stops_at_either_end() -> None:
    few = measure(LDPC_128_64, 1.0, 10**6, 5)
    assert few.words == module.BATCH_WORDS and few.wrong >= 5
    none = measure(LDPC_128_64, 7.0, 3000, 5)
    assert (none.words, none.wrong, none.undetected) == (3000, 0, 0)
    again = measure(LDPC_128_64, 1.0, 10**6, 5)
    assert (again.wrong, again.iterations) == (few.wrong, few.iterations)


def test_a_quick_run_writes_page_and_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        module, "POINTS", {LDPC_128_64: ((2.5, 400), (3.0, 400)), LDPC_512_256: ((2.0, 40),)}
    )
    app = typer.Typer()
    app.command()(module.main)
    page, picture = tmp_path / "page.md", tmp_path / "picture.svg"
    ran = CliRunner().invoke(app, ["--out", str(page), "--picture", str(picture)])
    assert ran.exit_code == 0, ran.output
    rows = [ROW.fullmatch(line) for line in page.read_text("utf-8").splitlines()]
    assert [row[2] for row in rows if row] == ["400", "400", "40"]
    assert picture.read_text("utf-8").count("AFF3CT") >= 1


def test_the_page_was_written_by_the_benchmark_as_it_is() -> None:
    """All points are there, and the docs state what the page concludes."""
    page = PAGE.read_text("utf-8")
    rows = [row for line in page.splitlines() if (row := ROW.fullmatch(line))]
    wanted = [ebn0_db for points in POINTS.values() for ebn0_db, _ in points]
    assert [float(row[1]) for row in rows] == wanted
    for row in rows:
        assert int(row[3]) >= 100
        assert float(row[4]) == pytest.approx(int(row[3]) / int(row[2].replace(",", "")), rel=0.01)
    stated = " ".join(DOCS.read_text("utf-8").split())
    for line in page.splitlines():
        if line.startswith(("For the same rate", "A rate of")):
            assert line in stated
