"""Delayed disclosure: a short tag now, and later the key that only its sender could have had.

The ground makes a chain of keys from its last to its first, each the hash of the next, and gives
the probe the end of it, the *root*.  A message that is sent in interval i has a MAC made with
key i.  After a delay key i is made public.  The probe hashes it down to a key that it knows, and
then the MAC proves that the message was written by whoever made the chain, **if it arrived before
anybody else could have known key i**.  That condition on time is ``shared.auth.schedule``.

Sources: RFC 4082 (TESLA; 3.2 chains); Galileo OSNMA for keys bound to their place in the chain and
a salt.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from shared.auth.mac import same
from shared.auth.profiles import CHAIN_KEY_BYTES, DISCLOSURE_BYTES, INTERVAL_BYTES
from shared.auth.schedule import Schedule
from shared.digest import sha256
from shared.errors import BadSignature, MalformedMessage, UntimelyMessage

SALT_BYTES = 8
NEAR_INTERVALS = 256
"""So many hashes take a fraction of a millisecond, less than reading the state for any message.  A
key that comes so much too early is worth them: it shows that the probe's clock is behind."""

_CHAIN = b"rehydration-uplink/tesla/1/chain\n"
_MAC_KEY = b"rehydration-uplink/tesla/1/mac\n"
_LAYOUT = struct.Struct(f">HQIHIII{SALT_BYTES}s{CHAIN_KEY_BYTES}s")
COMMITMENT_BYTES = _LAYOUT.size


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

    def accept(self, known: ChainKey, shown: ChainKey, now_ms: int | None = None) -> ChainKey:
        """The latest key that is known after another was shown.

        Anybody may show anything, and checking it takes a hash for each interval in between.  So
        only a key that can be there by now is looked at, one that is ``NEAR_INTERVALS`` early at
        most, or one that is as much older than what is known.

        Args:
            known: the latest so far, at first ``ChainKey(0, root)``.
            shown: said to be of this chain.
            now_ms: by the probe's clock; None to look at any.

        Raises:
            BadSignature: it is not.
            UntimelyMessage: it is too early, or too old, to be looked at; nothing was hashed.
        """
        older, newer = sorted((known, shown), key=lambda key: key.interval)
        ours = newer.interval <= self.schedule.intervals
        if ours and now_ms is not None:
            self._check_near(known, shown, now_ms)
        if not ours or not same(self.key_at(older.interval, newer), older.key):
            raise BadSignature(
                f"the key shown for interval {shown.interval} is not of the trusted chain",
                expected=f"one that hashes to the key of interval {known.interval}",
                remedy="send it again if it was damaged",
            )
        return newer

    def _check_near(self, known: ChainKey, shown: ChainKey, now_ms: int) -> None:
        latest = self.schedule.begun(now_ms) + NEAR_INTERVALS
        if shown.interval > max(latest, known.interval):
            raise UntimelyMessage(
                f"the key of interval {shown.interval} cannot be known yet by this clock",
                expected=f"one of interval {latest} or earlier",
                remedy="compare the clocks of both ends, then send it again",
            )
        if shown.interval < known.interval - NEAR_INTERVALS:
            raise UntimelyMessage(
                f"the key of interval {known.interval} is known, and that of {shown.interval} "
                "follows from it",
                expected=f"one of interval {known.interval} or later",
                remedy="send a later one",
            )


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
