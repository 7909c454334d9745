"""What cannot be cleared, read or moved is set aside and told; the next message is taken."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flows import next_message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from powercut import Quick
from unprivileged import OTHER, USER, as_user, give, need_root, public_folder
from world import BASE, KEY, PIN, TARGET, THIRD, World, classical, envelope, regenerator

from probe.commands.report import of_status
from probe.disk.clearing import remove_all
from probe.disk.filesystem import Filesystem
from probe.listen.dispatch import deal
from probe.listen.telemetry import Event
from probe.messages.apply import apply
from probe.resources.disk import NoRoom
from probe.trees.garbage import Collected, collect
from probe.trees.onboard import open_probe, roll_back
from probe.trees.setup import Setup, initialise
from probe.trees.slots import ASIDE, SLOTS
from shared.errors import InputError, StoreError
from shared.tree import Entry, Mode, Tree, write_tree

FIRST, SECOND = envelope(classical(BASE, TARGET), 1), envelope(classical(TARGET, THIRD), 2)


@pytest.fixture
def theirs() -> Iterator[World]:
    """A probe of ``USER`` over a tree with an ignored folder ``log``."""
    need_root()
    with public_folder() as folder:
        world = World(folder / "world")
        write_tree(BASE, world.root)
        (world.root / "log").mkdir()
        (world.root / "log/app.log").write_bytes(b"hello\n")
        give(world.folder, USER)
        as_user(lambda: world.initialise(ignore=["log", ".git"]))
        yield world


def take(world: World, data: bytes) -> tuple[str, ...]:
    with open_probe(world.state, Quick()) as probe:
        return apply(probe, data, regenerator, lambda: 2.5).notes


def aside(world: World) -> list[str]:
    with open_probe(world.state, Quick()) as probe:
        found: list[str] = of_status(probe)["aside"]
        return found


def tidy(world: World) -> Collected:
    with open_probe(world.state, Quick()) as probe:
        return collect(probe)


# --- an unprivileged probe ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o555])
def test_an_ignored_folder_of_another_user(theirs: World, mode: int) -> None:
    give(theirs.root / "log", OTHER)
    (theirs.root / "log").chmod(mode)
    first = as_user(lambda: take(theirs, FIRST))
    assert any("stays behind" in note for note in first) == (mode == 0o700)
    assert theirs.tree().replace({"log/app.log": None}) == TARGET
    second = as_user(lambda: take(theirs, SECOND))
    assert any("cannot be removed" in note for note in second)
    assert as_user(theirs.ledger).counter == 2
    assert [line.split(":")[0] for line in as_user(lambda: aside(theirs))] == [
        f"{theirs.state}/slots/aside-1"
    ]
    kept = theirs.state / "slots/aside-1/log/app.log"
    assert kept.read_bytes() == b"hello\n"
    assert as_user(lambda: tidy(theirs)).left  # no error, and told again
    give(theirs.state, USER)
    assert as_user(lambda: tidy(theirs)).left == ()
    assert as_user(lambda: aside(theirs)) == []


def test_a_file_that_nobody_could_copy_is_never_removed(theirs: World) -> None:
    """Its folder is the probe's, so that unlink(2) would do it; but there is no other copy."""
    secret = theirs.root / "log/secret"
    secret.write_bytes(b"the only one\n")
    secret.chmod(0o600)
    os.chown(secret, OTHER, OTHER)
    notes = as_user(lambda: take(theirs, FIRST))
    assert any("log/secret stays behind" in note for note in notes)
    as_user(lambda: take(theirs, SECOND))
    assert (theirs.state / "slots/aside-1/log/secret").read_bytes() == b"the only one\n"
    assert (theirs.root / "log/app.log").read_bytes() == b"hello\n"


@pytest.mark.parametrize("owner", [USER, OTHER])
def test_a_root_that_may_not_be_written_to(theirs: World, owner: int) -> None:
    """To give it another parent folder takes the right to write into it; to rename it does not."""
    theirs.root.chmod(0o555)
    os.chown(theirs.root, owner, owner)
    as_user(lambda: take(theirs, FIRST))
    as_user(lambda: take(theirs, SECOND))
    assert theirs.root.stat().st_mode & 0o777 == 0o555
    with_log = theirs.tree()
    assert with_log.replace({"log/app.log": None}) == THIRD

    def back() -> None:
        with open_probe(theirs.state) as probe:
            roll_back(probe, now_s=3.0)

    as_user(back)
    assert theirs.tree().replace({"log/app.log": None}) == TARGET
    as_user(lambda: take(theirs, envelope(classical(TARGET, BASE), 3)))
    assert theirs.tree().replace({"log/app.log": None}) == BASE


def test_init_over_such_a_root_and_rollback_of_one_that_became_so(theirs: World) -> None:
    as_user(lambda: take(theirs, FIRST))
    theirs.root.chmod(0o555)  # the previous tree lies in the state folder

    def back() -> None:
        with open_probe(theirs.state) as probe:
            roll_back(probe, now_s=3.0)

    as_user(back)
    assert theirs.tree().replace({"log/app.log": None}) == BASE
    theirs.root.chmod(0o555)
    as_user(lambda: theirs.initialise(renew=True, ignore=["log", ".git"]))
    as_user(lambda: take(theirs, envelope(classical(BASE, THIRD), 5)))
    assert theirs.tree().replace({"log/app.log": None}) == THIRD


def test_init_refuses_a_root_that_its_user_cannot_move() -> None:
    need_root()
    with public_folder() as folder:
        world = World(folder / "world")
        write_tree(BASE, world.root)
        give(world.folder, USER)
        os.chown(world.folder, OTHER, OTHER)
        world.folder.chmod(0o1777)  # everybody may write, nobody may move what is another's
        os.chown(world.root, OTHER, OTHER)
        state, model = world.folder / "state", world.folder
        setup = Setup(world.root, model, PIN, [KEY.public_key().public_bytes_raw()])
        with pytest.raises(InputError, match="cannot be renamed"):
            as_user(lambda: initialise(state, setup, now_s=1.0))
        assert world.tree() == BASE


# --- obstacles that hold for root too -------------------------------------------------------------


@pytest.fixture
def immutable(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Makes files and folders immutable, for as long as the test runs."""

    def make(path: Path) -> None:
        if subprocess.run(["chattr", "+i", str(path)], capture_output=True).returncode:
            pytest.skip("NOT TRIED: chattr +i needs root and a filesystem that has it")

    yield make
    subprocess.run(["chattr", "-R", "-i", tmp_path], capture_output=True)


def test_an_immutable_file_among_what_is_ignored(
    world: World, immutable: Callable[[Path], None]
) -> None:
    (world.root / ".git").mkdir()
    (world.root / ".git/fixed").write_bytes(b"x")
    immutable(world.root / ".git/fixed")
    assert take(world, FIRST) == ()
    assert any("cannot be removed" in note for note in take(world, SECOND))
    assert world.tree() == THIRD
    assert len(aside(world)) == 1


def test_an_immutable_root_is_refused_by_init_and_by_apply(
    world: World, immutable: Callable[[Path], None]
) -> None:
    immutable(world.root)
    with pytest.raises(StoreError, match="exchange the trees"):
        take(world, FIRST)
    assert (world.tree(), world.ledger().counter) == (BASE, -1)
    setup = Setup(world.root, world.folder, PIN, [KEY.public_key().public_bytes_raw()])
    with pytest.raises(InputError, match="cannot be renamed"):
        initialise(world.folder / "other", setup, now_s=1.0)
    subprocess.run(["chattr", "-i", str(world.root)], check=True)
    take(world, FIRST)
    assert world.tree() == TARGET


def test_a_slot_that_cannot_even_be_moved(world: World, immutable: Callable[[Path], None]) -> None:
    slot = world.state / "slots/a"
    slot.mkdir()
    immutable(slot)
    take(world, FIRST)
    assert world.ledger().previous_slot == "b"
    take(world, SECOND)
    assert world.tree() == THIRD
    assert slot.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TRIED: only root can mount")
def test_a_filesystem_mounted_below_the_root_is_not_emptied(world: World) -> None:
    place, store = world.root / ".git", world.folder / "elsewhere"
    place.mkdir()
    store.mkdir()
    (store / "precious").write_bytes(b"data")
    if subprocess.run(["mount", "--bind", store, place], capture_output=True).returncode:
        pytest.skip("NOT TRIED: this system mounts nothing")
    try:
        take(world, FIRST)
        notes = take(world, SECOND)
        assert any("mounted" in note for note in notes)
        assert (store / "precious").read_bytes() == b"data"
        assert world.tree() == THIRD
    finally:
        for mounted in world.folder.rglob(".git"):
            subprocess.run(["umount", mounted], capture_output=True)


class Stubborn(Quick):
    """A disk on which what bears some names cannot be removed, and perhaps not be moved."""

    def __init__(self, names: set[str], *, moves: bool = True) -> None:
        self.names = names
        self.moves = moves

    def remove_file(self, path: Path) -> None:
        if path.name in self.names:
            raise OSError(errno.EIO, "Input/output error")
        super().remove_file(path)

    def rename(self, source: Path, path: Path) -> None:
        if not self.moves and path.name.startswith("aside-"):
            raise OSError(errno.EIO, "Input/output error")
        super().rename(source, path)


def alternating(count: int) -> Iterator[tuple[Tree, bytes]]:
    """Trees and the messages that bring them, one after the other."""
    here = BASE
    for counter in range(1, count + 1):
        there = BASE.replace({"n": Entry(Mode.REGULAR, b"%d" % counter)})
        yield there, envelope(classical(here, there), counter)
        here = there


def test_what_is_aside_is_bounded_and_the_end_is_a_refusal_that_says_what_to_do(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ASIDE[:5]
    monkeypatch.setattr("probe.trees.slots.ASIDE", few)
    disk = Stubborn({"main.c"})
    messages = list(alternating(len(few) + len(SLOTS) + 1))
    taken = 0
    for tree, data in messages:
        with open_probe(world.state, disk) as probe:
            try:
                apply(probe, data, regenerator, lambda: 2.5)
            except NoRoom as error:
                assert "remove these" in (error.remedy or "")
                break
        assert world.tree() == tree
        taken += 1
    assert len(few) <= taken < len(messages)
    with open_probe(world.state, Quick()) as probe:  # the disk has come to its senses
        dealt = deal(probe, messages[taken][1], regenerator, lambda: 2.5)
    assert dealt.telemetry.event is Event.APPLIED
    assert aside(world) == []


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    stuck=st.sets(st.sampled_from(["main.c", "image.bin", "HEAD", "link", "er.txt"])),
    moves=st.booleans(),
    steps=st.lists(st.sampled_from(["apply", "back", "gc", "renew"]), min_size=1, max_size=5),
)
def test_whatever_cannot_be_cleared_the_next_message_is_taken(
    tmp_path_factory: pytest.TempPathFactory, stuck: set[str], moves: bool, steps: list[str]
) -> None:
    world = World(tmp_path_factory.mktemp("drawn"))
    write_tree(BASE, world.root)
    (world.root / ".git").mkdir()
    (world.root / ".git/HEAD").write_bytes(b"ref\n")
    world.initialise()
    disk = Stubborn(stuck, moves=moves)
    for number, step in enumerate(steps, 1):
        with open_probe(world.state, disk) as probe:
            here = world.tree()
            if step == "apply":
                there = BASE.replace({"n": Entry(Mode.REGULAR, b"%d" % number)})
                data = envelope(classical(here, there), number)
                apply(probe, data, regenerator, lambda: 2.5)
                assert world.tree() == there
            elif step == "back" and probe.store.ledger().previous:
                roll_back(probe, now_s=3.0)
            elif step == "gc":
                collect(probe)
        if step == "renew":
            world.initialise(renew=True)
        assert (world.root / ".git/HEAD").read_bytes() == b"ref\n"
    with open_probe(world.state, disk) as probe:
        apply(probe, next_message(world.tree()), regenerator, lambda: 5.0)


# --- clearing -------------------------------------------------------------------------------------


def test_a_link_in_the_place_of_a_slot_is_removed_and_not_followed(world: World) -> None:
    precious = world.folder / "precious"
    precious.mkdir()
    (precious / "data").write_bytes(b"x")
    (world.state / "slots/b").symlink_to(precious)
    assert tidy(world).left == ()
    assert (precious / "data").read_bytes() == b"x"
    assert not os.path.lexists(world.state / "slots/b")


def test_a_file_in_the_place_of_a_slot_is_removed(world: World) -> None:
    (world.state / "slots/a").write_bytes(b"x")
    take(world, FIRST)
    assert world.tree() == TARGET


def test_clearing_opens_its_own_folder_and_those_below() -> None:
    need_root()
    with public_folder() as folder:
        (folder / "top/below").mkdir(parents=True)
        (folder / "top/below/file").touch()
        give(folder, USER)
        (folder / "top/below").chmod(0)
        (folder / "top").chmod(0)
        assert as_user(lambda: remove_all(Filesystem(), folder / "top")) == ()
        assert not any(folder.iterdir())


def test_a_draft_that_cannot_be_removed_is_not_in_the_way(world: World) -> None:
    (world.state / "ledger.json.new").mkdir()
    (world.state / "ledger.json.new/full").touch()
    (world.state / "journal.json.new").mkdir()
    take(world, FIRST)
    assert world.tree() == TARGET
    assert tidy(world).left == ()
    assert not list(world.state.glob("*.new"))


def test_a_folder_of_slots_that_went_is_made_anew(world: World) -> None:
    (world.state / "slots").rmdir()
    take(world, FIRST)
    assert world.tree() == TARGET
