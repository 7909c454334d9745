"""A counter below the last one is never taken without a word; the history is its owner's."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from groundstation.authoring.history import close_to_others
from groundstation.cli import app
from groundstation.signing.counter import counter_path, keep_counter, message_counter, next_counter
from groundstation.signing.keys import write_key_pair
from shared.message.wire import MAX_COUNTER
from shared.system.private import keep_private


@given(last=st.integers(0, MAX_COUNTER - 1), wanted=st.integers(0, MAX_COUNTER))
def test_a_word_for_every_counter_that_is_not_above_the_last(
    tmp_path_factory: pytest.TempPathFactory, last: int, wanted: int
) -> None:
    key = tmp_path_factory.mktemp("k") / "ground.key"
    said: list[str] = []
    assert message_counter(key, wanted, said.append) == wanted
    assert not said  # nothing on record
    keep_counter(key, last)
    assert message_counter(key, None, said.append) == next_counter(key)
    assert not said
    assert message_counter(key, wanted, said.append) == wanted
    assert bool(said) == (wanted < next_counter(key))
    if said:
        assert f"counter {wanted} is not above {next_counter(key) - 1}" in said[0]


def test_the_command_says_it_on_standard_error(tmp_path: Path) -> None:
    """``rotate`` stands for all that sign: they share one function."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    files = write_key_pair(tmp_path, Ed25519PrivateKey.generate())
    keep_counter(files.private, 7)

    def rotate(counter: int) -> str:
        words = ["rotate", "--key", files.private, "--trust", files.public]
        words += ["--out", tmp_path / f"change-{counter}", "--counter", counter]
        result = CliRunner().invoke(app, list(map(str, words)))
        assert result.exit_code == 0, result.output
        return " ".join(result.stderr.split())

    assert "counter 3 is not above 7" in rotate(3)
    assert "counter 7 is not above 7" in rotate(7)
    assert "is not above" not in rotate(8)
    assert counter_path(files.private).read_text() == "8\n"


@pytest.fixture
def umask() -> Iterator[None]:
    old = os.umask(0o022)
    yield
    os.umask(old)


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o604, 0o640, 0o600, 0o400])
def test_what_is_open_to_others_is_closed_with_a_word(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    path.chmod(mode)
    said = keep_private(path)
    assert path.stat().st_mode & 0o777 == mode & 0o700
    assert (f"{mode:04o}" in said) if mode & 0o077 else not said
    assert keep_private(path) == ""


@pytest.mark.usefixtures("umask")
def test_a_history_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    assert close_to_others(path) == ""
    sqlite3.connect(path).close()
    path.write_bytes(b"")
    shared_memory = tmp_path / "history.sqlite-shm"
    shared_memory.write_bytes(b"")
    said = close_to_others(path)
    assert said.count("mode 0644") == 2
    assert {file.stat().st_mode & 0o777 for file in (path, shared_memory)} == {0o600}
    assert close_to_others(path) == ""


@pytest.mark.usefixtures("umask")
def test_a_new_history_is_private_from_the_first(tmp_path: Path) -> None:
    from groundstation.authoring.history import _open

    path = tmp_path / "deep/history.sqlite"
    with _open(path, write=True):
        assert {f.stat().st_mode & 0o777 for f in path.parent.iterdir()} == {0o600}
