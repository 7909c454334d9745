"""What a survey has found so far: a file of JSON lines that survives interruptions.

The first line names the model and the settings; each other line is one commit.  A line is on the
disk before the next commit begins.  A last line without an end was cut short and is dropped.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from shared.digest import sha256
from shared.errors import InputError
from shared.exact.pin import cache_home
from shared.files import append_whole
from shared.untrusted import json_value

FORMAT = "rehydration-survey/1"


def default_log(repository: Path, settings: Mapping[str, Any]) -> Path:
    """A file of its own for each repository, model and settings, beside the pins."""
    key = json.dumps([str(repository), settings], sort_keys=True).encode()
    return cache_home() / "surveys" / f"{sha256(key).hex()[:16]}.jsonl"


@dataclass
class SurveyLog:
    """An open log; see ``open_log``.

    Attributes:
        path: the file.
        known: the records that were there, by commit.
    """

    path: Path
    known: Mapping[str, Mapping[str, Any]]
    _file: FileIO

    def add(self, record: Mapping[str, Any]) -> None:
        """Appends a commit.

        Raises:
            InputError: the file cannot be written.
        """
        try:
            append_whole(self._file, _line(record), durable=True)
        except OSError as error:
            raise InputError(
                f"cannot write {self.path}: {error.strerror}",
                remedy="make room there, or name another file with --state",
            ) from error


@contextmanager
def open_log(path: Path, settings: Mapping[str, Any]) -> Iterator[SurveyLog]:
    """Opens or starts the log of a survey, for this process alone.

    Args:
        path: the file.
        settings: what the costs depend on; a log of others is refused.

    Raises:
        InputError: the file is in use, of another survey, no log, or cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise InputError(
            f"cannot open {path}: {error.strerror}", remedy="name another file with --state"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another survey is writing {path}",
                remedy="wait for it, or name another file with --state",
            ) from error
        try:
            known = _known(path, file, settings)
        except OSError as error:
            raise InputError(
                f"cannot write {path}: {error.strerror}", remedy="name another file with --state"
            ) from error
        yield SurveyLog(path, known, file)


def _known(path: Path, file: FileIO, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The commits in a log; one that is empty, or was cut short in its first line, is begun."""
    file.seek(0)
    data = file.read()
    header = {"format": FORMAT, "settings": dict(settings)}
    if b"\n" not in data and _line(header).startswith(data):
        file.truncate(0)
        append_whole(file, _line(header), durable=True)
        return {}
    whole, _, rest = data.rpartition(b"\n")
    first, *records = (
        _record(path, number, line) for number, line in enumerate(whole.split(b"\n"), start=1)
    )
    _check_header(path, first, header)
    if rest:
        file.truncate(len(whole) + 1)
    return {record["commit"]: record for record in records}


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        value = json_value(line)
    except ValueError:
        value = None
    if not isinstance(value, dict) or not isinstance(value.get("commit", ""), str):
        raise _no_log(path, f"line {number} is {line[:40]!r}")
    if ("commit" in value) != (number > 1):
        raise _no_log(path, f"line {number} has the keys {', '.join(value)}")
    return value


def _check_header(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if found.get("format") != FORMAT or not isinstance(found.get("settings"), dict):
        raise _no_log(path, f"its first line is {json.dumps(found)[:60]}")
    theirs, ours = found["settings"], wanted["settings"]
    differing = sorted(
        key for key in {**theirs, **ours} if theirs.get(key, _NOTHING) != ours.get(key, _NOTHING)
    )
    if differing:
        raise InputError(
            f"{path} is of a survey with "
            + ", ".join(f"{key} {theirs.get(key)}" for key in differing),
            expected=", ".join(f"{key} {ours.get(key)}" for key in differing),
            remedy="name another file with --state, or leave --state out",
        )


_NOTHING = object()


def _no_log(path: Path, why: str) -> InputError:
    return InputError(
        f"{path} is not the state of a survey: {why}",
        expected=f"JSON lines that begin with {FORMAT}",
        remedy="name another file with --state, or delete this one",
    )


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"
