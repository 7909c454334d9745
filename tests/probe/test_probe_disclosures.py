"""What disclosures that anybody can send cost a listening probe: no write, no work, no clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from chained import (
    CHAIN,
    FIRST,
    NUMBER,
    PLAN,
    after_key,
    close,
    disclosure,
    hold,
    in_time,
    pending,
    poor,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from listening import Line, events, listen
from powercut import Quick
from world import BASE, KEY, PIN, TARGET, World, regenerator

from probe.inbox.standing import Standing, standing
from probe.listen.telemetry import Event
from probe.messages.tesla import Attempts, disclose
from probe.trees.onboard import open_probe
from probe.trees.setup import Setup, initialise
from shared.auth.keys import TrustedKey
from shared.auth.tesla import ChainKey, Disclosure, encode_disclosure
from shared.errors import Refusal
from shared.message.checks import Record
from shared.message.envelope import Limits
from shared.message.wire import Message
from shared.regenerate import Regenerated
from shared.tree import Tree


@pytest.fixture
def delayed(world: World) -> World:
    keys: list[bytes | TrustedKey] = [KEY.public_key().public_bytes_raw(), CHAIN.commitment]
    setup = Setup(root=world.root, model=world.folder / "model", pin=PIN, keys=keys)
    initialise(world.state, setup, now_s=1.5, renew=True, files=Quick())
    return world


class Counting(Quick):
    """Counts what is written, and remembers the names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @property
    def writes(self) -> int:
        return len(self.names)

    def write_file(self, path: Path, data: bytes, mode: int) -> None:
        self.names.append(path.name)
        super().write_file(path, data, mode)


FALSE = [
    disclosure(3)[:-1] + bytes([disclosure(3)[-1] ^ 1]),
    encode_disclosure(Disclosure(NUMBER, ChainKey(65_535, bytes(16)))),
    encode_disclosure(Disclosure(NUMBER, ChainKey(1, bytes(16)))),
]


def test_known_and_false_disclosures_write_nothing(delayed: World) -> None:
    close(delayed, 4)
    before, disk = pending(delayed), Counting()
    for data in (disclosure(4), disclosure(3), disclosure(1), *FALSE):
        for now_s in (after_key(4), after_key(40), in_time(2)):
            with open_probe(delayed.state, disk) as probe:
                try:
                    disclose(probe, data, regenerator, lambda now_s=now_s: now_s)  # type: ignore[misc]
                except Refusal:
                    assert data in FALSE
    assert disk.writes == 0
    assert pending(delayed) == before


def test_a_new_key_is_written_once(delayed: World) -> None:
    disk = Counting()
    with open_probe(delayed.state, disk) as probe:
        disclose(probe, disclosure(4), regenerator, lambda: after_key(4))
    assert disk.writes == 3  # the record, and the seal that announces and settles it


def test_a_key_shown_again_computes_nothing_again(delayed: World) -> None:
    """What it closed does not fit the budget; a stranger repeats the key."""
    hold(delayed, FIRST, in_time(3))
    attempts, calls = Attempts(), []

    def counting(message: Message, tree: Tree) -> Regenerated:
        calls.append(message.counter)
        return poor(message, tree)

    with open_probe(delayed.state, Quick()) as probe:
        for _ in range(10):
            disclose(probe, disclosure(3), counting, lambda: after_key(3), attempts)
        assert calls == [5]
        # the state has changed, or the service has started anew: once more
        delayed_again = Attempts()
        assert (
            disclose(probe, disclosure(3), regenerator, lambda: after_key(3), delayed_again)
            .closed[0]
            .applied
        )
    assert delayed.tree() == TARGET


def test_the_line_brings_the_same_key_a_hundred_times(
    delayed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(delayed, FIRST, in_time(3))
    calls: list[int] = []

    def counting(message: Message, tree: Tree) -> Regenerated:
        calls.append(message.counter)
        return poor(message, tree)

    monkeypatch.setattr("listening.regenerator", counting)
    monkeypatch.setattr("listening.NOW_S", after_key(3))
    said = listen(delayed, Line([disclosure(3)] * 100))
    assert calls == [5]
    assert events(said).count(Event.DISCLOSED.name.lower()) == 100
    assert delayed.tree() == BASE


def test_false_and_known_disclosures_on_the_line_are_neither_written_nor_parked(
    delayed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each was put into the inbox, and the false ones were kept there to be tried again."""
    close(delayed, 4)
    before = pending(delayed)
    monkeypatch.setattr("listening.NOW_S", after_key(4))
    disk, flood = Counting(), [*FALSE, disclosure(4), disclosure(2), bytes(19)] * 20
    said = events(listen(delayed, Line(flood), files=disk))
    assert disk.writes == 0
    assert "parked" not in said
    assert len(said) == 1 + len(flood)
    assert pending(delayed) == before


def test_a_new_key_on_the_line_is_kept_at_once(
    delayed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever strangers have used up: it is written as it comes, and once in the state."""
    hold(delayed, FIRST, in_time(3))
    monkeypatch.setattr("listening.NOW_S", after_key(4))
    monkeypatch.setattr("listening.regenerator", poor)
    disk = Counting()
    listen(delayed, Line([*FALSE * 50, disclosure(4)]), files=disk)
    assert disk.names[0] == "1.batch.new"
    assert sum(name.endswith(".batch.new") for name in disk.names) == 1
    assert sum(name.startswith("pending") for name in disk.names) == 1


@given(
    shown=st.integers(1, PLAN.intervals) | st.integers(1, 65_535),
    known=st.integers(1, PLAN.intervals),
    genuine=st.booleans(),
)
@settings(deadline=None)
def test_what_a_disclosure_is_worth(shown: int, known: int, genuine: bool) -> None:
    own = genuine and shown <= PLAN.intervals
    value = CHAIN.key(shown) if own else ChainKey(shown, bytes(16))
    latest = CHAIN.key(known)
    keys = (CHAIN.commitment,)
    record = Record(keys, Limits(), 0, bytes(32), bytes(32), chains=((keys[0], latest),))
    data = encode_disclosure(Disclosure(NUMBER, value))
    found = standing(data, record, round(1000 * after_key(PLAN.intervals)))
    new = own and shown > known
    assert found is (Standing.AUTHENTIC if new else Standing.HOPELESS)
    stranger = encode_disclosure(Disclosure(NUMBER ^ 1, value))
    assert standing(stranger, record, 0) is Standing.HOPELESS
