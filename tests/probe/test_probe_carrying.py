"""What a tree has beside its bytes goes along with it, and what cannot be on a disk is refused."""

from __future__ import annotations

import errno
import os
import random
import stat
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from powercut import Quick
from tinypin import tiny_pin, written
from unprivileged import OTHER, USER, as_user, give, need_root, public_folder
from world import BASE, TARGET, World, classical, envelope, regenerator

from probe.disk.attributes import copy_attributes
from probe.disk.copying import copy_data
from probe.disk.filesystem import Filesystem
from probe.disk.naming import Names, check_kept
from probe.messages.apply import apply
from probe.messages.model import budget_of
from probe.messages.model import regenerator as model_regenerator
from probe.resources.disk import BLOCK_BYTES, taken_bytes
from probe.trees.onboard import open_probe
from shared.errors import BudgetExceeded, StoreError, Unstageable
from shared.terminal import silent
from shared.tree import Entry, Mode, Tree, path_text, write_tree

PROGRAM = "app/boot.sh"
CHANGED = BASE.replace({PROGRAM: Entry(Mode.EXECUTABLE, b"#!/bin/sh\nexec ./app 7\n")})
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
"""cap_net_bind_service=ep, as capabilities(7) lays it out (revision 2)."""


def take(world: World, base: Tree, target: Tree, counter: int = 1) -> tuple[str, ...]:
    with open_probe(world.state, Quick()) as probe:
        data = envelope(classical(base, target), counter)
        return apply(probe, data, regenerator, lambda: 2.5).notes


def need_attributes(path: Path) -> None:
    try:
        os.setxattr(path, "user.note", b"hi")
    except OSError:
        pytest.skip("NOT TRIED: this filesystem keeps no user.* attributes")


# --- attributes -----------------------------------------------------------------------------------


def test_set_id_bits_and_attributes_of_a_changed_file_are_kept(world: World) -> None:
    program = world.root / PROGRAM
    need_attributes(program)
    program.chmod(0o6755)
    assert take(world, BASE, CHANGED) == ()
    assert stat.S_IMODE(program.stat().st_mode) == 0o6755
    assert os.getxattr(program, "user.note") == b"hi"
    plain = CHANGED.replace({PROGRAM: Entry(Mode.REGULAR, b"no program\n")})
    take(world, CHANGED, plain, 2)
    assert stat.S_IMODE(program.stat().st_mode) == 0o644


def test_capabilities_stay_with_the_bytes_that_they_were_given_to(world: World) -> None:
    need_root()
    other = world.root / "app/main.c"
    os.chown(other, OTHER, OTHER)
    for path in (world.root / PROGRAM, other):
        try:
            os.setxattr(path, "security.capability", CAPABILITY)
        except OSError:
            pytest.skip("NOT TRIED: this filesystem keeps no capabilities")
    notes = take(world, BASE, CHANGED)
    assert notes == (f"{PROGRAM}: dropped security.capability, since the contents changed",)
    assert os.listxattr(world.root / PROGRAM) == []
    # of a file of another user, too: chown(2) takes them away, so they come after it
    assert os.getxattr(other, "security.capability") == CAPABILITY
    assert other.stat().st_uid == OTHER
    runs = CHANGED.replace({"app/main.c": Entry(Mode.EXECUTABLE, BASE["app/main.c"].data)})
    assert take(world, CHANGED, runs, 2) == ()
    assert os.getxattr(other, "security.capability") == CAPABILITY  # only its mode has changed


def test_a_set_id_bit_does_not_come_to_stand_for_another_user() -> None:
    need_root()
    with public_folder() as folder:
        world = World(folder / "world")
        write_tree(BASE, world.root)
        give(world.folder, USER)
        program = world.root / PROGRAM
        os.chown(program, OTHER, OTHER)
        program.chmod(0o4755)
        as_user(world.initialise)
        notes = as_user(lambda: take(world, BASE, TARGET))
        assert any(PROGRAM in note and "set-user-id" in note for note in notes)
        assert stat.S_IMODE(program.stat().st_mode) == 0o755
        assert program.stat().st_uid == USER


def test_read_only_files_keep_their_attributes(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"x")
    need_attributes(old)
    old.chmod(0o444)
    os.utime(old, ns=(1_500_000_000_123_456_789, 1_400_000_000_987_654_321))
    assert Filesystem().copy_file(old, new) == ()
    assert os.getxattr(new, "user.note") == b"hi"
    found = new.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (0o444, 1_400_000_000_987_654_321)
    assert copy_attributes(old, new) == ()


# --- holes and hard links -------------------------------------------------------------------------


def test_a_sparse_file_stays_sparse_and_counts_what_it_takes(world: World) -> None:
    ring = world.root / ".git/ring"
    ring.parent.mkdir()
    with ring.open("wb") as file:
        file.truncate(300 << 20)
        file.seek(100 << 20)
        file.write(b"in the middle")
    if ring.stat().st_blocks * 512 > 1 << 20:
        pytest.skip("NOT TRIED: this filesystem has no holes")
    world.initialise(renew=True, max_disk_bytes=50 << 20)
    take(world, BASE, TARGET)
    copy = ring.stat()
    assert (copy.st_size, copy.st_blocks * 512 < 1 << 20) == (300 << 20, True)
    with ring.open("rb") as file:
        file.seek(100 << 20)
        assert file.read(14) == b"in the middle\0"
    assert taken_bytes(world.folder) < 2 << 20


@settings(max_examples=40, deadline=None)
@given(
    pieces=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9000)), max_size=5),
    end=st.integers(0, 300_000),
    seed=st.integers(0, 9),
)
def test_copies_equal_their_originals_wherever_the_holes_are(
    pieces: list[tuple[int, int]], end: int, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder, "old"), Path(folder, "new")
        with old.open("wb") as file:
            for block, size in pieces:
                file.seek(block * BLOCK_BYTES)
                file.write(random.Random(seed).randbytes(size))
            file.truncate(end)
        copy_data(old, new)
        assert new.read_bytes() == old.read_bytes()
        assert new.stat().st_blocks <= old.stat().st_blocks + 8


def test_names_of_one_file_stay_names_of_one_file(world: World) -> None:
    shelf = world.root / ".git/shelf"
    shelf.mkdir(parents=True)
    (shelf / "one").write_bytes(bytes(8 * BLOCK_BYTES))
    for name in ("two", "three"):
        (shelf / name).hardlink_to(shelf / "one")
    (world.folder / "outside").hardlink_to(shelf / "one")
    before = taken_bytes(world.root)
    take(world, BASE, TARGET)
    found = {(shelf / name).stat().st_ino for name in ("one", "two", "three")}
    assert len(found) == 1
    assert (shelf / "one").stat().st_nlink == 3  # not one with the old tree, nor with the outside
    assert taken_bytes(world.root) < before + 8 * BLOCK_BYTES


def test_what_goes_while_it_is_copied_is_no_obstacle(world: World) -> None:
    """A log that is rotated away between the listing and the copy."""
    log = world.root / ".git/log"
    log.parent.mkdir()
    log.write_bytes(b"x")

    class Rotating(Quick):
        def make_folder(self, path: Path, mode: int) -> None:
            log.unlink(missing_ok=True)
            super().make_folder(path, mode)

    world.put(TARGET, 1, Rotating())
    assert world.tree() == TARGET


# --- trees that cannot be -------------------------------------------------------------------------


def test_an_ignored_path_is_refused_before_the_model_writes(tmp_path: Path) -> None:
    pin = tiny_pin(tmp_path / "pin")
    write_tree(BASE, tmp_path / "root")
    world = World(tmp_path)
    world.initialise(model=pin.folder, pin=pin.digest, ignore=["hidden", ".git"])
    for path, error in (("hidden/a.c", Unstageable), ("shown/a.c", BudgetExceeded)):
        target = BASE.replace({path: Entry(Mode.REGULAR, b"int a = 1;\nint b = 2;\n")})
        data = envelope(written(BASE, target, pin), 1)
        with open_probe(world.state, Quick()) as probe, pytest.raises(error):
            follow = model_regenerator(probe.config, budget_of(1, 60.0, 4096), silent)
            apply(probe, data, follow, lambda: 2.5)
        assert (world.tree(), world.ledger().counter) == (BASE, -1)


def test_names_that_are_too_long_are_refused(world: World) -> None:
    for path in ("n" * 256, "ä" * 128, "/".join(["d" * 200] * 20)):
        target = BASE.replace({path: Entry(Mode.REGULAR, b"x")})
        with pytest.raises(Unstageable, match="bytes"):
            take(world, BASE, target)
        assert not any((world.state / "slots").iterdir())
    longest = BASE.replace({"n" * 255: Entry(Mode.REGULAR, b"x")})
    take(world, BASE, longest)
    assert world.tree() == longest


PARTS = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), max_size=300
)


@settings(max_examples=80, deadline=None)
@given(parts=st.lists(PARTS.filter(lambda part: part not in ("", ".", "..")), min_size=1))
def test_what_is_called_too_long_is_what_the_filesystem_calls_so(parts: list[str]) -> None:
    path = "/".join(parts)
    with tempfile.TemporaryDirectory() as folder:
        try:
            Names.of(Path(folder), ()).check(path)
            admitted = True
        except Unstageable:
            admitted = False
        place = Path(folder, path)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
            possible = True
        except OSError as error:
            assert error.errno == errno.ENAMETOOLONG
            possible = False
    assert admitted == possible


class Folding(Quick):
    """A filesystem that takes a name for the one that differs in case."""

    def _fold(self, path: Path) -> None:
        others = (other.name.lower() for other in path.parent.iterdir())
        if path.name.lower() in others:
            raise FileExistsError(errno.EEXIST, "File exists", str(path))

    def make_folder(self, path: Path, mode: int) -> None:
        self._fold(path)
        super().make_folder(path, mode)

    def write_file(self, path: Path, data: bytes, mode: int) -> None:
        self._fold(path)
        super().write_file(path, data, mode)


@pytest.mark.parametrize("path", ["APP/x.c", "lib/OLD", "app/Main.c"])
def test_a_tree_that_a_folding_filesystem_does_not_keep_apart(world: World, path: str) -> None:
    target = BASE.replace({path: Entry(Mode.REGULAR, b"x")})
    with open_probe(world.state, Folding()) as probe, pytest.raises(Unstageable, match="already"):
        apply(probe, envelope(classical(BASE, target), 1), regenerator, lambda: 2.5)
    assert (world.tree(), world.ledger().counter) == (BASE, -1)
    take(world, BASE, TARGET)


def test_a_filesystem_that_changes_names_is_told_from_a_failing_disk() -> None:
    one = Tree({"a": Entry(Mode.REGULAR, b"1")})
    with pytest.raises(Unstageable, match="come out"):
        check_kept(BASE, BASE, one, Tree({"A": Entry(Mode.REGULAR, b"1")}))
    with pytest.raises(Unstageable, match="come out"):
        check_kept(BASE, BASE, one, Tree({"a": Entry(Mode.EXECUTABLE, b"1")}))
    check_kept(BASE, BASE, one, Tree({"a": Entry(Mode.REGULAR, b"2")}))
    check_kept(BASE, TARGET, one, Tree({"A": Entry(Mode.REGULAR, b"1")}))


def test_bytes_that_come_out_otherwise_are_the_disks_fault(world: World) -> None:
    class Lying(Quick):
        def write_file(self, path: Path, data: bytes, mode: int) -> None:
            super().write_file(path, data[:-1] if path.name == "main.c" else data, mode)

    with open_probe(world.state, Lying()) as probe, pytest.raises(StoreError, match="read back"):
        apply(probe, envelope(classical(BASE, TARGET), 1), regenerator, lambda: 2.5)


def test_paths_that_are_no_text(world: World) -> None:
    target = BASE.replace({path_text(b"\xff" * 255): Entry(Mode.REGULAR, b"x")})
    take(world, BASE, target)
    assert world.tree() == target
