"""What authentication costs on the link: station time by payload, for each way to prove an origin.

An envelope is 13 bytes, the payload, and the authentication's own; the CLTU is charged in steps of
the channel code, so a shorter tag pays only where it crosses one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.auth.profiles import KEY_ID_BYTES, overheads
from shared.ccsds.overhead import overhead
from shared.ccsds.stack import Stack

MESSAGE_BYTES = 13
"""Envelope and message without payload and signature: key, head, counter, prefixes, digest."""

PROFILES = {row.profile.value: (row.with_message - KEY_ID_BYTES, row.later) for row in overheads()}
"""Bytes that each adds to an envelope, and of a second message that it needs later; TESLA discloses
a key after the message, in a CLTU of its own."""

LARGEST_PAYLOAD = 256


@dataclass(frozen=True)
class Charge:
    """One profile with one payload.

    Attributes:
        profile: its name.
        payload_bytes: what the patch itself takes.
        link_bytes: the CLTUs.
        seconds: to send them once.
        spare_bytes: how many more bytes of payload this profile carries in the time that Ed25519
            takes for this payload.
    """

    profile: str
    payload_bytes: int
    link_bytes: int
    seconds: float
    spare_bytes: int

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "profile": self.profile,
            "payload_bytes": self.payload_bytes,
            "link_bytes": self.link_bytes,
            "seconds": self.seconds,
            "spare_bytes": self.spare_bytes,
        }


def charges(payloads: Sequence[int], stack: Stack, up_bps: float) -> list[Charge]:
    """Every profile with each of these payloads."""
    return [_charge(name, payload, stack, up_bps) for payload in payloads for name in PROFILES]


def link_bytes(profile: str, payload: int, stack: Stack) -> int:
    """Bytes of the CLTUs."""
    tail, later = PROFILES[profile]
    disclosed = overhead(later, stack).total if later else 0
    return overhead(MESSAGE_BYTES + payload + tail, stack).total + disclosed


def _charge(profile: str, payload: int, stack: Stack, up_bps: float) -> Charge:
    taken = link_bytes(profile, payload, stack)
    allowed = link_bytes("ed25519", payload, stack)
    spare = 0
    while link_bytes(profile, payload + spare + 1, stack) <= allowed:
        spare += 1
    return Charge(profile, payload, taken, 8 * taken / up_bps, spare)
