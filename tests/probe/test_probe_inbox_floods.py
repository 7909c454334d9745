"""The inbox among strangers: what it costs a disk is bounded, and honest transfers outlive it."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import deque
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from listening import FIRST, SECOND, STACK, Line, cltus, listen, stored
from powercut import Quick
from world import BASE, KEY, TARGET, THIRD, World, classical, envelope

from probe.inbox.batch import Waiting, next_number, read_items, write_batch
from probe.inbox.inbox import Bounds, open_inbox
from probe.inbox.lane import Lane, Triage
from probe.inbox.standing import Standing, standing
from probe.listen.telemetry import Event
from probe.messages.apply import on_record
from probe.reception.framing import Ccsds, Piece
from probe.reception.reassembly import Kept
from probe.resources.room import Guest, lot, makes_way
from probe.resources.wear import Wear
from probe.trees.onboard import open_probe
from shared.auth.rotation import encode_rotation
from shared.ccsds.segmentation import Segment, SequenceFlags
from shared.message.checks import Record

FORGED = [SECOND[:-4] + number.to_bytes(4, "big") for number in range(1200)]
"""Each says that it is the second message; no signature fits."""


class Counting(Quick):
    """Counts durable writes, by the clock of the test."""

    def __init__(self, now: list[float]) -> None:
        self.now, self.writes = now, deque[float]()

    def write_file(self, path: Path, data: bytes, mode: int) -> None:
        self.writes.append(self.now[0])
        super().write_file(path, data, mode)

    def in_a_minute(self) -> int:
        """The most in any sixty seconds."""
        times = list(self.writes)
        return max((sum(t <= u < t + 60 for u in times) for t in times), default=0)


# --- the budget of wear ---------------------------------------------------------------------------


@given(
    st.integers(2, 200),
    st.lists(st.floats(0, 30, allow_nan=False), max_size=300),
)
def test_in_no_minute_more_than_the_budget(per_minute: int, gaps: list[float]) -> None:
    now, wear, made = 0.0, Wear.full(per_minute, 0.0), []
    for gap in gaps:
        now += gap
        after = wear.spent(now)
        if after is not None:
            wear = after
            made.append(now)
    for begin in made:
        assert sum(begin <= then < begin + 60 for then in made) <= per_minute
    # and it is not refused without need
    assert len(made) >= min(len(gaps), per_minute // 2)


# --- an inbox among transfers, floods, restarts and power cuts ------------------------------------


class InboxAmongStrangers(RuleBasedStateMachine):
    """Honest segments and messages, floods of both, time, restarts and power cuts, in any order.

    - At most so many durable writes in any minute, beside those of authentic messages and the one
      at each orderly end.
    - Never more bytes on disk than allowed, beside authentic messages.
    - An orderly restart loses nothing.  A power cut loses only what came since the last write, and
      that is made as soon as the budget allows.
    - An authentic message is on disk when ``put_message`` returns.
    """

    WRITES, BYTES = 10, 1 << 19

    @initialize()
    def begin(self) -> None:
        self.state = Path(tempfile.mkdtemp())
        self.now = [1000.0]
        self.disk = Counting(self.now)
        self.order = 0
        self.living: dict[tuple[bool, int], bytes] = {}
        self.safe: set[tuple[bool, int]] = set()
        self.honest: set[tuple[bool, int]] = set()
        self.exempt: list[float] = []
        self.starts: list[float] = []
        self._open()

    def teardown(self) -> None:
        if hasattr(self, "state"):
            self.opened.__exit__(None, None, None)
            shutil.rmtree(self.state)

    def _open(self) -> None:
        self.starts.append(self.now[0])
        bounds = Bounds(self.BYTES, self.WRITES)
        self.opened = open_inbox(self.state, self.disk, bounds, lambda: self.now[0])
        self.inbox = self.opened.__enter__()

    def _segment(self, data: bytes, *, honest: bool) -> None:
        self.order += 1
        piece = Piece(Segment(SequenceFlags.CONTINUATION, 1, data), self.order % 256)
        self.inbox.put_segment(Kept(self.order, piece))
        self.living[False, self.order] = data
        if honest:
            self.honest.add((False, self.order))

    @rule(size=st.integers(1, 250))
    def honest_segment(self, size: int) -> None:
        self._segment(random.Random(self.order).randbytes(size), honest=True)

    @rule(count=st.integers(1, 60), size=st.integers(1, 250))
    def flood_of_segments(self, count: int, size: int) -> None:
        for _ in range(count):
            self._segment(random.Random(self.order).randbytes(size), honest=False)
        strangers = [key for key in self.living if key not in self.honest and not key[0]]
        for key in strangers[:-200]:  # the assembly has bounded room, and the oldest makes way
            self.inbox.drop_segment(self._kept(key))
            self._forget(key)

    @rule(size=st.integers(1, 3000))
    def message(self, size: int) -> None:
        self.order += 1
        data = random.Random(self.order).randbytes(size)
        self.inbox.put_message(Waiting(self.order, data))
        self.living[True, self.order] = data
        strangers = [key for key in self.living if key[0] and key not in self.safe]
        for key in strangers[:-30]:
            self.inbox.drop_message(Waiting(key[1], self.living[key]))
            self._forget(key)

    @rule(size=st.integers(1, 3000))
    def authentic_message(self, size: int) -> None:
        self.order += 1
        data = random.Random(self.order).randbytes(size)
        self.exempt.append(self.now[0])
        assert self.inbox.put_message(Waiting(self.order, data), authentic=True)
        self.living[True, self.order] = data
        self.safe.add((True, self.order))

    @precondition(lambda self: self.honest)
    @rule(authentic=st.booleans())
    def transfer_is_complete(self, authentic: bool) -> None:
        """All honest segments become a message; a cut in between must not lose both."""
        self.order += 1
        segments = [self._kept(key) for key in sorted(self.honest)]
        waiting = Waiting(self.order, b"honest %d" % self.order)
        if authentic:
            self.exempt.append(self.now[0])
        self.inbox.put_message(waiting, authentic=authentic)
        self.inbox.replace(segments, [waiting])
        on_disk = (True, self.order) in self._on_disk()
        assert on_disk or {key for key in self.honest if key in self.safe} <= self._on_disk()
        self.living[True, self.order] = waiting.data
        if authentic:
            self.safe.add((True, self.order))
        self.inbox.drop_message(waiting)
        for key in [*self.honest, (True, self.order)]:
            self._forget(key)

    @rule(seconds=st.floats(0.1, 90))
    def time_passes(self, seconds: float) -> None:
        self.now[0] += seconds
        self.inbox.keep()

    @rule()
    def orderly_restart(self) -> None:
        self.exempt.append(self.now[0])
        self.opened.__exit__(None, None, None)
        self._open()
        assert self._inside() == self.living
        self.safe = {key for key in self.living if key in self._on_disk()}

    @rule()
    def power_cut(self) -> None:
        """What is not on disk is lost; what was dropped may come back."""
        before = self._on_disk()
        self.opened.gen.close()  # type: ignore[attr-defined]  # the lock goes, nothing is written
        self._open()
        found = self._inside()
        assert set(found) == before
        assert all(found[key] == self.living[key] for key in before & self.living.keys())
        assert self.safe <= before
        for key in found.keys() - self.living.keys():
            (self.inbox.drop_message if key[0] else self.inbox.drop_segment)(
                Waiting(key[1], found[key]) if key[0] else self._kept(key, found[key])  # type: ignore[arg-type]
            )
        self.living = {key: data for key, data in self.living.items() if key in before}
        self.honest &= self.living.keys()

    @invariant()
    def bounded(self) -> None:
        if not hasattr(self, "inbox"):
            return
        counted = list(self.disk.writes)
        for then in self.exempt:
            if then in counted:
                counted.remove(then)
        for begin in counted:
            starts = sum(begin - 60 < t < begin + 60 for t in self.starts)
            most = self.WRITES * (1 + starts / 2)  # each start has half a budget at once
            assert sum(begin <= t < begin + 60 for t in counted) <= most
        authentic = sum(8192 + len(self.living[key]) for key in self.safe if key[0])
        folder = self.state / "inbox"
        taken = sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.glob("*.batch"))
        assert taken <= self.BYTES + authentic
        assert taken == self.inbox.written_bytes()

    @precondition(lambda self: self._size() < self.BYTES // 4)
    @rule()
    def as_much_time_as_two_writes_take(self) -> None:
        """Then all is on disk, honest segments among it."""
        for _ in range(2):
            self.now[0] += 2 * 60 / self.WRITES + 0.001
            self.inbox.keep()
        assert self.living.keys() <= self._on_disk()
        self.safe |= self.living.keys()

    def _size(self) -> int:
        return sum(map(len, self.living.values())) + 20 * len(self.living)

    def _kept(self, key: tuple[bool, int], data: bytes | None = None) -> Kept:
        data = self.living[key] if data is None else data
        return Kept(key[1], Piece(Segment(SequenceFlags.CONTINUATION, 1, data), key[1] % 256))

    def _forget(self, key: tuple[bool, int]) -> None:
        self.living.pop(key, None)
        self.honest.discard(key)
        self.safe.discard(key)

    def _inside(self) -> dict[tuple[bool, int], bytes]:
        found = {(True, one.order): one.data for one in self.inbox.messages()}
        found |= {(False, one.order): one.piece.segment.data for one in self.inbox.segments()}
        return found

    def _on_disk(self) -> set[tuple[bool, int]]:
        found = set()
        for path in (self.state / "inbox").glob("*.batch"):
            for item in read_items(path.name, path.read_bytes()):
                found.add((isinstance(item, Waiting), item.order))
        return found


InboxAmongStrangers.TestCase.settings = settings(
    max_examples=30, stateful_step_count=20, deadline=None
)
test_an_inbox_among_strangers = InboxAmongStrangers.TestCase


# --- files of the inbox ---------------------------------------------------------------------------

items = st.lists(
    st.one_of(
        st.builds(Waiting, st.integers(0, 2**60), st.binary(max_size=60)),
        st.builds(
            Kept,
            st.integers(0, 2**60),
            st.builds(
                Piece,
                st.builds(
                    Segment,
                    st.sampled_from(SequenceFlags),
                    st.integers(0, 63),
                    st.binary(max_size=60),
                ),
                st.one_of(st.none(), st.integers(0, 255)),
            ),
        ),
    ),
    min_size=1,
    max_size=8,
)


@given(items, st.data())
def test_batches_come_back_and_damage_is_no_batch(
    items: list[Waiting | Kept], data: st.DataObject
) -> None:
    written = write_batch(items)
    assert read_items("7.batch", written) == items
    cut = data.draw(st.integers(0, len(written) - 1))
    assert read_items("7.batch", written[:cut]) == []
    flipped = bytearray(written)
    flipped[cut] ^= data.draw(st.integers(1, 255))
    assert read_items("7.batch", bytes(flipped)) == []


def test_a_batch_takes_nobodys_name() -> None:
    assert next_number(["lock", "x.batch", "notes"]) == 1
    assert next_number(["3.batch", "17.batch.new", "5.message", "٩٩.batch"]) == 18


def test_files_of_an_earlier_version_are_read(world: World) -> None:
    inbox = world.state / "inbox"
    inbox.mkdir(0o700)
    frames = Ccsds(STACK)
    pieces = [piece for data in cltus(FIRST, 17) for piece in frames.feed(data).pieces]
    for order, piece in enumerate(pieces, 3):
        name = f"{order}.{piece.segment.map_id}.{piece.number}.{piece.segment.flags.value}.segment"
        (inbox / name).write_bytes(piece.segment.data)
    (inbox / "2.message").write_bytes(SECOND)
    listen(world, Line([]), Ccsds(STACK))
    assert world.tree() == THIRD
    assert [path.name for path in inbox.iterdir()] == ["lock"]


# --- who makes way --------------------------------------------------------------------------------


def guests(count: int, group: bytes = b"", standing: Standing = Standing.UNPROVEN) -> list[Guest]:
    return [
        Guest(at, 100, standing, group, lot(group + b"%d" % at, b"secret")) for at in range(count)
    ]


drawn = st.lists(
    st.tuples(
        st.sampled_from(Standing), st.sampled_from([b"a", b"b", b"c"]), st.binary(max_size=2)
    ),
    max_size=30,
)


@given(drawn, st.integers(1, 12))
def test_room_is_kept_and_nothing_authentic_makes_way(
    drawn: list[tuple[Standing, bytes, bytes]], most: int
) -> None:
    there = [
        Guest(at, 10, found, group, lot(data, b"s"))
        for at, (found, group, data) in enumerate(drawn)
    ]
    gone = []
    while (one := makes_way(there, most, 10**6)) is not None:
        there.remove(one)
        gone.append(one)
    proven = [one for one in drawn if one[0] is Standing.AUTHENTIC]
    assert sum(one.standing is Standing.AUTHENTIC for one in there) == len(proven)
    assert len(there) <= max(most, len(proven))
    if any(one.standing is Standing.UNPROVEN for one in gone):
        assert not any(one.standing is Standing.HOPELESS for one in there)


def test_a_flood_under_one_name_displaces_itself() -> None:
    """A message under another counter stays, and so does the first under that of the flood."""
    honest = Guest(5000, 100, Standing.UNPROVEN, b"other", bytes(8))
    there = [*guests(1, b"flood"), honest]
    for at in range(1, 3000):
        there.append(Guest(at, 100, Standing.UNPROVEN, b"flood", lot(b"%d" % at, b"s")))
        if (one := makes_way(there, 64, 10**6)) is not None:
            there.remove(one)
    assert honest in there
    assert there[0].order == 0
    assert len(there) == 64


def test_one_amid_a_flood_stays_with_the_chance_that_room_leaves() -> None:
    """64 places, 640 messages, one name: one in ten of those amid it, whichever they are."""
    stayed = [0] * 640
    for seed in range(60):
        there: list[Guest] = []
        for at in range(640):
            secret = b"%d" % seed
            there.append(Guest(at, 1, Standing.UNPROVEN, b"", lot(b"%d" % at, secret)))
            if (one := makes_way(there, 64, 10**6)) is not None:
                there.remove(one)
        for one in there:
            stayed[one.order] += 1
    assert stayed[0] == 60
    early, late = sum(stayed[1:320]), sum(stayed[320:])
    assert 0.8 < early / late < 1.25


def test_the_lane_is_in_order_and_forgets_strangers_first() -> None:
    triage, lane = Triage(b"secret"), Lane(most=4)
    gone = []
    for order in range(1, 9):
        waiting = Waiting(order, b"message %d" % order)
        guest = triage.guest(waiting)
        if order == 2:
            guest = Guest(order, 9, Standing.AUTHENTIC, b"", bytes(8))
        gone += lane.put(guest, waiting)
    left = [lane.get(0).order for _ in range(4)]
    assert left == sorted(left)
    assert 2 in left
    assert len(gone) == 4
    assert not lane.holds(b"message 2")


# --- what a message is when it comes --------------------------------------------------------------


def record_of(world: World) -> Record:
    with open_probe(world.state, Quick()) as probe:
        return on_record(probe.config, probe.store.ledger(), probe.store.pending())


def test_what_is_known_of_a_message_when_it_comes(world: World) -> None:
    record = record_of(world)
    rotation = encode_rotation((KEY.public_key(),), 4, KEY)
    assert standing(FIRST, record, 0) is Standing.AUTHENTIC
    assert standing(rotation, record, 0) is Standing.AUTHENTIC
    assert standing(SECOND, record, 0) is Standing.UNPROVEN
    assert standing(bytes(19), record, 0) is Standing.HOPELESS
    for noise in (b"", b"x", bytes(40), random.Random(1).randbytes(300)):
        assert standing(noise, record, 0) is Standing.HOPELESS
    world.put(TARGET, 5, Quick())
    record = record_of(world)
    assert standing(FIRST, record, 0) is Standing.HOPELESS
    assert standing(SECOND, record, 0) is Standing.AUTHENTIC


# --- a listener among strangers -------------------------------------------------------------------


def test_what_is_hopeless_is_never_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    class Noting(Quick):
        def write_file(self, path: Path, data: bytes, mode: int) -> None:
            written.append(path.parent.name)
            super().write_file(path, data, mode)

    noise = random.Random(5)
    flood = [noise.randbytes(noise.randint(1, 400)) for _ in range(300)]
    listen(world, Line([*flood, *[FIRST[:-1] for _ in range(50)]]), files=Noting())
    assert written.count("inbox") <= 60
    del monkeypatch


@pytest.mark.parametrize("before", [True, False], ids=["before the flood", "amid the flood"])
def test_the_second_message_first_and_a_thousand_forgeries(world: World, before: bool) -> None:
    """Of two messages in the wrong order neither is lost, across a restart too."""
    flood = [FORGED[:900]] if before else [FORGED[:450], FORGED[450:900]]
    pieces = [SECOND, *flood[0]] if before else [*flood[0], SECOND, *flood[1]]
    listen(world, Line(pieces))
    assert SECOND in stored(world)[0]
    said = listen(world, Line([FIRST]))
    assert [one.event for one in said].count(Event.APPLIED) == 2
    assert world.tree() == THIRD


def test_an_authentic_message_is_kept_among_more_forgeries_than_there_is_room_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second came first, and FIRST waits for the end of a trial: both keep their places."""
    monkeypatch.setattr("probe.listen.parking.MAX_PARKED", 8)
    monkeypatch.setattr("probe.inbox.lane.MOST_MESSAGES", 8)
    world.initialise(renew=True, trial_s=1e12)
    zeroth = envelope(classical(BASE, BASE.replace({"empty": None})), 2)
    after = BASE.replace({"empty": None})
    first = envelope(classical(after, TARGET), 5)
    said = listen(world, Line([zeroth, first, *FORGED[:100]]))
    assert [one.event for one in said].count(Event.APPLIED) == 1
    assert first in stored(world)[0]


def test_segments_of_strangers_among_those_of_a_transfer(world: World) -> None:
    """Durable writes of the whole are within the budget, and a restart in the middle loses none."""
    now = [0.0]
    disk = Counting(now)
    frames = cltus(FIRST, 17)
    other = cltus(bytes(300), 120, 3)
    half = len(frames) // 2
    mixed = [frame for pair in zip(frames[:half], other, strict=False) for frame in pair]
    listen(world, Line(mixed), Ccsds(STACK), disk)
    assert len(disk.writes) <= 61
    assert len(stored(world)[1]) >= half
    listen(world, Line(frames[half:]), Ccsds(STACK), disk)
    assert world.tree() == TARGET


# --- the quota ------------------------------------------------------------------------------------


def test_the_inbox_does_not_count_against_the_quota(world: World) -> None:
    world.initialise(renew=True, max_disk_bytes=1 << 20)
    (world.state / "inbox").mkdir(0o700)
    with open_inbox(world.state, Quick()) as inbox:
        for number in range(8):
            inbox.put_message(Waiting(number + 1, random.Random(number).randbytes(1 << 18)))
    assert sum(map(len, stored(world)[0])) == 8 << 18
    assert "applied" in [one.event.name.lower() for one in listen(world, Line([FIRST]))]
    assert world.tree() == TARGET


def test_a_message_that_the_quota_refuses_is_parked_and_applied_when_there_is_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe.listen.parking.MAX_PARKED", 8)
    world.initialise(renew=True, max_disk_bytes=1 << 12)
    said = listen(world, Line([FIRST, *FORGED[:100]]))
    parked = next(one for one in said if one.event is Event.PARKED)
    assert (parked.exit_code, parked.step) == (19, 10)
    assert FIRST in stored(world)[0]
    world.initialise(renew=True, max_disk_bytes=0)
    assert Event.APPLIED in [one.event for one in listen(world, Line([]))]
    assert world.tree() == TARGET


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.sampled_from(["first", "second", "third", "forged", "noise", "restart", "copy"]),
        max_size=14,
    ),
    st.randoms(use_true_random=False),
)
def test_honest_messages_in_any_order_among_floods_and_restarts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], choose: random.Random
) -> None:
    """Whatever comes, once each of the three has come the last tree is in place."""
    from shared.tree import write_tree

    folder = tmp_path_factory.mktemp("flood")
    write_tree(BASE, folder / "root")
    world = World(folder)
    world.initialise()
    fourth = THIRD.replace({"app/boot.sh": None})
    honest = {"first": FIRST, "second": SECOND, "third": envelope(classical(THIRD, fourth), 7)}
    steps = [*steps, *choose.sample(sorted(honest), 3)]
    sessions: list[list[bytes]] = [[]]
    for step in steps:
        if step == "restart":
            sessions.append([])
        elif step == "forged":
            sessions[-1] += choose.sample(FORGED, 40)
        elif step == "noise":
            sessions[-1] += [choose.randbytes(choose.randint(1, 200)) for _ in range(20)]
        elif step == "copy":
            sessions[-1] += [choose.choice(list(honest.values()))] * 3
        else:
            sessions[-1].append(honest[step])
    came = {data for session in sessions for data in session}
    for session in sessions:
        listen(world, Line(session))
    assert set(honest.values()) <= came
    assert world.tree() == fourth
    shutil.rmtree(folder)
