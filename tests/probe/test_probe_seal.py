"""Files of the state folder put back from a backup, any of them or all; the hardware's counter."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from flows import confirming, rolling_back, rotating
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from powercut import FailingDisk, PowerCut, Quick
from world import BASE, TARGET, THIRD, World

from probe.state.counting import CommandCounter
from probe.state.pending import Known, Pending
from probe.state.records import encode, sequence_of
from probe.state.seal import NAMES
from probe.trees.onboard import open_probe
from shared.errors import StoreError
from shared.tree import write_tree

FILES = (*NAMES, "seal")
Snapshot = dict[str, bytes | None]


def snapshot(world: World) -> Snapshot:
    paths = {name: world.state / f"{name}.json" for name in FILES}
    return {name: path.read_bytes() if path.exists() else None for name, path in paths.items()}


def put_back(world: World, files: Snapshot) -> None:
    for name, data in files.items():
        path = world.state / f"{name}.json"
        path.unlink(missing_ok=True)
        if data is not None:
            path.write_bytes(data)
            path.chmod(0o600)


def disclosing(world: World, number: int) -> None:
    with open_probe(world.state, Quick()) as probe:
        probe.store.write(Pending(known=(Known("ab" * 32, number, "cd" * 16),)))


def lived(world: World) -> Iterator[Snapshot]:
    """A life, with a copy of the state's files after each of its turns."""
    yield snapshot(world)
    world.initialise(renew=True, trial_s=1e12)
    yield snapshot(world)
    world.put(TARGET, 7, Quick())
    yield snapshot(world)
    confirming(world, Quick())
    yield snapshot(world)
    disclosing(world, 3)
    yield snapshot(world)
    rotating(world, Quick())
    yield snapshot(world)
    rolling_back(world, Quick())
    yield snapshot(world)
    disclosing(world, 4)
    yield snapshot(world)
    disclosing(world, 3)  # the very bytes of an earlier body, under another number
    yield snapshot(world)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, list[Snapshot]]:
    folder = tmp_path_factory.mktemp("life")
    write_tree(BASE, folder / "root")
    world = World(folder)
    world.initialise()
    return world, list(lived(world))


def opens(world: World) -> bool:
    """Whether a probe opens; the root's tree is not compared here, only the records."""
    try:
        with open_probe(world.state, Quick(), lambda: 10.0):
            return True
    except StoreError as error:
        assert error.remedy
        assert "one moment" in error.found or "missing" in error.found
        return False


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_mixture_of_copies_is_found(
    life: tuple[World, list[Snapshot]], data: st.DataObject
) -> None:
    """Accepted if and only if all files stood there together at one time."""
    world, copies = life
    moment = st.integers(0, len(copies) - 1)
    mixed = {name: copies[data.draw(moment, name)][name] for name in FILES}
    put_back(world, mixed)
    assert opens(world) == (mixed in copies)


def test_each_file_alone_and_each_pair(life: tuple[World, list[Snapshot]]) -> None:
    world, copies = life
    now = copies[-1]
    found = 0
    for size in (1, 2):
        for names in itertools.combinations(FILES, size):
            for old in copies[:-1]:
                mixed = {**now, **{name: old[name] for name in names}}
                put_back(world, mixed)
                assert opens(world) == (mixed in copies), names
                found += mixed not in copies
    assert found > 60
    put_back(world, now)
    assert opens(world)


def test_an_older_ledger_would_have_lowered_the_counter(world: World) -> None:
    """The counter of message 7 may be used again if an older ledger passes: it does not."""
    old = (world.state / "ledger.json").read_bytes()
    world.put(TARGET, 7, Quick())
    (world.state / "ledger.json").write_bytes(old)
    with pytest.raises(StoreError, match=r"ledger.json is number \d+") as caught:
        world.ledger()
    assert caught.value.exit_code == 30


def test_every_file_has_a_number_and_it_rises(world: World) -> None:
    seen = []
    for turn in range(3):
        world.put((TARGET, THIRD, BASE)[turn], turn, Quick())
        numbers = {n: sequence_of(d) for n, d in snapshot(world).items() if d is not None}
        assert set(numbers) == {"config", "ledger", "seal"}
        assert numbers["seal"] >= max(numbers.values())
        seen.append(numbers["ledger"])
    assert seen == sorted(set(seen))


def test_a_state_folder_of_an_earlier_version_is_taken_and_bound(world: World) -> None:
    with open_probe(world.state, Quick()) as probe:
        old = {"config": encode(probe.config), "ledger": encode(probe.store.ledger())}
    assert all(sequence_of(data) == 0 for data in old.values())
    put_back(world, {**dict.fromkeys(FILES), **old})
    assert world.ledger().counter == -1
    assert not (world.state / "seal.json").exists()
    world.put(TARGET, 7, Quick())
    assert world.ledger().counter == 7
    (world.state / "ledger.json").write_bytes(old["ledger"])
    assert not opens(world)


def test_a_seal_that_is_gone_is_missed(world: World) -> None:
    (world.state / "seal.json").unlink()
    with pytest.raises(StoreError, match=r"seal.json is missing"):
        world.ledger()


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o640])
def test_files_that_others_could_read_are_closed_with_a_word(world: World, mode: int) -> None:
    path = world.state / "config.json"
    path.chmod(mode)
    with open_probe(world.state, Quick()) as probe:
        assert any(f"mode {mode:04o}" in said for said in probe.store.sealing.mended)
    assert path.stat().st_mode & 0o777 == 0o600
    with open_probe(world.state, Quick()) as probe:
        assert not probe.store.sealing.mended


def test_a_full_disk_at_any_write_leaves_one_moment(world: World) -> None:
    """ENOSPC instead of a cut: the file or the seal is not written, and the next command works."""
    copy = world.folder.with_name("copy")
    world.save(copy)

    class Full(Quick):
        def __init__(self, at: int) -> None:
            self.left = at

        def write_file(self, path: Path, data: bytes, mode: int) -> None:
            if path.name.endswith(".json.new"):
                self.left -= 1
                if self.left < 0:
                    raise OSError(28, "No space left on device")
            super().write_file(path, data, mode)

    for at in range(20):
        world.restore(copy)
        disk = Full(at)
        with suppress(StoreError):  # none after the exchange: that is made good by the next command
            world.put(TARGET, 7, disk)
        if disk.left >= 0:
            break
        tree = world.ledger().tree
        assert tree == world.tree().digest.hex()
        if world.tree() == BASE:
            world.put(TARGET, 7, Quick())
        assert world.ledger().counter == 7
    assert 4 <= at < 19


# --- the hardware's counter -----------------------------------------------------------------------

SCRIPT = """#!/bin/sh
set -e
case "$1" in
    read) cat "$0.value" ;;
    increment)
        echo $(($(cat "$0.value") + 1)) > "$0.new"
        mv "$0.new" "$0.value"
        cat "$0.value" ;;
    *) exit 2 ;;
esac
"""


@dataclass(frozen=True)
class Device:
    """A counter that is a real program with a file of its own, outside the probe's disk."""

    program: Path

    @property
    def value(self) -> int:
        return int(self.program.with_name(self.program.name + ".value").read_text())

    def set(self, value: int) -> None:
        self.program.with_name(self.program.name + ".value").write_text(f"{value}\n")

    def replace(self, script: str) -> None:
        self.program.write_text(script)
        self.program.chmod(0o755)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    made = Device(tmp_path / "monotonic counter")
    made.replace(SCRIPT)
    made.set(40)
    return made


@pytest.fixture
def counted(world: World, device: Device) -> World:
    world.initialise(renew=True, counter_command=(str(device.program),))
    return world


def test_the_whole_folder_of_an_earlier_time_is_found(counted: World, device: Device) -> None:
    copies = [snapshot(counted)]
    for turn, tree in enumerate((TARGET, THIRD, BASE), 1):
        counted.put(tree, turn, Quick())
        copies.append(snapshot(counted))
    assert device.value > 43
    for old in copies[:-1]:
        put_back(counted, old)
        with pytest.raises(StoreError, match="the folder is an older copy"):
            counted.ledger()
    put_back(counted, copies[-1])
    assert counted.ledger().counter == 3


def test_without_one_it_is_not_found(world: World) -> None:
    """What the page says cannot be defended: a copy of everything, tree included."""
    copy = world.folder.with_name("copy")
    world.save(copy)
    world.put(TARGET, 7, Quick())
    world.restore(copy)
    assert world.ledger().counter == -1


def test_reading_steps_nothing(counted: World, device: Device) -> None:
    value = device.value
    for _ in range(3):
        counted.ledger()
    assert device.value == value


@pytest.mark.parametrize("lossy", [False, True])
def test_power_cuts_with_a_counter(counted: World, device: Device, lossy: bool) -> None:
    """The counter lives through the cut; the folder is what it was or what it became."""
    copy = counted.folder.with_name("copy")
    counted.save(copy)
    start = device.value
    outcomes = set()
    for at in range(1 + lossy, 400, 2):
        counted.restore(copy)
        device.set(start)
        disk = FailingDisk(counted.state, counted.folder.with_name("graveyard"), at)
        try:
            counted.put(TARGET, 7, disk)
        except PowerCut:
            if lossy:
                disk.settle(random.Random(at))
        else:
            break
        ledger = counted.ledger()
        assert ledger.tree == counted.tree().digest.hex()
        assert ledger.counter == (7 if counted.tree() == TARGET else -1)
        outcomes.add(ledger.counter)
        counted.put(THIRD, 9, Quick())
        assert counted.ledger().counter == 9
    assert outcomes == {-1, 7}
    assert at > 30


def test_a_copy_taken_amid_a_cut_is_found_later(counted: World, device: Device) -> None:
    """Two changes never share a value, though the first of them was cut short."""
    copy = counted.folder.with_name("copy")
    counted.save(copy)
    start = device.value
    tried = 0
    for at in range(1, 400, 3):
        counted.restore(copy)
        device.set(start)
        disk = FailingDisk(counted.state, counted.folder.with_name("graveyard"), at)
        try:
            counted.put(TARGET, 7, disk)
        except PowerCut:
            old = snapshot(counted)
        else:
            break
        counted.put(THIRD, 9, Quick())
        put_back(counted, old)
        with pytest.raises(StoreError):
            counted.ledger()
        tried += 1
    assert tried > 10


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("#!/bin/sh\nexit 3\n", "ended with 3"),
        ("#!/bin/sh\necho device is gone >&2; exit 1\n", "device is gone"),
        ("#!/bin/sh\necho\n", "printed ''"),
        ("#!/bin/sh\necho -1\n", "printed '-1'"),
        ("#!/bin/sh\necho 1 2\n", "printed '1 2'"),
        ("#!/bin/sh\necho 18446744073709551616\n", "printed '184467"),
        ("#!/bin/sh\necho ٣\n", "printed"),
        ("#!/no/such/program\n", "cannot be run"),
    ],
)
def test_a_counter_that_fails_stops_the_probe_with_a_word(
    counted: World, device: Device, script: str, found: str
) -> None:
    before = snapshot(counted)
    device.replace(script)
    with pytest.raises(StoreError, match=found) as caught:
        counted.put(TARGET, 7, Quick())
    assert "--counter-command" in str(caught.value.remedy)
    assert snapshot(counted) == before
    counted.initialise(renew=True, counter_command=())  # the remedy
    counted.put(TARGET, 7, Quick())


def test_a_counter_that_fails_between_reading_and_stepping(counted: World, device: Device) -> None:
    device.replace(SCRIPT.replace("increment)", "increment) exit 9"))
    with pytest.raises(StoreError, match="ended with 9"):
        counted.put(TARGET, 7, Quick())
    assert counted.tree() == BASE
    device.replace(SCRIPT)
    counted.put(TARGET, 7, Quick())
    assert counted.ledger().counter == 7


def test_a_counter_that_somebody_else_steps(counted: World, device: Device) -> None:
    device.set(device.value + 1)
    with pytest.raises(StoreError, match="was left at"):
        counted.ledger()
    device.set(0)
    with pytest.raises(StoreError, match="stands at 0"):
        counted.ledger()
    counted.initialise(renew=True, counter_command=(str(device.program),))
    counted.put(TARGET, 7, Quick())
    assert counted.ledger().counter == 7


def test_a_command_that_hangs_is_killed_with_all_it_started(tmp_path: Path) -> None:
    program = tmp_path / "hangs"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nsleep 1000 &\nwait\n")
    program.chmod(0o755)
    with pytest.raises(StoreError, match="did not end within"):
        CommandCounter((str(program),), timeout_s=1.0).read()
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
