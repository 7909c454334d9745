"""What a message is, what the probe does with it, and what that says in telemetry."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from probe.listen.telemetry import Event, Telemetry
from probe.messages.apply import Regenerator, apply
from probe.messages.picture import Gallery, hang, is_picture
from probe.messages.rotate import rotate
from probe.messages.tesla import Attempts, disclose, take_in, waits
from probe.resources.disk import NoRoom
from probe.state.records import Ledger
from probe.trees.onboard import Clock, Probe
from probe.trees.trial import on_trial
from shared import errors
from shared.auth.profiles import DISCLOSURE_BYTES
from shared.auth.rotation import is_rotation
from shared.digest import sha256
from shared.errors import RehydrationError
from shared.system.memory import blaming_memory

if TYPE_CHECKING:
    from shared.regenerate import Regenerated

STEPS: dict[type[RehydrationError], int] = {
    errors.OversizedMessage: 1,
    errors.MalformedMessage: 2,
    errors.UnsupportedVersion: 2,
    errors.UnknownKey: 3,
    errors.BadSignature: 4,
    errors.UntimelyMessage: 4,
    errors.NotClosed: 4,
    errors.Replayed: 5,
    errors.WrongPin: 6,
    errors.PinError: 6,
    errors.WrongBaseline: 7,
    errors.BudgetExceeded: 8,
    errors.RegenerationError: 8,
    errors.DigestMismatch: 9,
    NoRoom: 10,
    errors.Unstageable: 10,
    errors.StoreError: 10,
    errors.OutOfMemory: 10,
}
"""The check that each family is of: 1 to 7 as in ``shared.message.checks``, 8 regeneration, 9 the
digest of what came of it, 10 the machine: its disk or its memory.  0 is none of them."""


@dataclass(frozen=True)
class Dealt:
    """What became of a message.

    Attributes:
        telemetry: what to say.
        later: whether it may do another time, when the tree or the disk is another.
        notes: what could not be done and was no reason to fail, in words.
        authentic: whether its signature was found to fit, though it was not done.
    """

    telemetry: Telemetry
    later: bool = False
    notes: tuple[str, ...] = ()
    authentic: bool = False

    @classmethod
    def refused(cls, error: RehydrationError, *, later: bool = False) -> Dealt:
        """What a refusal says."""
        step = next((STEPS[kind] for kind in type(error).__mro__ if kind in STEPS), 0)
        code = error.exit_code
        return cls(Telemetry(Event.REFUSED, step=step, exit_code=code, reason=str(error)), later)


def deal(
    probe: Probe,
    data: bytes,
    regenerator: Regenerator,
    clock: Clock,
    gallery: Gallery | None = None,
    attempts: Attempts | None = None,
) -> Dealt:
    """Do what a message asks for; refusals are part of the answer.

    Without a gallery pictures are refused as any other message that this probe does not know.

    Raises:
        StoreError: the state or the disk refuses.
        PinError: the model is damaged.
        OutOfMemory: the machine has too little memory now.
    """
    ledger = probe.store.ledger()
    try:
        with blaming_memory():
            dealt = _dealt(probe, data, regenerator, clock, gallery, attempts)
            return replace(dealt, notes=tuple(probe.notes))
    except errors.Replayed as error:
        return _completed(ledger, data) or Dealt.refused(error)
    except NoRoom as error:  # no tree is made for a message that is not authentic
        return replace(Dealt.refused(error, later=True), authentic=True)
    except (errors.BadSignature, errors.WrongBaseline) as error:
        # Perhaps it follows one that is still on its way; a key of no chain follows nothing.
        return Dealt.refused(error, later=len(data) != DISCLOSURE_BYTES)
    except errors.Refusal as error:
        waits_for_trial = type(error) is errors.Refusal and on_trial(ledger)
        return replace(Dealt.refused(error, later=waits_for_trial), authentic=waits_for_trial)


def _completed(ledger: Ledger, data: bytes) -> Dealt | None:
    """The message whose change of trees was begun before, and completed by recovery."""
    last = ledger.history[-1] if ledger.history else None
    if last is None or not last.recovered or last.envelope != sha256(data).hex():
        return None
    reason = "begun before, and completed by recovery"
    digest = bytes.fromhex(last.new_tree)[:8]
    return Dealt(Telemetry(Event.APPLIED, counter=last.counter, digest=digest, reason=reason))


def _drawn(probe: Probe, data: bytes, gallery: Gallery, clock: Clock) -> Dealt:
    began_s = time.monotonic()
    try:
        made = hang(probe, data, gallery, clock)
    except errors.Refusal as error:  # no message that is still to come would change that
        return Dealt.refused(error)
    return Dealt(
        Telemetry(
            Event.DRAWN,
            counter=made.entry.counter,
            milliseconds=round(1000 * (time.monotonic() - began_s)),
            digest=(made.pixels_sha256 or sha256(made.file))[:8],
            reason=made.out.name,
        )
    )


def _dealt(
    probe: Probe,
    data: bytes,
    regenerator: Regenerator,
    clock: Clock,
    gallery: Gallery | None,
    attempts: Attempts | None,
) -> Dealt:
    if len(data) == DISCLOSURE_BYTES:
        done = disclose(probe, data, regenerator, clock, attempts)
        applied = sum(closed.applied is not None for closed in done.closed)
        reason = f"interval {done.latest.interval}: {applied} of {len(done.closed)} applied"
        counter = probe.store.ledger().counter
        took = [closed.applied.regenerated for closed in done.closed if closed.applied]
        return Dealt(spent(Telemetry(Event.DISCLOSED, counter=counter, reason=reason), took))
    if is_rotation(data):
        keys = rotate(probe, data, clock)
        counter, reason = probe.store.ledger().counter, f"{len(keys)} keys are trusted now"
        return Dealt(Telemetry(Event.ROTATED, counter=counter, reason=reason))
    if gallery is not None and is_picture(probe, data):
        return _drawn(probe, data, gallery, clock)
    if waits(probe, data):
        held = take_in(probe, data, clock)
        reason = f"waits for the key of interval {held.interval}"
        return Dealt(Telemetry(Event.HELD, counter=held.counter, reason=reason))
    made = apply(probe, data, regenerator, clock)
    digest = bytes.fromhex(made.entry.new_tree)[:8]
    told = Telemetry(Event.APPLIED, counter=made.entry.counter, digest=digest)
    return Dealt(spent(told, [made.regenerated]))


def spent(telemetry: Telemetry, made: Sequence[Regenerated]) -> Telemetry:
    """An event with what regeneration took, all messages of it together."""
    return replace(
        telemetry,
        tokens=sum(one.tokens for one in made),
        milliseconds=round(1000 * sum(one.seconds for one in made)),
        cpu_milliseconds=round(1000 * sum(one.cpu_seconds for one in made)),
        operations=sum(one.operations for one in made),
    )
