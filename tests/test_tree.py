"""Trees as values: which paths they take, their order, their digest."""

from __future__ import annotations

import struct
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from tree_pairs import PATIENT, pairs, trees

from shared.digest import sha256
from shared.errors import InputError
from shared.tree import Entry, Mode, Tree, path_bytes, path_text, serialise

FILE = Entry(Mode.REGULAR, b"x")


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "..", "/", "/a", "a/", "a//b", "./a", "a/.", "../a", "a/..", "a/../b", "a\0b",
        "\ud800",  # a surrogate that stands for no byte
        "\udcc3\udca9",  # the escapes of two bytes that are together the text "é"
    ],
)  # fmt: skip
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(InputError):
        Tree({path: FILE})


@pytest.mark.parametrize("path", ["a\\b", "...", ".a", "a b", "C:", "-", "\n", "é", "\udcff", "~"])
def test_paths_that_are_odd_but_taken(path: str) -> None:
    assert list(Tree({path: FILE})) == [path]
    assert path_text(path_bytes(path)) == path


@pytest.mark.parametrize("mode", list(Mode))
def test_nothing_lies_below_a_file_or_a_link(mode: Mode) -> None:
    with pytest.raises(InputError, match=r"'a/b/c' lies below 'a'"):
        Tree({"a/b/c": FILE, "a": Entry(mode, b"t")})
    assert len(Tree({"a/b": FILE, "a.b": FILE, "ab": FILE})) == 3


@pytest.mark.parametrize("target", [b"", b"a\0b"])
def test_links_that_no_file_system_stores_are_refused(target: bytes) -> None:
    with pytest.raises(InputError, match="symbolic link"):
        Entry(Mode.SYMLINK, target)


def test_the_order_is_that_of_the_bytes() -> None:
    # as text, U+E000 would come after the surrogates that stand for 0xff
    paths = ["a", "a b", "a.c", "a/b", "b", "\ue000", "\U0001f600", "\udcff"]
    paths.remove("a")
    tree = Tree(dict.fromkeys(reversed(paths), FILE))
    assert list(tree) == paths
    assert [path for path, _ in tree.items()] == paths


def test_a_tree_does_not_change_with_the_mapping_it_was_made_of() -> None:
    named = {"a": FILE}
    tree = Tree(named)
    named["b"] = FILE
    assert list(tree) == ["a"]
    with pytest.raises(TypeError):
        tree.entries["b"] = FILE  # type: ignore[index]
    for value, name in ((tree, "entries"), (FILE, "data")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, None)


def test_looking_up() -> None:
    tree = Tree({"a": FILE})
    assert tree["a"] is FILE
    assert tree.get("a") is FILE
    assert tree.get("b") is None
    assert "a" in tree
    assert "b" not in tree
    assert len(tree) == 1


def test_replace_adds_changes_and_takes_away() -> None:
    tree = Tree({"a": FILE, "b": FILE, "c/d": FILE})
    other = Entry(Mode.EXECUTABLE, b"y")
    assert tree.replace({"a": None, "b": other, "c/d": None, "c": other}) == Tree(
        {"b": other, "c": other}
    )
    assert tree.replace({"not there": None}) == tree
    with pytest.raises(InputError):
        tree.replace({"c": other})
    with pytest.raises(InputError):
        tree.replace({"../x": other})


def test_the_serialisation_byte_by_byte() -> None:
    tree = Tree({"é": Entry(Mode.EXECUTABLE, b"\x01\x02\x03"), "a/b": Entry(Mode.SYMLINK, b"\xff")})
    expected = (
        b"rehydration-tree/1\n"
        b"\0\0\0\0\0\0\0\x02"
        b"\0\0\xa0\x00\0\0\0\0\0\0\0\x03a/b\0\0\0\0\0\0\0\x01\xff"
        b"\0\0\x81\xed\0\0\0\0\0\0\0\x02\xc3\xa9\0\0\0\0\0\0\0\x03\x01\x02\x03"
    )
    assert b"".join(serialise(tree)) == expected
    assert tree.digest == sha256(expected)


def parse(serial: bytes) -> dict[str, tuple[int, bytes]]:
    """Read a serialisation back, from its description alone."""
    assert serial[:19] == b"rehydration-tree/1\n"
    (count,) = struct.unpack_from(">Q", serial, 19)
    at = 27
    found = {}
    for _ in range(count):
        mode, size = struct.unpack_from(">IQ", serial, at)
        path = serial[at + 12 : at + 12 + size]
        at += 12 + size
        (size,) = struct.unpack_from(">Q", serial, at)
        found[path_text(path)] = (mode, serial[at + 8 : at + 8 + size])
        at += 8 + size
    assert at == len(serial)
    return found


@PATIENT
@given(trees())
def test_the_serialisation_holds_the_whole_tree(tree: Tree) -> None:
    found = parse(b"".join(serialise(tree)))
    assert Tree({path: Entry(Mode(mode), data) for path, (mode, data) in found.items()}) == tree


@PATIENT
@given(pairs())
def test_trees_are_equal_exactly_if_their_digests_are(pair: tuple[Tree, Tree]) -> None:
    base, target = pair
    assert (base == target) == (base.digest == target.digest)
    again = Tree(dict(reversed(base.items())))
    assert again == base
    assert again.digest == base.digest
    assert hash(again) == hash(base)


def test_digests_see_what_moves_from_one_field_to_the_next() -> None:
    variants = [
        {"ab": Entry(Mode.REGULAR, b"c")},
        {"a": Entry(Mode.REGULAR, b"bc")},
        {"a": Entry(Mode.EXECUTABLE, b"bc")},
        {"a": Entry(Mode.SYMLINK, b"bc")},
        {"a": Entry(Mode.REGULAR, b"b"), "c": Entry(Mode.REGULAR, b"")},
        {"a": Entry(Mode.REGULAR, b""), "c": Entry(Mode.REGULAR, b"b")},
        {"a/c": Entry(Mode.REGULAR, b"b")},
        {"a": Entry(Mode.REGULAR, b"")},
        {},
    ]
    assert len({Tree(variant).digest for variant in variants}) == len(variants)
