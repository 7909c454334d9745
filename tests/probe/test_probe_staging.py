"""A staged tree is the target in every byte, and keeps what is no part of a tree."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from powercut import Quick
from world import BASE, TARGET, THIRD, World

from probe.disk.filesystem import Filesystem
from probe.trees.staging import Listing, Plan, build, list_folder, permissions, place, plan
from shared.errors import InputError, StoreError, Unstageable
from shared.tree import Entry, Mode, Tree, path_text, read_tree, write_tree

NAMES = st.sampled_from(["a", "b", "c.py", "ä", path_text(b"\xff\xfe"), " ", "new\nline"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
ENTRIES = st.builds(
    Entry,
    st.sampled_from(list(Mode)),
    st.binary(min_size=1, max_size=9).filter(lambda b: 0 not in b),
)


def tree_of(entries: dict[str, Entry]) -> Tree:
    """The entries that fit together: no file where another path has a folder."""
    fitting: dict[str, Entry] = {}
    for path, entry in entries.items():
        try:
            fitting = dict(Tree({**fitting, path: entry}).entries)
        except InputError:
            continue
    return Tree(fitting)


TREES = st.dictionaries(PATHS, ENTRIES, max_size=6).map(tree_of)


@settings(max_examples=60, deadline=None)
@given(base=TREES, target=TREES)
def test_any_tree_becomes_any_other(base: Tree, target: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, slot = Path(folder, "root"), Path(folder, "slot")
        write_tree(base, root)
        build(Quick(), root, slot, base, target)
        assert read_tree(slot) == target
        assert read_tree(root) == base
        # folders are those of the target and no others, as git would leave them
        assert list_folder(slot).folders == {
            path.rsplit("/", up)[0] for path in target for up in range(1, path.count("/") + 1)
        }


def test_plan_by_hand() -> None:
    found = Listing(
        folders=frozenset({"src", "src/old", "logs", "logs/deep", ".git", "way"}),
        files=frozenset({"src/a", "src/old/b", ".git/HEAD"}),
    )
    one, two, three = (Entry(Mode.REGULAR, data) for data in (b"1", b"2", b"3"))
    base = Tree({"src/a": one, "src/old/b": two})
    target = Tree({"src/a": one, "way": three, "z/c": two})
    assert plan(found, base, target) == Plan(
        folders=(".git", "logs", "logs/deep", "src", "z"),
        copies=(".git/HEAD", "src/a"),
        writes={"way": three, "z/c": two},
    )


def test_what_is_no_part_of_a_tree_is_kept(world: World) -> None:
    git = world.root / ".git"
    (git / "objects").mkdir(parents=True)
    (git / "HEAD").write_bytes(b"ref: main\n")
    (git / "HEAD").chmod(0o440)
    (world.root / "spool").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(git / "s"))
    before = world.ledger().tree
    assert before == BASE.digest.hex()
    world.put(TARGET, 1, Quick())
    assert world.tree() == TARGET
    assert (git / "HEAD").read_bytes() == b"ref: main\n"
    assert stat.S_IMODE((git / "HEAD").stat().st_mode) == 0o440
    assert (git / "objects").is_dir()
    assert not (git / "s").exists()
    assert stat.S_IMODE((world.root / "spool").stat().st_mode) == 0o700


def test_permissions_times_and_owners(world: World) -> None:
    os.utime(world.root / "lib/image.bin", (1.25e9, 1.5e9))
    (world.root / "lib/image.bin").chmod(0o604)
    (world.root / "app/main.c").chmod(0o640)
    (world.root / "app").chmod(0o750)
    world.root.chmod(0o711)
    if os.getuid() == 0:
        os.chown(world.root / "app/main.c", 1234, 4321)
        os.chown(world.root, 77, 78)
    world.put(TARGET, 1, Quick())
    modes = {
        path: stat.S_IMODE((world.root / path).stat().st_mode)
        for path in ("", "app", "app/main.c", "lib/image.bin", "new", "new/deep/er.txt", "lib/old")
    }
    assert modes == {
        "": 0o711,
        "app": 0o750,
        "app/main.c": 0o750,  # became executable: whoever might read it may run it
        "lib/image.bin": 0o604,
        "new": 0o711,
        "new/deep/er.txt": 0o644,
        "lib/old": 0o644,
    }
    assert (world.root / "lib/image.bin").stat().st_mtime == 1.5e9
    if os.getuid() == 0:
        owners = {
            path: ((world.root / path).stat().st_uid, (world.root / path).stat().st_gid)
            for path in ("", "app/main.c", "new", "new/deep/er.txt", "lib/image.bin")
        }
        assert owners == {
            "": (77, 78),
            "app/main.c": (1234, 4321),
            "new": (77, 78),
            "new/deep/er.txt": (77, 78),
            "lib/image.bin": (0, 0),
        }


@pytest.mark.parametrize(
    ("mode", "replaced", "expected"),
    [
        (Mode.REGULAR, None, 0o644),
        (Mode.EXECUTABLE, None, 0o755),
        (Mode.REGULAR, 0o640, 0o640),
        (Mode.REGULAR, 0o751, 0o640),
        (Mode.EXECUTABLE, 0o640, 0o750),
        (Mode.EXECUTABLE, 0o600, 0o700),
        (Mode.EXECUTABLE, 0o200, 0o300),
    ],
)
def test_permissions(mode: Mode, replaced: int | None, expected: int) -> None:
    assert permissions(mode, replaced) == expected


def test_writing_into_the_root_does_not_reach_the_previous_tree(world: World) -> None:
    """Copies, not hard links."""
    world.put(TARGET, 1, Quick())
    with (world.root / "lib/image.bin").open("r+b") as file:
        file.write(b"scribble")
    slot = world.state / "slots" / world.ledger().previous_slot
    assert read_tree(slot) == BASE


def test_two_trees_lie_on_disk_and_no_third(world: World) -> None:
    for counter, target in enumerate((TARGET, THIRD, BASE, TARGET)):
        world.put(target, counter, Quick())
        slots = list((world.state / "slots").iterdir())
        assert [slot.name for slot in slots] == [world.ledger().previous_slot]


def test_a_root_that_changes_while_staging_is_noticed(world: World) -> None:
    class Meddling(Quick):
        def make_folder(self, path: Path, mode: int) -> None:
            (world.root / "lib/image.bin").write_bytes(b"meddled")
            super().make_folder(path, mode)

    with pytest.raises(StoreError, match="not the target"):
        world.put(TARGET, 1, Meddling())
    assert world.ledger().counter == -1
    assert not any((world.state / "slots").iterdir())


def test_something_in_the_way_of_a_file_is_refused(world: World) -> None:
    (world.root / "new/.git").mkdir(parents=True)
    (world.root / "new/.git/HEAD").write_bytes(b"ref\n")
    with pytest.raises(Unstageable, match="lies there already"):
        world.put(BASE.replace({"new": Entry(Mode.REGULAR, b"x")}), 1, Quick())
    assert world.tree() == BASE


def test_an_empty_folder_makes_way_for_a_file(world: World) -> None:
    (world.root / "new/empty").mkdir(parents=True)
    world.put(BASE.replace({"new": Entry(Mode.REGULAR, b"x")}), 1, Quick())
    assert (world.root / "new").read_bytes() == b"x"


def test_a_reader_never_sees_a_mixture(world: World) -> None:
    """Whoever opens the root once reads one tree, whatever is applied meanwhile."""
    one = Tree({"x": Entry(Mode.REGULAR, b"1"), "y": Entry(Mode.REGULAR, b"1")})
    two = Tree({"x": Entry(Mode.REGULAR, b"2"), "y": Entry(Mode.REGULAR, b"2")})
    world.put(one, 0, Quick())
    seen: list[tuple[bytes, bytes]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            folder = os.open(world.root, os.O_RDONLY | os.O_DIRECTORY)
            try:
                x, y = (os.open(name, os.O_RDONLY, dir_fd=folder) for name in ("x", "y"))
            except FileNotFoundError:
                continue  # two changes later this tree is removed
            finally:
                os.close(folder)
            seen.append((os.read(x, 9), os.read(y, 9)))
            os.close(x)
            os.close(y)

    reader = threading.Thread(target=read)
    reader.start()
    for counter in range(1, 41):
        world.put(two if counter % 2 else one, counter, Quick())
    done.set()
    reader.join()
    assert set(seen) == {(b"1", b"1"), (b"2", b"2")}


def test_place_is_independent_of_the_locale() -> None:
    assert os.fsencode(place(Path("/r"), path_text(b"\xff/\xc3\xa4"))) == b"/r/\xff/\xc3\xa4"
    assert place(Path("/r"), "") == Path("/r")


def test_exchange_swaps_two_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a/1").touch()
    Filesystem().exchange(tmp_path / "a", tmp_path / "b")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["1"]
    assert not any((tmp_path / "a").iterdir())
    with pytest.raises(FileNotFoundError):
        Filesystem().exchange(tmp_path / "a", tmp_path / "none")
