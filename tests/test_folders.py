"""Trees on disk."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from tree_pairs import PATIENT, trees

from shared.errors import InputError
from shared.tree import Entry, Mode, Tree, read_tree, write_tree

FILE = Entry(Mode.REGULAR, b"\0\r\n\xff")


@settings(PATIENT, max_examples=50)
@given(trees())
def test_what_is_written_is_read_again(tree: Tree) -> None:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch, "new", "folder")
        write_tree(tree, folder)
        assert read_tree(folder) == tree


def test_only_the_owners_executable_bit_counts(tmp_path: Path) -> None:
    for name, permissions in (("a", 0o600), ("b", 0o700), ("c", 0o655), ("d", 0o4744)):
        (tmp_path / name).write_bytes(b"x")
        (tmp_path / name).chmod(permissions)
    (tmp_path / "empty folder").mkdir()
    modes = {path: entry.mode for path, entry in read_tree(tmp_path).items()}
    assert modes == {
        "a": Mode.REGULAR,
        "b": Mode.EXECUTABLE,
        "c": Mode.REGULAR,
        "d": Mode.EXECUTABLE,
    }


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    tree = Tree({"a": FILE, "b": Entry(Mode.EXECUTABLE, b"x")})
    before = os.umask(0o027)
    try:
        write_tree(tree, tmp_path / "t")
    finally:
        os.umask(before)
    modes = [(tmp_path / "t" / name).stat().st_mode & 0o777 for name in ("a", "b")]
    assert modes == [0o640, 0o750]


def test_links_are_never_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"s")
    root = tmp_path / "root"
    root.mkdir()
    (root / "folder").symlink_to("../outside")
    (root / "file").symlink_to("../outside/secret")
    (root / "loop").symlink_to("loop")
    (root / "up").symlink_to("..")
    links = {
        "folder": b"../outside",
        "file": b"../outside/secret",
        "loop": b"loop",
        "up": b"..",
    }
    expected = Tree({name: Entry(Mode.SYMLINK, target) for name, target in links.items()})
    assert read_tree(root) == expected
    (tmp_path / "way in").symlink_to("root")
    assert read_tree(tmp_path / "way in") == expected


def test_names_left_out_at_any_depth(tmp_path: Path) -> None:
    for path in (".git/config", "a/.git/x", "a/b/.git", ".gitignore", "a/build/x", "a/git"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    assert list(read_tree(tmp_path)) == [".gitignore", "a/build/x", "a/git"]
    assert list(read_tree(tmp_path, ignore=("build", ".git"))) == [".gitignore", "a/git"]
    assert len(read_tree(tmp_path, ignore=())) == 6


def test_fifos_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe is neither a file") as caught:
        read_tree(tmp_path)
    assert "FIFO" in (caught.value.expected or "")
    assert len(read_tree(tmp_path, ignore=("pipe",))) == 0


def test_sockets_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(InputError, match=r"socket is neither a file"):
            read_tree(tmp_path)


def test_folders_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for missing in ("nowhere", "file"):
        with pytest.raises(InputError, match="is not a folder"):
            read_tree(tmp_path / missing)


def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("file", "link", "dangling"):
        with pytest.raises(InputError, match="is not a folder"):
            write_tree(Tree({}), tmp_path / name)
    with pytest.raises(InputError, match="not empty"):
        write_tree(Tree({}), tmp_path)
    (tmp_path / "empty").mkdir()
    write_tree(Tree({"a": FILE}), tmp_path / "empty")
    assert (tmp_path / "empty" / "a").read_bytes() == FILE.data
    with pytest.raises(InputError, match="cannot write"):
        write_tree(Tree({"n" * 300: FILE}), tmp_path / "new")
