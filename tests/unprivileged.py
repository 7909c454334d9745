"""Running a part of a test as a user without rights, in a child process."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

USER, OTHER = 54321, 54322
"""The probe's user, and that of the flight software; nobody needs to have these numbers."""


def need_root() -> None:
    """Skip where the test cannot change users, and say so."""
    if os.geteuid() != 0:
        pytest.skip("NOT TRIED: only root can give folders to other users")


@contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that other users can reach, unlike pytest's own."""
    memory = Path("/dev/shm")  # no disk that other processes keep busy
    place = memory if os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="probe-test-", dir=place))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def give(path: Path, user: int) -> None:
    """Give a folder and all in it to a user."""
    for parent, folders, names in os.walk(path):
        for name in (*folders, *names):
            os.chown(Path(parent, name), user, user, follow_symlinks=False)
    os.chown(path, user, user, follow_symlinks=False)


def as_user(work: Callable[[], Any], user: int = USER) -> Any:
    """What a function returns when that user calls it; what it raises is raised here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            outcome: tuple[bool, Any] = True, work()
        except BaseException as error:  # whatever it is belongs to the test
            error.add_note(traceback.format_exc())
            outcome = False, error
        try:
            data = pickle.dumps(outcome)
        except Exception:
            data = pickle.dumps((False, AssertionError(repr(outcome[1]))))
        with os.fdopen(writer, "wb") as file:
            file.write(data)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        data = file.read()
    os.waitpid(child, 0)
    returned, value = pickle.loads(data)
    if not returned:
        raise value
    return value
