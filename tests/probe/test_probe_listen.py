"""``probe listen``: whatever comes, nothing is lost and nothing blocks the next message."""

from __future__ import annotations

import errno
import random
import sys
from pathlib import Path

import pytest
from listening import FIRST, SECOND, STACK, Line, cltus, events, listen, stored
from powercut import Quick
from world import BASE, KEY, TARGET, THIRD, World, classical, envelope

from probe.listen.telemetry import Event
from probe.reception.framing import Ccsds
from probe.trees.onboard import confirm, open_probe
from shared.auth.rotation import encode_rotation
from shared.digest import sha256


def test_valid_and_hostile_messages_mixed(world: World) -> None:
    damaged = bytes([*FIRST[:9], FIRST[9] ^ 4, *FIRST[10:]])
    noise = random.Random(3).randbytes(200)
    said = listen(world, Line([noise, damaged, FIRST, FIRST, b"x", SECOND, noise]))
    assert world.tree() == THIRD
    assert world.ledger().counter == 6
    assert [one.event for one in said].count(Event.APPLIED) == 2
    assert said[0].event is Event.READY
    assert said[0].digest == BASE.digest[:8]
    applied = [one for one in said if one.event is Event.APPLIED]
    assert [one.digest for one in applied] == [TARGET.digest[:8], THIRD.digest[:8]]
    assert [one.counter for one in applied] == [5, 6]
    replay = next(one for one in said if one.exit_code == 16)
    assert (replay.event, replay.step) == (Event.REFUSED, 5)
    assert all(one.memory_kib > 1000 and one.disk_kib > 1000 for one in applied)


def test_a_message_that_overtook_another_waits_for_it(world: World) -> None:
    said = listen(world, Line([SECOND, FIRST]))
    assert events(said)[:4] == ["ready", "parked", "parked", "applied"] or events(said)[:3] == [
        "ready",
        "parked",
        "applied",
    ]
    assert world.tree() == THIRD


def test_copies_of_a_parked_message_take_no_room(world: World) -> None:
    """A ground that hears nothing sends again; another message that waits must not make way."""
    fourth = envelope(classical(THIRD, BASE), 7)
    copies = [fourth] * 32
    said = listen(world, Line([SECOND, *copies, SECOND, FIRST]))
    assert not any("given up" in one.reason for one in said)
    assert events(said).count("applied") == 3
    assert world.tree() == BASE
    assert [path.name for path in (world.state / "inbox").iterdir()] == ["lock"]


def test_copies_of_a_parked_message_leave_the_disk(world: World) -> None:
    listen(world, Line([SECOND] * 5))
    assert stored(world) == ([SECOND], [])
    assert events(listen(world, Line([SECOND, FIRST]))).count("applied") == 2
    assert world.tree() == THIRD


def test_a_message_waits_while_a_tree_is_on_trial(world: World) -> None:
    world.initialise(renew=True, trial_s=1e12)
    said = listen(world, Line([FIRST, SECOND]))
    assert events(said) == ["ready", "applied", "parked"]
    with open_probe(world.state, Quick()) as probe:
        confirm(probe, now_s=1001.0)
    assert "applied" in events(listen(world, Line([])))  # what was parked outlived the restart
    assert world.tree() == THIRD


def test_keys_can_be_changed_on_the_line(world: World) -> None:
    said = listen(world, Line([encode_rotation((KEY.public_key(),), 4, KEY), FIRST]))
    assert events(said) == ["ready", "rotated", "applied"]


def test_the_self_test_is_run(world: World) -> None:
    fails = (sys.executable, "-c", "raise SystemExit(1)")
    world.initialise(renew=True, trial_s=60.0, self_test=fails)
    said = listen(world, Line([FIRST]))
    assert events(said) == ["ready", "applied", "settled"]
    assert "revert" in said[2].reason
    assert world.tree() == BASE


def test_a_defect_does_not_stop_the_service(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import probe.listen.service

    real = probe.listen.service.deal

    def deal(*arguments: object) -> object:
        if arguments[1] == b"trap":
            raise ZeroDivisionError("planted")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(probe.listen.service, "deal", deal)
    said = listen(world, Line([b"trap", FIRST]))
    assert events(said) == ["ready", "refused", "applied"]
    assert said[1].exit_code == 1
    assert "planted" in said[1].reason


class FullDisk(Quick):
    """Has no room for the inbox."""

    def write_file(self, path: Path, data: bytes, mode: int) -> None:
        if path.parent.name == "inbox":
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write_file(path, data, mode)


def test_a_full_disk_does_not_lose_what_is_in_memory(world: World) -> None:
    said = listen(world, Line([*cltus(FIRST, 250), *cltus(SECOND, 3)]), Ccsds(STACK), FullDisk())
    assert world.tree() == THIRD
    assert any("No space left" in one.reason for one in said)


class FullInbox(FullDisk):
    """Has no room for the inbox until so many attempts were made."""

    refusals = 1

    def write_file(self, path: Path, data: bytes, mode: int) -> None:
        if path.parent.name == "inbox" and self.refusals:
            self.refusals -= 1
            super().write_file(path, data, mode)
        else:
            Quick.write_file(self, path, data, mode)


def test_what_is_parked_is_on_disk_or_it_is_said(world: World) -> None:
    said = listen(world, Line([SECOND]), files=FullDisk())
    assert events(said)[-2:] == ["storage", "parked"]
    storage = said[-2]
    assert (storage.exit_code, storage.digest) == (30, sha256(SECOND)[:8])
    assert stored(world) == ([], [])


def test_what_is_parked_in_memory_is_stored_when_there_is_room(world: World) -> None:
    """The first attempt is made when it comes, the second at the end."""
    listen(world, Line([SECOND]), files=FullInbox())
    assert stored(world) == ([SECOND], [])
    assert "applied" in events(listen(world, Line([FIRST])))
    assert world.tree() == THIRD


class FullSlots(Quick):
    """Has no room for trees until told."""

    full = True

    def copy_file(self, source: Path, path: Path) -> tuple[str, ...]:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().copy_file(source, path)


def test_a_full_disk_parks_the_message_and_not_the_next(world: World) -> None:
    disk = FullSlots()
    rotation = encode_rotation((KEY.public_key(),), 4, KEY)
    said = listen(world, Line([FIRST, rotation]), files=disk)
    assert "rotated" in events(said)
    parked = next(one for one in said if one.event is Event.PARKED)
    assert (parked.step, parked.exit_code) == (10, 30)
    assert world.tree() == BASE
    disk.full = False
    assert "applied" in events(listen(world, Line([]), files=disk))
    assert world.tree() == TARGET


def test_forgeries_do_not_push_out_a_message_that_a_full_disk_keeps_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe.listen.parking.MAX_PARKED", 16)
    disk = FullSlots()
    forged = [SECOND[:-1] + bytes([SECOND[-1] ^ number]) for number in range(1, 40)]
    said = listen(world, Line([FIRST, *forged]), files=disk)
    assert sum("one is given up" in one.reason for one in said) == 40 - 16
    disk.full = False
    assert "applied" in events(listen(world, Line([]), files=disk))
    assert world.tree() == TARGET


def test_a_disk_that_has_room_again_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a restart, and though nothing else has come."""
    monkeypatch.setattr("probe.listen.parking.DISK_S", 0.0)

    class FullOnce(FullSlots):
        def copy_file(self, source: Path, path: Path) -> tuple[str, ...]:
            try:
                return super().copy_file(source, path)
            finally:
                self.full = False

    said = events(listen(world, Line([FIRST]), files=FullOnce()))
    assert said == ["ready", "parked", "applied"]
    assert world.tree() == TARGET
