"""Authentication profiles: how a message shows who wrote it, and what that costs in bytes.

A profile belongs to a key, in the trust store of the probe.  It does not travel: an envelope names
its key, and the key says what its tail is.  So nobody can ask for a weaker profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

KEY_ID_BYTES = 1
INTERVAL_BYTES = 2
CHAIN_KEY_BYTES = 16
DISCLOSURE_BYTES = KEY_ID_BYTES + INTERVAL_BYTES + CHAIN_KEY_BYTES


class Profile(Enum):
    """The kinds; the values are their names on command lines and in trust files."""

    ED25519 = "ed25519"
    CMAC16 = "cmac16"
    CMAC8 = "cmac8"
    TESLA = "tesla"

    @property
    def tag_bytes(self) -> int:
        """Size of signature or MAC."""
        return {"ed25519": 64, "cmac16": 16, "cmac8": 8, "tesla": 8}[self.value]

    @property
    def tail_bytes(self) -> int:
        """What stands behind the message: the tag, with TESLA after the number of its interval."""
        return self.tag_bytes + (INTERVAL_BYTES if self is Profile.TESLA else 0)

    @property
    def domain(self) -> bytes:
        """First line of what is authenticated, so that no tag of one profile is one of another."""
        return self._domain("")

    @property
    def identity_domain(self) -> bytes:
        """The same where the probe's identity follows it."""
        return self._domain("/identity")

    def _domain(self, ending: str) -> bytes:
        name = "" if self is Profile.ED25519 else f"/{self.value}"
        return f"rehydration-uplink/envelope/2{name}{ending}\n".encode("ascii")


@dataclass(frozen=True)
class Overhead:
    """What a profile puts on the link, in bytes, key ids included.

    Attributes:
        profile: the kind.
        with_message: key id and tail of each envelope.
        later: the disclosure that closes one interval, however many messages it had.
    """

    profile: Profile
    with_message: int
    later: int

    def total(self, messages: int) -> int:
        """For so many messages in one interval."""
        return messages * self.with_message + self.later


def overheads() -> tuple[Overhead, ...]:
    """Of every profile; docs/authentication.md shows them, and a test compares."""
    return tuple(
        Overhead(
            profile,
            with_message=KEY_ID_BYTES + profile.tail_bytes,
            later=DISCLOSURE_BYTES if profile is Profile.TESLA else 0,
        )
        for profile in Profile
    )


def overhead_table() -> str:
    """The same as a table in Markdown."""
    rows = [
        "| profile | with each message | later, once | one message | four messages |",
        "|---|---:|---:|---:|---:|",
    ]
    rows += [
        f"| {row.profile.value} | {row.with_message} | {row.later} | {row.total(1)} | "
        f"{row.total(4)} |"
        for row in overheads()
    ]
    return "\n".join(rows) + "\n"
