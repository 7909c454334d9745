"""A file that cannot be used is told in words: no number of the system, no traceback."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from enum import EnumMeta
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_pairs import PATIENT
from typer.main import get_command
from typer.testing import CliRunner

from groundstation.cli import app as groundstation
from groundstation.signing.inspect import inspect_envelope
from probe.cli import app as probe
from shared.errors import MalformedMessage, RehydrationError, UnsupportedVersion, words_of
from sims.cli import app as sims

FETCHES = {("model", "fetch"), ("corpus", "fetch")}
"""Commands that would ask the network."""


def commands(app: typer.Typer) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    """The words and the required parameters of each command that needs a file."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), get_command(app))]
    while waiting:
        words, command = waiting.pop()
        nested = getattr(command, "commands", {})
        waiting += [((*words, name), each) for name, each in nested.items()]
        required = [each for each in command.params if each.required]
        if not nested and words not in FETCHES and any(map(is_path, required)):
            yield words, required


def is_path(parameter: Any) -> bool:
    return "pathlib.Path" in str(parameter.type_descriptor.annotation)


def value(parameter: Any, path: str) -> str:
    kind = parameter.type_descriptor.annotation
    if is_path(parameter):
        return path
    if isinstance(kind, EnumMeta):
        first: Any = next(iter(kind))
        return str(first.value)
    return "1" if kind in (int, float) else "x"


def arguments(required: list[Any], path: str) -> list[str]:
    options = [each for each in required if each.opts[0].startswith("-")]
    given = [word for each in options for word in (each.opts[0], value(each, path))]
    return given + [value(each, path) for each in required if each not in options]


@pytest.mark.parametrize(
    "app", [groundstation, probe, sims], ids=["groundstation", "probe", "sims"]
)
@pytest.mark.parametrize("path", ["nowhere", "folder"])
def test_each_command_tells_in_words_what_is_wrong(
    app: typer.Typer, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    seen = 0
    for words, required in commands(app):
        done = CliRunner().invoke(app, [*words, *arguments(required, path)])
        told = f"{' '.join(words)}: {done.output} {done.exception!r}"
        assert done.exit_code != 1, told
        assert done.exception is None or isinstance(done.exception, SystemExit), told
        assert "Errno" not in done.output, told
        seen += 1
    assert seen > 2


def test_words_of_an_error_are_those_of_the_system() -> None:
    missing = FileNotFoundError(2, os.strerror(2), "x")
    assert words_of(missing) == "No such file or directory"
    assert words_of(OSError("in a word")) == "in a word"
    assert words_of(ValueError("y")) == "y"


# --- inspect --------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=2)


@settings(PATIENT, max_examples=50)
@given(TEXTS.map(lambda text: text + "\n"))
def test_text_is_said_to_be_no_envelope(text: str) -> None:
    with pytest.raises(MalformedMessage, match="text, no envelope") as caught:
        inspect_envelope(text.encode())
    assert "--out" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    "start", [b"\x89PNG\r\n\x1a\n", b"\x7fELF\x02", b"PK\x03\x04", b"\x1f\x8b"]
)
def test_other_files_are_not_taken_for_a_later_version(start: bytes) -> None:
    data = start + random.Random(3).randbytes(4000)
    try:
        inspect_envelope(data)
    except UnsupportedVersion as error:
        assert "no envelope" in error.found
        assert "probe first" not in (error.remedy or "")
    except RehydrationError:
        pass
