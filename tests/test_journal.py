"""The journal: a search that is killed anywhere and run again gives the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from patch_of_hunks import trees
from tiny_codec import random_model, write_random_pin
from typer.testing import CliRunner

from groundstation.authoring.author import Effort, author
from groundstation.authoring.result import Authored
from groundstation.scoring.candidate import Candidate
from groundstation.scoring.score import Result
from groundstation.search.journal import Journalled, open_journal
from groundstation.search.steps import Order, first_candidate
from shared.errors import InputError
from shared.tree import Entry, Mode, write_tree

MODEL = random_model(1, positions=4096)
BASE, TARGET = trees(1)
TRIALS = 16
LEARNED = Order(("temperature", "recall"), {"temperature": (2, 1)})


def run(journal: Path | None, order: Order | None = None) -> Authored:
    effort = Effort(
        max_seconds=1e9, max_candidates=TRIALS, journal=journal, order=order or Order(), check=False
    )
    return author(BASE, TARGET, MODEL, effort=effort)


def told(made: Authored) -> tuple[object, ...]:
    """All that must be the same, which is all but the time."""
    return made.recipe, made.settings, made.files, made.moves, made.tried, made.candidates


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[object, ...], bytes]:
    path = tmp_path_factory.mktemp("journal") / "j"
    made = run(path)
    assert told(made) == told(run(None))
    return told(made), path.read_bytes()


def test_cut_anywhere_it_leads_to_the_same(
    whole: tuple[tuple[object, ...], bytes], tmp_path: Path
) -> None:
    """After every line, and within many; what was whole is not counted again."""
    expected, data = whole
    ends = [k + 1 for k, byte in enumerate(data) if byte == 10]
    assert len(ends) == TRIALS + 1
    cuts = {0, 1, *ends, *(end - 1 for end in ends), *(end + 40 for end in ends[:-1])}
    path = tmp_path / "j"
    for cut in sorted(cuts):
        path.write_bytes(data[:cut])
        assert told(run(path)) == expected, cut
        assert path.read_bytes() == data, cut


@pytest.mark.parametrize(
    "garbage", [b"\0" * 70, b"{}\n", b'{"candidate": 1}\n', b"[1]\nx\n", b"\xff\n"]
)
def test_what_follows_a_damaged_line_is_counted_again(
    whole: tuple[tuple[object, ...], bytes], tmp_path: Path, garbage: bytes
) -> None:
    expected, data = whole
    lines = data.splitlines(keepends=True)
    path = tmp_path / "j"
    for at in (0, 1, 5):
        path.write_bytes(b"".join(lines[:at]) + garbage + b"".join(lines[at:]))
        assert told(run(path)) == expected
        assert path.read_bytes() == data


def test_what_is_known_is_not_counted(
    whole: tuple[tuple[object, ...], bytes], tmp_path: Path
) -> None:
    """With numbers that no candidate has: they are believed, so nothing was counted."""
    _, data = whole
    path = tmp_path / "j"
    path.write_bytes(data)
    with open_journal(path, BASE.digest, TARGET.digest, MODEL.digest, Order()) as journal:
        assert len(journal.known) == TRIALS

        @dataclass
        class Nobody:
            def score_all(self, candidates: Sequence[Candidate]) -> Generator[Result]:
                assert candidates == []
                yield from ()

        from groundstation.scoring.options import options
        from shared.tree import changes

        first = first_candidate([options(each, MODEL.vocabulary) for each in changes(BASE, TARGET)])
        evaluator = Journalled(Nobody(), journal)
        assert list(evaluator.score_all([first, first])) == [journal.known[first.digest]] * 2


def test_a_journal_of_something_else_is_begun_anew(
    whole: tuple[tuple[object, ...], bytes], tmp_path: Path
) -> None:
    _, data = whole
    path = tmp_path / "j"
    other = BASE.digest[::-1]
    for base, target, pin, order in (
        (other, TARGET.digest, MODEL.digest, Order()),
        (BASE.digest, other, MODEL.digest, Order()),
        (BASE.digest, TARGET.digest, other, Order()),
        (BASE.digest, TARGET.digest, MODEL.digest, LEARNED),
    ):
        path.write_bytes(data)
        with open_journal(path, base, target, pin, order) as journal:
            assert journal.known == {}
            assert journal.order == order
        assert path.read_bytes().count(b"\n") == 1


def test_the_order_of_the_first_run_is_kept(tmp_path: Path) -> None:
    """History may have grown since: the search goes on as it began."""
    path = tmp_path / "j"
    first = run(path, LEARNED)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert told(run(path, Order(("shape",)))) == told(first)
    assert path.read_bytes() == data
    settings = [step.what for step in first.tried if step.kind == "settings"]
    assert settings[:2] == ["temperature=2", "temperature=1"]
    assert json.loads(data.splitlines()[0])["order"]["values"] == {"temperature": [2, 1]}


def test_a_journal_in_use_or_unwritable_is_told(tmp_path: Path) -> None:
    path = tmp_path / "j"
    arguments = (BASE.digest, TARGET.digest, MODEL.digest, Order())
    with (
        open_journal(path, *arguments),
        pytest.raises(InputError, match="another search"),
        open_journal(path, *arguments),
    ):
        pass
    with pytest.raises(InputError, match="cannot write"), open_journal(tmp_path, *arguments):
        pass


# --- as a user runs it ----------------------------------------------------------------------------


def long_trees(folder: Path) -> None:
    """A patch whose search takes seconds."""
    base, target = trees(25)
    more = {"c.c": Entry(Mode.REGULAR, base["a.c"].data)}
    write_tree(base.replace(more), folder / "base")
    write_tree(target.replace({"c.c": Entry(Mode.REGULAR, target["a.c"].data)}), folder / "target")


def command(folder: Path, out: Path, *more: str) -> list[str]:
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from groundstation.cli import app; app()"
    )
    words = [sys.executable, "-c", program, "author", "--no-history", "--counter", "3"]
    words += ["--base", str(folder / "base"), "--target", str(folder / "target")]
    words += ["--model", str(folder / "pin"), "--key", str(folder / "keys" / "ground.key")]
    return [*words, "--out", str(out), "--budget", "1e9", *more]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    long_trees(tmp_path)
    write_random_pin(tmp_path / "pin", positions=8192)
    from groundstation.cli import app

    made = CliRunner().invoke(app, ["keygen", "--out", str(tmp_path / "keys")])
    assert made.exit_code == 0
    return tmp_path


def lines_of(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(path: Path, lines: int, process: subprocess.Popen[str]) -> None:
    while lines_of(path) < lines:
        assert process.poll() is None, f"it ended before it could be stopped: {process.stderr}"
        time.sleep(0.005)


def test_killed_twice_and_run_again_it_writes_the_same_envelope(folder: Path) -> None:
    whole, out = folder / "whole", folder / "out"
    subprocess.run(command(folder, whole, "--trials", "14"), check=True, capture_output=True)
    journal = folder / "out.search.jsonl"
    for lines in (3, 8):
        process = subprocess.Popen(
            command(folder, out, "--trials", "14"), stderr=subprocess.PIPE, text=True
        )
        wait_for(journal, lines, process)
        process.kill()
        process.communicate()
        assert lines <= lines_of(journal) < 15
        assert not out.exists()
    subprocess.run(command(folder, out, "--trials", "14"), check=True, capture_output=True)
    assert out.read_bytes() == whole.read_bytes()
    assert not journal.exists()
    assert not (folder / "whole.search.jsonl").exists()


def test_ctrl_c_sends_the_best_so_far(folder: Path) -> None:
    import signal

    out = folder / "out"
    process = subprocess.Popen(
        command(folder, out, "--json"), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    wait_for(folder / "out.search.jsonl", 4, process)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert "interrupted: the best of" in stderr
    assert "Traceback" not in stderr
    report = json.loads(stdout)
    assert report["interrupted"] is True
    assert report["total_bytes"] == out.stat().st_size
    assert not (folder / "out.search.jsonl").exists()


def test_a_second_ctrl_c_ends_it_all(folder: Path) -> None:
    import signal

    process = subprocess.Popen(command(folder, folder / "out"), stderr=subprocess.PIPE, text=True)
    wait_for(folder / "out.search.jsonl", 4, process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "Ctrl-C again" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert not (folder / "out").exists()
    assert lines_of(folder / "out.search.jsonl") >= 4  # the next run goes on
