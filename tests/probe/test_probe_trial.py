"""A new tree on trial: it stays when confirmed, and goes back by itself when not."""

from __future__ import annotations

import mmap
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from powercut import Quick
from world import BASE, KEY, TARGET, THIRD, World, classical, envelope, regenerator

from probe.messages.apply import apply
from probe.resources.budget import limited_time
from probe.resources.disk import BLOCK_BYTES, staged_bytes, taken_bytes
from probe.resources.low_memory import frugal, mapping_of
from probe.state.records import Ledger, Operation, decode, encode
from probe.trees.garbage import collect
from probe.trees.onboard import Probe, confirm, open_probe, roll_back
from probe.trees.selftest import judge, run
from probe.trees.setup import Setup
from shared.digest import sha256
from shared.errors import BudgetExceeded, InputError, Refusal
from shared.regenerate import resident_bytes
from shared.tree import Entry, Mode, Tree, write_tree

TRIAL_S = 300.0
"""Messages arrive at 1000; so the trial ends at 1300."""


def receive(world: World, base: Tree, target: Tree, counter: int, now_s: float = 1000.0) -> None:
    data = envelope(classical(base, target), counter)
    with open_probe(world.state, Quick(), lambda: now_s) as probe:
        apply(probe, data, regenerator, lambda: now_s)


def at(world: World, now_s: float) -> Probe:
    """The probe as it is after it was opened at a time."""
    with open_probe(world.state, Quick(), lambda: now_s) as probe:
        return probe


def operations(world: World) -> list[str]:
    ledger = decode((world.state / "ledger.json").read_bytes(), Ledger)
    return [entry.operation.value for entry in ledger.history][1:]


@pytest.fixture
def trying(world: World) -> World:
    world.initialise(renew=True, trial_s=TRIAL_S)
    receive(world, BASE, TARGET, 3)
    return world


@pytest.mark.parametrize(
    ("now_s", "tree"), [(1000.0, TARGET), (1299.5, TARGET), (1300.0, BASE), (9999.0, BASE)]
)
def test_the_tree_goes_back_at_the_deadline(trying: World, now_s: float, tree: Tree) -> None:
    settled = at(trying, now_s).settled
    assert trying.tree() == tree
    assert (settled is not None) == (tree == BASE)
    if settled:
        assert settled.operation is Operation.REVERT
        assert at(trying, now_s + 1).settled is None
        assert operations(trying) == ["init", "apply", "revert"]
    assert at(trying, 1300.0).store.ledger().counter == 3


def test_a_clock_set_back_ends_the_trial(trying: World) -> None:
    """A probe that forgets the time at every start must not stay on trial for ever."""
    assert at(trying, 999.9).settled is not None
    assert trying.tree() == BASE


def test_a_confirmed_tree_stays(trying: World) -> None:
    with open_probe(trying.state, Quick(), lambda: 1200.0) as probe:
        confirm(probe, now_s=1200.0)
        with pytest.raises(Refusal, match="no tree is on trial"):
            confirm(probe, now_s=1201.0)
    assert at(trying, 5000.0).settled is None
    assert trying.tree() == TARGET
    with open_probe(trying.state, Quick(), lambda: 5000.0) as probe:
        roll_back(probe, now_s=5000.0)
    assert trying.tree() == BASE


def test_no_other_tree_is_taken_while_one_is_on_trial(trying: World) -> None:
    with pytest.raises(Refusal, match="on trial"):
        receive(trying, TARGET, THIRD, 4, 1100.0)
    assert trying.tree() == TARGET
    with open_probe(trying.state, Quick(), lambda: 1200.0) as probe:
        confirm(probe, now_s=1200.0)
    receive(trying, TARGET, THIRD, 4, 1210.0)
    assert trying.tree() == THIRD
    assert at(trying, 1510.0).settled is not None
    assert trying.tree() == TARGET


def test_a_damaged_previous_tree_does_not_brick_the_probe(trying: World) -> None:
    (trying.state / "slots" / at(trying, 1000.0).store.ledger().previous_slot / "extra").touch()
    settled = at(trying, 1300.0).settled
    assert settled is not None
    assert settled.operation is Operation.KEEP
    assert trying.tree() == TARGET
    receive(trying, TARGET, THIRD, 4, 1400.0)
    assert trying.tree() == THIRD


def test_renewing_ends_a_trial(trying: World) -> None:
    trying.initialise(renew=True)
    assert at(trying, 5000.0).settled is None
    assert trying.tree() == TARGET


def test_without_a_trial_nothing_is_different(world: World) -> None:
    receive(world, BASE, TARGET, 3)
    receive(world, TARGET, THIRD, 4)
    assert at(world, 1e12).settled is None
    assert world.tree() == THIRD


def test_records_of_the_version_before_are_read() -> None:
    body = b'{"counter":6,"history":[],"previous":"","previous_slot":"","sequence":2,"tree":"aa"}'
    data = b'{"body":%s,"sha256":"%s"}\n' % (body, sha256(body).hex().encode())
    ledger = decode(data, Ledger)
    assert asdict(ledger) == {
        "sequence": 2,
        "counter": 6,
        "tree": "aa",
        "previous": "",
        "previous_slot": "",
        "history": (),
        "trial_since_s": 0.0,
        "trial_until_s": 0.0,
    }
    assert decode(encode(ledger), Ledger) == ledger


# --- self-tests -----------------------------------------------------------------------------------


def shell(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


@pytest.mark.parametrize(
    ("code", "operation"),
    [
        (
            "import pathlib; assert pathlib.Path('new/deep/er.txt').read_text() == 'new\\n'",
            "confirm",
        ),
        ("raise SystemExit(3)", "revert"),
        ("import time; time.sleep(60)", "revert"),
    ],
    ids=["passes in the new tree", "fails", "does not end"],
)
def test_the_self_test_decides(world: World, code: str, operation: str) -> None:
    world.initialise(renew=True, trial_s=0.7 if "sleep" in code else 60.0, self_test=shell(code))
    receive(world, BASE, TARGET, 3)
    tested = judge(world.state, lambda: 1000.0)
    assert tested is not None
    assert tested.entry is not None
    assert tested.entry.operation.value == operation
    assert world.tree() == (TARGET if operation == "confirm" else BASE)
    assert judge(world.state, lambda: 1000.0) is None


def test_a_self_test_that_cannot_be_started_fails(tmp_path: Path) -> None:
    passed, verdict = run(("./no-such-program",), tmp_path, 5.0)
    assert not passed
    assert "cannot be started" in verdict


def test_a_self_test_needs_a_trial(world: World) -> None:
    with pytest.raises(InputError, match="without a trial"):
        world.initialise(renew=True, self_test=("true",))


# --- disk -----------------------------------------------------------------------------------------


def test_what_a_tree_takes_is_foreseen(tmp_path: Path) -> None:
    """The estimate is not below what staging really takes."""
    write_tree(BASE, tmp_path / "base")
    big = BASE.replace({"a/b/c": Entry(Mode.REGULAR, bytes(9000)), "app/main.c": None})
    for target in (TARGET, THIRD, big):
        write_tree(target, tmp_path / target.digest.hex())
        found = taken_bytes(tmp_path / target.digest.hex())
        foreseen = staged_bytes(taken_bytes(tmp_path / "base"), BASE, target)
        assert found <= foreseen <= found + 4 * BLOCK_BYTES


def test_what_goes_while_it_is_counted_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").write_bytes(bytes(BLOCK_BYTES + 1))
    walk = [(str(tmp_path), [], ["gone", "here"])]
    monkeypatch.setattr("probe.resources.disk.os.walk", lambda _: walk)
    assert taken_bytes(tmp_path) == 3 * BLOCK_BYTES


def test_the_quota_is_kept(world: World) -> None:
    taken = taken_bytes(world.root) + taken_bytes(world.state)
    big = BASE.replace({"big": Entry(Mode.REGULAR, bytes(100_000))})
    need = taken_bytes(world.root) + 25 * BLOCK_BYTES
    world.initialise(renew=True, max_disk_bytes=taken + need - 1)
    with pytest.raises(BudgetExceeded, match="of disk beside"):
        receive(world, BASE, big, 3)
    assert (world.tree(), world.ledger().counter) == (BASE, -1)
    world.initialise(renew=True, max_disk_bytes=taken + need + BLOCK_BYTES)
    receive(world, BASE, big, 3)
    assert world.tree() == big


def test_collecting_frees_what_nothing_needs(world: World) -> None:
    receive(world, BASE, TARGET, 3)
    (world.state / "config.json.new").write_bytes(bytes(5000))
    with open_probe(world.state, Quick()) as probe:
        assert collect(probe).freed_bytes == 2 * BLOCK_BYTES
        assert collect(probe).freed_bytes == 0
        slot = taken_bytes(probe.slots.slot(probe.store.ledger().previous_slot))
        done = collect(probe, previous=True)
        assert done.freed_bytes == slot
        assert done.taken_bytes == taken_bytes(world.root) + taken_bytes(world.state)
        with pytest.raises(Refusal, match="no previous tree"):
            roll_back(probe, now_s=1.0)
    assert world.tree() == TARGET


def test_the_way_back_from_a_trial_is_not_collected(trying: World) -> None:
    with open_probe(trying.state, Quick(), lambda: 1100.0) as probe:
        with pytest.raises(Refusal, match="on trial"):
            collect(probe, previous=True)
        collect(probe)
    at(trying, 1300.0)
    assert trying.tree() == BASE


def test_setup_defaults_are_as_before() -> None:
    setup = Setup(Path("r"), Path("m"), bytes(32), [KEY.public_key().public_bytes_raw()])
    assert (setup.trial_s, setup.self_test, setup.max_disk_bytes) == (0.0, (), 0)


# --- wall time ------------------------------------------------------------------------------------


def test_a_step_that_does_not_come_back_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.resources.budget.GRACE_S", 0.0)
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(BudgetExceeded, match="more time"), limited_time(0.05):
        while True:
            pass
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    with limited_time(60.0):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 50
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


# --- less memory ----------------------------------------------------------------------------------


def read_all(path: Path, *, frugally: bool) -> tuple[int, float]:
    """How far the process grows while it reads a mapped file, bytes, and the sum of the file."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    array = np.frombuffer(mapped, np.uint8).reshape(-1, 1 << 20)
    assert mapping_of(array[3:, 5:]) is mapped
    before, most, total = resident_bytes(), 0, 0.0
    with frugal(mapping_of(array) if frugally else None):
        for row in array:
            total += float(row.sum())
            most = max(most, resident_bytes() - before)
            time.sleep(0.004)
    return most, total


def test_pages_of_a_map_are_given_back(tmp_path: Path) -> None:
    path = tmp_path / "map"
    data = np.random.default_rng(5).integers(0, 255, 160 << 20, dtype=np.uint8)
    data.tofile(path)
    wanted = float(data.sum(dtype=np.int64))
    plain, same = read_all(path, frugally=False), read_all(path, frugally=True)
    assert (plain[1], same[1]) == (wanted, wanted)
    assert plain[0] > 150 << 20
    assert same[0] < 110 << 20


def test_an_array_of_its_own_has_no_map() -> None:
    assert mapping_of(np.zeros(5)[1:]) is None
