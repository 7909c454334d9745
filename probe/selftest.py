"""A user's own test of a new tree: a program that ends with 0 if the tree works."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from probe.onboard import Clock, confirm, open_probe, revert
from probe.records import Entry
from probe.trial import on_trial


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
        StoreError: the state folder or the disk refuses.
    """
    with open_probe(state, clock=clock) as probe:
        ledger, config = probe.store.ledger(), probe.config
    if not on_trial(ledger) or not config.self_test:
        return None
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
        return False, f"the self-test cannot be started: {error.strerror}"
    try:
        code = process.wait(max(timeout_s, 0.0))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False, "the self-test did not end in time"
    return code == 0, f"the self-test ended with {code}"
