"""COP-1 in a run: drives the ground's FOP-1 (``shared.ccsds.cop1.fop``) with what telemetry brings.

The timer is that of a station that knows its passes: it runs from the end of the last transmission,
over a round trip of light and two telemetry frames, to the next time that the probe is heard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import simpy

from shared.ccsds.cop1.words import Clcw, Fop, Frame, Outcome, Parameters, What
from shared.ccsds.link import build_frame
from shared.ccsds.stack import Stack
from sims.channel.link import LinkProfile, Steps, Uplink
from sims.trace import Trace

WINDOW = 127
"""Frames on the way at most: half of the largest window a FARM has."""

WaitFor = Callable[[Callable[[], bool], float], Steps]


class GoBack:
    """The frames of one message on their way."""

    def __init__(
        self,
        fields: Sequence[bytes],
        stack: Stack,
        profile: LinkProfile,
        limit: int,
        first: int = 0,
    ) -> None:
        self._round_trip_s = 2 * profile.one_way_light_s + 2 * profile.cadence_s
        parameters = Parameters(window=WINDOW, timer_s=self._round_trip_s or 1e-9, limit=limit)
        self._fop = Fop(parameters).set_vs(first).fop.initiate().fop
        self._left = list(fields)
        self._stack, self._profile = stack, profile
        self._outbox: list[Frame] = []
        self._confirmed, self._all = 0, len(fields)
        self._ended = False

    def run(
        self,
        env: simpy.Environment,
        uplink: Uplink,
        reports: list[Clcw],
        wait_for: WaitFor,
        trace: Trace,
    ) -> Steps:
        """Sends until all is acknowledged, or until the service ends with an alert.

        Args:
            env: the clock.
            uplink: takes frames.
            reports: where CLCWs come in; they are taken out.
            wait_for: waits until something is so, or until a time.
            trace: is told.

        Returns (as a process): whether all is acknowledged.
        """
        while self._confirmed < self._all and not self._ended:
            self._fill(env.now, trace)
            if self._outbox:
                frame = self._outbox.pop(0)
                built = build_frame(frame.data, self._stack, sequence_number=frame.number)
                if not (yield from uplink.send(built)):
                    return False
            elif not reports:
                due = self._due_s(env.now)
                yield from wait_for(lambda: bool(reports), due)
                if not reports:
                    trace.note(env.now, "ground", "FOP timer")
                    self._take(self._fop.tick(env.now), env.now, trace)
            while reports and not self._ended:
                self._take(self._fop.report(reports.pop(0), env.now), env.now, trace)
        return not self._ended

    def _due_s(self, now_s: float) -> float:
        soonest = now_s + self._round_trip_s
        heard = self._profile.passes.earliest(soonest, self._profile.report_s)
        if heard is not None and heard > soonest:
            soonest = heard + 2 * self._profile.cadence_s
        return max(soonest, self._fop.due_s or 0.0)

    def _fill(self, now_s: float, trace: Trace) -> None:
        while self._left and self._fop.waiting is None and not self._ended:
            self._take(self._fop.request(self._left.pop(0), now_s), now_s, trace)

    def _take(self, outcome: Outcome, now_s: float, trace: Trace) -> None:
        self._fop = outcome.fop
        if outcome.frames:
            # What is sent again goes from the oldest on; what still waited is among it.
            numbers = {frame.number for frame in outcome.frames}
            self._outbox = [frame for frame in self._outbox if frame.number not in numbers]
            self._outbox += outcome.frames
        for notice in outcome.notices:
            if notice.what is What.CONFIRMED:
                self._confirmed += 1
            elif notice.what in (What.ALERT, What.REJECTED):
                self._ended = True
                why = notice.alert.value if notice.alert else notice.what.value
                trace.note(now_s, "ground", "COP-1 ends", why=why)
