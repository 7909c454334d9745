"""One message to one probe: everything between the ground's decision to send and its knowledge.

ground                          link                            probe
strategy -> frames  ----------> passes, noise, faults --------> FARM -> reassembly -> apply
knows       <------------------ telemetry <-------------------- CLCW, last counter applied
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import simpy

from shared.ccsds.cop1.farm import NUMBERS
from shared.ccsds.cop1.words import Clcw, Farm
from shared.ccsds.link import build_frame, data_fields, deliver
from shared.ccsds.segmentation import Reassembly
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import FrameType, TcFrame
from sims.channel.link import Downlink, LinkProfile, Steps, Uplink
from sims.mission.authentication import Later
from sims.mission.cop1 import GoBack
from sims.mission.endpoints import Outcome
from sims.mission.strategies import Order, Strategy, blind_order
from sims.random_streams import Streams
from sims.trace import Trace

NEVER = -1.0

Receive = Callable[[bytes, float], Outcome]
"""The probe: an envelope and the time, to what it did."""


@dataclass(frozen=True)
class Plan:
    """What is decided before the first bit is sent.

    Attributes:
        envelope: to be applied.
        profile: the link.
        stack: layers and code.
        strategy: how the frames are sent.
        attempts: how often all of it is begun, if no telemetry says that it was applied; once with
            COP-1, which has its own limit and would have to agree on numbers anew.
        onboard_s: how long the probe takes to regenerate and apply.
        every_bit: decode every bit, instead of drawing what the decoder would do.
        later: what has to follow the envelope; then that is what ``attempts`` sends again.
    """

    envelope: bytes
    profile: LinkProfile
    stack: Stack
    strategy: Strategy
    attempts: int = 1
    onboard_s: float = 0.0
    every_bit: bool = False
    later: Later | None = None


@dataclass(frozen=True)
class Result:
    """How a run ended; times are seconds from its start, ``NEVER`` for what did not happen.

    Attributes:
        applied_s: when the new tree was in place.
        known_s: when telemetry that says so was on the ground.
        station_s: how long the transmitter was on.
        sent_bytes: what it sent, idle and acquisition sequences included.
        cltus: CLTUs sent.
        survived: CLTUs of which a frame was received.
        refused: envelopes that the probe refused, copies after the first among them.
    """

    applied_s: float
    known_s: float
    station_s: float
    sent_bytes: int
    cltus: int
    survived: int
    refused: int

    @property
    def applied(self) -> bool:
        return self.applied_s != NEVER


@dataclass(frozen=True)
class Told:
    """What a telemetry frame says.

    Attributes:
        clcw: of the virtual channel.
        applied: whether the message's counter is the last one used.
    """

    clcw: Clcw
    applied: bool


class Mission:
    """One run."""

    def __init__(self, plan: Plan, streams: Streams, receive: Receive, trace: Trace) -> None:
        self._plan, self._receive, self._trace = plan, receive, trace
        self._env = env = simpy.Environment()
        self._uplink = Uplink(
            env, plan.profile, plan.stack, streams, trace, self._hear, every_bit=plan.every_bit
        )
        self._downlink = Downlink(env, plan.profile, streams, trace, self._learn)
        self._farm, self._parts = Farm(window=254), Reassembly()
        self._onboard_free_s = 0.0
        self._applied_s = self._known_s = NEVER
        self._refused = 0
        self._numbered = 0
        """Frames of messages that were begun: the number of the next one."""
        self._news = env.event()
        self._reports: list[Clcw] = []

    def fly(self) -> Result:
        """Runs until nothing can happen any more."""
        self._env.process(self._ground())
        self._env.run()
        uplink = self._uplink
        return Result(
            self._applied_s,
            self._known_s,
            uplink.busy_s,
            uplink.sent_bytes,
            uplink.sent,
            uplink.survived,
            self._refused,
        )

    # --- ground ----------------------------------------------------------------------------------

    def _ground(self) -> Steps:
        data, later = self._plan.envelope, self._plan.later
        if later is not None:
            if not (yield from self._send(data)):
                return
            yield from self._wait_for(lambda: False, later.due_s)
            self._trace.note(self._env.now, "ground", "discloses the key", bytes=len(later.data))
            data = later.data
        first = self._numbered
        for attempt in range(self._plan.attempts):
            if attempt:
                self._trace.note(self._env.now, "ground", "begins again", attempt=attempt + 1)
            self._numbered = first
            yield from self._send(data)
            last = attempt + 1 == self._plan.attempts
            if not last:
                yield from self._wait_for(lambda: self._known_s != NEVER, self.answer_s())
            if self._known_s != NEVER:
                return

    def _send(self, data: bytes) -> Steps:
        """Sends all frames of a message.

        Returns (as a process): False if it is known that not all of them can arrive.
        """
        plan = self._plan
        numbered = plan.strategy.order is not Order.ONCE
        stack = numbered_stack(plan.stack) if numbered else plan.stack
        fields = data_fields(data, stack)
        first, self._numbered = self._numbered, self._numbered + len(fields)
        if plan.strategy.order is Order.COP1:
            sender = GoBack(fields, stack, plan.profile, plan.strategy.copies, first % NUMBERS)
            return (
                yield from sender.run(
                    self._env, self._uplink, self._reports, self._wait_for, self._trace
                )
            )
        frames = [
            build_frame(field, stack, sequence_number=number % NUMBERS if numbered else 0)
            for number, field in enumerate(fields, first)
        ]
        for index in blind_order(plan.strategy, len(frames)):
            sent = yield from self._uplink.send(frames[index])
            if not sent:
                return False
        return True

    def answer_s(self) -> float:
        """When an answer to what has just been sent should be there."""
        profile = self._plan.profile
        soonest = self._env.now + 2 * profile.one_way_light_s + self._plan.onboard_s
        heard = profile.passes.earliest(soonest, profile.report_s)
        return (soonest if heard is None else heard) + 2 * profile.cadence_s

    def _wait_for(self, is_there: Callable[[], bool], until_s: float) -> Steps:
        """Until telemetry has brought what is waited for, or a time has come."""
        env = self._env
        while not is_there() and env.now < until_s:
            yield env.any_of([self._news, env.timeout(until_s - env.now)])

    def _learn(self, told: Told) -> None:
        if told.applied and self._known_s == NEVER:
            self._known_s = self._env.now
            self._trace.note(self._env.now, "ground", "knows that it was applied")
        self._reports.append(told.clcw)
        self._news.succeed()
        self._news = self._env.event()

    # --- probe -----------------------------------------------------------------------------------

    def _hear(self, frames: tuple[TcFrame, ...]) -> None:
        """Frames are there: FARM, reassembly, and whole envelopes to the probe."""
        farm = self._farm
        accepted = [frame for frame in frames if self._accepts(frame)]
        stack = self._plan.stack
        delivered = deliver(accepted, stack, state=self._parts)
        self._parts = delivered.state
        for fault in delivered.faults:
            self._trace.note(self._env.now, "probe", "drops", fault=fault.found)
        for envelope in delivered.envelopes:
            # Copies of what was applied are refused in no time; else the model has to work first,
            # but not for a message that only waits for its key.
            later = self._plan.later
            works = self._applied_s == NEVER and (later is None or envelope == later.data)
            taken = self._plan.onboard_s if works else 0.0
            self._onboard_free_s = max(self._env.now, self._onboard_free_s) + taken
            event = self._env.timeout(self._onboard_free_s - self._env.now)
            event.callbacks.append(lambda _, data=envelope: self._apply(data))
        if self._farm != farm and any(frame.type is FrameType.AD for frame in frames):
            self._tell()

    def _accepts(self, frame: TcFrame) -> bool:
        if frame.type is FrameType.AD:
            self._farm, accepted = self._farm.ad(frame.sequence_number)
            if not accepted:
                self._trace.note(
                    self._env.now,
                    "probe",
                    "FARM refuses",
                    ns=frame.sequence_number,
                    vr=self._farm.vr,
                )
            return accepted
        self._farm = self._farm.bd()
        return True

    def _apply(self, envelope: bytes) -> None:
        outcome = self._receive(envelope, self._env.now)
        if outcome.applied:
            self._applied_s = self._env.now
            self._trace.note(self._env.now, "probe", "applied", bytes=len(envelope))
            self._tell()
            return
        if outcome.held:
            self._trace.note(self._env.now, "probe", "holds until its key comes")
            return
        self._refused += 1
        self._trace.note(self._env.now, "probe", "refuses", refusal=outcome.refusal)

    def _tell(self) -> None:
        clcw = self._farm.report(self._plan.stack.vcid)
        self._downlink.tell(Told(clcw, self._applied_s != NEVER))


def numbered_stack(stack: Stack) -> Stack:
    """The same layers with Type-AD frames."""
    return replace(stack, type=FrameType.AD)
