"""Messages that wait for a key: held through restarts and power cuts, applied once, in order."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from chained import (
    CHAIN,
    FIRST,
    NUMBER,
    PLAN,
    SECOND,
    after_key,
    close,
    disclosure,
    envelope,
    hold,
    in_time,
    pending,
    poor,
)
from powercut import FailingDisk, PowerCut, Quick
from world import BASE, KEY, PIN, TARGET, THIRD, World, classical, regenerator

from probe.disk.filesystem import Filesystem
from probe.messages.apply import apply, verify
from probe.messages.tesla import disclose, take_in, waits
from probe.state.pending import Pending
from probe.trees.onboard import open_probe
from probe.trees.setup import Setup, initialise
from shared.auth.keys import IntervalKey, SharedKey, TrustedKey, key_id, trusted
from shared.auth.profiles import Profile
from shared.auth.tesla import ChainKey, Disclosure, encode_disclosure, make_chain
from shared.errors import (
    BadSignature,
    MalformedMessage,
    NotClosed,
    Refusal,
    Replayed,
    StoreError,
    UnknownKey,
    UntimelyMessage,
    WrongBaseline,
    WrongPin,
)
from shared.message.envelope import sign
from shared.message.wire import Message, encode_message
from shared.regenerate import Regenerated
from shared.tree import Entry, Mode, Tree


@pytest.fixture
def delayed(world: World) -> World:
    """A probe that trusts the chain beside an Ed25519 key."""
    keys: list[bytes | TrustedKey] = [KEY.public_key().public_bytes_raw(), CHAIN.commitment]
    setup = Setup(root=world.root, model=world.folder / "model", pin=PIN, keys=keys)
    initialise(world.state, setup, now_s=1.5, renew=True, files=Quick())
    return world


def test_held_then_applied(delayed: World) -> None:
    held = hold(delayed, FIRST, in_time(3))
    assert (held.interval, held.counter, held.data) == (3, 5, FIRST)
    assert delayed.tree() == BASE
    done = close(delayed, 3)
    assert [closed.held for closed in done.closed] == [held]
    assert done.closed[0].applied is not None
    assert delayed.tree() == TARGET
    assert delayed.ledger().counter == 5
    assert pending(delayed).messages == ()
    assert close(delayed, 3).closed == ()


def test_one_key_closes_several_each_for_the_tree_before_it(delayed: World) -> None:
    """Even when they came in the wrong order."""
    hold(delayed, SECOND, in_time(4))
    hold(delayed, FIRST, in_time(4))
    done = close(delayed, 9)
    assert [closed.held.counter for closed in done.closed] == [5, 6]
    assert all(closed.applied for closed in done.closed)
    assert delayed.tree() == THIRD


def test_a_key_leaves_later_intervals_alone(delayed: World) -> None:
    hold(delayed, FIRST, in_time(3))
    hold(delayed, SECOND, in_time(4))
    assert len(close(delayed, 3).closed) == 1
    assert (delayed.tree(), len(pending(delayed).messages)) == (TARGET, 1)
    assert len(close(delayed, 4).closed) == 1
    assert delayed.tree() == THIRD


def test_nothing_counts_before_its_key(delayed: World) -> None:
    hold(delayed, FIRST, in_time(3))
    with open_probe(delayed.state, Quick()) as probe:
        for data in (FIRST, SECOND):
            with pytest.raises(NotClosed):
                verify(probe, data)
            with pytest.raises(NotClosed):
                apply(probe, data, regenerator, lambda: in_time(3))
    assert delayed.tree() == BASE


def test_a_message_that_was_not_held_in_time_never_counts(delayed: World) -> None:
    close(delayed, 3)
    with open_probe(delayed.state, Quick()) as probe:
        assert waits(probe, FIRST)
        for now_s in (in_time(3), after_key(3)):
            with pytest.raises(UntimelyMessage):
                take_in(probe, FIRST, lambda now_s=now_s: now_s)  # type: ignore[misc]
        with pytest.raises(NotClosed):
            verify(probe, FIRST)


@pytest.mark.parametrize("shift_s", [-11.0, 11.0 + 10.0])
def test_too_early_and_too_late(delayed: World, shift_s: float) -> None:
    with pytest.raises(UntimelyMessage):
        hold(delayed, FIRST, in_time(3) + shift_s)
    assert pending(delayed) == Pending()


def test_a_fraction_of_a_millisecond_counts_as_late(delayed: World) -> None:
    limit_ms = PLAN.disclosable_ms(3) + PLAN.light_min_ms - PLAN.clock_error_ms
    with pytest.raises(UntimelyMessage):
        hold(delayed, FIRST, (limit_ms - 0.5) / 1000)
    assert hold(delayed, FIRST, (limit_ms - 1) / 1000).arrived_ms == limit_ms - 1


def test_forged_messages_are_dropped_and_cost_no_regeneration(delayed: World) -> None:
    for place in (2, 3, 12, len(FIRST) - 1):  # counter, pin prefix, digest, tag
        forged = bytearray(FIRST)
        forged[place] ^= 0x10
        hold(delayed, bytes(forged), in_time(3))
    stranger = make_chain(PLAN, bytes(range(8)), bytes(16))
    other = IntervalKey(stranger.commitment, stranger.key(3), 3)
    recipe = classical(BASE, THIRD)
    data = sign(encode_message(recipe, 7), recipe.pin, recipe.baseline, other)
    hold(delayed, bytes([NUMBER]) + data[1:], in_time(3))
    hold(delayed, FIRST, in_time(3))

    def counting(message: Message, tree: Tree) -> Regenerated:
        calls.append(message.counter)
        return regenerator(message, tree)

    calls: list[int] = []
    with open_probe(delayed.state, Quick()) as probe:
        done = disclose(probe, disclosure(3), counting, lambda: after_key(3))
    assert calls == [5]
    assert [closed.applied is not None for closed in done.closed].count(True) == 1
    assert all(
        type(closed.refusal) in (BadSignature, Replayed, WrongPin, WrongBaseline)
        and not closed.kept
        for closed in done.closed
        if not closed.applied
    )
    assert delayed.tree() == TARGET
    assert pending(delayed).messages == ()


def test_a_key_that_comes_before_its_time_applies_nothing(delayed: World) -> None:
    hold(delayed, FIRST, in_time(3))
    done = close(delayed, 3, now_s=in_time(3) + 1)
    assert isinstance(done.closed[0].refusal, UntimelyMessage)
    assert (delayed.tree(), pending(delayed).messages) == (BASE, ())
    with pytest.raises(UntimelyMessage, match="known already"):
        hold(delayed, FIRST, in_time(3))


def test_an_authentic_message_that_fails_for_now_is_kept(delayed: World) -> None:
    hold(delayed, FIRST, in_time(3))

    with open_probe(delayed.state, Quick()) as probe:
        done = disclose(probe, disclosure(3), poor, lambda: after_key(3))
        assert (done.closed[0].kept, done.closed[0].applied) == (True, None)
        assert verify(probe, FIRST).message.counter == 5
    (delayed.root / "app/main.c").write_bytes(b"altered")
    assert isinstance(close(delayed, 3).closed[0].refusal, WrongBaseline)
    (delayed.root / "app/main.c").write_bytes(BASE["app/main.c"].data)
    assert close(delayed, 3).closed[0].applied
    assert delayed.tree() == TARGET


def test_a_kept_message_can_be_applied_by_its_file(delayed: World) -> None:
    hold(delayed, FIRST, in_time(3))

    with open_probe(delayed.state, Quick()) as probe:
        disclose(probe, disclosure(3), poor, lambda: after_key(3))
        assert not waits(probe, FIRST)
        apply(probe, FIRST, regenerator, lambda: after_key(3))
        with pytest.raises(Replayed):
            apply(probe, FIRST, regenerator, lambda: after_key(3))
    assert delayed.tree() == TARGET
    # its counter is used up: it makes room for the next
    hold(delayed, SECOND, in_time(5) - 5 if in_time(5) - 5 > after_key(3) else after_key(3))
    assert [held.counter for held in pending(delayed).messages] == [6]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", MalformedMessage),
        (disclosure(3)[:18], MalformedMessage),
        (disclosure(3) + b"\0", MalformedMessage),
        (bytes([NUMBER ^ 1]) + disclosure(3)[1:], UnknownKey),
        (disclosure(3)[:-1] + bytes([disclosure(3)[-1] ^ 1]), BadSignature),
        (encode_disclosure(Disclosure(NUMBER, ChainKey(4, CHAIN.key(3).key))), BadSignature),
        (encode_disclosure(Disclosure(NUMBER, ChainKey(51, bytes(16)))), BadSignature),
    ],
)
def test_false_disclosures(delayed: World, data: bytes, error: type[Refusal]) -> None:
    hold(delayed, FIRST, in_time(3))
    before = pending(delayed)
    with open_probe(delayed.state, Quick()) as probe, pytest.raises(error):
        disclose(probe, data, regenerator, lambda: after_key(3))
    assert pending(delayed) == before


def test_an_old_counter_is_not_held(delayed: World) -> None:
    delayed.put(TARGET, 5, Quick())
    with pytest.raises(Replayed):
        hold(delayed, FIRST, in_time(3))


def test_renewal_gives_up_what_waits_and_keeps_what_is_public(delayed: World) -> None:
    close(delayed, 2)
    hold(delayed, FIRST, in_time(3) + 5)
    before = pending(delayed)
    setup = Setup(
        root=delayed.root, model=delayed.folder / "model", pin=PIN, keys=[CHAIN.commitment]
    )
    initialise(delayed.state, setup, now_s=9.0, renew=True, files=Quick())
    assert pending(delayed) == Pending(known=before.known)


def test_damage_to_the_record_is_an_error(delayed: World) -> None:
    hold(delayed, FIRST, in_time(3))
    path = delayed.state / "pending.json"
    assert path.stat().st_mode & 0o777 == 0o600
    good = path.read_bytes()
    for place in range(0, len(good), 7):
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        with pytest.raises(StoreError, match="damaged"):
            pending(delayed)


def test_shared_keys_apply_at_once_and_their_kind_is_fixed(world: World) -> None:
    secret = bytes(range(50, 82))
    short, long = SharedKey(Profile.CMAC8, secret), SharedKey(Profile.CMAC16, secret)
    setup = Setup(root=world.root, model=world.folder / "model", pin=PIN, keys=[long])
    initialise(world.state, setup, now_s=1.5, renew=True, files=Quick())
    recipe = classical(BASE, TARGET)
    good = sign(encode_message(recipe, 5), recipe.pin, recipe.baseline, long)
    weak = sign(encode_message(recipe, 5), recipe.pin, recipe.baseline, short)
    named = bytes([key_id(trusted(long))])
    with open_probe(world.state, Quick()) as probe:
        for data in (weak, named + weak[1:], good[:-8], good[:-1] + bytes([good[-1] ^ 1])):
            with pytest.raises(Refusal):
                apply(probe, data, regenerator, lambda: 2.0)
        by_ed25519 = sign(encode_message(recipe, 5), recipe.pin, recipe.baseline, KEY)
        with pytest.raises(UnknownKey):
            apply(probe, by_ed25519, regenerator, lambda: 2.0)
        apply(probe, good, regenerator, lambda: 2.0)
    assert world.tree() == TARGET


# --- power cuts ----------------------------------------------------------------------------------

SMALL = BASE.replace({"app/main.c": Entry(Mode.REGULAR, b"int small;\n")})
SMALLER = SMALL.replace({"empty": Entry(Mode.REGULAR, b"no more\n")})


@pytest.mark.parametrize("lossy", [False, True])
def test_power_cut_at_every_operation(delayed: World, lossy: bool) -> None:
    """While two messages are held and closed: each is applied once, in order, in the end."""
    first = envelope(classical(BASE, SMALL), 5, 3)
    second = envelope(classical(SMALL, SMALLER), 6, 3)
    copy = delayed.folder.with_name("copy")
    delayed.save(copy)
    graveyard: Path = delayed.folder.with_name("graveyard")

    def work(files: Filesystem) -> None:
        hold(delayed, first, in_time(3), files)
        hold(delayed, second, in_time(3), files)
        close(delayed, 3, files=files)

    cuts = 0
    for at in range(1 + lossy, 1000, 2):  # half of the places each: the disk forgets, or does not
        delayed.restore(copy)
        disk = FailingDisk(delayed.state, graveyard, at)
        try:
            work(disk)
        except PowerCut:
            cuts += 1
        else:
            break
        if lossy:
            disk.settle(random.Random(at))
        assert delayed.tree() in (BASE, SMALL, SMALLER)
        held = {message.data for message in pending(delayed).messages}
        known = pending(delayed).known
        # what was acknowledged as held is held, unless it was applied
        for data in (first, second):
            if not known and data not in held:
                hold(delayed, data, in_time(3))
        close(delayed, 3)
        assert delayed.tree() == SMALLER
        assert delayed.ledger().counter == 6
        assert pending(delayed).messages == ()
    assert cuts > 20
    assert delayed.tree() == SMALLER
