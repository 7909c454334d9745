"""``groundstation author``: its JSON contract, its refusals, and the counter beside the key."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_codec import write_random_pin
from typer.testing import CliRunner, Result

from groundstation.cli import app
from groundstation.signing.counter import counter_path, keep_counter, next_counter
from groundstation.signing.keys import load_private_key
from groundstation.signing.outgoing import check_outgoing, write_outgoing
from shared.errors import InputError
from shared.exact.pin import load_pin
from shared.message.envelope import open_envelope, parse_envelope
from shared.message.wire import MAX_COUNTER
from shared.prompts.language_model.pinned import PinnedModel
from shared.regenerate import regenerate
from shared.tree import Entry, Mode, Tree, read_tree, write_tree

ODD = "b [/bold] [x].py"
BASE = Tree(
    {
        "a.c": Entry(Mode.REGULAR, b"int x;\nint y;\nint z;\n"),
        ODD: Entry(Mode.REGULAR, b"x = 1\n"),
        "\udcff": Entry(Mode.EXECUTABLE, b"old\n"),
    }
)
TARGET = BASE.replace(
    {
        "a.c": Entry(Mode.REGULAR, b"int x;\nint zz;\nint z;\n"),
        ODD: Entry(Mode.REGULAR, b"x = 2\n"),
        "\udcff": Entry(Mode.REGULAR, b"old\n"),
    }
)
CONTRACT = {
    "patch_bytes", "prompt_bytes", "seed_bytes", "overhead_bytes", "signature_bytes",
    "total_bytes", "seed_source", "search_s", "files",
}  # fmt: skip


@dataclass(frozen=True)
class Ground:
    """Folders of a ground station under test."""

    folder: Path
    pin: Path

    @property
    def key(self) -> Path:
        return self.folder / "keys" / "ground.key"

    @property
    def out(self) -> Path:
        return self.folder / "patch.rhu"

    def author(self, *options: str | Path, **changed: str | Path | None) -> Result:
        """Runs the command; options by name replace the usual ones, None leaves one out."""
        named: dict[str, str | Path | None] = {
            "base": self.folder / "base",
            "target": self.folder / "target",
            "model": self.pin,
            "key": self.key,
            "out": self.out,
            "trials": "2",
            **changed,
        }
        words = ["author", "--no-history"]
        for name, value in named.items():
            if value is not None:
                words += [f"--{name.replace('_', '-')}", str(value)]
        return CliRunner().invoke(app, [*words, *map(str, options)])

    def json(self, **changed: str | Path | None) -> dict[str, Any]:
        """The report of a run that succeeds."""
        result = self.author("--json", **changed)
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found


@pytest.fixture(scope="module")
def pin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pins") / "tiny"
    write_random_pin(folder)
    return folder


@pytest.fixture
def ground(tmp_path: Path, pin: Path) -> Ground:
    write_tree(BASE, tmp_path / "base")
    write_tree(TARGET, tmp_path / "target")
    made = CliRunner().invoke(app, ["keygen", "--out", str(tmp_path / "keys")])
    assert made.exit_code == 0, made.output
    return Ground(tmp_path, pin)


def rehydrate(ground: Ground) -> Tree:
    """What a probe would make of the envelope."""
    pin = load_pin(ground.pin)
    base = read_tree(ground.folder / "base")
    public = load_private_key(ground.key).public_key()
    message = open_envelope(ground.out.read_bytes(), [public], pin.digest, base.digest)
    return regenerate(message, base, lambda: PinnedModel.open(pin, threads=1)).target


# --- what it reports ------------------------------------------------------------------------------


def test_json_keeps_the_contract(ground: Ground) -> None:
    """Every key, and every byte of the file accounted for."""
    report = ground.json()
    assert set(report) >= CONTRACT
    parts = ("prompt", "seed", "delta", "overhead", "signature")
    assert sum(report[f"{part}_bytes"] for part in parts) == report["total_bytes"]
    assert report["total_bytes"] == ground.out.stat().st_size
    assert report["signature_bytes"] == 64
    assert report["payload_bytes"] == sum(report[f"{part}_bytes"] for part in parts[:3])
    assert report["patch_bytes"] > 100
    assert report["counter"] == 1
    assert [file["path"] for file in report["files"]] == ["a.c", ODD, "\udcff"]
    assert {file["codec"] for file in report["files"]} <= {"model", "delta", "stored", "same"}
    assert rehydrate(ground) == TARGET


def test_a_hint_is_told_where_it_is_used(ground: Ground) -> None:
    """Or left out, where it does not pay; the message reads back either way."""
    report = json.loads(ground.author("--json", "--hint", "int zz", trials="4").output)
    assert {file["hint"] for file in report["files"]} <= {"", "int zz", "zz", "int"}
    assert all(isinstance(file["references"], list) for file in report["files"])
    assert rehydrate(ground) == TARGET


def test_the_report_for_people_names_every_file(ground: Ground) -> None:
    """Also those whose names a terminal would take for markup, or cannot show."""
    result = ground.author()
    assert result.exit_code == 0, result.output
    for part in ("a.c", "[/bold]", "[x].py", "\\udcff", "modify", str(ground.out.stat().st_size)):
        assert part in result.stdout


def test_a_patch_gives_the_same_message_as_its_target(ground: Ground) -> None:
    """The patch is git's own, with the odd names that it quotes."""
    ground.json(counter="7")
    wanted = ground.out.read_bytes()
    patch = ground.folder / "change.patch"
    diff = subprocess.run(
        ["git", "-c", "core.quotePath=true", "diff", "--no-index", "--binary", "base", "target"],
        cwd=ground.folder,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "HOME": "/nonexistent"},
    ).stdout
    for side in (b"a/", b"b/"):
        for folder in (b"base/", b"target/"):
            diff = diff.replace(side + folder, side)
    patch.write_bytes(diff)
    ground.out.unlink()
    report = ground.json(counter="7", target=None, patch=patch)
    assert ground.out.read_bytes() == wanted
    assert report["counter"] == 7


@pytest.mark.parametrize("source", ["auto", "coded"])
def test_seed_sources(ground: Ground, source: str) -> None:
    report = ground.json(seed_source=source)
    assert report["seed_source"] in ("coded", "greedy")
    assert rehydrate(ground) == TARGET


def test_a_patch_without_text_may_be_greedy(ground: Ground) -> None:
    """A change of mode needs no token, so it may have any source, and has the shortest."""
    (ground.folder / "base" / "a.c").write_bytes(TARGET["a.c"].data)
    (ground.folder / "base" / ODD).write_bytes(TARGET[ODD].data)
    report = ground.json()
    assert report["seed_source"] == "greedy"
    assert report["seed_bytes"] == 0
    assert report["total_bytes"] < 90


# --- what it refuses ------------------------------------------------------------------------------


def refused(result: Result, code: int, *parts: str) -> None:
    """One documented exit code, an explanation, and no traceback."""
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    for part in parts:
        assert part in result.stderr.replace("\n", " ")


def test_both_or_neither_of_target_and_patch(ground: Ground) -> None:
    refused(ground.author(target=None), 4, "--target and --patch are both missing")
    refused(ground.author(patch=ground.key), 4, "both --target and --patch")
    assert not ground.out.exists()


def test_what_cannot_be_read(ground: Ground) -> None:
    missing = ground.folder / "missing"
    refused(ground.author(base=missing), 4, "is not a folder")
    refused(ground.author(target=missing), 4, "is not a folder")
    refused(ground.author(target=None, patch=missing), 4, "cannot read")
    refused(ground.author(key=missing), 4, "cannot read the key", "keygen")
    refused(ground.author(model=missing), 7)
    refused(ground.author(key=ground.key.with_suffix(".pub")), 4, "not a private key")
    assert not ground.out.exists()
    assert not counter_path(ground.key).exists()


def test_patches_that_change_nothing_or_do_not_apply(ground: Ground) -> None:
    patch = ground.folder / "x.patch"
    patch.write_bytes(b"")
    assert ground.author(target=None, patch=patch).exit_code in (4, 5)
    patch.write_bytes(b"\x00\xff not a patch")
    refused(ground.author(target=None, patch=patch), 5)
    patch.write_bytes(b"--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-int q;\n+int r;\n")
    refused(ground.author(target=None, patch=patch), 5)
    refused(ground.author(target=ground.folder / "base"), 4, "nothing to send")
    assert not counter_path(ground.key).exists()


def test_out_that_cannot_be_written(ground: Ground) -> None:
    refused(ground.author(out=ground.folder), 4, "cannot write")
    refused(ground.author(out=ground.folder / "no" / "x"), 4, "cannot write")
    refused(ground.author(out=ground.folder / "a\udcff[/x]" / "y"), 4, "cannot write")


def test_options_out_of_range_are_usage_errors(ground: Ground) -> None:
    for changed in (
        {"counter": "-1"},
        {"counter": str(MAX_COUNTER + 1)},
        {"counter": "x"},
        {"budget": "-1"},
        {"trials": "0"},
        {"seed_source": "thrown"},
    ):
        assert ground.author(**changed).exit_code == 2
    assert ground.author(base=None).exit_code == 2


def test_errors_as_json(ground: Ground) -> None:
    result = ground.author("--json", target=None)
    assert result.exit_code == 4
    found = json.loads(result.stdout)
    assert found["error"] == "input"
    assert found["exit_code"] == 4
    assert set(found) == {"error", "exit_code", "found", "expected", "remedy"}


def test_nothing_but_the_message_on_a_pipe(ground: Ground) -> None:
    """As a user runs it: no progress, no escape codes, no traceback."""
    run = subprocess.run(
        [
            *(sys.executable, "-c", "from groundstation.cli import app; app()", "author", "--json"),
            *("--base", ground.folder / "base", "--target", ground.folder / "target"),
            *("--model", ground.pin, "--key", ground.key, "--out", ground.out, "--trials", "1"),
            "--no-history",
        ],
        capture_output=True,
        cwd=Path(__file__).parents[1],
    )
    assert run.returncode == 0
    assert run.stderr == b""
    assert json.loads(run.stdout)["total_bytes"] == ground.out.stat().st_size


# --- the counter ----------------------------------------------------------------------------------


def test_counters_rise_with_every_message(ground: Ground) -> None:
    def counter(**changed: str) -> object:
        ground.out.unlink(missing_ok=True)
        return ground.json(**changed)["counter"]

    assert [counter() for _ in range(2)] == [1, 2]
    assert counter(counter="40") == 40
    assert counter() == 41
    assert parse_envelope(ground.out.read_bytes()).message.counter == 41
    # one that was used before may be repeated on purpose, but is not taken for the last
    assert counter(counter="5") == 5
    assert counter() == 42


def test_an_envelope_is_replaced_only_when_told(ground: Ground) -> None:
    ground.out.write_bytes(b"precious")
    refused(ground.author(), 4)
    assert ground.out.read_bytes() == b"precious"
    assert not counter_path(ground.key).exists()
    assert ground.author("--force").exit_code == 0
    assert parse_envelope(ground.out.read_bytes()).message.counter == 1


def test_inputs_are_never_replaced(ground: Ground) -> None:
    before = ground.key.read_bytes()
    refused(ground.author("--force", out=ground.key), 4)
    assert ground.key.read_bytes() == before


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_disk_that_is_full_uses_no_counter_up(tmp_path: Path, share: float) -> None:
    key, out, message = tmp_path / "ground.key", tmp_path / "out", bytes(range(256)) * 40
    key.touch()
    keep_counter(key, 7)
    out.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * len(message)), before[1]))
    try:
        with pytest.raises(InputError):
            write_outgoing(out, message, [key], 8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (out.read_bytes(), next_counter(key)) == (b"old", 8)


def test_a_counter_that_cannot_be_kept_lets_no_message_out(tmp_path: Path) -> None:
    key, out = tmp_path / "ground.key", tmp_path / "out"
    key.touch()
    counter_path(key).mkdir()
    for act in (
        lambda: check_outgoing(out, [key]),
        lambda: write_outgoing(out, b"message", [key], 8),
    ):
        with pytest.raises(InputError):
            act()
    assert not out.exists()


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1.5", "٣", str(MAX_COUNTER), "9" * 20, "9" * 5000, "1\n2"]
)
def test_a_counter_file_that_holds_no_counter(ground: Ground, text: str) -> None:
    counter_path(ground.key).write_text(text, encoding="utf-8")
    refused(ground.author(), 4)
    assert not ground.out.exists()
    with pytest.raises(InputError):
        next_counter(ground.key)


def test_the_counter_file(tmp_path: Path) -> None:
    key = tmp_path / "ground.key"
    assert counter_path(key) == tmp_path / "ground.key.counter"
    assert next_counter(key) == 1
    keep_counter(key, 6)
    assert counter_path(key).read_bytes() == b"6\n"
    keep_counter(key, 3)
    assert next_counter(key) == 7
    keep_counter(key, MAX_COUNTER - 1)
    assert next_counter(key) == MAX_COUNTER
    keep_counter(key, MAX_COUNTER)
    with pytest.raises(InputError, match="holds"):
        next_counter(key)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ground.key.counter"]


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to(path)])
def test_a_counter_that_cannot_be_kept(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "ground.key.counter")
    with pytest.raises(InputError):
        next_counter(tmp_path / "ground.key")
    with pytest.raises(InputError):
        keep_counter(tmp_path / "ground.key", 5)


# --- drawn seeds ----------------------------------------------------------------------------------


@pytest.fixture
def written(ground: Ground) -> dict[str, Path]:
    """Two trees for a patch that the model writes itself, in some 60 bits."""
    folders = {"base": ground.folder / "old", "target": ground.folder / "new"}
    for folder, text in zip(folders.values(), (b"a\nb\nc\n", b"a\nb\nk = 7\nc\n"), strict=True):
        write_tree(Tree({"f": Entry(Mode.REGULAR, text)}), folder)
    return folders


def test_a_hopeless_drawn_seed_is_refused_at_once(ground: Ground, written: dict[str, Path]) -> None:
    result = ground.author(seed_source="drawn", max_seeds="1000", **written)
    text = result.stderr.replace("\n", " ")
    assert result.exit_code == 4
    assert "a drawn seed takes about" in text
    assert "seeds a second" in text
    assert "at most 1,000 trials" in text
    assert "--force" in text
    assert not ground.out.exists()
    found = json.loads(
        ground.author("--json", seed_source="drawn", max_seeds="1000", **written).stdout
    )
    assert found["expected"] == "at most 1,000 trials"


def test_a_forced_search_is_interrupted_and_keeps_its_state(
    ground: Ground, written: dict[str, Path]
) -> None:
    """As a user does it with Ctrl-C: no envelope, no counter, no traceback, and a file to go on."""
    # a job in the background of a shell ignores the signal; one in the foreground does not
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from groundstation.cli import app; app()"
    )
    run = subprocess.Popen(
        [
            *(sys.executable, "-c", program, "author"),
            *("--base", written["base"], "--target", written["target"]),
            *("--model", ground.pin, "--key", ground.key, "--out", ground.out, "--trials", "1"),
            "--no-history",
            *("--seed-source", "drawn", "--force"),
        ],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    state = ground.out.with_name("patch.rhu.drawn.json")
    while not state.exists():
        assert run.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, told = run.communicate()
    assert run.returncode == 130
    assert "is expected to do" in told
    assert "Traceback" not in told
    assert json.loads(state.read_text())["next_seed"] > 0
    assert not ground.out.exists()
    assert not counter_path(ground.key).exists()
