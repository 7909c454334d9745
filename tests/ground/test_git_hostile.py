"""No repository runs a program, leads elsewhere or hangs whoever reads its commits."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from git_histories import Step, write_history
from hostile_git import TRICKS, contents, hostile_repository
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_codec import write_random_pin
from tree_pairs import git
from typer.testing import CliRunner

from groundstation.cli import app
from groundstation.corpus.choice.selection import Limits
from groundstation.corpus.release_pairs import Caps
from groundstation.corpus.sources.histories import draw_history
from groundstation.git.history import TreeReader, find_commits
from groundstation.git.objects import open_objects
from groundstation.specialise.material import from_history
from shared.errors import InputError

EVERYTHING = Limits(least_diff_bytes=0)


def read_all(folder: Path) -> list[tuple[str, bytes, bytes]]:
    """Subject, old and new a.py of each commit, the newest first: all that the commands do."""
    with open_objects(folder) as objects:
        reader = TreeReader(objects)
        found = []
        for commit in find_commits(objects):
            trees = reader.trees(commit)
            found.append((commit.subject, trees.base["a.py"].data, trees.target["a.py"].data))
    draw_history("r", folder, Caps(), EVERYTHING)
    return found


HONEST = [("step 2", contents(1), contents(2)), ("step 1", contents(0), contents(1))]


@pytest.mark.parametrize("trick", TRICKS)
def test_no_trick_is_played(trick: str, tmp_path: Path) -> None:
    hostile_repository(tmp_path / "r", tmp_path / "mark", [trick])
    assert read_all(tmp_path / "r") == HONEST
    assert not (tmp_path / "mark").exists()


@given(tricks=st.lists(st.sampled_from(sorted(TRICKS)), min_size=2, unique=True))
@settings(max_examples=6)
def test_nor_are_several(tricks: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        hostile_repository(place / "r", place / "mark", tricks)
        assert read_all(place / "r") == HONEST
        assert not (place / "mark").exists()


def test_the_tricks_are_some(tmp_path: Path) -> None:
    """Git itself, asked as it is, runs the command: the tests above can fail."""
    hostile_repository(tmp_path / "r", tmp_path / "mark", ["ssh"])
    git_as_it_is(["cat-file", "-p", "HEAD:kept.py"], tmp_path / "r", {"GIT_SSH_COMMAND": ""})
    assert (tmp_path / "mark").exists()
    hostile_repository(tmp_path / "s", tmp_path / "watched", ["fsmonitor"])
    git_as_it_is(["status"], tmp_path / "s", {})
    assert (tmp_path / "watched").exists()


def git_as_it_is(words: list[str], folder: Path, unset: Mapping[str, str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    subprocess.run(["git", *words], cwd=folder, env=environment, capture_output=True, check=False)


@pytest.fixture(scope="module")
def pin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pins") / "tiny"
    write_random_pin(folder)
    return folder


def test_every_command_that_opens_one(
    tmp_path: Path, pin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, mark = tmp_path / "r", tmp_path / "mark"
    hostile_repository(folder, mark, [name for name in TRICKS if name != "another history"])
    run = CliRunner().invoke
    done = run(app, ["survey", "--repo", str(folder), "--model", str(pin), "--json",
                     "--state", str(tmp_path / "state")])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert [each["outcome"] for each in json.loads(done.stdout)["commits"]] == ["sent", "sent"]
    manifest = str(tmp_path / "manifest.csv")
    done = run(app, ["corpus", "build", "--out", manifest, "--git", f"r={folder}", "--offline"])
    assert done.exit_code == 0, done.output
    done = run(app, ["corpus", "fetch", manifest, "--git", f"r={folder}", "--offline"])
    assert done.exit_code == 0, done.output
    assert from_history(folder, datetime(2100, 1, 1, tzinfo=UTC), 10).train
    assert not mark.exists()


# --- what a repository lacks harms what needs it ------------------------------------------------


FOUR = tuple(
    Step(
        f"step {number}",
        {
            f"{name}.py": ("100644", f"{name} = {number}\n".encode())
            for name in ("a", "b")[: 1 + (number in (0, 2))]
        },
        f"2025-01-0{number + 1}T10:00",
    )
    for number in range(4)
)
"""a.py changes with each commit, b.py with the third alone."""


def blob_of(folder: Path, name: str) -> Path:
    digest = git(["rev-parse", name], folder).decode().strip()
    return folder / "objects" / digest[:2] / digest[2:]


@pytest.mark.parametrize("how", ["missing", "empty", "cut", "another"])
def test_a_damaged_file_harms_the_commits_that_change_it(how: str, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    names = write_history(FOUR, folder, bare=True)
    blob = blob_of(folder, f"{names['step 0']}:b.py")
    data = blob.read_bytes()
    blob.chmod(0o644)
    if how == "missing":
        blob.unlink()
    else:
        blob.write_bytes({"empty": b"", "cut": data[:-4], "another": b"no object"}[how])
    with open_objects(folder) as objects:
        reader = TreeReader(objects)
        told = {}
        for commit in find_commits(objects):
            try:
                trees = reader.trees(commit)
                told[commit.subject] = (trees.unread, trees.target["a.py"].data)
            except InputError as error:
                assert "b.py" in str(error) or blob.name[:10] in str(error)
                told[commit.subject] = (-1, b"")
    assert told == {
        "step 3": (0, b"a = 3\n"),
        "step 2": (-1, b""),
        "step 1": (1, b"a = 1\n"),
    }
    drawn = draw_history("r", folder, Caps(), EVERYTHING)
    assert len(drawn.notes) == 1
    assert {patch.path for patch in drawn.patches} <= {"a.py"}


def test_nothing_sent_is_no_success(tmp_path: Path, pin: Path) -> None:
    folder = tmp_path / "r"
    write_history(FOUR, folder, bare=True)
    for place in folder.glob("objects/??/*"):
        kind = git(["cat-file", "-t", place.parent.name + place.name], folder).strip()
        if kind == b"blob":
            place.unlink()
    words = ["survey", "--repo", str(folder), "--model", str(pin), "--state", str(tmp_path / "s")]
    done = CliRunner().invoke(app, [*words, "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["sent"], told["failed"]) == (3, 0, 3)
    assert CliRunner().invoke(app, words).exit_code == 3


# --- ordinary repositories ----------------------------------------------------------------------


def test_worktrees_links_and_packs_are_read(tmp_path: Path) -> None:
    main = tmp_path / "main"
    hostile_repository(main, tmp_path / "mark", [])
    git(["gc", "-q"], main)
    git(["worktree", "add", "-q", "-b", "side", str(tmp_path / "side"), "HEAD~1"], main)
    assert read_all(main) == HONEST
    assert read_all(tmp_path / "side") == HONEST[1:]
    (tmp_path / "link").symlink_to(main)
    assert read_all(tmp_path / "link") == HONEST
    git(["clone", "-q", "--depth", "2", f"file://{main}", str(tmp_path / "shallow")], tmp_path)
    assert read_all(tmp_path / "shallow") == HONEST[:1]


def test_a_repository_of_sha256(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    git(["init", "-q", "--object-format=sha256", "."], folder)
    for name in ("user.name", "user.email"):
        git(["config", name, "t@example.org"], folder)
    for number in range(2):
        (folder / "a.py").write_bytes(contents(number))
        git(["add", "."], folder)
        git(["commit", "-qm", f"step {number}"], folder)
    assert read_all(folder) == HONEST[1:]


def test_borrowed_objects_are_told(tmp_path: Path) -> None:
    hostile_repository(tmp_path / "r", tmp_path / "mark", [])
    git(["clone", "-q", "--shared", str(tmp_path / "r"), str(tmp_path / "borrower")], tmp_path)
    with pytest.raises(InputError, match="alternates"):
        read_all(tmp_path / "borrower")
    git(["repack", "-adq"], tmp_path / "borrower")
    (tmp_path / "borrower/.git/objects/info/alternates").unlink()
    assert read_all(tmp_path / "borrower") == HONEST


@pytest.mark.parametrize("place", ["refs/heads/odd", "packed-refs", "HEAD", "objects/pack/x.idx"])
def test_a_pipe_among_its_files_is_refused(place: str, tmp_path: Path) -> None:
    hostile_repository(tmp_path / "r", tmp_path / "mark", [])
    odd = tmp_path / "r/.git" / place
    odd.unlink(missing_ok=True)
    os.mkfifo(odd)
    with pytest.raises(InputError, match=r"neither a file|no short file"):
        read_all(tmp_path / "r")


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    hostile_repository(tmp_path / "r", tmp_path / "mark", [])
    git(["config", "core.repositoryFormatVersion", "1"], tmp_path / "r")
    (tmp_path / "r/.git/config").open("a").write("[extensions]\nnovelty = 3\n")
    with pytest.raises(InputError, match="novelty"):
        read_all(tmp_path / "r")


def test_git_is_run_from_one_place() -> None:
    root = Path(__file__).parents[2]
    users = {
        str(path.relative_to(root))
        for room in ("groundstation", "shared", "sims", "probe")
        for path in (root / room).rglob("*.py")
        if '"git",' in path.read_text(encoding="utf-8") and "subprocess" in path.read_text("utf-8")
    }
    # the second reads patches, in an empty repository of its own; it opens nobody's
    assert users == {"groundstation/git/program.py", "groundstation/second_reading.py"}
