"""The link: two directions at once, each with its rate, its light time and its mishaps.

Delay is the link's, not the endpoints': what is sent at t is there at t plus the light time,
whatever either end does meanwhile.  Windows are the station's (``windows``): it sends only what
ends before the probe sets, and hears only while the probe is above the horizon.  Outages are not
foreseen: the station sends into them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

from shared.ccsds.cltu import ACQUISITION_BYTES
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import TcFrame
from sims.channel.channel import IDLE_BYTES, Bits, Chances, cltu_bits
from sims.channel.faults import Faults, draw_fate
from sims.channel.noise import Noise
from sims.channel.passes import OutageRates, Outages, Passes
from sims.random_streams import Streams, power
from sims.trace import Trace

Steps = Generator[Any, Any, Any]
"""A simpy process."""

MOST_REPORTS = 100_000
"""Reports that may be lost one after the other before nobody listens any more."""


@dataclass(frozen=True)
class LinkProfile:
    """All numbers of a link.

    Attributes:
        up_bps: bits a second to the probe, parity included.
        down_bps: bits a second back.
        one_way_light_s: seconds from the one to the other.
        up_noise: wrong bits on the way up, before the decoder.
        down_ber: wrong bits on the way down, behind the decoder.
        passes: when station and probe see each other.
        up_outages: when the probe hears nothing, by the station's clock.
        down_outages: when the station hears nothing.
        faults: what happens to single CLTUs.
        report_bytes: of a telemetry frame that tells what the probe has.
        report_every_s: from one of them to the next; at least as long as one takes.
    """

    up_bps: float
    down_bps: float
    one_way_light_s: float
    up_noise: Noise = field(default_factory=lambda: Noise(1e-5))
    down_ber: float = 0.0
    passes: Passes = field(default_factory=Passes)
    up_outages: OutageRates = field(default_factory=OutageRates)
    down_outages: OutageRates = field(default_factory=OutageRates)
    faults: Faults = field(default_factory=Faults)
    report_bytes: int = 32
    report_every_s: float = 0.0

    @property
    def report_s(self) -> float:
        """Seconds that a telemetry frame takes."""
        return 8 * self.report_bytes / self.down_bps

    @property
    def cadence_s(self) -> float:
        """From one telemetry frame to the next."""
        return max(self.report_every_s, self.report_s)


class Uplink:
    """The station's transmitter, the way, and the probe's receiver."""

    def __init__(
        self,
        env: simpy.Environment,
        profile: LinkProfile,
        stack: Stack,
        streams: Streams,
        trace: Trace,
        deliver: Callable[[tuple[TcFrame, ...]], None],
        *,
        every_bit: bool,
    ) -> None:
        self.busy_s = 0.0
        """How long the transmitter has been on."""
        self.sent = self.sent_bytes = self.survived = 0
        self._env, self._profile, self._stack, self._streams = env, profile, stack, streams
        self._trace, self._deliver = trace, deliver
        medium = Bits if every_bit else Chances
        self._medium = medium(stack, profile.up_noise, streams)
        self._outages = Outages(profile.up_outages, streams.stream("up/outages"))
        self._until_s = -math.inf
        """When the transmitter went silent; it goes on without a new acquisition sequence only
        where the next CLTU follows at once."""

    def seconds(self, frame: bytes, *, first: bool = False) -> float:
        """How long a frame takes, with the idle sequence behind it.

        Args:
            frame: built.
            first: of a session, which begins with an acquisition sequence.
        """
        around = 8 * (IDLE_BYTES + ACQUISITION_BYTES * first)
        return (cltu_bits(self._stack, frame) + around) / self._profile.up_bps

    def send(self, frame: bytes) -> Steps:
        """Waits for a window, then sends; ends when the transmitter is free again.

        Returns (as a process): whether it was sent; False if no window is long enough.
        """
        env, profile = self._env, self._profile
        first = self._until_s != env.now
        start = profile.passes.earliest(env.now, self.seconds(frame, first=first))
        if start is not None and start > env.now:
            first = True
            start = profile.passes.earliest(env.now, self.seconds(frame, first=True))
        if start is None:
            self._trace.note(env.now, "ground", "no pass is long enough", bytes=len(frame))
            return False
        if start > env.now:
            self._trace.note(env.now, "ground", "waits for a pass", until_s=start)
            yield env.timeout(start - env.now)
        lead_s = 8 * ACQUISITION_BYTES * first / profile.up_bps
        taken = self.seconds(frame, first=first)
        number, self.sent = self.sent, self.sent + 1
        self.sent_bytes += round(taken * profile.up_bps / 8)
        self.busy_s += taken
        self._trace.note(
            start, "ground", "sends", cltu=number, frame_bytes=len(frame), lasts_s=taken
        )
        self._carry(frame, number, start + lead_s)
        yield env.timeout(taken)
        self._until_s = env.now
        return True

    def _carry(self, frame: bytes, number: int, start_s: float) -> None:
        """Decides now what will have become of a CLTU, and lets it arrive in its time."""
        env, profile = self._env, self._profile
        bits = cltu_bits(self._stack, frame)
        lasts_s = bits / profile.up_bps
        stream = self._streams.stream("up/faults", number)
        fate = draw_fate(profile.faults, bits, lasts_s, stream)
        usable, causes = fate.usable_bits, fate.causes
        silent = self._outages.first_within(start_s, start_s + lasts_s)
        if silent is not None:
            usable = min(usable, int((silent - start_s) * profile.up_bps))
            causes = (*causes, "outage")
        received = self._medium.carry(frame, number, round(start_s * profile.up_bps), usable)
        self.survived += bool(received.frames)
        for copy, delay in enumerate(fate.delays_s):
            arrival = start_s + lasts_s + profile.one_way_light_s + delay
            event = env.timeout(arrival - env.now)
            event.callbacks.append(lambda _: self._deliver(received.frames))
            wrong = {} if received.wrong_bits is None else {"wrong_bits": received.wrong_bits}
            self._trace.note(
                arrival,
                "link",
                "frame arrives" if received.frames else "frame lost",
                cltu=number,
                **({"copy": copy} if copy else {}),
                **wrong,
                **({"causes": list(causes)} if causes else {}),
            )


class Downlink:
    """Telemetry frames, one after the other, each telling the probe's state as it is then.

    They are not simulated one by one: when the state changes, the first frame that gets through
    from then on is found, and its arrival is the one event.  A frame tells what is so when it
    begins, so several changes before it are heard as one.
    """

    def __init__(
        self,
        env: simpy.Environment,
        profile: LinkProfile,
        streams: Streams,
        trace: Trace,
        hear: Callable[[Any], None],
    ) -> None:
        self._env, self._profile, self._streams = env, profile, streams
        self._trace, self._hear = trace, hear
        self._outages = Outages(profile.down_outages, streams.stream("down/outages"))
        self._survives = power(1.0 - profile.down_ber, 8 * profile.report_bytes)
        self._told: dict[int, Any] = {}
        """What is in frames that will be heard, by their numbers."""

    def tell(self, state: Any) -> None:
        """The probe's state has changed; the ground hears of it when a frame gets through."""
        env, profile = self._env, self._profile
        number = math.ceil(env.now / profile.cadence_s)
        for _ in range(MOST_REPORTS):
            begins = number * profile.cadence_s + profile.one_way_light_s
            ends = begins + profile.report_s
            start = profile.passes.earliest(begins, profile.report_s)
            if start is None:
                return
            if start > begins:  # the next one that the station is there for
                skipped = math.ceil((start - profile.one_way_light_s) / profile.cadence_s)
                number = max(number + 1, skipped)
                continue
            clear = self._outages.first_within(begins, ends) is None
            if clear and self._streams.stream("down/noise", number).happens(self._survives):
                if number not in self._told:
                    event = env.timeout(ends - env.now)
                    event.callbacks.append(lambda _, n=number: self._hear(self._told.pop(n)))
                    self._trace.note(ends, "link", "telemetry arrives", report=number)
                self._told[number] = state
                return
            number += 1
        self._trace.note(env.now, "link", "telemetry is never heard")
