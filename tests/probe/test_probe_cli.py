"""The commands: what they print, what they return, and what they leave alone."""

from __future__ import annotations

import json
import mmap
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tinypin import tiny_pin, written
from typer.testing import CliRunner, Result
from world import BASE, KEY, TARGET, THIRD, World, another_pin, classical, envelope

from groundstation.describe_pin import describe_pin, pin_lines
from groundstation.inspect import inspect_envelope
from probe import report
from probe.budget import limited_memory
from probe.cli import app
from shared.codec import CODEC
from shared.diff import unified_diff
from shared.errors import BudgetExceeded
from shared.exact.pin import Pin
from shared.tree import Entry, Mode, Tree, write_tree
from shared.trust import key_id

DOCUMENT = Path(__file__).parents[2] / "docs/probe.md"


@dataclass(frozen=True)
class Bench:
    """A probe that is worked by its commands only."""

    world: World
    pin: Pin

    def run(self, command: str, *arguments: object) -> Result:
        """One command."""
        words = [command, *map(str, arguments), "--state", str(self.world.state)]
        return CliRunner().invoke(app, words)

    def json(self, command: str, *arguments: object) -> Any:
        """What a command that succeeds reports."""
        result = self.run(command, *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def init(self, *arguments: object) -> Result:
        """``probe init`` with the usual folders."""
        trust = self.world.folder / "ground.pub"
        trust.write_bytes(
            KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        return self.run(
            "init",
            "--root",
            self.world.root,
            "--model",
            self.pin.folder,
            "--trust",
            trust,
            *arguments,
        )

    def message(self, data: bytes) -> Path:
        """A file with a received envelope."""
        path = self.world.folder / "message.bin"
        path.write_bytes(data)
        return path

    def classical(self, base: Tree, target: Tree, counter: int, **changes: object) -> Path:
        """A message for this probe's pin that needs no model."""
        return self.message(
            envelope(classical(base, target, **{"pin": self.pin.digest, **changes}), counter)
        )


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


def refusals(bench: Bench) -> dict[int, list[Path | bytes | str]]:
    """For each exit code, what to apply and with which options."""
    good = bench.classical(BASE, TARGET, 1).read_bytes()
    text = envelope(written(BASE, TARGET, bench.pin), 1)
    other = Tree({"x": Entry(Mode.REGULAR, b"other\n")})
    digest = classical(BASE, TARGET).patch_digest
    return {
        11: [good[:70]],
        12: [bytes(1 << 21)],
        13: [good[:1] + bytes([good[1] ^ 0xC0]) + good[2:]],
        14: [bytes([good[0] ^ 1]) + good[1:]],
        15: [good[:-1] + bytes([good[-1] ^ 1])],
        16: [envelope(classical(BASE, TARGET, pin=bench.pin.digest), 1 << 30)],
        17: [envelope(classical(BASE, TARGET, pin=another_pin(bench.pin.digest)), 1)],
        18: [envelope(classical(other, TARGET, pin=bench.pin.digest), 1)],
        19: [text, "--max-tokens", "5"],
        20: [
            envelope(
                classical(BASE, TARGET, pin=bench.pin.digest, stream=b"\xff" * 40, blobs=b""), 1
            )
        ],
        21: [
            envelope(
                classical(
                    BASE,
                    TARGET,
                    pin=bench.pin.digest,
                    patch_digest=digest[:7] + bytes([digest[7] ^ 1]),
                ),
                1,
            )
        ],
    }


def test_every_refusal_has_its_exit_code_and_changes_nothing(bench: Bench) -> None:
    before = (bench.world.state / "ledger.json").read_bytes()
    for code, (data, *options) in refusals(bench).items():
        assert isinstance(data, bytes)
        message = bench.message(data)
        for command in ("apply", "regenerate"):
            result = bench.run(command, message, *options)
            assert result.exit_code == code, (code, result.output)
            assert "expected" in result.stderr or code in (11, 20)
        result = bench.run("verify", message)
        assert result.exit_code == (0 if code in (19, 20, 21) else code)
        shown = bench.run("apply", message, *options, "--json")
        assert json.loads(shown.stdout)["exit_code"] == code
        assert bench.world.tree() == BASE
        assert (bench.world.state / "ledger.json").read_bytes() == before
        assert not any((bench.world.state / "slots").iterdir())


def test_both_ends_show_the_codec_and_the_prefix_that_messages_have(bench: Bench) -> None:
    message = bench.classical(BASE, TARGET, 1).read_bytes()
    inspected = inspect_envelope(message).as_dict()
    model = describe_pin(bench.pin)
    status = bench.json("status")
    assert inspected["own_codec"] == model["codec"] == status["codec"] == CODEC
    # key id, head and counter come before it
    prefix = message[3:4].hex()
    assert inspected["pin_prefix"] == model["pin_prefix"] == status["pin_prefix"] == prefix
    shown = bench.run("status").stdout
    assert re.search(rf"^codec +{CODEC}$", shown, re.M)
    assert f"{CODEC}: messages have the pin prefix {prefix}" in "\n".join(pin_lines(model))


def test_a_message_of_another_codec_is_refused_before_anything_is_opened(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model would have to write; neither it nor the tree is there to be read."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("shared.codec.CODEC", CODEC + "0")
        message = bench.message(envelope(written(BASE, TARGET, bench.pin), 1))
    before = (bench.world.state / "ledger.json").read_bytes()
    bench.world.root.rename(bench.world.folder / "elsewhere")
    hidden = bench.pin.folder.rename(bench.pin.folder.with_name("hidden"))
    try:
        for command in ("verify", "regenerate", "apply"):
            result = bench.run(command, message)
            assert result.exit_code == 17, result.output
            words = " ".join(result.stderr.split())
            assert "another pin or another codec version" in words
            assert f"with {CODEC}" in words
            assert "program version" in words
        assert (bench.world.state / "ledger.json").read_bytes() == before
    finally:
        hidden.rename(bench.pin.folder)


def test_other_exit_codes(bench: Bench, tmp_path: Path) -> None:
    assert bench.run("apply", tmp_path / "none").exit_code == 4
    assert CliRunner().invoke(app, ["apply"]).exit_code == 2
    assert bench.init().exit_code == 30
    assert bench.init("--renew").exit_code == 0
    elsewhere = Bench(World(tmp_path / "empty"), bench.pin)
    for command in ("status", "rollback"):
        assert elsewhere.run(command).exit_code == 30
    nothing = CliRunner().invoke(
        app,
        ["init", "--state", "s", "--root", "r", "--model", str(tmp_path), "--trust", "t"],
    )
    assert nothing.exit_code == 7
    manifest = bench.pin.folder / "manifest.json"
    manifest.rename(tmp_path / "manifest.json")
    try:
        assert bench.run("verify", bench.classical(BASE, TARGET, 1)).exit_code == 7
        assert bench.json("status")["pin_found"] is None
    finally:
        (tmp_path / "manifest.json").rename(manifest)


def test_damaged_weights_are_found_before_they_write(bench: Bench) -> None:
    weights = bench.pin.folder / "model.safetensors"
    good = weights.read_bytes()
    message = bench.message(envelope(written(BASE, TARGET, bench.pin), 1))
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    try:
        assert bench.run("apply", message).exit_code == 7
        assert bench.world.tree() == BASE
    finally:
        weights.write_bytes(good)
    assert bench.run("apply", message).exit_code == 0


def test_a_budget_of_memory_is_a_refusal(bench: Bench) -> None:
    message = bench.message(envelope(written(BASE, TARGET, bench.pin), 1))
    assert bench.run("apply", message, "--max-memory", 16).exit_code == 19
    assert bench.world.tree() == BASE


def test_memory_that_the_limit_refuses_is_a_refusal_and_the_limit_goes_again() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(BudgetExceeded, match="memory"), limited_memory(64 << 20):
        np.ones(1 << 29, np.uint8)
    with pytest.raises(BudgetExceeded, match="memory"), limited_memory(64 << 20):
        mmap.mmap(-1, 1 << 29)
    with limited_memory(1 << 30):
        assert np.ones(1 << 29, np.uint8).nbytes == 1 << 29
    with pytest.raises(FileNotFoundError), limited_memory(64 << 20):
        Path("/none").read_bytes()
    assert resource.getrlimit(resource.RLIMIT_AS) == before


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
    assert "probe.update" in loaded
    assert not {"torch", "tokenizers", "shared.regenerate", "shared.exact.pin"} & loaded
