"""A user's own test of a new tree: a program that ends with 0 if the tree works.

A test that cannot be started because the machine is short of something says nothing of the tree: it
is tried again, ever more rarely, as long as the trial lasts.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from probe.state.patience import Patience, refused
from probe.state.records import Entry
from probe.trees.onboard import Clock, confirm, open_probe, revert
from probe.trees.trial import on_trial
from shared.errors import OutOfMemory
from shared.system.memory import blaming_memory, came_of_lack

SHORT = frozenset({errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE})
"""What fork(2), pipe(2) and execve(2) say where memory, processes or open files are used up."""
AGAIN_S = 1.0
"""From the first attempt to the second where a test could not be started; it doubles each time."""


@dataclass(frozen=True)
class Tested:
    """How a self-test ended.

    Attributes:
        entry: what it did to the trial: a confirmation, or the way back.
        verdict: in words.
    """

    entry: Entry | None
    verdict: str


def judge(state: Path, clock: Clock) -> Tested | None:
    """Run the self-test of a tree on trial, and end the trial by its verdict.

    The state folder is not locked meanwhile: the test may ask ``probe status``.  If the power fails
    meanwhile, the trial goes on and ends at its deadline.

    Args:
        state: the state folder.
        clock: Unix time, seconds.

    Returns:
        None if no tree is on trial or there is no test.

    Raises:
        OutOfMemory: the test could not be started for want of memory or the like.
        StoreError: the state folder or the disk refuses.
    """
    with blaming_memory():
        return _judge(state, clock)


def judge_in_time(
    state: Path,
    clock: Clock,
    tell: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Tested | None:
    """As ``judge``, tried again where the machine is short of something, until the trial is over.

    Args:
        state: the state folder.
        clock: Unix time, seconds.
        tell: takes why a test could not be started, and when it is tried again.
        sleep: waits so many seconds.

    Raises:
        StoreError: as of ``judge``.
    """
    patience: Patience | None = None
    while True:
        try:
            return judge(state, clock)
        except OutOfMemory as error:
            now_s = patience.due_s if patience else 0.0
            patience = refused(patience, now_s, AGAIN_S)
            tell(f"{error.found} ({patience})")
            sleep(patience.wait_s)


def _judge(state: Path, clock: Clock) -> Tested | None:
    with open_probe(state, clock=clock) as probe:
        ledger, config = probe.store.ledger(), probe.config
        settled = probe.settled
    if not config.self_test:
        return None
    if not on_trial(ledger):
        return Tested(settled, "the trial was over before the self-test ran") if settled else None
    left_s = ledger.trial_until_s - clock()
    passed, verdict = run(config.self_test, Path(config.root), left_s)
    with open_probe(state, clock=clock) as probe:
        now = probe.store.ledger()
        if now.trial_until_s != ledger.trial_until_s or not on_trial(now):
            return Tested(probe.settled, f"{verdict}, after the trial had ended")
        end = confirm if passed else revert
        return Tested(end(probe, now_s=clock()), verdict)


def run(command: Sequence[str], folder: Path, timeout_s: float) -> tuple[bool, str]:
    """Run a program in a folder; whether it ended with 0 in time, and how it ended in words.

    What it prints is dropped.  It and what it started are killed when the time is over.

    Raises:
        OutOfMemory: it could not be started, and that is the machine's fault.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        if error.errno in SHORT or came_of_lack(error):
            raise OutOfMemory(
                f"the self-test cannot be started now: {error.strerror}",
                expected="memory, processes and open files for one more program",
                remedy="wait: it is tried again until the trial is over; or run probe confirm",
            ) from error
        return False, f"the self-test cannot be started: {error.strerror}"
    try:
        code = process.wait(max(timeout_s, 0.0))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False, "the self-test did not end in time"
    return code == 0, f"the self-test ended with {code}"
