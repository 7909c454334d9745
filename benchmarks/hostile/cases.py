"""How the honest message goes on each line, and which attacks are tried there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.hostile import attacks
from benchmarks.hostile.attacks import HONEST, WHOLE, Attack
from benchmarks.hostile.cargo import Cargo
from benchmarks.hostile.lines import Line, Stream, UdpLine
from benchmarks.hostile.listener import Listener
from probe.reception.framing import slip
from shared.auth.keys import SigningKey
from shared.ccsds.link import send

GAP_S = 0.25
"""Between two honest segments."""

Sending = Callable[[Listener, bytes], None]


@dataclass(frozen=True)
class Setting:
    """A kind of line.

    Attributes:
        title: for the page.
        line: makes one.
        words: options of the listener.
        sends: the honest message.
        trust: which keys the probe trusts.
        pictures: whether it draws pictures.
    """

    title: str
    line: Callable[[], Line]
    words: tuple[str, ...]
    sends: Sending
    trust: str = "key"
    pictures: bool = False

    def key(self, cargo: Cargo) -> tuple[SigningKey, int]:
        """What signs the next message, and the interval that it names if it is of the chain.

        Of the chain it is that of an interval that has just begun.
        """
        if self.trust == "key":
            return cargo.key, 0
        before = cargo.interval()
        while (now := cargo.interval()) == before:
            time.sleep(0.002)
        return cargo.interval_key(now), now


def at_once(listener: Listener, envelope: bytes) -> None:
    """One datagram."""
    listener.line.honest(envelope)


def in_slip(listener: Listener, envelope: bytes) -> None:
    """On a stream."""
    listener.line.honest(slip(envelope))


def in_segments(listener: Listener, envelope: bytes) -> None:
    """Segments of Type-BD, one after the other."""
    for number, cltu in enumerate(send(envelope, HONEST)):
        time.sleep(GAP_S if number else 0)
        listener.line.honest(cltu)


def across_a_restart(listener: Listener, envelope: bytes) -> None:
    """The same; between the first segments and the last ones the listener is started anew."""
    cltus = send(envelope, HONEST)
    for number, cltu in enumerate(cltus):
        time.sleep(GAP_S if number else 0)
        if number == len(cltus) // 2:
            listener.restart()
        listener.line.honest(cltu)


_CCSDS = ("--framing", "ccsds")

SETTINGS: dict[str, Setting] = {
    "frames": Setting("UDP, frames", UdpLine, _CCSDS, in_segments),
    "restart": Setting("UDP, frames, a restart", UdpLine, _CCSDS, across_a_restart),
    "bare": Setting("UDP, bare", UdpLine, (), at_once, pictures=True),
    "chain": Setting("UDP, bare, TESLA", UdpLine, (), at_once, trust="chain"),
    "stdin": Setting("stdin, SLIP", lambda: Stream(serial=False), (), in_slip),
    "serial": Setting("serial, frames", lambda: Stream(serial=True), _CCSDS, in_segments),
}

CASES: tuple[tuple[str, str, Attack], ...] = (
    ("frames", "start sequences", attacks.starts),
    ("frames", "endless valid codewords", attacks.codeblocks),
    ("frames", "noise", attacks.noise),
    ("frames", "frames of zeros", attacks.fill),
    ("frames", "forged copies of segments", attacks.forged_segments),
    ("frames", "forged messages", attacks.framed(attacks.forged_messages)),
    ("restart", "forged messages", attacks.framed(attacks.many_counters)),
    ("bare", "noise", attacks.noise),
    ("bare", "forged messages", attacks.forged_messages),
    ("bare", "forged under many counters", attacks.many_counters),
    ("bare", "pictures of a generator", attacks.pictures),
    ("bare", "forged changes of keys", attacks.rotations),
    ("bare", "keys of small order", attacks.small_orders),
    ("chain", "forged disclosures", attacks.forged_disclosures),
    ("chain", "known disclosures", attacks.known_disclosures),
    ("chain", "early disclosures", attacks.early_disclosures),
    ("chain", "messages to be held", attacks.held_messages),
    ("stdin", "noise", attacks.small(attacks.noise)),
    ("stdin", "forged messages", attacks.in_slip(attacks.forged_messages)),
    ("serial", "noise", attacks.small(attacks.noise)),
    ("serial", "start sequences", attacks.small(attacks.starts)),
    ("serial", "forged messages", attacks.framed(attacks.forged_messages)),
)
"""Setting, name and attack."""

__all__ = ["CASES", "SETTINGS", "WHOLE", "Setting"]
