"""Power is cut before, amid and after every operation of every flow; nothing is lost or mixed.

Each flow runs once on a disk that records it (``cutdisk``).  From the record follow all states that
a cut may leave; each distinct one is put on the real disk, a probe is opened on it, and then

- the root holds the old tree or the new one, bit for bit, before and after recovery;
- the counter is not lower than before, and fits the tree;
- the next message, a real one, is accepted and gives its tree;
- what ``rollback`` gives before that is the tree it says, or it refuses.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cutdisk import Cut, State, aftermath, cuts
from flows import FLOWS, LATER, Flow, confirming, next_message, rolling_back
from powercut import Quick
from recorder import Recorder, Step
from world import World, regenerator

import probe.disk.filesystem
import probe.state.store
import probe.trees.onboard
from probe.disk.filesystem import Filesystem
from probe.messages.apply import apply
from probe.state.records import noted
from probe.trees.onboard import open_probe
from shared.errors import RehydrationError
from shared.tree import Tree


def clock() -> float:
    """When the power returns: no trial is over yet."""
    return 10.0


class BrokenError(AssertionError):
    """A state in which the probe has lost something."""


def start(world: World, flow: Flow) -> int:
    """Bring the world to where the flow begins; returns the counter there."""
    flow.begin(world)
    assert world.tree() == flow.before
    return world.ledger().counter


def recorded(world: World, flow: Flow) -> Recorder:
    disk = Recorder(world.folder)
    flow.act(world, disk)
    assert len(disk.steps) >= 4
    return disk


def check(world: World, flow: Flow, least: int, *, real: bool = True) -> None:
    """All that must hold when power returns; the world is on disk.

    Args:
        world: its folders.
        flow: what was cut.
        least: the counter before it.
        real: whether the next message is an envelope; else a tree is put in place as one would.

    Raises:
        BrokenError: something is lost.
    """
    if world.tree() not in (flow.before, flow.after):
        raise BrokenError("before recovery the root holds neither tree")
    try:
        with open_probe(world.state, Quick(), clock) as probe:
            ledger, tree = probe.store.ledger(), world.tree()
            if tree not in (flow.before, flow.after) or ledger.tree != tree.digest.hex():
                raise BrokenError("the root holds another tree than the ledger says")
            if not least <= ledger.counter <= flow.counter:
                raise BrokenError(f"the counter is {ledger.counter}")
            if tree != flow.before and ledger.counter != flow.counter:
                raise BrokenError("the message could be replayed")
            if probe.store.journal() is not None:
                raise BrokenError("the journal is still there")
        _check_rollback(world, flow, tree)
        now = world.tree()
        if world.ledger().trial_until_s:
            confirming(world, Quick())
        if real:
            with open_probe(world.state, Quick()) as probe:
                apply(probe, next_message(now), regenerator, lambda: 5.0)
        else:
            world.put(LATER, 20, Quick())
        if (world.tree(), world.ledger().counter) != (LATER, 20):
            raise BrokenError("the next message gave something else")
    except RehydrationError as error:
        raise BrokenError(f"{type(error).__name__}: {error}") from error


def _check_rollback(world: World, flow: Flow, tree: Tree) -> None:
    possible = flow.kept[0] if tree == flow.before else ()
    possible += flow.kept[1] if tree == flow.after else ()
    with open_probe(world.state, Quick(), clock) as probe:
        ledger = probe.store.ledger()
    if not ledger.previous:
        return
    if ledger.previous not in [kept.digest.hex() for kept in possible]:
        raise BrokenError("rollback would give a tree that never was")
    rolling_back(world, Quick())
    if world.tree().digest.hex() != ledger.previous:
        raise BrokenError("rollback gave another tree")


@dataclass
class Table:
    """Operations by states: how many cuts, and how many distinct states came of them."""

    points: Counter[tuple[str, str]]
    states: Counter[str]

    def lines(self) -> list[str]:
        kinds = sorted({kind for kind, _ in self.points})
        head = f"{'operation':14}{'before':>8}{'amid':>8}{'after':>8}"
        rows = [
            f"{kind:14}" + "".join(f"{self.points[kind, w]:8}" for w in ("before", "amid", "after"))
            for kind in kinds
        ]
        total = f"{sum(self.points.values())} cuts"
        flows = [f"{name:22}{count:8} states" for name, count in self.states.items()]
        return [head, *rows, *flows, f"{total}, {sum(self.states.values())} distinct states"]


TABLE = Table(Counter(), Counter())
FILES = ("config", "ledger", "journal", "pending")
KINDS = {
    *("mkdir", "write", "copy", "symlink", "unlink", "rmdir"),
    *("fsync", "fsync folder", "syncfs", "link", "rename", "exchange"),
}


def distinct(disk: Recorder, name: str, table: Table | None = None) -> list[tuple[Cut, State]]:
    """Every state that any cut of a record may leave, once."""
    found: dict[object, tuple[Cut, State]] = {}
    choose = random.Random(name)
    for cut in cuts(disk.steps):
        if table:
            table.points[disk.steps[cut.index].kind, cut.when] += 1
        for state in aftermath(disk, cut, choose):
            found.setdefault(state.facts(), (cut, state))
    if table:
        table.states[name] = len(found)
    return list(found.values())


def failures(
    world: World, flow: Flow, name: str, table: Table | None = None, *, enough: int = 10_000
) -> list[str]:
    """What is wrong, over every cut of a flow; no more than is enough."""
    least = start(world, flow)
    disk = recorded(world, flow)
    wrong = []
    records: set[object] = set()
    for number, (cut, state) in enumerate(distinct(disk, name, table)):
        if len(wrong) >= enough:
            break
        state.write(world.folder)
        record = state.facts_of("root", *(f"state/{file}.json" for file in FILES))
        real = record not in records or number % 16 == 0
        records.add(record)
        try:
            check(world, flow, least, real=real)
        except BrokenError as error:
            wrong.append(f"{cut.when} {cut.index} {disk.steps[cut.index].kind}: {error}")
    return wrong


@pytest.mark.parametrize("name", FLOWS)
def test_every_operation_is_cut_in_every_way(world: World, name: str) -> None:
    assert failures(world, FLOWS[name], name, TABLE) == []


def test_the_table_of_what_was_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Needs the tests before it: run the whole file."""
    if set(TABLE.states) != set(FLOWS):
        pytest.skip("not all flows were run in this process")
    with capsys.disabled():
        print("", *TABLE.lines(), sep="\n")
    assert {(k, w) for k in KINDS for w in ("before", "amid", "after")} == set(TABLE.points)


@pytest.mark.parametrize("name", ["apply: all of it", "apply on trial", "rollback", "revert"])
def test_power_fails_again_during_recovery(world: World, name: str) -> None:
    flow = FLOWS[name]
    least = start(world, flow)
    choose = random.Random(f"again {name}")
    states = [state for _, state in distinct(recorded(world, flow), name)]
    begun = [state for state in states if state.facts_of("state/journal.json") != ()]
    twice = 0
    for state in choose.sample(begun, min(12, len(begun))):
        state.write(world.folder)
        disk = Recorder(world.folder)
        with open_probe(world.state, disk, clock):
            pass
        second = distinct(disk, name)
        for _, again in choose.sample(second, min(5, len(second))):
            again.write(world.folder)
            check(world, flow, least)
            twice += 1
    assert twice >= 20


# --- bugs planted on purpose ----------------------------------------------------------------------


def without_sync(files: Filesystem, path: Path, data: bytes) -> None:
    draft = path.with_name(path.name + ".new")
    files.write_file(draft, data, 0o600)
    files.rename(draft, path)
    files.sync_folder(path.parent)


def rename_before_write(files: Filesystem, path: Path, data: bytes) -> None:
    if path.exists():
        files.rename(path, path.with_name(path.name + ".old"))
    files.write_file(path, data, 0o600)
    files.sync_file(path)
    files.sync_folder(path.parent)


def counter_after_swap(store: object, slots: object, slot: str, entry: object) -> tuple[str, ...]:
    slots.exchange(store.files, slot)  # type: ignore[attr-defined]
    store.write(  # type: ignore[attr-defined]
        noted(
            store.ledger(),  # type: ignore[attr-defined]
            entry,  # type: ignore[arg-type]
            tree=entry.new_tree,  # type: ignore[attr-defined]
            previous=entry.old_tree,  # type: ignore[attr-defined]
            previous_slot=slot,
        )
    )
    return ()


@pytest.mark.parametrize(
    ("place", "planted"),
    [
        ((probe.state.store, "durable_write"), without_sync),
        ((probe.state.store, "durable_write"), rename_before_write),
        ((probe.trees.onboard, "change_trees"), counter_after_swap),
    ],
    ids=["a missing fsync", "a rename before the write", "the counter after the swap"],
)
def test_planted_bugs_are_found(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    place: tuple[object, str],
    planted: Callable[..., None],
) -> None:
    flow = FLOWS["apply: modify"]
    with monkeypatch.context() as changed:
        changed.setattr(*place, planted)
        assert failures(world, flow, "planted", enough=1)


@contextmanager
def no_barrier(files: Filesystem, folder: Path) -> Iterator[Callable[[], None]]:
    del files, folder
    yield lambda: None


@contextmanager
def early_barrier(files: Recorder, folder: Path) -> Iterator[Callable[[], None]]:
    """A sync before the tree is built, none after it."""
    del folder
    files.steps.append(Step("syncfs", barrier=True))
    yield lambda: None


@pytest.mark.parametrize("planted", [no_barrier, early_barrier])
def test_a_copy_without_a_barrier_after_it_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, planted: Callable[..., None]
) -> None:
    monkeypatch.setattr(Recorder, "barrier", planted)
    assert failures(world, FLOWS["apply: add"], "planted", enough=1)
