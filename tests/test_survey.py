"""Past commits of real repositories, authored one by one; interrupted, resumed, damaged."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from statistics import fmean, median

import pytest
import typer
from git_histories import Step, checked_out, write_history
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from taught_model import open_pin, teach
from tree_pairs import git
from typer.testing import CliRunner

from groundstation.commands.survey import survey as command
from groundstation.commands.tables import PIPE_COLUMNS
from groundstation.commands.tables import table as made_table
from groundstation.git.history import TreeReader, find_commits, parse_since
from groundstation.git.objects import open_objects
from groundstation.peers import PEERS, measure_peer
from groundstation.survey.log import default_log, open_log
from groundstation.survey.report import CommitCost, Outcome, Summary, Survey
from groundstation.survey.survey import Care, Selection, survey
from shared.diff import unified_diff
from shared.errors import InputError
from shared.message.codec_version import CODEC
from shared.prompts.language_model.model import Session
from shared.prompts.language_model.pinned import PinnedModel
from shared.tree import Entry, Mode, Tree, changes

app = typer.Typer()
app.command()(command)
runner = CliRunner()

MAIN = "int top(void)\n{\n    return 7;\n}\n"
IMAGE = bytes(range(256)) * 2
REGULAR, EXECUTABLE, SYMLINK, SUBMODULE = "100644", "100755", "120000", "160000"
NOWHERE = b"0123456789012345678901234567890123456789"

STEPS = (
    Step(
        "first",
        {
            "src/m.c": (REGULAR, MAIN.encode()),
            "src/old.c": (REGULAR, b"int a;\nint b;\nint c;\nint d;\n"),
            "tool.sh": (EXECUTABLE, b"#!/bin/sh\nexec ./m\n"),
            "image": (REGULAR, IMAGE),
            "link": (SYMLINK, b"src/m.c"),
            '"odd \\377\\n name"': (REGULAR, b"bytes\n"),
        },
        "2025-01-01T10:00",
    ),
    Step("edit", {"src/m.c": (REGULAR, MAIN.replace("7", "2").encode())}, "2025-01-02T10:00",
         message="Return two\nand say so\n\nA body.\n"),
    Step("rename", {"src/old.c": None, "src/new.c": (REGULAR, b"int a;\nint b;\nint c;\nint e;\n")},
         "2025-02-01T00:00"),
    Step("mode", {"tool.sh": (REGULAR, b"#!/bin/sh\nexec ./m\n")}, "2025-02-02T10:00"),
    Step("side", {"note.txt": (REGULAR, b"a note\n")}, "2025-02-03T10:00", parents=["rename"]),
    Step("merge", {"note.txt": (REGULAR, b"a note\n")}, "2025-02-04T10:00",
         parents=["mode", "side"]),
    Step("binary", {"image": (REGULAR, IMAGE[:300] + b"\0\1\2" + IMAGE[300:])}, "2025-03-01T10:00"),
    Step("module", {"vendor": (SUBMODULE, NOWHERE)}, "2025-03-02T10:00"),
    Step("module too", {"vendor": (SUBMODULE, NOWHERE[::-1]), "link": (SYMLINK, b"tool.sh")},
         "2025-03-03T10:00"),
    Step("empty", {}, "2025-03-04T10:00"),
    Step("odd", {'"odd \\377\\n name"': (REGULAR, b"other\n"), "src/m.c": None},
         "2025-03-05T10:00", message="[bold]odd[/] \x1b[31mnames"),
)  # fmt: skip
"""Everything that git tracks, two branches, and a commit each for what must be left out."""

ALONE = ("odd", "empty", "module too", "module", "binary", "mode", "side", "rename", "edit")
"""Those with one parent, the newest first (mode and side: in git's order of walking)."""


@dataclass(frozen=True)
class Repository:
    """A repository on disk and the hashes of its commits."""

    folder: Path
    names: dict[str, str]

    def label(self, name: str) -> str:
        """The step of a hash."""
        return next(label for label, known in self.names.items() if known == name)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("histories") / "repository"
    return Repository(folder, write_history(STEPS, folder))


@pytest.fixture(scope="module")
def pin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = f"src/m.c (old version):\n```c\n{MAIN}```\n"
    return teach(tmp_path_factory.mktemp("taught"), [text], steps=30)


@pytest.fixture(scope="module")
def model(pin: Path) -> PinnedModel:
    return open_pin(pin)


@pytest.fixture(scope="module")
def whole(repository: Repository, model: PinnedModel, tmp_path_factory: pytest.TempPathFactory
          ) -> Survey:  # fmt: skip
    """The survey of everything."""
    state = tmp_path_factory.mktemp("state") / "whole.jsonl"
    return survey(repository.folder, model, Selection(), state=state)


def by_label(found: Survey, repository: Repository) -> dict[str, CommitCost]:
    return {repository.label(cost.commit): cost for cost in found.costs}


def timeless(found: Survey) -> list[CommitCost]:
    """The costs without how long they took to find."""
    return [replace(cost, work_s=0.0) for cost in found.costs]


@dataclass(frozen=True)
class Impatient(PinnedModel):
    """The model, but its user presses Ctrl-C when it is asked for the n-th session."""

    sessions: Iterator[bool]

    def session(self) -> Session:
        if next(self.sessions):
            raise KeyboardInterrupt
        return super().session()


def impatient(model: PinnedModel, patience: int) -> Impatient:
    fields = (model.digest, model.vocabulary, model.transformer, model.table)
    return Impatient(*fields, iter([False] * patience + [True] * 1000))


# --- which commits, and their trees -----------------------------------------------------------


def test_merges_and_the_first_commit_are_left_out(repository: Repository) -> None:
    with open_objects(repository.folder) as objects:
        commits = find_commits(objects)
    labels = [repository.label(commit.name) for commit in commits]
    assert sorted(labels) == sorted(ALONE)
    assert labels[:5] == list(ALONE[:5])
    assert labels[-2:] == list(ALONE[-2:])
    commit = commits[-1]
    assert commit.parent == repository.names["first"]
    assert commit.subject == "Return two and say so"
    assert commit.date == datetime(2025, 1, 2, 10, tzinfo=UTC)
    assert commit.date.utcoffset() == -timedelta(hours=3, minutes=30)


@pytest.mark.parametrize(
    ("since", "labels"),
    [
        ("2025-03-03T10:00:00+00:00", ALONE[:3]),
        ("2025-03-03T10:00:01+00:00", ALONE[:2]),
        ("2025-03-03T06:30:00-03:30", ALONE[:3]),
        ("2025-02-01T00:00:00+00:00", ALONE[:8]),
        ("1969-01-01T00:00:00+00:00", ALONE),
    ],
)
def test_since_is_to_the_second(
    since: str, labels: tuple[str, ...], repository: Repository
) -> None:
    with open_objects(repository.folder) as objects:
        commits = find_commits(objects, since=datetime.fromisoformat(since))
    assert {repository.label(commit.name) for commit in commits} == set(labels)


def test_limit_and_paths(repository: Repository) -> None:
    def labels(**wanted: object) -> list[str]:
        with open_objects(repository.folder) as objects:
            commits = find_commits(objects, **wanted)  # type: ignore[arg-type]
        return [repository.label(commit.name) for commit in commits]

    assert labels(limit=2) == ["odd", "empty"]
    assert labels(paths=["*.c"]) == ["odd", "rename", "edit"]
    assert labels(paths=["*.c"], limit=2) == ["odd", "rename"]
    assert labels(paths=["src/new.c", "tool.sh"]) == ["mode", "rename"]
    assert labels(paths=[":(exclude)src", "link"]) == ["module too"]
    assert labels(paths=["*.c"], since=datetime(2025, 2, 1, tzinfo=UTC)) == ["odd", "rename"]


@pytest.mark.parametrize("paths", [(), ("*.c",), ("src", "l*"), (":(exclude)src",)])
def test_trees_are_what_git_checks_out(
    paths: tuple[str, ...], repository: Repository, tmp_path: Path
) -> None:
    with open_objects(repository.folder) as objects:
        reader = TreeReader(objects, paths)
        commits = find_commits(objects)[:: 1 if not paths else 4]
        for commit in commits:
            trees = reader.trees(commit)
            for name, tree in ((commit.parent, trees.base), (commit.name, trees.target)):
                folder = tmp_path / f"{commit.name[:6]}-{name[:6]}"
                assert tree == checked_out(repository.folder, name, folder, *paths)
            assert not trees.is_lean
            labels = {"module": 1, "module too": 1}
            changed = labels.get(repository.label(commit.name), 0)
            assert trees.submodules == (0 if "src" in paths or "*.c" in paths else changed)


def test_a_bare_repository_and_one_named_by_a_folder_inside(
    repository: Repository, tmp_path: Path
) -> None:
    names = write_history(STEPS, tmp_path / "bare", bare=True)
    assert names == repository.names
    inside = repository.folder / "within"
    inside.mkdir(exist_ok=True)
    for folder in (tmp_path / "bare", inside):
        with open_objects(folder) as objects:
            commits = find_commits(objects, paths=["*.c"])
            assert [repository.label(commit.name) for commit in commits] == [
                "odd",
                "rename",
                "edit",
            ]
            tree = TreeReader(objects, ("*.c",)).trees(commits[-1]).target
            assert sorted(tree) == ["src/m.c", "src/old.c"]


def test_variables_for_another_repository_are_not_heard(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_history(STEPS[:2], tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
    with open_objects(repository.folder) as objects:
        assert len(find_commits(objects, paths=["*.c"])) == 3


def test_a_huge_tree_is_read_where_it_changes_only(repository: Repository) -> None:
    with open_objects(repository.folder) as objects:
        commits = find_commits(objects)
        for commit in commits:
            full = TreeReader(objects).trees(commit)
            total = max(
                sum(len(entry.data) for _, entry in tree.items())
                for tree in (full.base, full.target)
            )
            assert not TreeReader(objects, huge_bytes=total).trees(commit).is_lean
            lean = TreeReader(objects, huge_bytes=total - 1).trees(commit)
            assert lean.is_lean
            assert list(lean.base) == list(full.base)
            assert list(lean.target) == list(full.target)
            assert changes(lean.base, lean.target) == changes(full.base, full.target)
            same = [path for path in full.base if full.base[path] == full.target.get(path)]
            read = {path for path in same if lean.base[path].data == full.base[path].data}
            assert len(same) > 2
            assert not read


def test_old_modes_of_git_are_understood(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    write_history(STEPS[:1], folder)
    blob = git(["hash-object", "-w", "--stdin"], folder, b"x\n").strip()
    raw = b"".join(
        mode + b" " + name + b"\0" + bytes.fromhex(blob.decode())
        for mode, name in ((b"100664", b"a"), (b"100775", b"b"))
    )
    tree = git(["hash-object", "-w", "-t", "tree", "--stdin", "--literally"], folder, raw).strip()
    assert b"100664 a" in git(["cat-file", "tree", tree.decode()], folder)
    with open_objects(folder) as objects:
        listing = objects.listing(tree.decode(), ())
    assert {path: mode for path, (mode, _) in listing.files.items()} == {
        "a": Mode.REGULAR,
        "b": Mode.EXECUTABLE,
    }


NOW = datetime(2026, 3, 31, 12, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-11-30", datetime(2025, 11, 30, tzinfo=UTC)),
        (" 2025-11-30 17:05 ", datetime(2025, 11, 30, 17, 5, tzinfo=UTC)),
        ("2025-11-30T17:05:09+02:00", datetime(2025, 11, 30, 15, 5, 9, tzinfo=UTC)),
        ("6 weeks", NOW - timedelta(days=42)),
        ("1 day ago", NOW - timedelta(days=1)),
        ("2 Months", NOW - timedelta(days=60)),
        ("1year", NOW - timedelta(days=365)),
    ],
)
def test_dates(text: str, moment: datetime) -> None:
    assert parse_since(text, NOW) == moment


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2025-13-01", "2025-02-30", "30.11.2025", "-3 days", "99999 years", "now"],
)
def test_bad_dates_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="no date") as caught:
        parse_since(text, NOW)
    assert caught.value.expected and caught.value.remedy


# --- what they cost ---------------------------------------------------------------------------


def test_outcomes(whole: Survey, repository: Repository) -> None:
    costs = by_label(whole, repository)
    assert list(costs) == [repository.label(cost.commit) for cost in whole.costs]
    assert set(costs) == set(ALONE)
    outcomes = {label: cost.outcome for label, cost in costs.items()}
    skipped = {"empty": "no file changes", "module": "only submodules change"}
    for label, outcome in outcomes.items():
        assert outcome == (Outcome.SKIPPED if label in skipped else Outcome.SENT), costs[label]
    for label, note in skipped.items():
        assert costs[label].note == note
    assert costs["module too"].note == "1 submodules left out"
    assert (whole.selected, whole.resumed, whole.interrupted) == (9, 0, False)


def test_costs_are_those_of_the_checked_out_trees(
    whole: Survey, repository: Repository, tmp_path: Path
) -> None:
    steps = {step.label: step for step in STEPS}
    order = [step.label for step in STEPS]
    for label, cost in by_label(whole, repository).items():
        if cost.outcome is not Outcome.SENT:
            continue
        parents = steps[label].parents or [order[order.index(label) - 1]]
        base, target = (
            checked_out(repository.folder, repository.names[name], tmp_path / f"{label}-{name}")
            for name in (parents[0], label)
        )
        assert cost.diff_bytes == len(unified_diff(base, target)), label
        peer = measure_peer(PEERS["zstd-dict"], base, target)
        assert cost.zstd_dict_bytes == peer.bytes, label
        assert peer.bytes is not None
        assert cost.zstd_dict_total_bytes == 13 + peer.bytes + 64
        has_deltas = bool(set(cost.codecs or ()) & {"delta", "stored"})
        assert cost.total_bytes == 13 + has_deltas + cost.payload_bytes + 64, label
        assert cost.files == len(changes(base, target)) == sum((cost.codecs or {}).values())
        date = datetime.fromisoformat(steps[label].date).replace(tzinfo=UTC)
        assert datetime.fromisoformat(cost.date) == date
        assert cost.checked


def test_codecs(whole: Survey, repository: Repository) -> None:
    costs = by_label(whole, repository)
    assert (costs["mode"].codec, costs["mode"].tokens) == ("same", 0)
    assert costs["mode"].seed_source == "greedy"
    assert costs["binary"].codec == "delta"
    assert costs["edit"].codec in ("model", "delta")
    assert costs["empty"].codec == "-"


def test_the_totals_add_up(whole: Survey) -> None:
    told = json.loads(json.dumps(whole.as_dict()))
    sent = [commit for commit in told["commits"] if commit["outcome"] == "sent"]
    assert (len(sent), told["sent"], told["skipped"], told["failed"]) == (7, 7, 2, 0)
    for quantity in (
        "diff_bytes", "payload_bytes", "total_bytes", "zstd_dict_bytes", "zstd_dict_total_bytes",
    ):  # fmt: skip
        values = [commit[quantity] for commit in sent]
        summary = told["summary"][quantity]
        assert summary["total"] == sum(values)
        assert summary["mean"] == pytest.approx(fmean(values))
        assert summary["median"] == median(values)
        assert summary["worst"] == max(values)
        worst = next(commit for commit in sent if commit["commit"] == summary["worst_commit"])
        assert worst[quantity] == max(values)
    totals = {key: value["total"] for key, value in told["summary"].items() if "bytes" in key}
    assert told["summary"]["payload_ratio"] == totals["payload_bytes"] / totals["zstd_dict_bytes"]
    assert told["summary"]["wire_ratio"] == totals["total_bytes"] / totals["zstd_dict_total_bytes"]
    for rate in (16, 160):
        seconds = [commit[f"seconds_at_{rate}_bit_s"] for commit in sent]
        assert seconds == [commit["total_bytes"] * 8 / rate for commit in sent]
        assert told["summary"][f"seconds_at_{rate}_bit_s"]["total"] == pytest.approx(sum(seconds))
        assert told["summary"][f"seconds_at_{rate}_bit_s"]["worst"] == max(seconds)
    others = [commit for commit in told["commits"] if commit not in sent]
    assert {commit["seconds_at_16_bit_s"] for commit in others} == {None}


def test_json_keys(whole: Survey) -> None:
    told = whole.as_dict()
    assert list(told) == [
        "repository", "pin", "settings", "state", "since", "selected", "looked_at", "resumed",
        "interrupted", "sent", "skipped", "failed", "summary", "commits",
    ]  # fmt: skip
    assert set(whole.costs[0].as_dict()) == {
        "commit", "date", "subject", "outcome", "note", "files", "diff_bytes", "payload_bytes",
        "total_bytes", "zstd_dict_bytes", "zstd_dict_total_bytes", "codecs", "codec",
        "seed_source", "tokens", "surprises", "checked", "work_s", "seconds_at_16_bit_s",
        "seconds_at_160_bit_s", "payload_ratio", "wire_ratio",
    }  # fmt: skip


def test_records_come_back_as_they_were(whole: Survey) -> None:
    for cost in whole.costs:
        kept = json.loads(json.dumps(cost.as_record()))
        assert CommitCost.from_record(kept) == cost


def test_a_summary_of_nothing() -> None:
    assert Summary.of([]) is None
    assert Summary.of([("a", 3), ("b", 9), ("c", 6)]) == Summary(6, 6, 9, "b", 18)


def test_peers_without_a_size_are_not_in_the_ratio(whole: Survey) -> None:
    first, *others = whole.having(Outcome.SENT)
    without = replace(first, zstd_dict_bytes=None, zstd_dict_total_bytes=None)
    some = replace(whole, costs=(without, *others))
    only = replace(whole, costs=tuple(others))
    key = ("payload_bytes", "zstd_dict_bytes")
    assert some.ratio(*key) == only.ratio(*key) != whole.ratio(*key)
    assert replace(whole, costs=(without,)).ratio(*key) is None


def test_restricted_to_paths(repository: Repository, model: PinnedModel, tmp_path: Path) -> None:
    found = survey(
        repository.folder, model, Selection(paths=("*.c",)), state=tmp_path / "state.jsonl"
    )
    costs = by_label(found, repository)
    assert list(costs) == ["odd", "rename", "edit"]
    assert [cost.files for cost in found.costs] == [1, 1, 1]


def test_long_patches_are_left_out_and_said(
    repository: Repository, model: PinnedModel, whole: Survey, tmp_path: Path
) -> None:
    sizes = {cost.commit: cost.diff_bytes for cost in whole.having(Outcome.SENT)}
    limit = sorted(sizes.values())[3]
    care = Care(max_diff_bytes=limit, check=False)
    found = survey(repository.folder, model, Selection(), care=care, state=tmp_path / "s.jsonl")
    sent = {cost.commit for cost in found.having(Outcome.SENT)}
    assert sent == {name for name, size in sizes.items() if size <= limit}
    assert not any(cost.checked for cost in found.costs)
    left = [cost for cost in found.costs if cost.diff_bytes > limit]
    assert len(left) == len(sizes) - len(sent) == 3
    assert all(str(cost.diff_bytes) in cost.note and str(limit) in cost.note for cost in left)


# --- interrupted and resumed ------------------------------------------------------------------


def test_a_second_run_asks_the_model_nothing(
    repository: Repository, model: PinnedModel, whole: Survey
) -> None:
    again = survey(repository.folder, impatient(model, 0), Selection(), state=Path(whole.state))
    assert not again.interrupted
    assert again.resumed == 7
    assert again.costs == whole.costs


@pytest.mark.parametrize("patience", [0, 1, 3, 6])
def test_ctrl_c_keeps_what_is_done(
    patience: int, repository: Repository, model: PinnedModel, whole: Survey, tmp_path: Path
) -> None:
    state = tmp_path / "state.jsonl"
    stopped = survey(repository.folder, impatient(model, patience), Selection(), state=state)
    assert stopped.interrupted
    done = stopped.having(Outcome.SENT)
    assert timeless(stopped) == timeless(whole)[: len(stopped.costs)]
    assert len(state.read_bytes().splitlines()) == 1 + len(done)
    finished = survey(repository.folder, model, Selection(), state=state)
    assert finished.resumed == len(done)
    assert timeless(finished) == timeless(whole)
    assert finished.costs[: len(stopped.costs)] == stopped.costs


@given(patience=st.integers(0, 60))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ctrl_c_at_any_moment_records_nothing_unfinished(
    patience: int, repository: Repository, model: PinnedModel, whole: Survey
) -> None:
    finished = {cost.commit: cost for cost in timeless(whole)}
    with tempfile.TemporaryDirectory() as name:
        state = Path(name, "state")
        stopped = survey(repository.folder, impatient(model, patience), Selection(), state=state)
        kept = [json.loads(line) for line in state.read_bytes().splitlines()[1:]]
    assert stopped.interrupted or len(stopped.costs) == len(finished)
    for record in kept:
        cost = replace(CommitCost.from_record(record), work_s=0.0)
        assert cost == finished[cost.commit]


def test_more_commits_later(repository: Repository, model: PinnedModel, whole: Survey,
                            tmp_path: Path) -> None:  # fmt: skip
    state = tmp_path / "state.jsonl"
    few = survey(repository.folder, model, Selection(limit=3), state=state)
    assert [cost.outcome for cost in few.costs] == ["sent", "skipped", "sent"]
    more = survey(repository.folder, model, Selection(limit=100), state=state)
    assert more.resumed == 2
    assert timeless(more) == timeless(whole)


def test_a_killed_process_leaves_whole_lines(
    repository: Repository, pin: Path, model: PinnedModel, whole: Survey, tmp_path: Path
) -> None:
    state = tmp_path / "state.jsonl"
    code = (
        "import sys, typer; from groundstation.commands.survey import survey; "
        "app = typer.Typer(); app.command()(survey); app()"
    )
    arguments = ["--repo", str(repository.folder), "--model", str(pin), "--state", str(state)]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        while process.poll() is None:
            if state.exists() and state.read_bytes().count(b"\n") >= 3:
                os.kill(process.pid, signal.SIGKILL)
                break
            time.sleep(0.002)
    found = survey(repository.folder, model, Selection(), state=state)
    assert found.resumed >= 2
    assert timeless(found) == timeless(whole)


def test_a_state_cut_anywhere_loses_one_line_at_most(whole: Survey, tmp_path: Path) -> None:
    data = Path(whole.state).read_bytes()
    state = tmp_path / "cut.jsonl"
    commits = [json.loads(line)["commit"] for line in data.splitlines()[1:]]
    for size in [*range(500), *range(500, len(data), 29), len(data)]:
        state.write_bytes(data[:size])
        with open_log(state, whole.settings) as log:
            lines = data[:size].count(b"\n")
            assert list(log.known) == commits[: max(0, lines - 1)]
            log.add({"commit": "next"})
        header = data.splitlines()[0]
        kept = state.read_bytes().splitlines()
        assert kept[0] == header
        assert len(kept) == 1 + max(0, lines - 1) + 1
        assert json.loads(kept[-1]) == {"commit": "next"}


@pytest.mark.parametrize(
    "data",
    [
        b"my notes\n",
        b"my notes",
        b"{}\n",
        b"[]\n",
        b"\n",
        b'{"format": "rehydration-survey/2", "settings": {}}\n',
        b'{"commit": "x"}\n',
        b"\xff\xfe\n",
    ],
)
def test_another_file_is_refused_and_left_alone(data: bytes, whole: Survey, tmp_path: Path) -> None:
    state = tmp_path / "notes"
    state.write_bytes(data)
    with (
        pytest.raises(InputError, match="not the state") as caught,
        open_log(state, whole.settings),
    ):
        pass
    assert caught.value.remedy
    assert state.read_bytes() == data


def test_a_damaged_line_is_refused(whole: Survey, tmp_path: Path) -> None:
    lines = Path(whole.state).read_bytes().splitlines(keepends=True)
    for number, line in ((3, b"{\n"), (2, b'{"commit": 5}\n'), (4, b'{"no": "commit"}\n')):
        state = tmp_path / f"{number}"
        state.write_bytes(b"".join([*lines[: number - 1], line, *lines[number:]]))
        before = state.read_bytes()
        with (
            pytest.raises(InputError, match=f"line {number}"),
            open_log(state, whole.settings),
        ):
            pass
        assert state.read_bytes() == before


def test_a_record_of_something_else_is_refused(
    whole: Survey, repository: Repository, model: PinnedModel, tmp_path: Path
) -> None:
    state = tmp_path / "state.jsonl"
    with open_log(state, whole.settings) as log:
        log.add({"commit": whole.costs[0].commit, "outcome": "lost"})
    with pytest.raises(InputError, match="record"):
        survey(repository.folder, model, Selection(), state=state)


def test_states_are_not_mixed(
    whole: Survey,
    repository: Repository,
    model: PinnedModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for selection, care, word in (
        (Selection(paths=("*.c",)), Care(), "paths"),
        (Selection(), Care(budget_s=2.0), "budget_s"),
        (Selection(), Care(check=False), "check"),
    ):
        with pytest.raises(InputError, match=word):
            survey(repository.folder, model, selection, care=care, state=Path(whole.state))
    monkeypatch.setattr("groundstation.survey.survey.CODEC", CODEC + "0")
    with pytest.raises(InputError, match=f"a survey with codec {CODEC};") as caught:
        survey(repository.folder, model, Selection(), state=Path(whole.state))
    assert caught.value.expected == f"codec {CODEC}0"
    home = {
        default_log(Path("/a"), {"pin": "1"}),
        default_log(Path("/b"), {"pin": "1"}),
        default_log(Path("/a"), {"pin": "2"}),
    }
    assert len(home) == 3


def test_a_state_from_before_codecs_had_a_version_is_refused(
    whole: Survey, repository: Repository, model: PinnedModel, tmp_path: Path
) -> None:
    state = tmp_path / "old.jsonl"
    first, _, rest = Path(whole.state).read_bytes().partition(b"\n")
    header = json.loads(first)
    assert header["settings"].pop("codec") == CODEC
    state.write_bytes(json.dumps(header).encode() + b"\n" + rest)
    with pytest.raises(InputError, match="codec None") as caught:
        survey(repository.folder, model, Selection(), state=state)
    assert caught.value.expected == f"codec {CODEC}"


def test_one_survey_at_a_time(whole: Survey) -> None:
    with (
        open_log(Path(whole.state), whole.settings),
        pytest.raises(InputError, match="another survey"),
        open_log(Path(whole.state), whole.settings),
    ):
        pass


def test_a_commit_that_cannot_be_read_does_not_stop_the_others(
    repository: Repository, model: PinnedModel, whole: Survey, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    write_history(STEPS, folder, bare=True)
    assert not list((folder / "objects/pack").iterdir()), "git keeps few objects one by one"
    name = git(["rev-parse", f"{repository.names['rename']}:src/new.c"], folder).decode().strip()
    blob = folder / "objects" / name[:2] / name[2:]
    blob.replace(tmp_path / "blob")
    state = tmp_path / "state.jsonl"
    found = survey(folder, model, Selection(), state=state)
    failed = found.having(Outcome.FAILED)
    assert [repository.label(cost.commit) for cost in failed] == ["rename"], "it alone changes it"
    assert name in failed[0].note
    costs = by_label(found, repository)
    assert costs["edit"].outcome is Outcome.SENT, "its trees do not have the file"
    assert costs["binary"].outcome is Outcome.SENT, "its trees have it, unchanged"
    assert "1 unchanged files that the repository lacks" in costs["binary"].note
    (tmp_path / "blob").replace(blob)
    repaired = survey(folder, model, Selection(), state=state)
    assert repaired.resumed == len(found.having(Outcome.SENT))
    sizes = [replace(cost, note="") for cost in timeless(repaired)]
    assert sizes == [replace(cost, note="") for cost in timeless(whole)]


# --- refusals and the command -----------------------------------------------------------------


@pytest.fixture
def options(repository: Repository, pin: Path, tmp_path: Path) -> list[str]:
    state = ["--state", str(tmp_path / "command.jsonl")]
    return ["--repo", str(repository.folder), "--model", str(pin), *state]


def test_command_prints_each_commit_and_the_totals(
    options: list[str], whole: Survey, repository: Repository
) -> None:
    done = runner.invoke(app, options)
    assert done.exit_code == 0, done.output
    table, _, rest = done.stdout.partition("\n7 of 9 commits: ")
    rows = {line.split()[0]: line.split() for line in table.splitlines()}
    for cost in whole.having(Outcome.SENT):
        row = rows[cost.commit[:8]]
        assert row[1:5] == [
            f"{cost.diff_bytes:,}",
            f"{cost.payload_bytes:,}",
            f"{cost.total_bytes:,}",
            f"{cost.zstd_dict_bytes:,}",
        ]
    for name in ("median", "mean", "worst", "total"):
        assert name in rows
    total = whole.summary("total_bytes")
    assert total is not None
    assert rows["total"][3] == f"{total.total:,.0f}"
    assert f"{repository.names['empty'][:8]} skipped: no file changes\n" in rest
    assert f"{repository.names['module too'][:8]} sent: 1 submodules left out\n" in rest
    assert "[bold]odd[/]" in done.stdout
    assert "\x1b" not in done.stdout
    assert all(len(line) <= PIPE_COLUMNS for line in table.splitlines())
    again = runner.invoke(app, [*options, "--json"])
    told = json.loads(again.stdout)
    assert (told["resumed"], told["sent"]) == (7, 7)


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (30, ["name     1,000  a long subject", "[b]wide      2  漢字[1m漢字"]),
        (20, ["name     1,000  a l…", "[b]wide      2  漢 …"]),
        (19, ["name     1,000", "[b]wide      2"]),
        (9, ["name     1,000", "[b]wide      2"]),
    ],
)
def test_tables_cut_their_text_and_never_a_number(width: int, lines: list[str]) -> None:
    made = made_table(
        ("way", "bytes"),
        [["name", "1,000"], ["[b]wide", "2"]],
        texts=("text", ["a long subject", "漢字\x1b[1m漢字\n"]),
        width=width,
    )
    console = Console(width=max(width, 16), file=io.StringIO(), force_terminal=False)
    console.print(made)
    assert isinstance(console.file, io.StringIO)
    shown = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert shown[1:] == lines


def test_command_keeps_its_state_in_the_cache(
    repository: Repository, pin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    arguments = ["--repo", str(repository.folder), "--model", str(pin), "--limit", "1", "--json"]
    first, second = (json.loads(runner.invoke(app, arguments).stdout) for _ in range(2))
    assert (first["resumed"], second["resumed"]) == (0, 1)
    assert first["state"] == second["state"]
    assert Path(first["state"]).parent == tmp_path / "rehydration-uplink" / "surveys"
    assert first["commits"] == second["commits"]


def test_command_interrupted(
    options: list[str], model: PinnedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundstation.commands.survey.open_model", lambda _: impatient(model, 1))
    done = runner.invoke(app, options)
    assert done.exit_code == 130
    assert "commits to go; run it again" in done.stdout
    done = runner.invoke(app, [*options, "--json"])
    assert done.exit_code == 130
    assert json.loads(done.stdout)["interrupted"] is True


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--since", "yesteryear"], "no date"),
        (["--since", "2031-01-01"], "no commit"),
        (["--paths", "*.none"], "in *.none"),
        (["--paths", ":(nonsense)x"], "git says"),
        (["--repo", "{empty}"], "no git repository"),
        (["--repo", "{empty}/none"], "no such folder"),
        (["--repo", "{unborn}"], "no commits"),
        (["--repo", "{single}"], "no commit to survey"),
    ],
)
def test_refusals(changed: list[str], words: str, options: list[str], tmp_path: Path,
                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "empty").mkdir()
    write_history(STEPS[:1], tmp_path / "single")
    (tmp_path / "unborn").mkdir()
    git(["init", "-q", "."], tmp_path / "unborn")
    places = {name: str(tmp_path / name) for name in ("empty", "unborn", "single")}
    done = runner.invoke(app, [*options, *(word.format(**places) for word in changed), "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["error"]) == (InputError.exit_code, "input")
    assert words in told["found"]
    if "git says" not in words:
        assert told["remedy"]


def test_no_git(options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    done = runner.invoke(app, [*options, "--json"])
    assert done.exit_code == InputError.exit_code
    assert "git is not installed" in json.loads(done.stdout)["found"]


def test_surveys_change_nothing_in_the_repository(
    repository: Repository, model: PinnedModel, tmp_path: Path
) -> None:
    def files() -> dict[str, int]:
        found = sorted(path for path in repository.folder.rglob("*") if path.is_file())
        return {str(path): path.stat().st_mtime_ns for path in found}

    before = files()
    survey(repository.folder, model, Selection(limit=1), state=tmp_path / "state.jsonl")
    assert files() == before


def test_a_tree_is_a_tree(repository: Repository) -> None:
    with open_objects(repository.folder) as objects:
        commit = find_commits(objects)[-1]
        target = TreeReader(objects).trees(commit).target
    assert isinstance(target, Tree)
    assert target["tool.sh"] == Entry(Mode.EXECUTABLE, b"#!/bin/sh\nexec ./m\n")
    assert target["link"] == Entry(Mode.SYMLINK, b"src/m.c")
    assert target["odd \udcff\n name"] == Entry(Mode.REGULAR, b"bytes\n")
