"""FOP-1, the sending end of COP-1: which frames the ground sends, and when it sends them again.

A ``Fop`` is a value; each event is a method that gives an ``Outcome``: the next ``Fop``, the frames
to transmit now, in order, and notices to the layer above.  Time is an argument, in seconds.

AD frames go through a sliding window and are sent again, all from the first that is missing
(go-back-N), when a CLCW asks for it or the timer expires, at most ``limit`` times.  Then, and where
the two ends contradict each other, the service ends with an alert; it is initiated anew by hand.

Taken simpler than in the standard: the layer below takes every frame at once, so there are no
ready flags and no alert LLIF; NN(R) is the number of the oldest frame not acknowledged.

What COP-1 promises holds on a link that keeps the order of control frames.  A *Set V(R)* that
arrives late, after data of the new sequence, sets the receiver back.

Source: CCSDS 232.1-B-2, section 5, table 5-1; the names E1 to E104 are that table's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from shared.ccsds.cop1.clcw import Clcw
from shared.ccsds.cop1.farm import NUMBERS, UNLOCK, set_vr
from shared.ccsds.cop1.fop_words import Alert, FopState, Frame, Notice, Parameters, Service, What


@dataclass(frozen=True)
class Outcome:
    """What an event leads to."""

    fop: Fop
    frames: tuple[Frame, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class Fop:
    """The state of FOP-1 on one virtual channel.

    Attributes:
        parameters: fixed by the operator.
        state: the column of the state table.
        vs: V(S), the number of the next new frame.
        sent: the data of frames that are not acknowledged, oldest first; the last has V(S) - 1.
        waiting: data that found the window full, or None.
        command: the control command that is not confirmed, or None.
        transmissions: of the oldest frame, or of the command.
        due_s: when the timer expires, or None.
        suspended: the state to resume, or None.
    """

    parameters: Parameters = field(default_factory=Parameters)
    state: FopState = FopState.INITIAL
    vs: int = 0
    sent: tuple[bytes, ...] = ()
    waiting: bytes | None = None
    command: bytes | None = None
    transmissions: int = 1
    due_s: float | None = None
    suspended: FopState | None = None

    # --- directives ----------------------------------------------------------------------------

    def set_vs(self, number: int) -> Outcome:
        """Number the next frame so (E35).

        Raises:
            ValueError: not in 0 to 255.
        """
        if not 0 <= number < NUMBERS:
            raise ValueError(f"sequence number {number} is not in 0 to {NUMBERS - 1}")
        if self.state is not FopState.INITIAL or self.suspended:
            return _rejected(self)
        return Outcome(replace(self, vs=number))

    def initiate(self) -> Outcome:
        """Begin without asking the receiver (E23)."""
        if self.state is not FopState.INITIAL:
            return _rejected(self)
        return Outcome(_fresh(self, FopState.ACTIVE), notices=(Notice(What.INITIATED),))

    def initiate_with_check(self, now_s: float) -> Outcome:
        """Begin when a CLCW shows that the receiver expects V(S) (E24)."""
        if self.state is not FopState.INITIAL:
            return _rejected(self)
        return Outcome(_timed(_fresh(self, FopState.INITIALISING), now_s))

    def initiate_with_unlock(self, now_s: float) -> Outcome:
        """Unlock the receiver, then begin (E25)."""
        return self._initiate_with(UNLOCK, self.vs, now_s)

    def initiate_with_set_vr(self, number: int, now_s: float) -> Outcome:
        """Make the receiver expect ``number``, then begin with it (E27).

        Raises:
            ValueError: not in 0 to 255.
        """
        return self._initiate_with(set_vr(number), number, now_s)

    def terminate(self) -> Outcome:
        """End the service (E29)."""
        if self.state is FopState.INITIAL:
            return Outcome(replace(self, suspended=None))
        return _alert(self, Alert.TERM)

    def resume(self, now_s: float) -> Outcome:
        """Go on where the service was suspended (E30 to E34)."""
        if self.state is not FopState.INITIAL or self.suspended is None:
            return _rejected(self)
        return Outcome(_timed(replace(self, state=self.suspended, suspended=None), now_s))

    # --- data ------------------------------------------------------------------------------------

    def request(self, data: bytes, now_s: float) -> Outcome:
        """Send data by the AD service (E19, E20)."""
        running = (FopState.ACTIVE, FopState.RETRANSMIT, FopState.RETRANSMIT_WAIT)
        if self.state not in running or self.waiting is not None:
            return _rejected(self, data)
        added = replace(self, waiting=data)
        return added._look_for_data(now_s)

    def bypass(self, data: bytes) -> Outcome:
        """Send data by the BD service, whatever the state (E21)."""
        return Outcome(self, (Frame(Service.BD, 0, data),), (Notice(What.ACCEPTED, data),))

    # --- time and reports ----------------------------------------------------------------------

    def tick(self, now_s: float) -> Outcome:
        """The timer, if it has expired (E16 to E18, E104)."""
        if self.due_s is None or now_s < self.due_s:
            return Outcome(self)
        expired = replace(self, due_s=None)
        state, again = self.state, self.transmissions < self.parameters.limit
        if again and state in (FopState.ACTIVE, FopState.RETRANSMIT):
            return expired._send_again(now_s)
        if again and state is FopState.RETRANSMIT_WAIT:
            return Outcome(expired)
        if again and state is FopState.INITIALISING_BC:
            return replace(expired, transmissions=self.transmissions + 1)._send_command(now_s)
        if self.parameters.suspend and state is not FopState.INITIALISING_BC:
            paused = replace(expired, state=FopState.INITIAL, suspended=state)
            return Outcome(paused, notices=(Notice(What.SUSPENDED),))
        return _alert(self, Alert.T1)

    def report(self, clcw: Clcw, now_s: float) -> Outcome:
        """A CLCW of this virtual channel has come (E1 to E14, E101 to E103)."""
        if self.state is FopState.INITIAL:
            return Outcome(self)
        initialising_bc = self.state is FopState.INITIALISING_BC
        if clcw.lockout:  # E14
            return Outcome(self) if initialising_bc else _alert(self, Alert.LOCKOUT)
        acknowledged = len(self.sent) - (self.vs - clcw.report_value) % NUMBERS
        if acknowledged < 0:  # E13
            return Outcome(self) if initialising_bc else _alert(self, Alert.NNR)
        if acknowledged == len(self.sent):
            return self._all_acknowledged(clcw, now_s)
        if clcw.retransmit:
            return self._asked_again(clcw, acknowledged, now_s)
        if clcw.wait:  # E7
            return _alert(self, Alert.CLCW)
        if acknowledged:  # E6
            return self._acknowledge(acknowledged, FopState.ACTIVE, now_s)
        if self.state is FopState.ACTIVE:  # E5
            return Outcome(self)
        return _alert(self, Alert.SYNCH)

    def _all_acknowledged(self, clcw: Clcw, now_s: float) -> Outcome:
        if clcw.retransmit:  # E4; of an old report while the command is on its way
            initialising_bc = self.state is FopState.INITIALISING_BC
            return Outcome(self) if initialising_bc else _alert(self, Alert.SYNCH)
        if clcw.wait:  # E3
            return _alert(self, Alert.CLCW)
        if self.state in (FopState.INITIALISING, FopState.INITIALISING_BC):  # E1
            begun = replace(self, state=FopState.ACTIVE, command=None, due_s=None)
            return Outcome(begun, notices=(Notice(What.INITIATED),))
        if self.sent:  # E2
            return replace(self, due_s=None)._acknowledge(len(self.sent), FopState.ACTIVE, now_s)
        if self.state is FopState.ACTIVE:  # E1
            return Outcome(self)
        return _alert(self, Alert.SYNCH)

    def _asked_again(self, clcw: Clcw, acknowledged: int, now_s: float) -> Outcome:
        """Frames are outstanding, and the receiver misses one."""
        if self.parameters.limit == 1:  # E101, E102
            return _then(self._without(acknowledged), lambda fop: _alert(fop, Alert.LIMIT))
        waits = replace(self, state=FopState.RETRANSMIT_WAIT)
        sends = replace(self, state=FopState.RETRANSMIT)
        if acknowledged:
            if clcw.wait:  # E9
                return waits._without(acknowledged)
            return _then(sends._without(acknowledged), lambda fop: fop._send_again(now_s))  # E8
        if clcw.wait:  # E11, E103
            return Outcome(waits)
        if self.state is FopState.RETRANSMIT or self.transmissions >= self.parameters.limit:
            return Outcome(sends)  # E10 where it was done already, E12
        return sends._send_again(now_s)  # E10

    # --- actions ---------------------------------------------------------------------------------

    def _acknowledge(self, count: int, state: FopState, now_s: float) -> Outcome:
        """Take frames off the queue and fill the window anew."""
        return _then(
            replace(self, state=state)._without(count), lambda fop: fop._look_for_data(now_s)
        )

    def _without(self, count: int) -> Outcome:
        if not count:
            return Outcome(self)
        gone, left = self.sent[:count], self.sent[count:]
        notices = tuple(Notice(What.CONFIRMED, data) for data in gone)
        return Outcome(replace(self, sent=left, transmissions=1), notices=notices)

    def _send_again(self, now_s: float) -> Outcome:
        first = (self.vs - len(self.sent)) % NUMBERS
        frames = tuple(
            Frame(Service.AD, (first + place) % NUMBERS, data)
            for place, data in enumerate(self.sent)
        )
        counted = replace(self, transmissions=self.transmissions + 1)
        return _then(Outcome(_timed(counted, now_s), frames), lambda fop: fop._look_for_data(now_s))

    def _look_for_data(self, now_s: float) -> Outcome:
        """Send what waits, if the window has room and the receiver too."""
        data = self.waiting
        full = len(self.sent) >= self.parameters.window
        if data is None or full or self.state is FopState.RETRANSMIT_WAIT:
            return Outcome(self)
        frame = Frame(Service.AD, self.vs, data)
        fop = replace(
            self,
            vs=(self.vs + 1) % NUMBERS,
            sent=(*self.sent, data),
            waiting=None,
            transmissions=self.transmissions if self.sent else 1,
        )
        return Outcome(_timed(fop, now_s), (frame,), (Notice(What.ACCEPTED, data),))

    def _initiate_with(self, command: bytes, vs: int, now_s: float) -> Outcome:
        if self.state is not FopState.INITIAL:
            return _rejected(self)
        fresh = _fresh(self, FopState.INITIALISING_BC)
        return replace(fresh, command=command, vs=vs)._send_command(now_s)

    def _send_command(self, now_s: float) -> Outcome:
        return Outcome(_timed(self, now_s), (Frame(Service.BC, 0, self.command or b""),))


def _fresh(fop: Fop, state: FopState) -> Fop:
    """With empty queues; nothing is left of an earlier run but V(S)."""
    return Fop(parameters=fop.parameters, state=state, vs=fop.vs)


def _timed(fop: Fop, now_s: float) -> Fop:
    return replace(fop, due_s=now_s + fop.parameters.timer_s)


def _rejected(fop: Fop, data: bytes = b"") -> Outcome:
    return Outcome(fop, notices=(Notice(What.REJECTED, data),))


def _alert(fop: Fop, why: Alert) -> Outcome:
    """The service has ended: whoever asked for something learns that nothing is known of it."""
    left = (*fop.sent, *(() if fop.waiting is None else (fop.waiting,)))
    failed = tuple(Notice(What.FAILED, data) for data in left)
    return Outcome(_fresh(fop, FopState.INITIAL), notices=(*failed, Notice(What.ALERT, alert=why)))


def _then(first: Outcome, action: Callable[[Fop], Outcome]) -> Outcome:
    second = action(first.fop)
    return Outcome(second.fop, (*first.frames, *second.frames), (*first.notices, *second.notices))
