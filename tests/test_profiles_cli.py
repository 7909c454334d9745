"""Every profile from its key to a changed tree, by the commands of both ends."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from tiny_codec import write_random_pin
from typer.testing import CliRunner, Result

from groundstation.cli import app as ground_app
from probe.cli import app as probe_app
from shared.auth.profiles import Profile
from shared.tree import Entry, Mode, Tree, read_tree, write_tree

BASE = Tree({"a.c": Entry(Mode.REGULAR, b"int x;\nint y;\n"), "b": Entry(Mode.REGULAR, b"b\n")})
TARGET = BASE.replace({"a.c": Entry(Mode.REGULAR, b"int x;\nint zz;\n")})
EACH = pytest.mark.parametrize("profile", list(Profile))
NOW = 1_900_000_000.0


@dataclass
class Both:
    """Folders of both ends, and the one clock that they share here."""

    folder: Path
    pin: Path
    now_s: float = NOW

    def run(self, app: typer.Typer, *words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words])

    def json(self, app: typer.Typer, *words: object) -> Any:
        result = self.run(app, *words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def ground(self, *words: object) -> Any:
        return self.json(ground_app, *words)

    def probe(self, *words: object) -> Any:
        return self.json(probe_app, *words, "--state", self.folder / "state")

    def probe_code(self, *words: object) -> int:
        return self.run(probe_app, *words, "--state", self.folder / "state").exit_code

    def keys(self, profile: Profile, name: str = "keys") -> Any:
        """The schedule is an hour, four minutes of light, and a minute of error."""
        options: tuple[object, ...] = ()
        if profile is Profile.TESLA:
            options = ("--intervals", 20, "--start", NOW - 100, "--interval", 3600, "--delay", 2)
            options += ("--clock-error", 60, "--light-min", 240, "--light-max", 300)
        return self.ground(
            "keygen", "--out", self.folder / name, "--profile", profile.value, *options
        )

    def init(self, trust: object, *options: object) -> None:
        root = self.folder / "root"
        words = ("init", "--root", root, "--model", self.pin, "--trust", trust, *options)
        assert self.probe(*words)["initialised"]

    def author(self, key: object) -> Any:
        names = {"base": "base", "target": "target", "out": "message"}
        words = [part for name, at in names.items() for part in (f"--{name}", self.folder / at)]
        return self.ground(
            "author", *words, "--model", self.pin, "--key", key, "--trials", 1, "--no-history"
        )


@pytest.fixture(scope="module")
def pin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pins") / "tiny"
    write_random_pin(folder)
    return folder


@pytest.fixture
def both(tmp_path: Path, pin: Path, monkeypatch: pytest.MonkeyPatch) -> Both:
    for name, tree in (("base", BASE), ("target", TARGET), ("root", BASE)):
        write_tree(tree, tmp_path / name)
    made = Both(tmp_path, pin)
    monkeypatch.setattr("time.time", lambda: made.now_s)
    return made


@EACH
def test_from_key_to_tree(both: Both, profile: Profile) -> None:
    files = both.keys(profile)
    assert files["profile"] == profile.value
    assert Path(files["private_key"]).stat().st_mode & 0o777 == 0o600
    shared = profile in (Profile.CMAC16, Profile.CMAC8)
    assert Path(files["public_key"]).stat().st_mode & 0o777 == (0o600 if shared else 0o644)
    both.init(files["public_key"])
    sent = both.author(files["private_key"])
    message = both.folder / "message"
    assert sent["signature_bytes"] == profile.tail_bytes
    assert sent["total_bytes"] == message.stat().st_size
    assert sent["overhead_bytes"] == 13
    shown = both.ground("inspect", message, "--profile", profile.value)
    assert (shown["key_id"], shown["counter"]) == (files["key_id"], 1)
    both.now_s += 260
    if profile is Profile.TESLA:
        assert both.probe_code("verify", message) == 23
        held = both.probe("apply", message)
        assert (held["applied"], held["held"], held["interval"]) == (False, True, 1)
        assert read_tree(both.folder / "root") == BASE
        assert both.probe("status")["held"] == ["counter 1 for interval 1"]
        key = both.folder / "key"
        words = ("disclose", "--key", files["private_key"], "--out", key)
        assert both.run(ground_app, *words).exit_code == 4
        both.now_s = NOW - 100 + 7200
        assert both.ground(*words) == {
            "key_id": files["key_id"],
            "interval": 1,
            "total_bytes": 19,
        }
        both.now_s += 240
        done = both.probe("disclose", key)
        assert (done["applied"], done["interval"], done["key_id"]) == (1, 1, files["key_id"])
    else:
        assert both.probe("verify", message)["counter"] == 1
        assert both.probe("apply", message)["applied"] is True
    assert read_tree(both.folder / "root") == TARGET
    status = both.probe("status")
    assert (status["counter"], status["held"]) == (1, [])
    assert status["keys"][0].startswith(files["key_id"])
    if shared:
        secret = (both.folder / "keys/ground.key").read_bytes().split(b"\n")[1]
        shown_text = both.run(probe_app, "status", "--state", both.folder / "state").stdout
        assert secret.decode() not in shown_text
        assert len(status["keys"][0]) < 40


def test_signed_again_with_each_profile(both: Both) -> None:
    """One search; the probe trusts four keys, and each message is applied by its own."""
    files = {profile: both.keys(profile, profile.value) for profile in Profile}
    trust = both.folder / "trust"
    parts = [Path(made["public_key"]).read_bytes() for made in files.values()]
    trust.write_bytes(b"".join(parts))
    result = both.run(
        probe_app, "init", "--state", both.folder / "state", "--root", both.folder / "root",
        "--model", both.pin, "--trust", trust,
    )  # fmt: skip
    if result.exit_code == 4:  # one time in about fifty two ids agree
        assert "could mean two keys" in result.output
        return
    both.author(files[Profile.ED25519]["private_key"])
    sizes = {}
    for profile, made in files.items():
        out = both.folder / profile.value / "message"
        signed = both.ground(
            "sign", both.folder / "message", "--base", both.folder / "base", "--model", both.pin,
            "--key", made["private_key"], "--out", out, "--counter", 7,
        )  # fmt: skip
        sizes[profile] = signed["total_bytes"]
        assert both.probe_code("verify", out) == (23 if profile is Profile.TESLA else 0)
    smallest = sizes[Profile.CMAC8]
    assert {profile: size - smallest for profile, size in sizes.items()} == {
        Profile.ED25519: 56,
        Profile.CMAC16: 8,
        Profile.CMAC8: 0,
        Profile.TESLA: 2,
    }
    assert both.probe("apply", both.folder / "cmac8/message")["counter"] == 7


def test_rotation(both: Both) -> None:
    """Old and new key side by side, then the new one alone; the counter stays."""
    old, new = both.keys(Profile.CMAC16, "old"), both.keys(Profile.ED25519, "new")
    both.init(old["public_key"])
    both.author(old["private_key"])
    shutil.copy(both.folder / "message", both.folder / "by-old")
    assert both.probe("apply", both.folder / "by-old")["applied"]
    both.probe("rollback")
    both.init(new["public_key"], "--renew")
    assert both.probe("status")["counter"] == 1
    assert both.probe_code("apply", both.folder / "by-old") in (11, 13, 14, 15)
    again = both.folder / "again"
    words: tuple[object, ...] = (
        "sign",
        both.folder / "by-old",
        "--was",
        "cmac16",
        "--base",
        both.folder / "base",
    )
    words += ("--model", both.pin, "--key", new["private_key"], "--out", again)
    both.ground(*words, "--counter", 1)
    assert both.probe_code("apply", again) == 16
    both.ground(*words, "--counter", 2, "--force")
    assert both.probe("apply", again)["counter"] == 2


def test_rotation_by_a_message(both: Both) -> None:
    """A new chain beside the old key; then the chain's message counts."""
    old, chain = both.keys(Profile.ED25519, "old"), both.keys(Profile.TESLA, "chain")
    both.init(old["public_key"])
    trust = both.folder / "trust"
    trust.write_bytes(Path(old["public_key"]).read_bytes() + Path(chain["public_key"]).read_bytes())
    words = ("rotate", "--trust", trust, "--out", both.folder / "change", "--key")
    result = both.run(ground_app, *words, old["private_key"], "--json")
    if result.exit_code == 4:  # one time in 256 the ids agree
        assert "could mean two keys" in result.output
        return
    sent = json.loads(result.stdout)
    assert (sent["counter"], sent["total_bytes"]) == (1, 64 + 5 + 33 + 53)
    assert both.probe_code("apply", both.folder / "change") == 13
    done = both.probe("rotate", both.folder / "change")
    assert (done["rotated"], done["counter"], len(done["keys"])) == (True, 1, 2)
    assert both.probe_code("rotate", both.folder / "change") == 16
    both.author(chain["private_key"])
    both.now_s += 260
    assert both.probe_code("apply", both.folder / "message") == 16  # that key counts from 1
    assert both.run(ground_app, *words, chain["private_key"]).exit_code == 4


@pytest.mark.parametrize(
    "options",
    [
        ("--delay", 1),
        ("--clock-error", 100_000),
        ("--light-max", 3),
        ("--intervals", 70_000),
        ("--interval", 10_000_000),
    ],
)
def test_schedules_that_cannot_work_are_refused(both: Both, options: tuple[object, ...]) -> None:
    words = ("keygen", "--out", both.folder / "k", "--profile", "tesla", "--light-min", 5)
    result = both.run(ground_app, *words, *options)
    assert result.exit_code == 4, result.output
    assert "no chain can have this schedule" in result.output.replace("\n", " ")
    assert not (both.folder / "k").exists()


def test_a_chain_that_has_not_begun_or_has_ended_signs_nothing(both: Both) -> None:
    files = both.keys(Profile.TESLA)
    both.now_s = NOW - 101
    words: tuple[object, ...] = (
        "sign",
        both.folder / "none",
        "--base",
        both.folder / "base",
        "--model",
        both.pin,
    )
    words += ("--key", files["private_key"], "--out", both.folder / "out")
    for now_s in (NOW - 101, NOW - 100 + 20 * 3600):
        both.now_s = now_s
        result = both.run(ground_app, *words)
        assert result.exit_code == 4
        assert "no key" in result.output


def test_keys_that_disclose_nothing_and_files_that_are_none(both: Both, tmp_path: Path) -> None:
    files = both.keys(Profile.CMAC8)
    words = ("disclose", "--out", tmp_path / "key", "--key")
    assert both.run(ground_app, *words, files["private_key"]).exit_code == 4
    damaged = tmp_path / "damaged.key"
    good = Path(files["private_key"]).read_bytes()
    damaged.write_bytes(good.replace(b"=", b"!"))
    assert both.run(ground_app, *words, damaged).exit_code == 4
    both.init(files["public_key"])
    (tmp_path / "nothing").write_bytes(b"x" * 19)
    assert both.probe_code("disclose", tmp_path / "nothing") == 14
    (tmp_path / "long").write_bytes(b"x" * 20)
    assert both.probe_code("disclose", tmp_path / "long") == 11
    assert both.probe_code("disclose", tmp_path / "missing") == 4
