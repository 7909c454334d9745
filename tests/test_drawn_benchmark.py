"""The benchmark of drawn seeds: its targets, its cuts, and a quick run of all of it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.drawn import __main__ as module
from benchmarks.drawn.__main__ import RESULT, coded_bytes, feasible, made_up, segments, trial
from benchmarks.drawn.results import Trial
from benchmarks.drawn.targets import COUNT, format_targets, load_targets, nearest_run
from groundstation.seeds.drawn import runnable_paths, search_range, seed_bits
from shared.message.wire import _varint
from shared.seeds.coins import seed_to_bytes

ROW = re.compile(r"\| (\d+) \| ([\d.]+) \| ([\d,]+) \| ([\d,]+) \| ([\d.]+) \| (\d+) \| (\d+) \|")


def rows(page: str) -> list[tuple[int, float, int]]:
    """Tokens, bits and trials of the real targets."""
    return [
        (int(m[1]), float(m[2]), int(m[4].replace(",", "")))
        for m in map(ROW.fullmatch, page.splitlines())
        if m
    ]


def test_the_targets_are_real_ones_of_16_to_28_bits() -> None:
    targets = load_targets()
    assert len(targets) == COUNT == 20
    assert len({target.patch for target in targets}) == 20
    for target in targets:
        assert 16 <= seed_bits(target.intervals) <= 28
        for start, freq, total in target.intervals:
            assert 0 <= start < start + freq <= total
            assert 2**34 < total < 2**45


def test_targets_are_written_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(format_targets(load_targets()[:2]), "utf-8")
    assert load_targets(path) == load_targets()[:2]


def test_the_nearest_run() -> None:
    costs = [3, 1, 4, 1, 5, 9]
    tokens = [(0, 1, 1 << cost) for cost in costs]
    assert nearest_run(tokens, 10.2) == tuple(tokens[2:5])
    assert nearest_run(tokens, 2.1) in (tuple(tokens[1:2]), tuple(tokens[:1]))
    assert nearest_run(tokens, 1000) == tuple(tokens)
    assert nearest_run([], 16) == ()


def test_segments_end_with_the_token_that_reaches_the_bits() -> None:
    tokens = [(0, 1, 1 << cost) for cost in (3, 1, 4, 1, 5, 9, 2)]
    sizes = [[round(math.log2(total)) for _, _, total in part] for part in segments(tokens, 7)]
    assert sizes == [[3, 1, 4], [1, 5, 9], [2]]
    assert segments(tokens, 100) == [tokens]
    assert [token for part in segments(tokens, 1) for token in part] == tokens


def test_a_cut_with_a_segment_that_cannot_be_drawn_is_left_out() -> None:
    tokens = [(0, 1, 1 << cost) for cost in (7, 6, 19, 7, 12)]
    # ending at 8 and 12 the rarest segment is one token of 19 bits, at 16 and 20 three of 32
    assert feasible(tokens, 20) == ([8, 12, 16, 20], {})
    rarer = [*tokens[:2], (0, 1, 1 << 22), *tokens[3:]]
    assert feasible(rarer, 24) == ([8, 12], {16: 35, 20: 35, 24: 35})
    assert feasible(rarer, 12) == ([8, 12], {})


def test_the_page_says_which_cuts_are_left_out() -> None:
    _, left_out = feasible([i for each in load_targets() for i in each.intervals], 24)
    said = re.findall(r"\| (\d+) bits \| left out: .* is (\d+) bits \|", RESULT.read_text("utf-8"))
    assert said == [(str(bits), f"{most:.0f}") for bits, most in left_out.items()] != []


def test_the_bytes_of_a_seed_are_those_of_the_wire() -> None:
    for seed in (0, 1, 127, 128, 16383, 16384, 2**21, 2**28 - 1, 2**28, 2**63):
        assert Trial("", 1, 1.0, 2.0, seed, 1).drawn_bytes == len(_varint(seed))
        assert len(seed_to_bytes(seed)) <= len(_varint(seed))


def test_made_up_targets_are_as_rare_as_wanted() -> None:
    for number in (0, 1, 137, 399):
        assert seed_bits(made_up(number)) == pytest.approx(20 * number / 400, abs=1e-6)
    assert len({made_up(number) for number in range(1, 50)}) == 49
    assert coded_bytes(made_up(0)) == 0


def test_the_page_says_what_is_found_again() -> None:
    """Every row of the committed page, the rarer ones by what their seed draws."""
    told = rows(RESULT.read_text("utf-8"))
    targets = load_targets()
    assert len(told) == 20
    ratios = []
    for (tokens, bits, trials), target in zip(told, targets, strict=True):
        assert tokens == len(target.intervals)
        assert bits == round(seed_bits(target.intervals), 2)
        assert search_range(target.intervals, trials - 1, trials) == trials - 1
        if bits < 21:
            assert trial(target.intervals).trials == trials
        ratios.append(trials / 2**bits)
    assert 1 / 1.5 < sum(ratios) / 20 < 1.5


def test_a_quick_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(module, "SEGMENT_BITS", (8, 12))
    app = typer.Typer()
    app.command()(module.main)
    out, picture = tmp_path / "D.md", tmp_path / "pictures" / "d.svg"
    result = CliRunner().invoke(app, ["--quick", "--out", str(out), "--picture", str(picture)])
    assert result.exit_code == 0, result.output
    page = out.read_text("utf-8")
    committed = rows(RESULT.read_text("utf-8"))
    assert rows(page) == [row for row in committed if row[1] <= 20]
    assert page.count("| C, ") == 2 * len(runnable_paths())
    assert picture.read_text("utf-8").startswith("<?xml")
