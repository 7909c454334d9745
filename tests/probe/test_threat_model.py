"""The threat model names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs/threat-model.md").read_text("utf-8")


def test_every_test_named_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    text = "\n".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py"))
    there = set(re.findall(r"^def (test_\w+)\(", text, re.MULTILINE))
    assert len(named) > 30
    assert named <= there


def test_every_threat_has_a_defence_and_a_test() -> None:
    rows = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ")]
    threats = [row for row in rows if row[0].strip() != "threat"]
    assert len(threats) > 25
    for threat, defence, shown in threats:
        assert defence.strip(), threat
        assert "`test_" in shown, threat
