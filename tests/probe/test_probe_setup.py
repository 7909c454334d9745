"""Making and renewing a state folder."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from powercut import FailingDisk, PowerCut, Quick
from world import BASE, KEY, PIN, TARGET, World

from probe.state.records import Operation, Swap
from probe.trees.onboard import open_probe
from probe.trees.setup import Setup, initialise
from shared.errors import InputError, StoreError
from shared.tree import write_tree

PUBLIC = KEY.public_key().public_bytes_raw()


def test_what_init_writes(world: World) -> None:
    with open_probe(world.state) as probe:
        config, ledger = probe.config, probe.store.ledger()
    assert config.root == str(world.root)
    assert config.slots == str(world.state / "slots")
    assert config.swap is Swap.EXCHANGE
    assert config.pin == PIN.hex()
    assert config.keys == (KEY.public_key().public_bytes_raw().hex(),)
    assert config.ignore == (".git",)
    assert (ledger.sequence, ledger.counter, ledger.tree) == (1, -1, BASE.digest.hex())
    assert [entry.operation for entry in ledger.history] == [Operation.INIT]
    assert (world.state / "ledger.json").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in world.root.parent.iterdir()) == ["model", "root", "state"]


def test_a_second_init_is_refused(world: World) -> None:
    before = (world.state / "ledger.json").read_bytes()
    with pytest.raises(StoreError, match="state folder already"):
        world.initialise()
    assert (world.state / "ledger.json").read_bytes() == before


def test_renew_keeps_counter_and_history(world: World) -> None:
    world.put(TARGET, 41, Quick())
    (world.root / "extra").write_bytes(b"by hand\n")
    setup = Setup(root=world.root, model=world.folder / "model", pin=bytes(32), keys=[PUBLIC])
    ledger = initialise(world.state, setup, now_s=9.0, renew=True, files=Quick())
    assert ledger.counter == 41
    assert ledger.tree == world.tree().digest.hex()
    assert ledger.previous == ""
    assert [entry.operation for entry in ledger.history] == [
        Operation.INIT,
        Operation.APPLY,
        Operation.INIT,
    ]
    with open_probe(world.state) as probe:
        assert probe.config.pin == "00" * 32
        assert probe.store.ledger() == ledger


def test_renew_never_lowers_the_counter(world: World) -> None:
    world.put(TARGET, 41, Quick())
    setup = Setup(root=world.root, model=world.root, pin=PIN, keys=[PUBLIC], counter=7)
    assert initialise(world.state, setup, now_s=9.0, renew=True).counter == 41
    setup = Setup(root=world.root, model=world.root, pin=PIN, keys=[PUBLIC], counter=50)
    assert initialise(world.state, setup, now_s=9.0, renew=True).counter == 50


def test_renew_needs_a_state(tmp_path: Path) -> None:
    write_tree(BASE, tmp_path / "root")
    setup = Setup(root=tmp_path / "root", model=tmp_path, pin=PIN, keys=[PUBLIC])
    with pytest.raises(StoreError, match="no state folder"):
        initialise(tmp_path / "state", setup, now_s=9.0, renew=True)
    assert not (tmp_path / "state").exists()


def test_a_root_reached_through_a_link(tmp_path: Path) -> None:
    """The folder behind the link is what changes places; the link stays."""
    write_tree(BASE, tmp_path / "real/root")
    (tmp_path / "root").symlink_to("real/root")
    world = World(tmp_path)
    world.initialise()
    world.put(TARGET, 1, Quick())
    assert (tmp_path / "root").is_symlink()
    assert world.tree() == TARGET


@pytest.mark.parametrize("inside", ["root/state", "."])
def test_state_and_root_within_each_other(tmp_path: Path, inside: str) -> None:
    write_tree(BASE, tmp_path / "root")
    setup = Setup(root=tmp_path / "root", model=tmp_path, pin=PIN, keys=[PUBLIC])
    with pytest.raises(InputError, match="within each other"):
        initialise(tmp_path / inside, setup, now_s=1.0)
    assert not (tmp_path / "root/state").exists()


def test_a_mount_point_is_refused(tmp_path: Path) -> None:
    setup = Setup(root=Path("/proc"), model=tmp_path, pin=PIN, keys=[PUBLIC])
    with pytest.raises(InputError, match="mount point"):
        initialise(tmp_path / "state", setup, now_s=1.0)


def test_missing_root_and_missing_keys(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        initialise(tmp_path / "s", Setup(tmp_path / "r", tmp_path, PIN, [PUBLIC]), now_s=1.0)
    with pytest.raises(InputError, match="no trusted key"):
        initialise(tmp_path / "s", Setup(tmp_path, tmp_path, PIN, []), now_s=1.0)
    assert not (tmp_path / "s").exists()


class Reluctant(Quick):
    """A disk that cannot exchange folders, and tells why."""

    def __init__(self, number: int, only_below: str = "") -> None:
        self.number = number
        self.only_below = only_below

    def exchange(self, one: Path, other: Path) -> None:
        if self.only_below in str(other):
            raise OSError(self.number, "reluctant")
        super().exchange(one, other)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_without_exchange_it_falls_back_to_renames(tmp_path: Path, number: int) -> None:
    write_tree(BASE, tmp_path / "root")
    world = World(tmp_path)
    setup = Setup(root=world.root, model=tmp_path, pin=PIN, keys=[PUBLIC])
    initialise(world.state, setup, now_s=1.0, files=Reluctant(number))
    with open_probe(world.state) as probe:
        assert probe.config.swap is Swap.RENAMES
    world.put(TARGET, 1, Reluctant(number))
    assert world.tree() == TARGET


def test_slots_go_beside_a_root_on_another_filesystem(tmp_path: Path) -> None:
    write_tree(BASE, tmp_path / "root")
    world = World(tmp_path)
    setup = Setup(root=world.root, model=tmp_path, pin=PIN, keys=[PUBLIC])
    initialise(world.state, setup, now_s=1.0, files=Reluctant(errno.EXDEV, "state"))
    with open_probe(world.state) as probe:
        assert probe.config.slots == str(tmp_path / ".root.slots")
    assert not (world.state / "slots").exists()
    world.put(TARGET, 1, Quick())
    assert world.tree() == TARGET


def test_a_root_that_nothing_can_replace_is_refused(tmp_path: Path) -> None:
    write_tree(BASE, tmp_path / "root")
    setup = Setup(root=tmp_path / "root", model=tmp_path, pin=PIN, keys=[PUBLIC])
    with pytest.raises(InputError, match="cannot be renamed"):
        initialise(tmp_path / "state", setup, now_s=1.0, files=Reluctant(errno.EPERM))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root", "state"]


def test_power_cut_during_init_and_init_again(tmp_path: Path) -> None:
    write_tree(BASE, tmp_path / "root")
    setup = Setup(root=tmp_path / "root", model=tmp_path, pin=PIN, keys=[PUBLIC])
    for at in range(1, 100):
        state = tmp_path / f"state{at}"
        try:
            initialise(state, setup, now_s=1.0, files=FailingDisk(state, tmp_path / "grave", at))
        except PowerCut:
            if not (state / "config.json").exists():
                with pytest.raises(StoreError), open_probe(state):
                    pass
                initialise(state, setup, now_s=2.0, files=Quick())
        else:
            break
        with open_probe(state) as probe:
            assert probe.store.ledger().tree == BASE.digest.hex()
    assert at > 8


def test_ignored_names_are_no_part_of_the_tree(tmp_path: Path) -> None:
    write_tree(BASE, tmp_path / "root")
    (tmp_path / "root/app/__pycache__").mkdir()
    (tmp_path / "root/app/__pycache__/x.pyc").write_bytes(b"\0")
    world = World(tmp_path)
    ledger = world.initialise(ignore=["__pycache__", ".git"])
    assert ledger.tree == BASE.digest.hex()
    body = json.loads((world.state / "config.json").read_bytes())["body"]
    assert body["ignore"] == [".git", "__pycache__"]
