"""Whether a message is applied hangs on the exchange alone; what a disk refuses is told."""

from __future__ import annotations

import errno
import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listening import Line, events, listen
from powercut import FailingDisk, PowerCut, Quick
from world import BASE, KEY, PIN, TARGET, THIRD, World, classical, envelope, regenerator

from probe.listen.dispatch import deal
from probe.listen.telemetry import Event
from probe.messages.apply import apply
from probe.messages.remembered import Remembered
from probe.state.patience import LONGEST_S, Patience, refused
from probe.state.records import Swap
from probe.state.store import open_store
from probe.trees.onboard import open_probe, roll_back
from probe.trees.setup import Setup, initialise
from shared.errors import RegenerationError, StoreError
from shared.message.wire import Message
from shared.regenerate import Regenerated
from shared.tree import Tree

FIRST, SECOND = envelope(classical(BASE, TARGET), 1), envelope(classical(TARGET, THIRD), 2)


class FailsAfter(Quick):
    """A disk that refuses some operation once the trees have changed places."""

    def __init__(self, operation: str, number: int = errno.ENOSPC) -> None:
        self.operation = operation
        self.number = number
        self.exchanged = False

    def exchange(self, one: Path, other: Path) -> None:
        super().exchange(one, other)
        self.exchanged = True

    def _fail(self, operation: str) -> None:
        if self.exchanged and operation == self.operation:
            raise OSError(self.number, os.strerror(self.number))

    def write_file(self, path: Path, data: bytes, mode: int) -> None:
        self._fail("write")
        super().write_file(path, data, mode)

    def rename(self, source: Path, path: Path) -> None:
        self._fail("rename")
        super().rename(source, path)

    def sync_folder(self, path: Path) -> None:
        self._fail("sync folder")
        super().sync_folder(path)

    def sync_file(self, path: Path) -> None:
        self._fail("sync file")
        super().sync_file(path)

    def remove_file(self, path: Path) -> None:
        self._fail("remove")
        super().remove_file(path)


AFTER = ["write", "rename", "sync folder", "sync file", "remove"]


@pytest.mark.parametrize("operation", AFTER)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_after_the_exchange(world: World, operation: str, number: int) -> None:
    with open_probe(world.state, FailsAfter(operation, number)) as probe:
        dealt = deal(probe, FIRST, regenerator, lambda: 2.5)
    assert dealt.telemetry.event is Event.APPLIED
    assert not dealt.later
    assert any(os.strerror(number) in note for note in dealt.notes)
    assert world.tree() == TARGET
    ledger = world.ledger()  # recovery, where there was something to recover
    assert (ledger.counter, ledger.tree) == (1, TARGET.digest.hex())
    assert ledger.previous == BASE.digest.hex()
    with open_probe(world.state, Quick()) as probe:
        roll_back(probe, now_s=3.0)
    assert world.tree() == BASE


@pytest.mark.parametrize("operation", AFTER[:2])
def test_a_listener_says_applied_and_never_refused(world: World, operation: str) -> None:
    said = events(listen(world, Line([FIRST]), files=FailsAfter(operation)))
    assert "applied" in said
    assert not {"parked", "refused"} & set(said)
    assert "storage" in said
    assert "applied" in events(listen(world, Line([SECOND])))
    assert world.tree() == THIRD


def test_a_message_that_recovery_completed_reads_applied(world: World) -> None:
    """Killed between exchange and ledger; the message is still in the inbox."""
    copy = world.folder.with_name("copy")
    world.save(copy)
    for at in range(1, 1000):
        world.restore(copy)
        disk = FailingDisk(world.state, world.folder.with_name("graveyard"), at)
        with pytest.raises(PowerCut), open_probe(world.state, disk) as probe:
            apply(probe, FIRST, regenerator, lambda: 2.5)
        if world.tree() == TARGET:
            break
    said = events(listen(world, Line([FIRST])))
    assert "applied" in said
    assert "refused" not in said
    assert world.ledger().counter == 1
    assert "refused" in events(listen(world, Line([SECOND, SECOND])))


class CannotExchange(Quick):
    def exchange(self, one: Path, other: Path) -> None:
        del one, other
        raise OSError(errno.EIO, "Input/output error")

    def rename(self, source: Path, path: Path) -> None:
        if path.name == "root" and source.name != "retired":
            raise OSError(errno.EIO, "Input/output error")
        super().rename(source, path)


@pytest.mark.parametrize("swap", list(Swap))
def test_an_exchange_that_fails_leaves_the_old_tree_and_no_journal(
    world: World, swap: Swap
) -> None:
    with open_probe(world.state, Quick()) as probe:
        probe.store.write(replace(probe.config, swap=swap))
    with (
        open_probe(world.state, CannotExchange()) as probe,
        pytest.raises(StoreError, match="exchange the trees"),
    ):
        apply(probe, FIRST, regenerator, lambda: 2.5)
    with open_probe(world.state, Quick()) as probe:
        assert world.tree() == BASE
        assert probe.store.ledger().counter == -1
        apply(probe, FIRST, regenerator, lambda: 2.5)
    assert world.tree() == TARGET


# --- the state folder -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["replaced", "removed", "a link"])
def test_a_lock_file_that_is_replaced_while_held_lets_nobody_in(world: World, kind: str) -> None:
    lock = world.state / "lock"
    with open_store(world.state, Quick()):
        if kind == "replaced":
            (world.state / "other").touch()
            (world.state / "other").rename(lock)
        else:
            lock.unlink()
            if kind == "a link":
                (world.folder / "elsewhere").touch()
                lock.symlink_to(world.folder / "elsewhere")
        with pytest.raises(StoreError), open_store(world.state, Quick(), create=True):
            pytest.fail("two commands work on one state folder")


def test_a_command_of_an_earlier_version_is_kept_out(world: World) -> None:
    with (world.state / "lock").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="another probe command"):
            world.ledger()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777, 0o702])
def test_a_state_folder_that_others_may_write_to_is_refused(world: World, mode: int) -> None:
    world.state.chmod(mode)
    with pytest.raises(StoreError, match="others may write") as error:
        world.ledger()
    assert "chmod go-w" in (error.value.remedy or "")
    setup = Setup(world.root, world.folder, PIN, [KEY.public_key().public_bytes_raw()])
    (world.folder / "open").mkdir()
    (world.folder / "open").chmod(mode)
    with pytest.raises(StoreError, match="others may write"):
        initialise(world.folder / "open", setup, now_s=1.0)
    world.state.chmod(0o755)
    assert world.ledger().counter == -1


# --- patience -------------------------------------------------------------------------------------


@given(
    first_s=st.floats(0.0, 1e4),
    gaps=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=60),
)
def test_waits_grow_and_are_bounded(first_s: float, gaps: list[float]) -> None:
    now_s, patience = 0.0, refused(None, 0.0, first_s)
    for gap in gaps:
        now_s += gap
        after = refused(patience, now_s, first_s)
        if now_s < patience.due_s:
            assert after == patience
        else:
            assert after.attempts == patience.attempts + 1
            assert patience.wait_s <= after.wait_s <= max(LONGEST_S, patience.wait_s)
            assert after.due_s == now_s + after.wait_s
        patience = after


def test_patience_in_words() -> None:
    assert str(Patience(3, 1.0, 240.0)) == "attempt 3, again in 240 s"


def test_what_a_disk_refuses_is_regenerated_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe.listen.parking.DISK_S", 0.0)
    followed = []

    class Stubborn(Quick):
        left = 2

        def copy_file(self, source: Path, path: Path) -> tuple[str, ...]:
            if self.left:
                self.left -= 1
                raise OSError(errno.EIO, "Input/output error")
            return super().copy_file(source, path)

    def counting(message: Message, baseline: Tree) -> Regenerated:
        followed.append(message)
        return regenerator(message, baseline)

    monkeypatch.setattr("listening.regenerator", counting)
    said = listen(world, Line([FIRST]), files=Stubborn())
    assert "applied" in events(said)
    parked = [one.reason for one in said if one.event is Event.PARKED]
    assert "attempt 1" in parked[0]
    assert len(followed) == 1
    assert world.tree() == TARGET


def test_what_cannot_be_followed_is_not_followed_again() -> None:
    calls = []

    def follow(message: Message, _: Tree) -> Regenerated:
        calls.append(message)
        raise RegenerationError("nowhere")

    remembering = Remembered().around(follow)
    message = object()
    for _ in range(3):
        with pytest.raises(RegenerationError, match="nowhere"):
            remembering(message, BASE)  # type: ignore[arg-type]
    assert len(calls) == 1
