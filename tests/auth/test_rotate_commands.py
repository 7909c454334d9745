"""Identity and threshold by the commands of both ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from groundstation.cli import app as ground_app
from groundstation.signing.counter import counter_path, keep_counter
from groundstation.signing.keys import KeyFiles, write_key_pair
from probe.cli import app as probe_app
from probe.trees.setup import Setup, initialise
from shared.auth.trust_file import load_trusted_keys


class Ends:
    """Three old keys, two new ones, and a probe that trusts the old."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = {
            name: write_key_pair(
                folder / name, Ed25519PrivateKey.from_private_bytes(name.encode() * 32)
            )
            for name in "abcde"
        }
        (folder / "root").mkdir()

    def file(self, name: str) -> KeyFiles:
        return self.keys[name]

    def trust(self, names: str) -> Path:
        path = self.folder / f"trust-{names}"
        path.write_bytes(b"".join(self.file(name).public.read_bytes() for name in names))
        return path

    def init(self, names: str, *, renew: bool = False, **changes: Any) -> None:
        keys = load_trusted_keys(self.trust(names).read_bytes())
        setup = Setup(self.folder / "root", self.folder, bytes(32), keys, **changes)
        initialise(self.folder / "state", setup, now_s=1.0, renew=renew)

    def ground(self, *words: object) -> Result:
        return CliRunner().invoke(ground_app, ["rotate", *map(str, words)])

    def write(self, out: str, *words: object) -> Any:
        result = self.ground("--out", self.folder / out, *words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def rotate(self, file: str) -> int:
        state = ("--state", str(self.folder / "state"))
        return CliRunner().invoke(probe_app, ["rotate", str(self.folder / file), *state]).exit_code

    def status(self) -> Any:
        state = str(self.folder / "state")
        result = CliRunner().invoke(probe_app, ["status", "--state", state, "--json"])
        return json.loads(result.stdout)


@pytest.fixture
def ends(tmp_path: Path) -> Ends:
    return Ends(tmp_path)


def option(ends: Ends, name: str, *keys: str) -> tuple[object, ...]:
    return tuple(part for key in keys for part in (name, ends.file(key).private))


def test_two_of_three_at_two_places(ends: Ends) -> None:
    ends.init("abc", identity="probe-7", threshold=2)
    assert (ends.status()["identity"], ends.status()["rotation_threshold"]) == ("probe-7", 2)
    old, new = option(ends, "--key", "a"), option(ends, "--new-key", "d", "e")
    common = ("--trust", ends.trust("bde"), "--threshold", 3, "--identity", "probe-7")
    result = ends.ground("--out", ends.folder / "no", *old, *new, *common)
    assert result.exit_code == 4
    assert "--draft" in result.output
    sent = ends.write("one", *old, *new, *common, "--draft")
    assert (sent["signatures"], ends.rotate("one")) == (3, 15)
    other = (*option(ends, "--key", "b"), "--cosign", ends.folder / "one")
    assert ends.write("elsewhere", *other)["signatures"] == 4
    assert ends.rotate("elsewhere") == 15  # b signed for a probe without a name
    assert ends.write("both", *other, "--identity", "probe-7")["counter"] == sent["counter"]
    assert ends.rotate("both") == 0
    assert (ends.status()["rotation_threshold"], len(ends.status()["keys"])) == (3, 3)
    assert ends.rotate("both") in (14, 16)


def test_a_new_key_has_to_sign(ends: Ends) -> None:
    ends.init("a")
    result = ends.ground(
        *option(ends, "--key", "a"), "--trust", ends.trust("b"), "--out", ends.folder / "no"
    )
    assert result.exit_code == 4
    assert "--new-key" in result.output
    ends.write("early", *option(ends, "--key", "a"), "--trust", ends.trust("b"), "--draft")
    assert ends.rotate("early") == 15
    words = (*option(ends, "--key", "a"), *option(ends, "--new-key", "b"))
    sent = ends.write("change", *words, "--trust", ends.trust("b"))
    assert (sent["total_bytes"], sent["signatures"]) == (167, 2)
    assert ends.rotate("change") == 0


def test_the_counter_is_above_that_of_every_key_that_signs(ends: Ends) -> None:
    keep_counter(ends.file("a").private, 3)
    keep_counter(ends.file("b").private, 40)
    words = (*option(ends, "--key", "a"), *option(ends, "--new-key", "b"))
    assert ends.write("change", *words, "--trust", ends.trust("b"))["counter"] == 41
    for name in "ab":
        assert counter_path(ends.file(name).private).read_text() == "41\n"


def test_renewal_keeps_what_is_not_said(ends: Ends) -> None:
    ends.init("abc", identity="probe-7", threshold=2)
    ends.init("ab", renew=True)
    assert (ends.status()["identity"], ends.status()["rotation_threshold"]) == ("probe-7", 2)
    with pytest.raises(Exception, match="so many are not trusted"):
        ends.init("a", renew=True)
    ends.init("a", renew=True, identity="", threshold=1)
    assert (ends.status()["identity"], ends.status()["rotation_threshold"]) == (None, 1)


def test_what_cannot_be_asked_for(ends: Ends) -> None:
    key, trust = option(ends, "--key", "a"), ("--trust", ends.trust("a"))
    out = ("--out", ends.folder / "no")
    cosign = ("--cosign", ends.folder / "any")
    for words in (key, (*key, *trust, *cosign), (*key, *key, *trust)):
        assert ends.ground(*words, *out).exit_code == 4
    assert ends.ground(*key, *trust, *out, "--identity", "two words").exit_code == 4
    assert ends.ground(*key, *trust, *out, "--threshold", 2).exit_code == 4
    assert not (ends.folder / "no").exists()
    with pytest.raises(Exception, match="the identity"):
        ends.init("a", identity="two words")
    assert not (ends.folder / "state/config.json").exists()
