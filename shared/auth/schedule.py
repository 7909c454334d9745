"""When the keys of a chain are used and disclosed, and the condition on time that TESLA rests on.

    arrival by the probe's clock + clock error  <  disclosure by the ground's clock + light time

Whoever learns a key from the ground's transmission, wherever he is, cannot make his forgery arrive
earlier than the light that went straight from ground to probe.  So the shortest light time counts
for the defence, and the longest, with the clock error, only for honest messages to be in time.

All times are integers, milliseconds; instants since the Unix epoch.

Source: RFC 4082, 3.3 to 3.5.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.auth.profiles import INTERVAL_BYTES
from shared.errors import InputError, UntimelyMessage

MAX_INTERVALS = 2 ** (8 * INTERVAL_BYTES) - 1


@dataclass(frozen=True)
class Schedule:
    """When which key is used and disclosed.  Interval 1 is the first.

    Attributes:
        intervals: how many there are.
        start_ms: when interval 1 begins, by the ground's clock.
        interval_ms: how long each is.
        delay: key i may be disclosed when interval i + delay begins.
        clock_error_ms: by how much the clocks of probe and ground differ at most.
        light_min_ms: shortest time from the ground's antenna to the probe.
        light_max_ms: longest time from sending a message to its being in the probe's hands,
            transmission and decoding included.

    Raises:
        ValueError: a field is out of its range, or messages sent at the end of an interval could
            arrive too late to be accepted.
    """

    intervals: int
    start_ms: int
    interval_ms: int
    delay: int
    clock_error_ms: int
    light_min_ms: int
    light_max_ms: int

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("intervals", self.intervals, 1, MAX_INTERVALS),
            ("start", self.start_ms, 0, 2**63),
            ("interval", self.interval_ms, 1, 2**32 - 1),
            ("delay", self.delay, 1, 2**16 - 1),
            ("clock error", self.clock_error_ms, 0, 2**32 - 1),
            ("shortest light time", self.light_min_ms, 0, 2**32 - 1),
            ("longest light time", self.light_max_ms, self.light_min_ms, 2**32 - 1),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} {value} is not in {low} to {high}")
        needed = self.light_max_ms - self.light_min_ms + 2 * self.clock_error_ms
        if (self.delay - 1) * self.interval_ms < needed:
            raise ValueError(
                f"keys are disclosed {self.delay - 1} intervals of {self.interval_ms} ms after "
                f"their own, and messages may arrive {needed} ms late: raise delay or interval"
            )

    def begins_ms(self, interval: int) -> int:
        """When an interval begins, by the ground's clock."""
        return self.start_ms + (interval - 1) * self.interval_ms

    def begun(self, now_ms: int) -> int:
        """The latest interval that a message can be of that is there now, by the probe's clock.

        Args:
            now_ms: by the probe's clock.

        Returns:
            0 if none can have begun; at most ``intervals``.
        """
        sent_ms = now_ms + self.clock_error_ms - self.light_min_ms
        latest = (sent_ms - self.start_ms) // self.interval_ms + 1
        return min(max(latest, 0), self.intervals)

    def disclosable_ms(self, interval: int) -> int:
        """When its key may be disclosed, by the ground's clock."""
        return self.begins_ms(interval + self.delay)

    def interval_at(self, sent_ms: int) -> int:
        """The interval of a message that is sent now, by the ground's clock.

        Raises:
            InputError: before the first or after the last.
        """
        interval = (sent_ms - self.start_ms) // self.interval_ms + 1
        if not 1 <= interval <= self.intervals:
            raise InputError(
                f"the chain has no key for {sent_ms / 1000:.3f} s: it would be interval {interval}",
                expected=f"1 to {self.intervals}, from {self.start_ms / 1000:.3f} s on",
                remedy="wait for the first interval, or make a new chain: groundstation keygen",
            )
        return interval

    def check_disclosable(self, interval: int, now_ms: int) -> None:
        """The ground's own rule.

        Raises:
            InputError: no such interval, or its key must not be disclosed yet.
        """
        if not 1 <= interval <= self.intervals:
            raise InputError(f"interval {interval}", expected=f"1 to {self.intervals}")
        allowed = self.disclosable_ms(interval)
        if now_ms < allowed:
            raise InputError(
                f"the key of interval {interval} must not be known yet",
                expected=f"disclosure {(allowed - now_ms) / 1000:.3f} s from now, or later",
                remedy="wait: disclosed now, it would let anybody forge",
            )

    def check_arrival(self, interval: int, arrived_ms: int) -> None:
        """The probe's condition: only a message's author can have known its key by then.

        Args:
            interval: that the message names.
            arrived_ms: by the probe's clock.

        Raises:
            UntimelyMessage: too late to be safe, or before its interval can have begun.
        """
        if not 1 <= interval <= self.intervals:
            raise UntimelyMessage(
                f"the message names interval {interval}", expected=f"1 to {self.intervals}"
            )
        earliest = self.begins_ms(interval) + self.light_min_ms - self.clock_error_ms
        if interval > self.begun(arrived_ms):
            raise UntimelyMessage(
                f"the message came {(earliest - arrived_ms) / 1000:.3f} s before one of interval "
                f"{interval} can come",
                remedy="compare the clocks of probe and ground",
            )
        if not self.before_disclosure(interval, arrived_ms):
            raise UntimelyMessage(
                f"when the message came, the key of interval {interval} may have been known",
                expected=f"arrival before {self._limit_ms(interval) / 1000:.3f} s",
                remedy="sign it again for the interval in which it is sent",
            )

    def before_disclosure(self, interval: int, arrived_ms: int) -> bool:
        """Whether what arrives then was sent before the key can have been known to others."""
        return arrived_ms < self._limit_ms(interval)

    def _limit_ms(self, interval: int) -> int:
        return self.disclosable_ms(interval) + self.light_min_ms - self.clock_error_ms
