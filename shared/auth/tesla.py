"""Delayed disclosure: a short tag now, and later the key that only its sender could have had.

The ground makes a chain of keys from its last to its first, each the hash of the next, and gives
the probe the end of it, the *root*.  A message that is sent in interval i has a MAC made with
key i.  After a delay key i is made public.  The probe hashes it down to a key that it knows, and
then the MAC proves that the message was written by whoever made the chain, **if it arrived before
anybody else could have known key i**.  That is a condition on time; all security rests on it:

    arrival by the probe's clock + clock error  <  disclosure by the ground's clock + light time

Whoever learns key i from the ground's transmission, wherever he is, cannot make his forgery arrive
earlier than the light that went straight from ground to probe.  So the shortest light time counts
for the defence, and the longest, with the clock error, only for honest messages to be in time.

All times are integers, milliseconds; instants since the Unix epoch.

Sources: RFC 4082 (TESLA; 3.2 chains, 3.3 to 3.5 the condition); Galileo OSNMA for keys bound to
their place in the chain and a salt.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from shared.auth.profiles import CHAIN_KEY_BYTES, DISCLOSURE_BYTES, INTERVAL_BYTES
from shared.digest import sha256
from shared.errors import BadSignature, InputError, MalformedMessage, UntimelyMessage
from shared.mac import same

SALT_BYTES = 8
MAX_INTERVALS = 2 ** (8 * INTERVAL_BYTES) - 1

_CHAIN = b"rehydration-uplink/tesla/1/chain\n"
_MAC_KEY = b"rehydration-uplink/tesla/1/mac\n"
_LAYOUT = struct.Struct(f">HQIHIII{SALT_BYTES}s{CHAIN_KEY_BYTES}s")
COMMITMENT_BYTES = _LAYOUT.size


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
        if arrived_ms < earliest:
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


@dataclass(frozen=True)
class Commitment:
    """The public half of a chain: what the probe trusts.

    Attributes:
        schedule: when which key is used.
        salt: 8 random bytes, so that work against one chain does not help against another.
        root: key 0, 16 bytes.
    """

    schedule: Schedule
    salt: bytes
    root: bytes

    def pack(self) -> bytes:
        """The one encoding, 52 bytes."""
        plan = self.schedule
        return _LAYOUT.pack(
            plan.intervals,
            plan.start_ms,
            plan.interval_ms,
            plan.delay,
            plan.clock_error_ms,
            plan.light_min_ms,
            plan.light_max_ms,
            self.salt,
            self.root,
        )

    @staticmethod
    def unpack(data: bytes) -> Commitment:
        """The commitment that ``pack`` wrote.

        Raises:
            ValueError: another size, or values that are no schedule.
        """
        if len(data) != _LAYOUT.size:
            raise ValueError(f"a commitment of {len(data)} bytes, not {_LAYOUT.size}")
        *plan, salt, root = _LAYOUT.unpack(data)
        return Commitment(Schedule(*plan), salt, root)

    def key_at(self, interval: int, later: ChainKey) -> bytes:
        """The key of an interval, from that of the same or a later one.

        Raises:
            ValueError: the other is earlier.
        """
        if not 0 <= interval <= later.interval:
            raise ValueError(f"no key {interval} follows from key {later.interval}")
        key = later.key
        for number in range(later.interval - 1, interval - 1, -1):
            key = sha256(_CHAIN, self.salt, number.to_bytes(INTERVAL_BYTES, "big"), key)
            key = key[:CHAIN_KEY_BYTES]
        return key

    def mac_key(self, interval: int, later: ChainKey) -> bytes:
        """What messages of an interval are tagged with, 16 bytes: never the chain's key itself."""
        key = self.key_at(interval, later)
        number = interval.to_bytes(INTERVAL_BYTES, "big")
        return sha256(_MAC_KEY, self.salt, number, key)[:CHAIN_KEY_BYTES]

    def accept(self, known: ChainKey, shown: ChainKey) -> ChainKey:
        """The latest key that is known after another was shown.

        Args:
            known: the latest so far, at first ``ChainKey(0, root)``.
            shown: said to be of this chain.

        Raises:
            BadSignature: it is not.
        """
        older, newer = sorted((known, shown), key=lambda key: key.interval)
        if newer.interval > self.schedule.intervals or not same(
            self.key_at(older.interval, newer), older.key
        ):
            raise BadSignature(
                f"the key shown for interval {shown.interval} is not of the trusted chain",
                expected=f"one that hashes to the key of interval {known.interval}",
                remedy="send it again if it was damaged",
            )
        return newer


@dataclass(frozen=True)
class ChainKey:
    """A key of a chain and its place: secret until its time, public after.

    Attributes:
        interval: 0 is the root.
        key: 16 bytes.
    """

    interval: int
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Chain:
    """The ground's half.

    Attributes:
        commitment: the public half.
        last: the key of the last interval, from which all others follow.
    """

    commitment: Commitment
    last: ChainKey

    def key(self, interval: int) -> ChainKey:
        """The key of an interval.

        Raises:
            ValueError: there is none.
        """
        if interval < 1:
            raise ValueError(f"interval {interval} has no key")
        return ChainKey(interval, self.commitment.key_at(interval, self.last))


def make_chain(schedule: Schedule, salt: bytes, seed: bytes) -> Chain:
    """A chain from random bytes.

    Args:
        schedule: how long it is, and when its keys are used.
        salt: 8 bytes.
        seed: 16 secret bytes, the last key.

    Raises:
        ValueError: other sizes.
    """
    if len(salt) != SALT_BYTES or len(seed) != CHAIN_KEY_BYTES:
        raise ValueError(f"a salt of {len(salt)} bytes, a seed of {len(seed)}: not 8 and 16")
    last = ChainKey(schedule.intervals, seed)
    blank = Commitment(schedule, salt, bytes(CHAIN_KEY_BYTES))
    return Chain(Commitment(schedule, salt, blank.key_at(0, last)), last)


@dataclass(frozen=True)
class Disclosure:
    """A key made public.

    Attributes:
        key_id: names the chain, as envelopes do.
        shown: the key.
    """

    key_id: int
    shown: ChainKey


def encode_disclosure(disclosure: Disclosure) -> bytes:
    """key id (1) | interval (2) | key (16): shorter than any envelope."""
    interval = disclosure.shown.interval.to_bytes(INTERVAL_BYTES, "big")
    return bytes([disclosure.key_id]) + interval + disclosure.shown.key


def decode_disclosure(data: bytes) -> Disclosure:
    """The disclosure that these bytes are; nothing is verified yet.

    Raises:
        MalformedMessage: another size, or the root's number.
    """
    if len(data) != DISCLOSURE_BYTES:
        raise MalformedMessage(
            f"{len(data)} bytes are no disclosure of a key", expected=f"{DISCLOSURE_BYTES}"
        )
    interval = int.from_bytes(data[1 : 1 + INTERVAL_BYTES], "big")
    if not interval:
        raise MalformedMessage("a disclosure for interval 0", expected="1 or later")
    return Disclosure(data[0], ChainKey(interval, data[1 + INTERVAL_BYTES :]))
