"""Would an erasure code across frames pay?  ``python -m sims.planning.erasure`` says.

An ideal code is reckoned: n frames of equal length are made of a message, and any k of them give it
back, with nothing added.  Real ones (Reed-Solomon across frames) need a header and a decoder on
board besides.  It is compared with the cheapest plain strategies that reach the same chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from shared.ccsds.space_packet import PACKET_HEADER_BYTES
from shared.ccsds.stack import Stack
from sims.channel.channel import IDLE_BYTES
from sims.channel.link import LinkProfile
from sims.channel.noise import Noise
from sims.mission.strategies import Order, Strategy
from sims.planning.planner import ACQUISITION_BYTES, evaluate, frame_chance

WANTED = 0.999
SIZES = (115, 400, 1200, 4096, 16384)
RATES = (1e-4, 1e-3, 3e-3)
FRAME_SIZES = (32, 48, 64, 96, 128, 256, 512, 1024)
AROUND_BYTES = 8
"""Frame header, segment header and FECF."""
MOST_FRAMES = 2000


@dataclass(frozen=True)
class Best:
    """The cheapest way of one kind.

    Attributes:
        bytes: on the link, acquisition and idle sequences included.
        how: in words.
    """

    bytes: int
    how: str


def best_repeated(size: int, profile: LinkProfile, blind: bool) -> Best:
    """The cheapest of AAABBB, or of COP-1 in the mean."""
    found = []
    for longest in FRAME_SIZES:
        stack = Stack(max_frame_bytes=longest)
        for copies in range(1, 64):
            order = Order.HAMMER if blind else Order.COP1
            option = evaluate(size, profile, stack, "bch", Strategy(order, copies))
            if option.success >= WANTED:
                sent = round(option.station_s * profile.up_bps / 8)
                found.append(Best(sent, f"{option.frames} frames, {copies} times"))
                break
    return min(found, key=lambda each: each.bytes)


def best_erasure(size: int, profile: LinkProfile) -> Best:
    """The cheapest ideal code."""
    return min(_codes(size, profile), key=lambda each: each.bytes)


def _codes(size: int, profile: LinkProfile) -> Iterator[Best]:
    stack = Stack()
    for longest in FRAME_SIZES:
        needed = -(-(size + PACKET_HEADER_BYTES) // (longest - AROUND_BYTES))
        if needed > MOST_FRAMES:
            continue
        length = AROUND_BYTES + -(-(size + PACKET_HEADER_BYTES) // needed)
        chance = frame_chance(length, profile, stack)
        sent = needed
        while sent <= 4 * MOST_FRAMES and at_least(needed, sent, chance) < WANTED:
            sent += 1
        each = stack.channel.cltu_bytes(length) + IDLE_BYTES
        yield Best(ACQUISITION_BYTES + sent * each, f"any {needed} of {sent}")


def at_least(needed: int, sent: int, chance: float) -> float:
    """That of so many frames at least the needed ones arrive."""
    if chance >= 1.0:
        return 1.0
    return 1.0 - math.fsum(_exactly(each, sent, chance) for each in range(needed))


def _exactly(arrived: int, sent: int, chance: float) -> float:
    """The binomial distribution, by logarithms: its factors are too large to multiply."""
    ways = math.lgamma(sent + 1) - math.lgamma(arrived + 1) - math.lgamma(sent - arrived + 1)
    return math.exp(ways + arrived * math.log(chance) + (sent - arrived) * math.log1p(-chance))


def table() -> str:
    """As Markdown."""
    lines = [
        "| envelope B | bit error rate | AAABBB | COP-1, mean | ideal erasure code | saves |",
        "|---:|---:|---|---|---|---:|",
    ]
    base = LinkProfile(16.0, 160.0, 0.0)
    for size in SIZES:
        for rate in RATES:
            profile = replace(base, up_noise=Noise(rate))
            blind, answered = (best_repeated(size, profile, each) for each in (True, False))
            coded = best_erasure(size, profile)
            saves = 1 - coded.bytes / blind.bytes
            lines.append(
                f"| {size} | {rate:g} | {blind.bytes} B, {blind.how} | {answered.bytes} B, "
                f"{answered.how} | {coded.bytes} B, {coded.how} | {saves:.0%} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
