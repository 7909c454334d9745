"""The state's files: damage is noticed, writes are whole, one command at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from powercut import Quick
from world import BASE, TARGET, World

from probe.disk.clearing import remove_all
from probe.disk.filesystem import Filesystem, durable_write
from probe.state.records import MAX_HISTORY, Entry, Journal, Ledger, Operation, completed
from probe.state.store import open_store
from probe.trees.onboard import open_probe, roll_back
from probe.trees.transaction import Outcome, judge
from shared.errors import StoreError

ENTRY = Entry(Operation.APPLY, 1234.5, 9, "aa" * 32, "bb" * 32, "cc" * 32, recovered=False)
JOURNAL = Journal(3, "b", 4711, ENTRY)
LEDGER = Ledger(2, 6, "aa" * 32, "dd" * 32, "a", ())


def test_records_come_back_as_written(world: World) -> None:
    with open_store(world.state, Quick()) as store:
        config = store.config()
        ledger = replace(LEDGER, history=(ENTRY, replace(ENTRY, operation=Operation.ROLLBACK)))
        for record in (config, ledger, JOURNAL):
            store.write(record)
        assert (store.config(), store.ledger(), store.journal()) == (config, ledger, JOURNAL)
        store.clear_journal()
        assert store.journal() is None


def test_files_are_json_with_a_checksum(world: World) -> None:
    value = json.loads((world.state / "ledger.json").read_bytes())
    assert value["body"]["counter"] == -1
    assert value["body"]["tree"] == BASE.digest.hex()
    assert len(value["sha256"]) == 64


@pytest.mark.parametrize("name", ["config", "ledger", "journal"])
def test_every_damage_is_a_store_error(world: World, name: str) -> None:
    with open_store(world.state, Quick()) as store:
        store.write(JOURNAL)
        read: Callable[[], object] = getattr(store, name)
        path = world.state / f"{name}.json"
        good = path.read_bytes()
        damaged = [good[:size] for size in range(len(good))]
        for place in range(len(good)):  # every byte, another bit each time
            flipped = bytearray(good)
            flipped[place] ^= 1 << place % 8
            damaged.append(bytes(flipped))
        damaged += [b"[" * 5000, b"null\n", b"[]\n", b'{"body":1}\n', b"\xff\xfe", good + b"\n"]
        for data in damaged:
            path.write_bytes(data)
            with pytest.raises(StoreError, match="damaged"):
                read()


def test_a_valid_file_of_other_fields_is_damage(world: World) -> None:
    with open_store(world.state, Quick()) as store:
        store.write(JOURNAL)
        (world.state / "journal.json").rename(world.state / "ledger.json")
        with pytest.raises(StoreError, match="damaged"):
            store.ledger()


@pytest.mark.parametrize("name", ["config", "ledger"])
def test_a_missing_file_is_a_store_error(world: World, name: str) -> None:
    (world.state / f"{name}.json").unlink()
    with pytest.raises(StoreError, match="missing"), open_probe(world.state) as probe:
        probe.store.ledger()


def test_no_state_folder(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(StoreError, match="no state folder"), open_probe(folder):
            pass
    assert list(tmp_path.iterdir()) == []


def test_one_command_at_a_time(world: World) -> None:
    """The lock holds against another process and goes with the process that held it."""
    script = (
        "import sys; from pathlib import Path; from probe.trees.onboard import open_probe\n"
        "with open_probe(Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, world.state],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"in\n"
    with pytest.raises(StoreError, match="another probe command"), open_probe(world.state):
        pass
    holder.kill()
    holder.wait()
    with open_probe(world.state):
        pass


def test_durable_write_replaces_a_draft_left_by_a_crash(tmp_path: Path) -> None:
    (tmp_path / "x.json.new").write_bytes(b"half")
    durable_write(Filesystem(), tmp_path / "x.json", b"whole")
    assert (tmp_path / "x.json").read_bytes() == b"whole"
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_full_disk_is_a_store_error(world: World) -> None:
    class Full(Quick):
        def write_file(self, *_: object) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="No space left"):
        world.put(TARGET, 7, Full())
    assert world.tree() == BASE
    assert world.ledger().counter == -1
    assert not any((world.state / "slots").iterdir())


def test_completed_apply_and_rollback() -> None:
    done = completed(LEDGER, JOURNAL)
    assert done == Ledger(3, 9, "bb" * 32, "aa" * 32, "b", (ENTRY,))
    back = Entry(Operation.ROLLBACK, 2.0, 9, "bb" * 32, "aa" * 32, "", recovered=True)
    undone = completed(done, Journal(4, "b", 1, back))
    assert undone == Ledger(4, 9, "aa" * 32, "", "", (ENTRY, back))


def test_the_counter_never_falls() -> None:
    low = replace(JOURNAL, entry=replace(ENTRY, counter=2))
    assert completed(LEDGER, low).counter == 6


def test_history_is_bounded() -> None:
    ledger = LEDGER
    for number in range(MAX_HISTORY + 3):
        ledger = completed(ledger, replace(JOURNAL, entry=replace(ENTRY, time_s=float(number))))
    assert len(ledger.history) == MAX_HISTORY
    assert ledger.history[0].time_s == 3.0


@pytest.mark.parametrize(
    ("tree", "root_inode", "slot_inode", "outcome"),
    [
        (ENTRY.new_tree, 1, 4711, Outcome.COMPLETED),  # the digest goes before the inode
        (ENTRY.old_tree, 4711, 1, Outcome.ABANDONED),
        ("ee" * 32, 4711, 1, Outcome.COMPLETED),
        ("ee" * 32, 1, 4711, Outcome.ABANDONED),
        ("", 4711, None, Outcome.COMPLETED),
        ("", 1, None, None),
        ("ee" * 32, 1, 2, None),
    ],
)
def test_judge(tree: str, root_inode: int, slot_inode: int | None, outcome: Outcome | None) -> None:
    if outcome is None:
        with pytest.raises(StoreError):
            judge(JOURNAL, tree=tree, root_inode=root_inode, slot_inode=slot_inode)
        return
    assert judge(JOURNAL, tree=tree, root_inode=root_inode, slot_inode=slot_inode) is outcome


def test_a_journal_from_another_time_is_refused(world: World) -> None:
    with open_store(world.state, Quick()) as store:
        store.write(replace(JOURNAL, sequence=store.ledger().sequence + 2))
    with pytest.raises(StoreError, match="not restored together"), open_probe(world.state):
        pass


def test_a_journal_of_a_done_transaction_goes(world: World) -> None:
    with open_store(world.state, Quick()) as store:
        store.write(replace(JOURNAL, sequence=store.ledger().sequence))
    with open_probe(world.state, Quick()) as probe:
        assert probe.recovered is Outcome.COMPLETED
        assert probe.store.journal() is None
    assert world.tree() == BASE


def test_rollback_refuses_an_altered_previous_tree(world: World) -> None:
    world.put(TARGET, 7, Quick())
    kept = world.state / "slots" / world.ledger().previous_slot
    (kept / "app/main.c").write_bytes(b"altered\n")
    with (
        open_probe(world.state, Quick()) as probe,
        pytest.raises(StoreError, match=r"previous tree in .* was altered"),
    ):
        roll_back(probe, now_s=3.0)
    assert world.tree() == TARGET


def test_rollback_works_over_an_altered_tree(world: World) -> None:
    world.put(TARGET, 7, Quick())
    (world.root / "app/main.c").write_bytes(b"altered\n")
    with open_probe(world.state, Quick()) as probe:
        roll_back(probe, now_s=3.0)
    assert world.tree() == BASE
    assert world.ledger().counter == 7


def test_remove_all_takes_links_and_not_what_they_name(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_bytes(b"x")
    (tmp_path / "gone/deep").mkdir(parents=True)
    (tmp_path / "gone/deep").chmod(0o500)
    (tmp_path / "gone/link").symlink_to(tmp_path / "kept")
    (tmp_path / "gone/dangling").symlink_to("nowhere")
    remove_all(Filesystem(), tmp_path / "gone")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]
    assert (tmp_path / "kept/file").read_bytes() == b"x"
