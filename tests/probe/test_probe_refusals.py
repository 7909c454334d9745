"""What the commands refuse: an exit code for each kind, and nothing changed."""

from __future__ import annotations

import json
import mmap
import re
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clibench import Bench
from tinypin import tiny_pin, written
from typer.testing import CliRunner
from world import BASE, TARGET, World, another_pin, classical, envelope

from groundstation.models.describe import describe_pin, pin_lines
from groundstation.signing.inspect import inspect_envelope
from probe.cli import app
from probe.resources.budget import limited_memory
from shared.errors import OutOfMemory
from shared.exact.pin import Pin
from shared.message.codec_version import CODEC
from shared.tree import Entry, Mode, Tree, write_tree

DOCUMENT = Path(__file__).parents[2] / "docs/probe.md"


TEXT = Entry(Mode.REGULAR, b"int a = 1;\nint b = 2;\n")


@pytest.fixture(scope="module")
def pin(tmp_path_factory: pytest.TempPathFactory) -> Pin:
    return tiny_pin(tmp_path_factory.mktemp("pins") / "tiny")


@pytest.fixture
def bench(tmp_path: Path, pin: Pin) -> Iterator[Bench]:
    write_tree(BASE, tmp_path / "root")
    made = Bench(World(tmp_path), pin)
    assert made.init().exit_code == 0
    yield made


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
        24: [
            envelope(written(BASE, BASE.replace({"new/.git/x.c": TEXT}), bench.pin), 1),
            "--max-tokens",
            "1",
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
        assert result.exit_code == (0 if code in (19, 20, 21, 24) else code)
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
        elsewhere.setattr("shared.message.codec_version.CODEC", CODEC + "0")
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


def test_memory_that_the_limit_refuses_is_a_lack_and_the_limit_goes_again() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(OutOfMemory), limited_memory(64 << 20):
        np.ones(1 << 29, np.uint8)
    with pytest.raises(OutOfMemory), limited_memory(64 << 20):
        mmap.mmap(-1, 1 << 29)
    with limited_memory(1 << 30):
        assert np.ones(1 << 29, np.uint8).nbytes == 1 << 29
    with pytest.raises(FileNotFoundError), limited_memory(64 << 20):
        Path("/none").read_bytes()
    assert resource.getrlimit(resource.RLIMIT_AS) == before
