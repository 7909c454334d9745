"""Which code and strategy get a message across with the least station time: by formula, no runs.

Frames survive independently of each other here.  That is exact for white noise and for faults;
bursts and outages that last longer than a CLTU take neighbouring copies together, so then the plan
promises too much and a sweep has to tell (docs/linksim.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from shared.ccsds.overhead import overhead
from shared.ccsds.segmentation import SEGMENT_HEADER_BYTES
from shared.ccsds.space_packet import PACKET_HEADER_BYTES
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import FECF_BYTES, FRAME_HEADER_BYTES
from shared.errors import InputError
from sims.channel.channel import IDLE_BYTES
from sims.channel.link import LinkProfile
from sims.channel.survival import survival
from sims.mission.strategies import Order, Strategy
from sims.scenario.schema import CODINGS

ACQUISITION_BYTES = 16
MOST_COPIES = 64
FRAME_SIZES = (64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Option:
    """One way to send a message.

    Attributes:
        coding: name of the channel code.
        max_frame_bytes: how long frames may be.
        strategy: with its count.
        frames: how many.
        link_bytes: of all CLTUs, once.
        success: chance that the message gets through.
        station_s: how long the transmitter is on; in the mean, for COP-1.
        elapsed_s: from the first bit sent to the last received, passes not counted; in the mean,
            for COP-1.
        latest_s: the same if every frame needs all its transmissions.
    """

    coding: str
    max_frame_bytes: int
    strategy: Strategy
    frames: int
    link_bytes: int
    success: float
    station_s: float
    elapsed_s: float
    latest_s: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "coding": self.coding,
            "max_frame_bytes": self.max_frame_bytes,
            "strategy": self.strategy.order.value,
            "copies": self.strategy.copies,
            "frames": self.frames,
            "link_bytes": self.link_bytes,
            "success": self.success,
            "station_s": self.station_s,
            "elapsed_s": self.elapsed_s,
            "latest_s": self.latest_s,
        }


def plan(
    envelope_bytes: int,
    profile: LinkProfile,
    stack: Stack,
    wanted: float,
    within_s: float = math.inf,
    codings: Sequence[str] = tuple(CODINGS),
) -> list[Option]:
    """Every option that is good enough, the one with the least station time first.

    For each code, frame length and order only the smallest count that reaches the wanted chance.

    Args:
        envelope_bytes: to be carried.
        profile: the link.
        stack: layers; code and frame length are varied.
        wanted: chance of success, above 0 and below 1.
        within_s: no option that may take longer.
        codings: names to choose from.

    Raises:
        InputError: the chance is none.
    """
    if not 0.0 < wanted < 1.0:
        raise InputError(f"a wanted success of {wanted}", expected="above 0, below 1")
    found: list[Option] = []
    for coding in codings:
        if coding.startswith("ldpc") and profile.up_noise.has_bursts:
            continue
        for size in FRAME_SIZES:
            layers = replace(stack, channel=CODINGS[coding], max_frame_bytes=size)
            found += _sufficient(envelope_bytes, profile, layers, coding, wanted)
    unique = {(each.coding, each.frames, each.strategy): each for each in reversed(found)}
    good = [each for each in unique.values() if each.latest_s <= within_s]
    return sorted(good, key=lambda each: (each.station_s, each.elapsed_s, each.frames, each.coding))


def _sufficient(
    size: int, profile: LinkProfile, stack: Stack, coding: str, wanted: float
) -> Iterator[Option]:
    for order in (Order.HAMMER, Order.CYCLE, Order.COP1):
        for copies in range(1 + (order is Order.COP1), MOST_COPIES + 1):
            chosen = Strategy(order if copies > 1 else Order.ONCE, copies)
            option = evaluate(size, profile, stack, coding, chosen)
            if option.success >= wanted:
                yield option
                break


def evaluate(
    envelope_bytes: int, profile: LinkProfile, stack: Stack, coding: str, strategy: Strategy
) -> Option:
    """What one way to send a message promises."""
    sizes = frame_sizes(envelope_bytes, stack)
    chances = [frame_chance(size, profile, stack) for size in sizes]
    times = [_seconds(size, profile, stack) for size in sizes]
    lead = 8 * ACQUISITION_BYTES / profile.up_bps
    light = profile.one_way_light_s
    if strategy.order is Order.COP1:
        success, station, rounds = go_back_n(chances, times, strategy.copies)
        trip = 2 * light + 2 * profile.cadence_s
        station += rounds * lead
        elapsed = station + light + (rounds - 1.0) * trip
        most = strategy.copies * len(times)
        latest = most * (lead + sum(times) + trip) - trip + light
    else:
        copies = 1 if strategy.order is Order.ONCE else strategy.copies
        success = blind_success(chances, copies, strategy.order)
        station = lead + copies * sum(times)
        elapsed = latest = station + light
    link_bytes = overhead(envelope_bytes, stack).total
    return Option(
        coding,
        stack.max_frame_bytes,
        strategy,
        len(sizes),
        link_bytes,
        success,
        station,
        elapsed,
        latest,
    )


def blind_success(chances: Sequence[float], copies: int, order: Order) -> float:
    """That numbered frames all arrive in their order without any answer.

    Of AAABBB each frame has its copies for itself.  A round of ABCABC goes on from the first frame
    that is still missing to the next loss.
    """
    if order is not Order.CYCLE:
        return math.prod(1.0 - (1.0 - chance) ** copies for chance in chances)
    count = len(chances)
    at = [1.0] + [0.0] * count  # chance to miss this frame next
    for _ in range(copies):
        after = [0.0] * count + [at[count]]
        for first in range(count):
            reach = at[first]
            for lost in range(first, count):
                after[lost] += reach * (1.0 - chances[lost])
                reach *= chances[lost]
            after[count] += reach
        at = after
    return at[count]


def frame_sizes(envelope_bytes: int, stack: Stack) -> list[int]:
    """Bytes of each frame of an envelope."""
    sdu = envelope_bytes + (0 if stack.apid is None else PACKET_HEADER_BYTES)
    around = FRAME_HEADER_BYTES + FECF_BYTES * stack.fecf
    around += 0 if stack.map_id is None else SEGMENT_HEADER_BYTES
    full, rest = divmod(sdu, stack.room_bytes())
    return [around + stack.room_bytes()] * full + [around + rest] * bool(rest)


def frame_chance(frame_bytes: int, profile: LinkProfile, stack: Stack) -> float:
    """That a frame gets through: noise, faults and outages, at any time."""
    chances = survival(stack.channel, profile.up_noise, frame_bytes)
    bits = 8 * stack.channel.cltu_bytes(frame_bytes)
    needed_share = chances.needed_bits / bits
    faults, outages = profile.faults, profile.up_outages
    whole = (1.0 - faults.truncate * needed_share) * (1.0 - faults.lose_lock * needed_share)
    if outages.between_s > 0:
        up = outages.between_s / (outages.between_s + outages.length_s)
        whole *= up * math.exp(-chances.needed_bits / profile.up_bps / outages.between_s)
    return whole * chances.chance(profile.up_noise)


def go_back_n(
    chances: Sequence[float], times: Sequence[float], limit: int
) -> tuple[float, float, float]:
    """COP-1 with all frames in one window, reports certain to come.

    Each round sends everything from the first frame that is missing; it ends at the next loss.  A
    frame that is sent ``limit`` times in vain ends the service; the count begins anew with each
    frame that becomes the oldest.

    Returns:
        Chance that all arrive, mean seconds of transmitting, mean number of rounds.
    """
    count = len(chances)
    # By the oldest missing frame and how often it was sent: chance, and what is still to come.
    success = [[0.0] * (limit + 1) for _ in range(count)] + [[1.0] * (limit + 1)]
    station = [[0.0] * (limit + 1) for _ in range(count + 1)]
    rounds = [[0.0] * (limit + 1) for _ in range(count + 1)]
    for first in range(count - 1, -1, -1):
        for sent in range(limit - 1, -1, -1):
            reach, won = 1.0, 0.0
            mean_s, mean_rounds = sum(times[first:]), 1.0
            for lost in range(first, count):
                ends_here = reach * (1.0 - chances[lost])
                # The frames behind the oldest were sent as well, but their count starts later.
                after = sent + 1 if lost == first else 1
                if after < limit:
                    won += ends_here * success[lost][after]
                    mean_s += ends_here * station[lost][after]
                    mean_rounds += ends_here * rounds[lost][after]
                reach *= chances[lost]
            success[first][sent] = won + reach
            station[first][sent], rounds[first][sent] = mean_s, mean_rounds
    return success[0][0], station[0][0], rounds[0][0]


def _seconds(frame_bytes: int, profile: LinkProfile, stack: Stack) -> float:
    return 8 * (stack.channel.cltu_bytes(frame_bytes) + IDLE_BYTES) / profile.up_bps
