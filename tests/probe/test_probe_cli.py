"""The commands: what they print, what they return, and what they leave alone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from clibench import Bench
from tinypin import tiny_pin, written
from typer.testing import CliRunner
from world import BASE, KEY, TARGET, THIRD, World, classical, envelope

from probe.cli import app
from probe.commands import report
from shared.auth.trust_file import key_id
from shared.diff import unified_diff
from shared.exact.pin import Pin
from shared.tree import write_tree

DOCUMENT = Path(__file__).parents[2] / "docs/probe.md"


@pytest.fixture(scope="module")
def pin(tmp_path_factory: pytest.TempPathFactory) -> Pin:
    return tiny_pin(tmp_path_factory.mktemp("pins") / "tiny")


@pytest.fixture
def bench(tmp_path: Path, pin: Pin) -> Iterator[Bench]:
    write_tree(BASE, tmp_path / "root")
    made = Bench(World(tmp_path), pin)
    assert made.init().exit_code == 0
    yield made


def test_a_message_from_arrival_to_rollback(bench: Bench) -> None:
    assert bench.json("status")["counter"] is None
    message = bench.message(envelope(written(BASE, TARGET, bench.pin), 1))
    checked = bench.json("verify", message)
    assert checked["verified"] is True
    assert checked["counter"] == 1
    assert checked["envelope_bytes"] == message.stat().st_size
    patch = bench.world.folder / "patch"
    made = bench.json("regenerate", message, "--out", patch)
    assert patch.read_bytes() == unified_diff(BASE, TARGET)
    assert made["patch_bytes"] == len(patch.read_bytes())
    assert made["tokens"] > 0
    assert bench.world.tree() == BASE

    done = bench.json("apply", message)
    assert done["applied"] is True
    assert (done["old_tree"], done["new_tree"]) == (BASE.digest.hex(), TARGET.digest.hex())
    assert bench.world.tree() == TARGET

    status = bench.json("status")
    assert status["tree"] == status["tree_found"] == TARGET.digest.hex()
    assert status["tree_intact"] is True
    assert status["pin"] == status["pin_found"] == bench.pin.digest.hex()
    assert (status["counter"], status["previous"]) == (1, BASE.digest.hex())
    assert [entry["operation"] for entry in status["history"]] == ["init", "apply"]
    assert status["recovered"] is None
    key = KEY.public_key()
    assert status["keys"] == [f"{key_id(key):02x} {key.public_bytes_raw().hex()}"]

    assert bench.run("apply", message).exit_code == 16
    back = bench.json("rollback")
    assert (back["new_tree"], back["counter"]) == (BASE.digest.hex(), 1)
    assert bench.world.tree() == BASE
    assert bench.run("rollback").exit_code == 10
    assert bench.run("apply", message).exit_code == 16
    assert bench.json("apply", bench.classical(BASE, THIRD, 2))["new_tree"] == THIRD.digest.hex()


def test_people_read_lines(bench: Bench) -> None:
    message = bench.classical(BASE, TARGET, 1)
    assert re.search(r"^verified +yes$", bench.run("verify", message).stdout, re.M)
    assert re.search(r"^applied +yes$", bench.run("apply", message).stdout, re.M)
    status = bench.run("status").stdout
    assert re.search(rf"^tree +{TARGET.digest.hex()}$", status, re.M)
    assert re.search(r"apply +counter 1 ", status)
    (bench.world.root / "stray").write_bytes(b"x")
    (bench.world.root / "lib/image.bin").unlink()
    assert re.search(r"^tree_intact +NO$", bench.run("status").stdout, re.M)


def test_status_of_a_lost_root_and_a_lost_model(bench: Bench, tmp_path: Path) -> None:
    bench.world.root.rename(tmp_path / "elsewhere")
    status = bench.json("status")
    assert status["tree_found"] is None
    assert status["tree_intact"] is False


def test_regenerate_writes_the_patch_to_a_pipe(bench: Bench) -> None:
    message = bench.classical(BASE, TARGET, 1)
    assert bench.run("regenerate", message).stdout_bytes == unified_diff(BASE, TARGET)
    assert bench.run("regenerate", message, "--json").exit_code == 2
    assert bench.world.tree() == BASE
    assert bench.run("regenerate", message, "--out", "/none/patch").exit_code == 4


def test_a_message_that_changes_nothing_uses_up_its_counter(bench: Bench) -> None:
    message = bench.message(envelope(classical(BASE, BASE, pin=bench.pin.digest), 3))
    assert bench.json("apply", message)["old_tree"] == BASE.digest.hex()
    status = bench.json("status")
    assert (status["counter"], status["previous"]) == (3, None)
    assert bench.run("apply", message).exit_code == 16


def test_options_of_init(bench: Bench, tmp_path: Path) -> None:
    world = World(tmp_path / "second")
    write_tree(BASE, world.root)
    (world.root / "cache").mkdir()
    (world.root / "cache/x").write_bytes(b"x")
    second = Bench(world, bench.pin)
    result = second.init(
        "--counter", 90, "--max-counter-jump", 5, "--max-envelope-bytes", 999, "--ignore", "cache"
    )
    assert result.exit_code == 0, result.output
    status = second.json("status")
    assert (status["counter"], status["max_counter_jump"]) == (90, 5)
    assert status["max_envelope_bytes"] == 999
    assert status["ignore"] == [".git", "cache"]
    assert status["tree"] == BASE.digest.hex()
    for counter, code in ((90, 16), (96, 16), (95, 0)):
        message = second.classical(BASE, TARGET, counter)
        assert second.run("apply", message).exit_code == code
    assert (world.root / "cache/x").read_bytes() == b"x"


def test_the_exit_codes_are_documented() -> None:
    section = DOCUMENT.read_text("utf-8").partition("## Exit codes")[2]
    table = dict(re.findall(r"^\| +(\d+) +\| +(.+?) +\|$", section, re.M))
    assert {int(code): meaning for code, meaning in table.items()} == dict(report.exit_codes())
    shown = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    for code, meaning in report.exit_codes():
        assert f"{code} {meaning}" in shown


def loaded_by(code: str, *arguments: object) -> set[str]:
    """Top-level packages and our own modules in a fresh process that ran some code."""
    ending = "\nimport sys; print('\\n'.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code + ending, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return set(result.stdout.split("\n"))


def test_the_command_line_loads_nothing_heavy() -> None:
    loaded = loaded_by("import probe.cli")
    assert "probe.cli" in loaded
    assert not {"torch", "transformers", "accelerate", "tree_sitter", "groundstation"} & loaded
    assert not {"tokenizers", "zstandard", "shared.regenerate", "shared.exact.pin"} & loaded


def test_verify_opens_neither_tokenizer_nor_model(bench: Bench) -> None:
    message = bench.message(envelope(written(BASE, TARGET, bench.pin), 1))
    code = "import sys; from probe.cli import app\napp(sys.argv[1:], standalone_mode=False)"
    loaded = loaded_by(code, "verify", message, "--state", bench.world.state)
    assert "probe.messages.apply" in loaded
    assert not {"torch", "tokenizers", "shared.regenerate", "shared.exact.pin"} & loaded
