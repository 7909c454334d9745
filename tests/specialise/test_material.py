"""What a mission's history gives to learn from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from git_histories import Step, write_history

from groundstation.specialise.material import from_history
from shared.errors import InputError

FIRST = datetime(2025, 3, 1, 12, tzinfo=UTC)


def history(folder: Path, days: int) -> Path:
    """One file that a commit a day makes longer."""
    text, steps = "", []
    for day in range(days):
        text += f"speed_{day} = {day * 17}  # metres a second, as measured on day {day}\n" * 3
        when = (FIRST + timedelta(days=day)).replace(tzinfo=None).isoformat()
        steps.append(Step(f"d{day}", {"app/a.py": ("100644", text.encode())}, when))
    write_history(steps, folder)
    return folder


def test_what_comes_later_is_not_learned(tmp_path: Path) -> None:
    repo = history(tmp_path / "flight", 20)
    until = FIRST + timedelta(days=11, minutes=1)
    found = from_history(repo, until, 60)
    pairs = (*found.train, *found.held_back)
    assert len(pairs) == 11  # day 0 adds the file, days 1 to 11 change it
    assert all("day 12" not in pair.new for pair in pairs)
    assert any("day 11" in pair.new for pair in pairs)
    assert len(found.held_back) == 2
    assert {pair.new for pair in found.train}.isdisjoint(pair.new for pair in found.held_back)
    assert found.origin == "history of flight until 2025-03-12"


def test_the_same_history_gives_the_same_material(tmp_path: Path) -> None:
    until = FIRST + timedelta(days=30)
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        found.append(from_history(history(tmp_path / name / "flight", 9), until, 60))
    assert found[0].digest == found[1].digest
    shorter = from_history(tmp_path / "a" / "flight", FIRST + timedelta(days=7), 60)
    assert shorter.digest != found[0].digest


@pytest.mark.parametrize(("days", "enough"), [(2, False), (3, True)])
def test_a_short_history(tmp_path: Path, days: int, enough: bool) -> None:
    """Of two changes one is learned and one held back; a single one is too few."""
    repo = history(tmp_path / "flight", days)
    until = FIRST + timedelta(days=30)
    if enough:
        found = from_history(repo, until, 60)
        assert (len(found.train), len(found.held_back)) == (1, 1)
    else:
        with pytest.raises(InputError, match="to train on"):
            from_history(repo, until, 60)
