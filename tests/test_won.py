"""The report of what the search won: sums and counts of known rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.patches import won as module
from benchmarks.patches.__main__ import fingerprint
from benchmarks.patches.pairs import HELDOUT, PAIRS, read_rows
from benchmarks.patches.won import earlier, won
from groundstation.authoring.author import Effort


def row(name: str, payload: int, plain: float, usual: float, *moves: tuple[str, float]) -> Any:
    bits = usual
    steps = []
    for kind, gain in moves:
        steps.append({"kind": kind, "bits_before": bits, "bits_after": bits - gain})
        bits -= gain
    return {
        "id": name,
        "ours": {
            "payload_bytes": payload,
            "moves": steps,
            "bits_by_cause": {"loci": 24.0, "text": bits - 24.0},
        },
        "first_bits": {"nothing recalled": plain, "usual": usual},
    }


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    path = tmp_path / "earlier.csv"
    path.write_text(
        "model,id,payload_bytes,prompt_bytes,candidates\n"
        "m,a,30,5,4\nm,b,21,5,4\nm,c,9,5,3\nother,a,1,1,1\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(module, "EARLIER", path)
    rows = [
        row("a", 25, 232.0, 216.0, ("settings", 8.0), ("hunks", 16.0)),
        row("b", 21, 176.0, 160.0, ("hunks", 4.0)),
        row("c", 10, 80.0, 84.0),
    ]
    return list(won("m", rows))


def test_totals(lines: list[str]) -> None:
    assert "**20.0 -> 18.7 bytes, -6.7%**." in lines
    assert "1 patches are shorter, 1 as long, 1 longer" in lines
    assert "(by 1 at most)." in lines


def test_steps(lines: list[str]) -> None:
    """Bytes a patch, of three: 488 bits without recall, 460 with it, 24 less by hunks."""
    table = [line for line in lines if line.startswith("|")]
    assert f"| usual settings, nothing recalled | {488 / 24:.2f} | |" in table
    assert f"| what the old files suggest | {-28 / 24:+.2f} | 2 |" in table
    assert f"| search: settings | {-8 / 24:+.2f} | 1 |" in table
    assert f"| search: hunks | {-20 / 24:+.2f} | 2 |" in table
    assert "| search: references | +0.00 | 0 |" in table
    assert f"| rounding to bytes, deltas | {56 / 3 - 432 / 24:+.2f} | |" in table
    assert "| **payload** | **18.67** | |" in table
    assert "| loci | 3.00 |" in table


def test_nothing_is_said_of_patches_that_were_not_measured_then(lines: list[str]) -> None:
    assert lines
    assert list(won("m", [row("unknown", 1, 8.0, 8.0)])) == []
    assert list(won("m", [])) == []


def test_every_patch_of_the_lists_was_measured_then() -> None:
    listed = {each.id for path in (PAIRS, HELDOUT) for each in read_rows(path)}
    assert set(earlier("smollm2-135m")) == listed
    assert set(earlier("qwen2.5-coder-0.5b")) <= listed
    assert len(earlier("qwen2.5-coder-0.5b")) == 20


def test_what_was_measured_is_found_again_by_another_process() -> None:
    """The key of a measured row names what decides its bytes, nothing that changes by itself."""
    efforts = [Effort(max_candidates=12, tell_interrupt=lambda _: None) for _ in range(2)]
    keys = {fingerprint(bytes(32), effort) for effort in efforts}
    assert len(keys) == 1
    assert fingerprint(bytes(32), Effort(max_candidates=13)) not in keys
    assert fingerprint(bytes([1] * 32), efforts[0]) not in keys
