"""How a simulated message proves its origin: fixed keys, and for TESLA a chain with its times.

A run begins at ``EPOCH_MS`` by the ground's clock.  A TESLA message is sent once, in the interval
in which the first pass lets it begin; its key follows when the schedule permits.  Where telemetry
says nothing only the key is sent again: the message's own interval is over by then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.auth.keys import IntervalKey, SharedKey, TrustedKey, key_id, trusted
from shared.auth.profiles import Profile
from shared.auth.schedule import MAX_INTERVALS, Schedule
from shared.auth.tesla import (
    SALT_BYTES,
    Chain,
    Commitment,
    Disclosure,
    encode_disclosure,
    make_chain,
)
from shared.digest import sha256
from shared.errors import InputError
from shared.message.envelope import sign

EPOCH_MS = 946_684_800_000
"""The first of January 2000, where every run begins."""

_SECRET = sha256(b"the ground's key in simulations")

GROUND_KEYS: dict[str, Ed25519PrivateKey | SharedKey] = {
    Profile.ED25519.value: Ed25519PrivateKey.from_private_bytes(_SECRET),
    Profile.CMAC16.value: SharedKey(Profile.CMAC16, _SECRET),
    Profile.CMAC8.value: SharedKey(Profile.CMAC8, _SECRET),
}
"""By profile.  Fixed, so that the same scenario gives the same bytes; worthless to anybody else."""

PROFILES = (*GROUND_KEYS, Profile.TESLA.value)


@dataclass(frozen=True)
class Timing:
    """What a chain's schedule is made of; seconds, from the start of a run.

    Attributes:
        sent_s: when the message can begin.
        one_way_light_s: of the link.
        interval_s: of the chain.
        delay: a key may be disclosed so many intervals after its own has begun.
        clock_error_s: by how much the probe's clock may be wrong.
    """

    sent_s: float
    one_way_light_s: float
    interval_s: float
    delay: int
    clock_error_s: float

    def chain(self) -> Chain:
        """The ground's chain.  The longest time on the way is what its other figures permit.

        Raises:
            InputError: with these figures no honest message is ever in time.
        """
        interval, error = _milliseconds(self.interval_s), _milliseconds(self.clock_error_s)
        light = math.floor(1000 * self.one_way_light_s)
        slack = (self.delay - 1) * interval - 2 * error
        reached = int(self.sent_s // self.interval_s) + 1 + self.delay
        try:
            schedule = Schedule(
                intervals=min(reached, MAX_INTERVALS),
                start_ms=EPOCH_MS,
                interval_ms=interval,
                delay=self.delay,
                clock_error_ms=error,
                light_min_ms=light,
                light_max_ms=light + slack,
            )
        except ValueError as error_found:
            raise InputError(
                f"a chain with intervals of {self.interval_s:g} s, disclosed {self.delay} later, "
                f"for clocks that are wrong by {self.clock_error_s:g} s: {error_found}",
                remedy="raise interval_s or disclosure_delay, or lower clock_error_s",
            ) from None
        return make_chain(schedule, _SECRET[:SALT_BYTES], _SECRET[-16:])


@dataclass(frozen=True)
class Later:
    """What has to follow a TESLA message.

    Attributes:
        data: the disclosure.
        due_s: when it may be sent, seconds from the start of the run.
        one_way_light_s: how long it takes at least.
        sent_s: when the message itself may be sent.
        trust: the chain's public half.
    """

    data: bytes
    due_s: float
    one_way_light_s: float
    sent_s: float
    trust: Commitment

    @property
    def arrives_s(self) -> float:
        """When the message arrives at the earliest."""
        return self.sent_s + self.one_way_light_s

    @property
    def follows_s(self) -> float:
        """When the disclosure does."""
        return self.due_s + self.one_way_light_s


@dataclass(frozen=True)
class Origin:
    """Which key signs.

    Attributes:
        profile: one of ``PROFILES``.
        timing: of TESLA alone.
    """

    profile: str = Profile.ED25519.value
    timing: Timing | None = None

    def sign(self, message: bytes, pin: bytes, baseline: bytes) -> tuple[bytes, Later | None]:
        """The envelope of a message, and what has to follow it.

        Raises:
            InputError: the times of a chain do not fit.
        """
        if self.timing is None:
            return sign(message, pin, baseline, GROUND_KEYS[self.profile]), None
        chain = self.timing.chain()
        schedule = chain.commitment.schedule
        interval = schedule.interval_at(EPOCH_MS + math.ceil(1000 * self.timing.sent_s))
        key = chain.key(interval)
        envelope = sign(message, pin, baseline, IntervalKey(chain.commitment, key, interval))
        disclosure = Disclosure(key_id(chain.commitment), key)
        due_s = (schedule.disclosable_ms(interval) - EPOCH_MS) / 1000
        light_s, sent_s = self.timing.one_way_light_s, self.timing.sent_s
        data = encode_disclosure(disclosure)
        return envelope, Later(data, due_s, light_s, sent_s, chain.commitment)


DEFAULT = Origin()


def trust_of(origin: Origin, later: Later | None) -> TrustedKey:
    """What the probe trusts."""
    return trusted(GROUND_KEYS[origin.profile]) if later is None else later.trust


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)
