"""COP-1: the state tables, the reports' bytes, and every order in which a bad link may deliver."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.ccsds.cop1.words import (
    UNLOCK,
    Alert,
    Clcw,
    Farm,
    FarmState,
    Fop,
    FopState,
    Frame,
    Notice,
    Outcome,
    Parameters,
    Service,
    What,
    decode_clcw,
    encode_clcw,
    set_vr,
)
from shared.errors import MalformedMessage

# --- CLCW ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clcw", "data"),
    [  # by hand from the figure in 232.0-B-4, 4.2
        (Clcw(0), "01000000"),
        (Clcw(0xA5, vcid=0x21), "018400a5"),
        (Clcw(1, lockout=True), "01002001"),
        (Clcw(1, wait=True, retransmit=True), "01001801"),
        (Clcw(2, farm_b_counter=3), "01000602"),
        (Clcw(2, no_rf=True, no_bit_lock=True), "0100c002"),
        (Clcw(255, 63, True, True, True, 3, True, True, 7), "1dfcfeff"),
    ],
)
def test_clcw_bytes(clcw: Clcw, data: str) -> None:
    assert encode_clcw(clcw).hex() == data
    assert decode_clcw(bytes.fromhex(data)) == clcw


@given(st.binary(min_size=4, max_size=4))
def test_clcw_has_one_encoding(data: bytes) -> None:
    try:
        clcw = decode_clcw(data)
    except MalformedMessage:
        return
    assert encode_clcw(clcw) == data


def test_what_is_no_clcw() -> None:
    for wrong in ("", "010000", "0100000000", "81000000", "21000000", "03000000", "00000000"):
        with pytest.raises(MalformedMessage):
            decode_clcw(bytes.fromhex(wrong))
    for spare in ("01010000", "01020000", "01000100"):
        with pytest.raises(MalformedMessage):
            decode_clcw(bytes.fromhex(spare))
    for field in ({"vcid": 64}, {"report_value": 256}, {"farm_b_counter": 4}, {"status": 8}):
        with pytest.raises(ValueError, match="does not fit"):
            Clcw(**{"report_value": 0, **field})  # type: ignore[arg-type]


# --- FARM-1 --------------------------------------------------------------------------------------

OPEN, WAIT, LOCKOUT = FarmState.OPEN, FarmState.WAIT, FarmState.LOCKOUT
FARMS = {
    OPEN: Farm(vr=253, window=8, b_counter=3, retransmit=True),
    WAIT: Farm(vr=253, window=8, b_counter=3, retransmit=True, wait=True),
    LOCKOUT: Farm(vr=253, window=8, b_counter=3, retransmit=True, lockout=True, wait=True),
}
POSITIVE, NEGATIVE = {254, 255, 0}, {252, 251, 250, 249}
"""By hand: V(R) 253, PW = NW = 4."""
STEP: dict[str, object] = {"vr": 254, "retransmit": False}
LOCK: dict[str, object] = {"lockout": True}


def event_of(number: int, room: bool) -> str:
    if number == 253:
        return "E1" if room else "E2"
    return "E3" if number in POSITIVE else "E4" if number in NEGATIVE else "E5"


AD_TABLE: dict[str, dict[FarmState, dict[str, object]]] = {
    "E1": {OPEN: STEP, WAIT: {}, LOCKOUT: {}},
    "E2": {OPEN: {"retransmit": True, "wait": True}, WAIT: {}, LOCKOUT: {}},
    "E3": {OPEN: {"retransmit": True}, WAIT: {}, LOCKOUT: {}},
    "E4": {OPEN: {}, WAIT: {}, LOCKOUT: {}},
    "E5": {OPEN: LOCK, WAIT: LOCK, LOCKOUT: {}},
}


@pytest.mark.parametrize("retransmit", [False, True])
@pytest.mark.parametrize("state", list(FarmState))
def test_farm_by_table_6_1(state: FarmState, retransmit: bool) -> None:
    farm = replace(FARMS[state], retransmit=retransmit)
    assert farm.state is state
    for number in range(256):
        for room in (True, False):
            event = event_of(number, room)
            after, accepted = farm.ad(number, room=room)
            assert after == replace(farm, **AD_TABLE[event][state]), (number, event)  # type: ignore[arg-type]
            assert accepted == (event == "E1" and state is OPEN)


def test_farm_b_frames() -> None:
    for farm in FARMS.values():
        assert farm.bd() == replace(farm, b_counter=0)
        cleared = replace(farm, b_counter=0, retransmit=False, wait=False, lockout=False)
        assert farm.control(UNLOCK) == cleared
        assert farm.buffer_released() == replace(farm, wait=False)
        for nonsense in (b"", b"\x01", b"\x82", b"\x82\x00", b"\x82\x01\x07", b"\x82\x00\x07\x00"):
            assert farm.control(nonsense) == farm
        if farm.state is LOCKOUT:
            assert farm.control(set_vr(7)) == replace(farm, b_counter=0)
        else:
            assert farm.control(set_vr(7)) == replace(cleared, vr=7)
    assert (UNLOCK.hex(), set_vr(0xA7).hex()) == ("00", "8200a7")


def test_farm_reports() -> None:
    assert FARMS[WAIT].report(5) == Clcw(253, 5, wait=True, retransmit=True, farm_b_counter=3)
    assert FARMS[LOCKOUT].report(5).lockout


@pytest.mark.parametrize("wrong", [{"window": 3}, {"window": 0}, {"window": 256}, {"vr": 256}])
def test_what_is_no_farm(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"window|range"):
        Farm(**wrong)  # type: ignore[arg-type]


# --- FOP-1 ---------------------------------------------------------------------------------------

T1 = 10.0
LIMIT = 3


def active(vs: int = 254, sent: int = 0, **changes: object) -> Fop:
    """An active FOP with frames outstanding, the first sent at time 0."""
    fop = Fop(Parameters(window=4, timer_s=T1, limit=LIMIT)).set_vs(vs).fop.initiate().fop
    for number in range(sent):
        fop = fop.request(bytes([number]), 0.0).fop
    return replace(fop, **changes)  # type: ignore[arg-type]


def ad(number: int, data: int) -> Frame:
    return Frame(Service.AD, number, bytes([data]))


def alerts(outcome: Outcome) -> list[Alert | None]:
    return [notice.alert for notice in outcome.notices if notice.what is What.ALERT]


def test_frames_are_numbered_across_the_wrap_and_the_window_holds() -> None:
    fop = active()
    frames: list[Frame] = []
    for number in range(5):
        outcome = fop.request(bytes([number]), 1.0)
        fop, frames = outcome.fop, [*frames, *outcome.frames]
    assert frames == [ad(254, 0), ad(255, 1), ad(0, 2), ad(1, 3)]
    assert (fop.vs, fop.waiting, fop.due_s) == (2, b"\x04", 1.0 + T1)
    assert fop.request(b"more", 1.0).notices == (Notice(What.REJECTED, b"more"),)
    outcome = fop.report(Clcw(255), 2.0)  # E6: one acknowledged, one more may go
    assert outcome.frames == (ad(2, 4),)
    assert outcome.notices == (Notice(What.CONFIRMED, b"\0"), Notice(What.ACCEPTED, b"\x04"))
    done = outcome.fop.report(Clcw(3), 3.0)  # E2: all
    assert [notice.data for notice in done.notices] == [b"\1", b"\2", b"\3", b"\4"]
    assert (done.fop.sent, done.fop.due_s, done.fop.state) == ((), None, FopState.ACTIVE)


S1, S2, S3 = FopState.ACTIVE, FopState.RETRANSMIT, FopState.RETRANSMIT_WAIT
AGAIN = (ad(255, 1), ad(0, 2))
ALL_AGAIN = (ad(254, 0), *AGAIN)


@pytest.mark.parametrize(
    ("state", "clcw", "changes", "after", "frames"),
    [  # frames 254, 255 and 0 are outstanding
        (S1, Clcw(254), {}, S1, ()),  # E5
        (S2, Clcw(254), {}, Alert.SYNCH, ()),
        (S3, Clcw(254), {}, Alert.SYNCH, ()),
        (S1, Clcw(255), {}, S1, ()),  # E6
        (S2, Clcw(255), {}, S1, ()),
        (S3, Clcw(255), {}, S1, ()),
        (S1, Clcw(254, wait=True), {}, Alert.CLCW, ()),  # E7
        (S1, Clcw(255, wait=True), {}, Alert.CLCW, ()),
        (S1, Clcw(1), {}, S1, ()),  # E2
        (S2, Clcw(1), {}, S1, ()),
        (S3, Clcw(1), {}, S1, ()),
        (S1, Clcw(1, wait=True), {}, Alert.CLCW, ()),  # E3
        (S1, Clcw(1, retransmit=True), {}, Alert.SYNCH, ()),  # E4
        (S1, Clcw(255, retransmit=True), {}, S2, AGAIN),  # E8
        (S2, Clcw(255, retransmit=True), {}, S2, AGAIN),
        (S3, Clcw(255, retransmit=True), {}, S2, AGAIN),
        (S1, Clcw(255, retransmit=True, wait=True), {}, S3, ()),  # E9
        (S1, Clcw(254, retransmit=True), {}, S2, ALL_AGAIN),  # E10
        (S2, Clcw(254, retransmit=True), {}, S2, ()),
        (S3, Clcw(254, retransmit=True), {}, S2, ALL_AGAIN),
        (S1, Clcw(254, retransmit=True, wait=True), {}, S3, ()),  # E11
        (S2, Clcw(254, retransmit=True, wait=True), {}, S3, ()),
        (S3, Clcw(254, retransmit=True, wait=True), {}, S3, ()),
        (S1, Clcw(254, retransmit=True), {"transmissions": LIMIT}, S2, ()),  # E12
        (S3, Clcw(254, retransmit=True), {"transmissions": LIMIT}, S2, ()),
        (S1, Clcw(2), {}, Alert.NNR, ()),  # E13
        (S3, Clcw(253), {}, Alert.NNR, ()),
        (S2, Clcw(254, lockout=True), {}, Alert.LOCKOUT, ()),  # E14
    ],
)
def test_fop_by_table_5_1(
    state: FopState,
    clcw: Clcw,
    changes: dict[str, object],
    after: FopState | Alert,
    frames: tuple[Frame, ...],
) -> None:
    fop = active(sent=3, state=state, **changes)  # type: ignore[arg-type]
    outcome = fop.report(clcw, 4.0)
    assert outcome.frames == frames
    if isinstance(after, Alert):
        assert alerts(outcome) == [after]
        assert outcome.fop == Fop(fop.parameters, vs=1)
        failed = [notice.data for notice in outcome.notices if notice.what is What.FAILED]
        assert failed == [b"\0", b"\1", b"\2"]
        return
    assert (outcome.fop.state, alerts(outcome)) == (after, [])
    expected_due = 4.0 + T1 if frames else None if clcw.report_value == 1 else T1
    assert outcome.fop.due_s == expected_due


def test_nothing_outstanding() -> None:
    assert active().report(Clcw(254), 0.0) == Outcome(active())  # E1
    for state in (S2, S3):
        assert alerts(active(state=state).report(Clcw(254), 0.0)) == [Alert.SYNCH]


def test_a_limit_of_one_sends_nothing_again() -> None:  # E101, E102
    fop = replace(active(sent=3), parameters=Parameters(limit=1))
    outcome = fop.report(Clcw(255, retransmit=True), 0.0)
    assert (outcome.frames, alerts(outcome)) == ((), [Alert.LIMIT])
    assert outcome.notices[0] == Notice(What.CONFIRMED, b"\0")
    assert alerts(fop.report(Clcw(254, retransmit=True), 0.0)) == [Alert.LIMIT]


def test_the_timer_sends_all_again_and_gives_up_at_the_limit() -> None:  # E16, E17
    fop = active(sent=3)
    assert fop.tick(T1 - 0.001) == Outcome(fop)
    second = fop.tick(T1)
    assert (second.frames, second.fop.due_s) == (ALL_AGAIN, 2 * T1)
    third = second.fop.tick(2 * T1)
    assert (third.frames, third.fop.transmissions) == (ALL_AGAIN, LIMIT)
    assert alerts(third.fop.tick(3 * T1)) == [Alert.T1]
    # an acknowledged frame starts the count anew
    assert third.fop.report(Clcw(255), 3 * T1).fop.transmissions == 1


@pytest.mark.parametrize("state", [S1, S2, S3])
def test_suspended_and_resumed(state: FopState) -> None:  # E18, E31 to E33
    parameters = Parameters(window=4, timer_s=T1, limit=LIMIT, suspend=True)
    fop = active(sent=2, state=state, parameters=parameters, transmissions=LIMIT)
    paused = fop.tick(T1)
    assert paused.notices == (Notice(What.SUSPENDED),)
    assert (paused.fop.state, paused.fop.sent) == (FopState.INITIAL, fop.sent)
    assert paused.fop.request(b"x", 20.0).notices == (Notice(What.REJECTED, b"x"),)
    assert paused.fop.set_vs(9).notices[0].what is What.REJECTED
    resumed = paused.fop.resume(50.0).fop
    assert resumed == replace(fop, due_s=50.0 + T1)
    assert fop.resume(50.0).notices[0].what is What.REJECTED


def test_initiated_with_a_check() -> None:
    waiting = Fop(Parameters(timer_s=T1)).set_vs(7).fop.initiate_with_check(1.0).fop
    begun = waiting.report(Clcw(7), 2.0)
    assert (begun.fop.state, begun.fop.due_s) == (S1, None)
    assert begun.notices == (Notice(What.INITIATED),)
    assert alerts(waiting.report(Clcw(8), 2.0)) == [Alert.NNR]
    assert alerts(waiting.report(Clcw(7, lockout=True), 2.0)) == [Alert.LOCKOUT]
    assert alerts(waiting.tick(1.0 + T1)) == [Alert.T1]


def test_initiated_by_unlock_and_set_vr() -> None:
    fop = Fop(Parameters(timer_s=T1, limit=2)).set_vs(7).fop
    unlock = fop.initiate_with_unlock(0.0)
    assert unlock.frames == (Frame(Service.BC, 0, b"\x00"),)
    for stale in (Clcw(7, lockout=True), Clcw(9), Clcw(7, retransmit=True)):  # E14, E13, E4
        assert unlock.fop.report(stale, 1.0) == Outcome(unlock.fop)
    assert unlock.fop.tick(T1).frames == unlock.frames
    assert alerts(unlock.fop.tick(T1).fop.tick(2 * T1)) == [Alert.T1]
    assert unlock.fop.report(Clcw(7), 1.0).fop.state is S1
    number = fop.initiate_with_set_vr(200, 0.0)
    assert number.frames == (Frame(Service.BC, 0, b"\x82\x00\xc8"),)
    assert number.fop.report(Clcw(200), 1.0).fop.vs == 200


def test_directives_that_come_at_the_wrong_time() -> None:
    fop = active(sent=1)
    for outcome in (
        fop.initiate(),
        fop.initiate_with_check(0.0),
        fop.initiate_with_unlock(0.0),
        fop.initiate_with_set_vr(3, 0.0),
        fop.set_vs(3),
    ):
        assert outcome == Outcome(fop, notices=(Notice(What.REJECTED),))
    assert alerts(fop.terminate()) == [Alert.TERM]
    assert Fop().terminate() == Outcome(Fop())
    assert fop.bypass(b"now").frames == (Frame(Service.BD, 0, b"now"),)
    assert Fop().bypass(b"now").frames == (Frame(Service.BD, 0, b"now"),)
    for wrong in ({"window": 0}, {"window": 256}, {"limit": 0}, {"timer_s": 0.0}):
        with pytest.raises(ValueError, match="out of range"):
            Parameters(**wrong)
    for number in (-1, 256):
        with pytest.raises(ValueError, match="not in 0 to 255"):
            Fop().set_vs(number)
        with pytest.raises(ValueError, match="not in 0 to 255"):
            Fop().initiate_with_set_vr(number, 0.0)


# --- both ends over a bad link -------------------------------------------------------------------


class Link(RuleBasedStateMachine):
    """Data frames and reports are lost, doubled and overtaken at will.

    Numbers begin at 250, so that every longer run crosses the wrap.  A run has fewer than 256 - W
    data: beyond, a copy of an old frame would have a number that is due again.
    """

    WINDOW = 16

    def __init__(self) -> None:
        super().__init__()
        parameters = Parameters(window=self.WINDOW // 2, timer_s=T1, limit=4)
        self.farm = Farm(window=self.WINDOW)
        self.now_s = 0.0
        self.submitted: list[bytes] = []
        self.delivered: list[bytes] = []
        self.confirmed: list[bytes] = []
        self.alerts: list[Alert | None] = []
        self.frames: list[Frame] = []
        self.reports: list[Clcw] = []
        self.room = True
        self.fop = Fop(parameters)
        begin = self.fop.initiate_with_set_vr(250, 0.0)
        self.farm = self.farm.control(begin.frames[0].data)
        self.take(begin.fop.report(self.farm.report(0), 0.0))

    def take(self, outcome: Outcome) -> None:
        self.fop = outcome.fop
        self.frames += outcome.frames
        for notice in outcome.notices:
            if notice.what is What.CONFIRMED:
                self.confirmed.append(notice.data)
        self.alerts += alerts(outcome)

    def arrive(self, frame: Frame) -> None:
        self.farm, accepted = self.farm.ad(frame.number, room=self.room)
        if accepted:
            self.delivered.append(frame.data)

    @rule(count=st.integers(1, 6))
    def submit(self, count: int) -> None:
        for _ in range(count):
            data = len(self.submitted).to_bytes(2, "big")
            outcome = self.fop.request(data, self.now_s)
            if Notice(What.REJECTED, data) not in outcome.notices:
                self.submitted.append(data)
            self.take(outcome)

    @precondition(lambda self: self.frames)
    @rule(place=st.integers(0), copy=st.booleans())
    def deliver(self, place: int, copy: bool) -> None:
        place %= len(self.frames)
        self.arrive(self.frames[place] if copy else self.frames.pop(place))

    @precondition(lambda self: self.frames)
    @rule()
    def deliver_all(self) -> None:
        frames, self.frames = self.frames, []
        for frame in frames:
            self.arrive(frame)

    @precondition(lambda self: self.frames)
    @rule(place=st.integers(0))
    def lose(self, place: int) -> None:
        self.frames.pop(place % len(self.frames))

    @rule()
    def send_report(self) -> None:
        self.reports.append(self.farm.report(0))

    @precondition(lambda self: self.reports)
    @rule(place=st.integers(0), copy=st.booleans())
    def deliver_report(self, place: int, copy: bool) -> None:
        place %= len(self.reports)
        clcw = self.reports[place] if copy else self.reports.pop(place)
        self.take(self.fop.report(decode_clcw(encode_clcw(clcw)), self.now_s))

    @rule()
    def fresh_report(self) -> None:
        self.take(self.fop.report(self.farm.report(0), self.now_s))

    @rule()
    def timer(self) -> None:
        self.now_s += T1
        self.take(self.fop.tick(self.now_s))

    @rule(room=st.booleans())
    def buffers(self, room: bool) -> None:
        self.room = room
        if room:
            self.farm = self.farm.buffer_released()

    @invariant()
    def delivered_once_and_in_order(self) -> None:
        assert self.delivered == self.submitted[: len(self.delivered)]

    @invariant()
    def confirmed_is_delivered(self) -> None:
        assert self.confirmed == self.delivered[: len(self.confirmed)]

    @invariant()
    def the_window_holds(self) -> None:
        assert len(self.fop.sent) <= self.WINDOW // 2

    def teardown(self) -> None:
        """The link becomes good: all arrives, or there is an alert."""
        self.buffers(True)
        for _ in range(40):
            self.fresh_report()
            self.deliver_all()
            self.timer()
        self.fresh_report()
        if not self.alerts:
            assert self.delivered == self.confirmed == self.submitted
        self.delivered_once_and_in_order()
        self.confirmed_is_delivered()


TestLink = Link.TestCase
TestLink.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)


def test_a_link_that_only_loses_delivers_all_without_an_alert() -> None:
    """So that the run above is not alerts alone: every third frame and report is lost."""
    link = Link()
    for step in range(400):
        if len(link.submitted) < 60:
            link.submit(1)
        frames, link.frames = link.frames, []
        for place, frame in enumerate(frames):
            if (place + step) % 3:
                link.arrive(frame)
        if step % 3:
            link.fresh_report()
        link.now_s += 1.0
        link.take(link.fop.tick(link.now_s))
    assert (link.alerts, len(link.delivered)) == ([], 60)
    assert link.delivered == link.confirmed == link.submitted
