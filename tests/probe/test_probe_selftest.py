"""A self-test that cannot be started says nothing of the tree, where the machine is short."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listening import FIRST, Line, events, listen
from powercut import Quick
from typer.testing import CliRunner
from unprivileged import USER, as_user, need_root
from world import BASE, TARGET, World, classical, envelope, regenerator

import probe.cli
import probe.listen.service
import probe.trees.selftest
from probe.listen.telemetry import Event
from probe.messages.apply import apply
from probe.trees.onboard import open_probe, revert
from probe.trees.selftest import SHORT, judge, judge_in_time, run
from shared.errors import OutOfMemory, StoreError

TRUE, FALSE = ("/bin/true",), ("/bin/false",)


def no_files_left() -> str:
    """What a self-test comes to where no file can be opened any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        return str(run(FALSE, Path("/"), 5.0))
    except OutOfMemory as error:
        return error.found
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def no_processes_left() -> str:
    """What it comes to where no process can be made any more; for a user without rights."""
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    try:
        return str(run(FALSE, Path("/"), 5.0))
    except OutOfMemory as error:
        return error.found


def test_real_limits_on_files() -> None:
    assert "cannot be started now: Too many open files" in no_files_left()


def test_real_limits_on_processes() -> None:
    need_root()
    assert "cannot be started now: Resource temporarily" in as_user(no_processes_left, USER)


@given(st.sampled_from(sorted(errno.errorcode)))
def test_whose_fault_it_is(number: int) -> None:
    """Of every error that the system knows, the four that mean a want are not the tree's."""
    with patch.object(subprocess, "Popen", side_effect=OSError(number, os.strerror(number))):
        if number in (errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE):
            with pytest.raises(OutOfMemory):
                run(TRUE, Path("/"), 5.0)
        else:
            assert not run(TRUE, Path("/"), 5.0)[0]
    assert len(SHORT) == 4


def short(times: int, error: Exception) -> Callable[..., Any]:
    """Starts programs once it has failed to so many times."""
    left = [times]
    real = subprocess.Popen

    def start(*words: Any, **options: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise error
        return real(*words, **options)

    return start


LACKS = [OSError(errno.ENOMEM, "Cannot allocate memory"), MemoryError()]


@pytest.fixture
def trying(world: World) -> World:
    world.initialise(renew=True, trial_s=300.0, self_test=TRUE)
    with open_probe(world.state, Quick(), lambda: 1000.0) as probe:
        apply(probe, envelope(classical(BASE, TARGET), 3), regenerator, lambda: 1000.0)
    return world


@pytest.mark.parametrize("lack", LACKS, ids=lambda lack: type(lack).__name__)
def test_the_tree_stays_on_trial(
    trying: World, monkeypatch: pytest.MonkeyPatch, lack: Exception
) -> None:
    monkeypatch.setattr(probe.trees.selftest.subprocess, "Popen", short(1, lack))
    with pytest.raises(OutOfMemory):
        judge(trying.state, lambda: 1000.0)
    with open_probe(trying.state, Quick(), lambda: 1000.0) as opened:
        assert opened.store.ledger().trial_until_s == 1300.0
    assert trying.tree() == TARGET
    tested = judge(trying.state, lambda: 1000.0)
    assert tested is not None
    assert tested.entry is not None
    assert tested.entry.operation.value == "confirm"


def test_it_is_tried_again_and_told(trying: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe.trees.selftest.subprocess, "Popen", short(3, LACKS[0]))
    told, now = list[str](), [1000.0]
    sleep: Callable[[float], None] = lambda s: now.__setitem__(0, now[0] + s)  # noqa: E731
    tested = judge_in_time(trying.state, lambda: now[0], told.append, sleep)
    assert (len(told), now[0]) == (3, 1007.0)
    assert "attempt 2, again in 2 s" in told[1]
    assert tested is not None
    assert tested.verdict == "the self-test ended with 0"
    assert trying.tree() == TARGET


def test_the_deadline_holds_all_the_same(trying: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe.trees.selftest.subprocess, "Popen", short(99, LACKS[0]))
    told, now = list[str](), [1000.0]
    sleep: Callable[[float], None] = lambda s: now.__setitem__(0, now[0] + s)  # noqa: E731
    tested = judge_in_time(trying.state, lambda: now[0], told.append, sleep)
    assert tested is not None
    assert tested.entry is not None
    assert (tested.entry.operation.value, trying.tree()) == ("revert", BASE)
    assert "the trial was over" in tested.verdict
    assert len(told) == 9


def test_a_listener_goes_on_and_tries_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.initialise(renew=True, trial_s=300.0, self_test=TRUE)
    monkeypatch.setattr(probe.trees.selftest.subprocess, "Popen", short(1, LACKS[0]))
    monkeypatch.setattr(probe.listen.service, "AGAIN_S", 0.0)
    said = listen(world, Line([FIRST]))
    assert events(said) == ["ready", "applied", "storage", "settled"]
    assert said[2].exit_code == OutOfMemory.exit_code
    assert "attempt 1" in said[2].reason
    assert said[3].reason == "confirm: the self-test ended with 0"
    assert world.tree() == TARGET


def test_a_verdict_that_a_disk_refuses_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another member of the kind: the disk's fault is not the tree's either."""
    world.initialise(renew=True, trial_s=300.0, self_test=TRUE)
    real, left = probe.trees.selftest.confirm, [1]

    def confirm(*words: Any, **options: Any) -> Any:
        if left and left.pop():
            raise StoreError("the disk refuses")
        return real(*words, **options)

    monkeypatch.setattr(probe.trees.selftest, "confirm", confirm)
    monkeypatch.setattr(probe.listen.service, "AGAIN_S", 0.0)
    said = listen(world, Line([FIRST]))
    assert [one.event for one in said[2:]] == [Event.STORAGE, Event.SETTLED]
    assert "confirm" in said[3].reason


def test_the_command_waits_and_confirms(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.initialise(renew=True, trial_s=300.0, self_test=TRUE)
    monkeypatch.setattr(probe.trees.selftest.subprocess, "Popen", short(1, LACKS[0]))
    monkeypatch.setattr(probe.trees.selftest, "AGAIN_S", 0.0)
    message = world.folder / "message"
    message.write_bytes(FIRST)
    words = ["apply", str(message), "--state", str(world.state), "--json"]
    done = CliRunner().invoke(probe.cli.app, words)
    assert done.exit_code == 0, done.output
    assert '"trial": "confirm"' in done.stdout
    assert "cannot be started now" in done.stderr


def test_a_previous_tree_that_could_not_be_read_for_want_is_not_damaged(
    trying: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poor(*_: object) -> object:
        raise StoreError("cannot read") from LACKS[0]

    with open_probe(trying.state, Quick(), lambda: 1000.0) as opened:
        with monkeypatch.context() as amid:
            amid.setattr(type(opened.slots), "slot_tree", poor)
            with pytest.raises(StoreError):
                revert(opened, now_s=1001.0)
        revert(opened, now_s=1002.0)
    assert trying.tree() == BASE
