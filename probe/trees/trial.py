"""A new tree on trial: pure decisions.

With a trial the tree that a message brings stays only if it is confirmed in time, by ``probe
confirm`` or by a self-test; else the previous tree comes back.  Until that is settled no other tree
is put in place, since only one previous tree is kept.
"""

from __future__ import annotations

from probe.state.records import Entry, Ledger, Operation, noted
from shared.errors import Refusal


def on_trial(ledger: Ledger) -> bool:
    """Whether the tree in place waits to be confirmed."""
    return ledger.trial_until_s > 0


def overdue(ledger: Ledger, now_s: float) -> bool:
    """Whether the trial is over without a confirmation.

    A clock that stands before the beginning of the trial was set back or lost.  Nobody knows then
    how long the tree has run, so the trial counts as failed: the previous tree did its work.
    """
    return on_trial(ledger) and not ledger.trial_since_s <= now_s < ledger.trial_until_s


def check_settled(ledger: Ledger) -> None:
    """Raises Refusal while a tree is on trial."""
    if on_trial(ledger):
        raise Refusal(
            "the tree in place is still on trial",
            expected="it to be confirmed or to have gone back",
            remedy="send the message again after probe confirm, or after the trial has ended",
        )


def confirmed(ledger: Ledger, now_s: float, operation: Operation = Operation.CONFIRM) -> Ledger:
    """The ledger once the tree in place is there to stay.

    Raises:
        Refusal: no tree is on trial.
    """
    if not on_trial(ledger):
        raise Refusal(
            "no tree is on trial",
            expected="a message applied with probe init --trial, not confirmed yet",
        )
    entry = Entry(
        operation=operation,
        time_s=now_s,
        counter=ledger.counter,
        old_tree=ledger.tree,
        new_tree=ledger.tree,
        envelope="",
        recovered=False,
    )
    return noted(ledger, entry, trial_since_s=0.0, trial_until_s=0.0)
