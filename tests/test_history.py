"""The history: what is remembered, who may write at once, and that no damage goes further."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from patch_of_hunks import trees
from tiny_codec import random_model, write_random_pin
from typer.testing import CliRunner, Result

from groundstation.authoring.author import Effort, author
from groundstation.authoring.history import (
    APPLICATION_ID,
    Features,
    Gain,
    default_history,
    gains,
    learned_order,
    remember,
    runs,
)
from groundstation.authoring.result import Authored
from groundstation.cli import app
from groundstation.search.search import Move, Tried
from groundstation.search.steps import Order
from shared.errors import InputError
from shared.message.codec_version import CODEC
from shared.tree import Entry, Mode, Tree, write_tree

MODEL = random_model(1, positions=4096)
BASE, TARGET = trees(1)
MOVES = (
    Move("settings", "recall=3", "", 900.0, 820.5),
    Move("settings", "before=1", "", 820.5, 820.0),
    Move("hunks", "slide -1", "a.c, hunk 2", 820.0, 810.0),
)
TRIED = (
    Tried("settings", "before=1", 900.0, 905.0),
    Tried("settings", "recall=3", 900.0, 820.5),
    Tried("settings", "recall=1", 900.0, 901.0),
    Tried("settings", "before=1", 820.5, 820.0),
    Tried("hunks", "slide -1", 820.0, 810.0),
    Tried("hunks", "slide +1", 820.0, 811.0),
)


@pytest.fixture(scope="module")
def made() -> Authored:
    effort = Effort(max_seconds=1e9, max_candidates=1, check=False)
    return replace(author(BASE, TARGET, MODEL, effort=effort), moves=MOVES, tried=TRIED)


def test_what_was_found_is_told_again(made: Authored, tmp_path: Path) -> None:
    path = tmp_path / "below" / "h.sqlite"
    for second in (5, 6):
        remember(path, BASE, TARGET, made, f"2026-01-02T03:04:0{second}+00:00")
    newest, oldest = runs(path, 9)
    assert (oldest.at[-7], newest.at[-7]) == ("5", "6")
    assert len(runs(path, 1)) == 1 and runs(path, 1)[0] == newest
    assert newest.pin == MODEL.digest.hex() and newest.codec == CODEC
    assert newest.payload_bytes == made.payload_bytes
    assert newest.candidates == 1 and newest.seconds == made.search_s
    assert newest.gained_bits == 90.0
    # a.c: a line changed and one gone; b.txt: a line more; z: bytes without lines in common
    assert newest.features == Features(3, "- .c .txt", 4, 2 + 1 + 1 + 4, len(made.patch))
    assert gains(path) == [
        Gain("settings", "recall=3", 2, 2, 159.0),
        Gain("hunks", "slide -1", 2, 2, 20.0),
        Gain("settings", "before=1", 4, 2, 1.0),
        Gain("hunks", "slide +1", 2, 0, 0.0),
        Gain("settings", "recall=1", 2, 0, 0.0),
    ]
    assert gains(path, MODEL.digest) == gains(path)
    assert gains(path, b"\1" * 32) == []


def test_an_order_is_learned_from_what_a_try_saved() -> None:
    found = [
        Gain("settings", "recall=3", 2, 2, 100.0),
        Gain("settings", "recall=1", 8, 1, 20.0),
        Gain("settings", "shape=2", 1, 1, 40.0),
        Gain("settings", "before=9999999999", 1, 1, 1e9),
        Gain("hunks", "shape=1", 1, 1, 1e9),
        Gain("settings", "nonsense", 1, 1, 1e9),
        Gain("settings", "nonsense=1", 1, 1, 1e9),
    ]
    order = learned_order(found)
    # 40 bits a try, 12 bits a try, and those never tried as usual
    assert order.all_coordinates() == ("shape", "recall", "temperature", "before", "after")
    assert order.all_values("recall") == (3, 1, 0, 2)
    assert order.all_values("shape") == (2, 0, 1)
    usual = learned_order([])
    assert usual.all_coordinates() == Order().all_coordinates()
    assert usual.all_values("after") == Order().all_values("after")


def test_many_write_at_once(made: Authored, tmp_path: Path) -> None:
    """None is lost, and none waits for ever; the first makes the tables."""
    path = tmp_path / "h.sqlite"
    failed: list[BaseException] = []

    def write(k: int) -> None:
        try:
            for n in range(4):
                remember(path, BASE, TARGET, made, f"{k} {n}")
        except BaseException as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(k,)) for k in range(5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == []
    assert {run.at for run in runs(path, 99)} == {f"{k} {n}" for k in range(5) for n in range(4)}
    assert gains(path)[0].tried == 20


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE cookies (name TEXT)")
    database.close()


def newer(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute("PRAGMA user_version = 2")
        database.execute("CREATE TABLE run (id TEXT)")
    database.close()


def emptied(path: Path) -> None:
    newer(path)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 1")
    database.close()


DAMAGE = {
    "text": lambda path: path.write_text("this is not a database, but longer than a header" * 99),
    "foreign": foreign,
    "newer": newer,
    "other tables": emptied,
    "a folder": Path.mkdir,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_no_history_is_refused_and_left_alone(
    made: Authored, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "h.sqlite"
    DAMAGE[damage](path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(InputError, match=r"no usable history") as caught:
        remember(path, BASE, TARGET, made, "now")
    assert "--no-history" in str(caught.value.remedy)
    with pytest.raises(InputError):
        gains(path)
    with pytest.raises(InputError):
        runs(path, 1)
    if before is not None and damage != "other tables":
        assert path.read_bytes() == before


def test_a_run_is_remembered_whole_or_not_at_all(made: Authored, tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    remember(path, BASE, TARGET, made, "one")
    broken = replace(made, tried=(*TRIED, Tried("hunks", "x", 1.0, None)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="NOT NULL"):
        remember(path, BASE, TARGET, broken, "two")
    assert [run.at for run in runs(path, 9)] == ["one"]
    assert sum(gain.tried for gain in gains(path)) == len(TRIED)


def test_it_lies_beside_the_pins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_history() == tmp_path / "rehydration-uplink" / "history.sqlite"


# --- the commands ---------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    one = Tree({"a.c": Entry(Mode.REGULAR, b"int x;\nint y;\n")})
    write_tree(one, tmp_path / "base")
    write_tree(one.replace({"a.c": Entry(Mode.REGULAR, b"int x;\nint z;\n")}), tmp_path / "target")
    write_random_pin(tmp_path / "pin")
    assert CliRunner().invoke(app, ["keygen", "--out", str(tmp_path / "keys")]).exit_code == 0
    return tmp_path


def command(folder: Path, *more: str | Path) -> Result:
    words: list[str | Path] = ["author", "--base", folder / "base", "--target", folder / "target"]
    words += ["--model", folder / "pin", "--key", folder / "keys" / "ground.key"]
    words += ["--out", folder / "out", "--force", "--trials", "6", *more]
    return CliRunner().invoke(app, [str(word) for word in words])


def told(folder: Path) -> dict[str, Any]:
    words = ["history", "--history", str(folder / "h"), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_author_remembers_and_history_tells(folder: Path) -> None:
    for _ in range(2):
        result = command(folder, "--history", folder / "h", "--json")
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
    report = told(folder)
    first, second = report["runs"]
    assert second["id"] == 1 and first["id"] == 2
    assert first["features"]["suffixes"] == ".c" and first["candidates"] == 6
    assert first["payload_bytes"] == json.loads(result.stdout)["payload_bytes"]
    assert sum(gain["tried"] for gain in report["gains"]) == 10
    assert set(report["order"]) == {"before", "after", "shape", "recall", "temperature"}
    table = CliRunner().invoke(app, ["history", "--history", str(folder / "h"), "--limit", "1"])
    assert table.exit_code == 0
    assert ".c" in table.stdout and "settings temperature=1" in table.stdout


def test_no_history_leaves_no_trace_and_changes_no_byte(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    assert command(folder, "--no-history", "--counter", "3").exit_code == 0
    assert not (folder / "cache").exists()
    plain = (folder / "out").read_bytes()
    assert command(folder, "--counter", "3").exit_code == 0
    assert (folder / "cache" / "rehydration-uplink" / "history.sqlite").exists()
    assert (folder / "out").read_bytes() == plain  # nothing was learned before the first run


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_history_is_told_and_loses_no_envelope(folder: Path, damage: str) -> None:
    DAMAGE[damage](folder / "h")
    result = command(folder, "--history", folder / "h", "--json")
    assert result.exit_code == 0, result.output
    assert "no usable history" in result.stderr
    assert "the envelope is written" in result.stderr
    assert json.loads(result.stdout)["total_bytes"] == (folder / "out").stat().st_size


def test_no_history_to_show_is_told(folder: Path) -> None:
    result = CliRunner().invoke(app, ["history", "--history", str(folder / "none"), "--json"])
    assert result.exit_code == 4
    assert "there is no history" in json.loads(result.stdout)["found"]
