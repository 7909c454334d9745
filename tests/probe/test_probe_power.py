"""Power fails at every single operation of every change of trees; nothing may be lost or mixed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from powercut import FailingDisk, PowerCut, Quick
from world import BASE, TARGET, THIRD, World

from probe.disk.filesystem import Filesystem
from probe.state.records import Config, Operation, Swap
from probe.state.store import open_store
from probe.trees.onboard import open_probe, roll_back
from probe.trees.transaction import Outcome
from shared.errors import Refusal, StoreError
from shared.tree import Tree

Action = Callable[[World, Filesystem], None]


def apply_target(world: World, files: Filesystem) -> None:
    world.put(TARGET, 7, files)


def apply_third(world: World, files: Filesystem) -> None:
    world.put(THIRD, 9, files)


def go_back(world: World, files: Filesystem) -> None:
    with open_probe(world.state, files) as probe:
        roll_back(probe, now_s=3.5)


# action, tree and counter before, tree and counter after
FIRST = (apply_target, (BASE, -1), (TARGET, 7))
SECOND = (apply_third, (TARGET, 7), (THIRD, 9))
BACK = (go_back, (TARGET, 7), (BASE, 7))
CASES = [
    pytest.param(*case, swap, lossy, id=f"{name}-{swap}-{'lossy' if lossy else 'kept'}")
    for name, case in (("first", FIRST), ("second", SECOND), ("rollback", BACK))
    for swap in Swap
    for lossy in (False, True)
]


def prepared(world: World, swap: Swap, before: Tree) -> Path:
    """Bring the world to the state before the action; returns a copy to come back to."""
    with open_probe(world.state, Quick()) as probe:
        probe.store.write(replace(probe.config, swap=swap))
    if before is TARGET:
        world.put(TARGET, 7, Quick())
    copy = world.folder.with_name("copy")
    world.save(copy)
    return copy


def interruptions(world: World, copy: Path, action: Action) -> Iterator[FailingDisk]:
    """Run the action from the copy's state again and again, cut one operation later each time."""
    graveyard = world.folder.with_name("graveyard")
    for at in range(1, 10_000):
        world.restore(copy)
        disk = FailingDisk(world.state, graveyard, at)
        try:
            action(world, disk)
        except PowerCut:
            yield disk
        else:
            assert at > 10, "the action has too few operations to be the real one"
            return
    pytest.fail("the action never ends")


@pytest.mark.parametrize(("action", "before", "after", "swap", "lossy"), CASES)
def test_power_cut_at_every_operation(
    world: World,
    action: Action,
    before: tuple[Tree, int],
    after: tuple[Tree, int],
    swap: Swap,
    lossy: bool,
) -> None:
    copy = prepared(world, swap, before[0])
    (old, old_counter), (new, new_counter) = before, after
    outcomes = set()
    for disk in interruptions(world, copy, action):
        if lossy:
            disk.settle(random.Random(disk.at))
        if swap is Swap.EXCHANGE or world.root.exists():
            # As it stands on disk, before any recovery.
            assert world.tree() in (old, new)
        with open_probe(world.state, Quick()) as probe:
            outcomes.add(probe.recovered)
            ledger = probe.store.ledger()
            assert probe.store.journal() is None
        tree = world.tree()
        assert tree in (old, new)
        assert ledger.tree == tree.digest.hex()
        assert ledger.counter == (new_counter if tree == new else old_counter)
        if tree == old:
            action(world, Quick())
            assert world.tree() == new
            assert world.ledger().counter == new_counter
            assert [entry.operation for entry in world.ledger().history].count(
                Operation.APPLY
            ) == 1 + (old is TARGET and action is apply_third)
        if action is not go_back:
            go_back(world, Quick())
            assert world.tree() == old
        assert world.ledger().counter == new_counter
        with pytest.raises(Refusal, match="no previous tree"):
            go_back(world, Quick())
    assert {Outcome.ABANDONED, Outcome.COMPLETED} <= outcomes


def test_power_cut_before_the_change_keeps_the_older_tree_for_rollback(world: World) -> None:
    copy = prepared(world, Swap.EXCHANGE, TARGET)
    seen = 0
    for disk in interruptions(world, copy, apply_third):
        disk.settle(random.Random(disk.at))
        with open_probe(world.state, Quick()):
            pass
        expected = BASE if world.tree() == TARGET else TARGET
        go_back(world, Quick())
        assert world.tree() == expected
        seen += 1
    assert seen > 20


def test_power_cut_during_recovery(world: World) -> None:
    """Cut the change right after the trees changed places, then cut its recovery everywhere."""
    copy = prepared(world, Swap.EXCHANGE, BASE)
    cuts = [disk.at for disk in interruptions(world, copy, apply_target) if world.tree() == TARGET]
    world.restore(copy)
    with pytest.raises(PowerCut):
        apply_target(world, FailingDisk(world.state, world.folder.with_name("graveyard"), cuts[0]))
    halfway = world.folder.with_name("halfway")
    world.save(halfway)

    def recover(world: World, files: Filesystem) -> None:
        with open_probe(world.state, files):
            pass

    count = 0
    graveyard = world.folder.with_name("graveyard")
    for at in range(1, 100):
        world.restore(halfway)
        disk = FailingDisk(world.state, graveyard, at)
        try:
            recover(world, disk)
        except PowerCut:
            disk.settle(random.Random(at))
            count += 1
            assert world.ledger().counter == 7
            assert world.ledger().history[-1].recovered
            assert world.tree() == TARGET
        else:
            break
    assert count >= 5


def test_recovery_when_other_software_wrote_to_the_new_tree(world: World) -> None:
    at = first_cut_with(world, TARGET)
    (world.root / "log.txt").write_text("written before recovery\n")
    ledger = world.ledger()
    assert at > 0
    assert (ledger.counter, ledger.tree) == (7, TARGET.digest.hex())
    go_back(world, Quick())
    assert world.tree() == BASE


def test_recovery_when_other_software_wrote_to_the_old_tree(world: World) -> None:
    last_cut_with(world, BASE)
    (world.root / "log.txt").write_text("written before recovery\n")
    ledger = world.ledger()
    assert (ledger.counter, ledger.tree) == (-1, BASE.digest.hex())


def test_recovery_without_evidence_refuses_and_changes_nothing(world: World) -> None:
    first_cut_with(world, TARGET)
    with open_store(world.state, Quick()) as store:
        journal = store.journal()
        assert journal is not None
        store.write(replace(journal, inode=0))
    (world.root / "log.txt").write_text("written before recovery\n")
    found = world.tree()
    for _ in range(2):
        with pytest.raises(StoreError, match="journal does not fit"):
            world.ledger()
    assert world.tree() == found


def first_cut_with(world: World, tree: Tree) -> int:
    """Interrupt an apply at the first operation that leaves ``tree`` in the root."""
    return _cut(world, tree, 1)


def last_cut_with(world: World, tree: Tree) -> int:
    return _cut(world, tree, -1)


def _cut(world: World, tree: Tree, step: int) -> int:
    copy = prepared(world, Swap.EXCHANGE, BASE)
    cuts = [disk.at for disk in interruptions(world, copy, apply_target) if world.tree() == tree]
    at = cuts[0] if step > 0 else cuts[-1]
    assert at is not None
    world.restore(copy)
    with pytest.raises(PowerCut):
        apply_target(world, FailingDisk(world.state, world.folder.with_name("graveyard"), at))
    return at


def test_the_failing_disk_notices_a_missing_sync(world: World) -> None:
    """The harness must be able to fail: without syncs, lossy cuts break the probe."""

    class Lazy(FailingDisk):
        def sync_file(self, _: Path) -> None:
            self._step()

        def sync_folder(self, _: Path) -> None:
            self._step()

        def _sync_all(self) -> None:
            self._step()

    copy = prepared(world, Swap.EXCHANGE, BASE)
    broken = 0
    for seed in range(20):
        world.restore(copy)
        disk = Lazy(world.state, world.folder.with_name("graveyard"))
        apply_target(world, disk)
        disk.settle(random.Random(seed))
        try:
            with open_probe(world.state, Quick()) as probe:
                fits = probe.store.ledger().tree == world.tree().digest.hex()
        except StoreError:
            fits = False
        broken += not fits
    assert broken > 0


def test_config_of_the_fixture_is_complete(world: World) -> None:
    with open_probe(world.state, Quick()) as probe:
        assert isinstance(probe.config, Config)
        assert probe.config.swap is Swap.EXCHANGE
        assert probe.recovered is None
