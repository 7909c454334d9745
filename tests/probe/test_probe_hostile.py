"""Hostile bytes at every parser, and hostile trees on a real disk."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import zstandard
from hostile import CORPUS, PATCHES, Hostile
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import Parser, attempt, mutate
from powercut import Quick
from world import BASE, World, classical, envelope, regenerator

from probe.messages.apply import apply
from probe.trees.onboard import open_probe
from shared.diff import apply_patch, zstd_delta
from shared.errors import PatchError, RehydrationError, StoreError
from shared.tree import Entry, Mode, Tree

NAMES = (
    *("authenticate", "envelope", "message", "recipe", "rotation", "disclosure", "frame", "cltu"),
    *("slip", "packet", "telemetry", "segments", "delta", "patch", "records", "tokenizer"),
    *("manifest", "pin", "pin tokenizer"),
)
SLOW = {"recipe": 60, "pin": 25, "pin tokenizer": 25, "cltu": 60, "authenticate": 150}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    return Hostile(tmp_path_factory.mktemp("hostile"))


def test_every_parser_is_listed(hostile: Hostile) -> None:
    assert set(hostile.parsers) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_mutations_give_a_value_or_a_refusal(hostile: Hostile, name: str) -> None:
    parser, choose = hostile.parsers[name], random.Random(name)
    for _ in range(SLOW.get(name, 400)):
        one, other = choose.choice(parser.samples), choose.choice(parser.samples)
        data = mutate(one, other, choose)
        assert attempt(parser, data) is None, data.hex()


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(SLOW)))
def test_any_bytes_give_a_value_or_a_refusal(hostile: Hostile, name: str) -> None:
    parser: Parser = hostile.parsers[name]

    @settings(max_examples=40, deadline=None)
    @given(st.binary(max_size=300))
    def check(data: bytes) -> None:
        assert attempt(parser, data) is None

    check()


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_what_was_found_before(hostile: Hostile, path: Path) -> None:
    assert attempt(hostile.parsers[path.name.rpartition("-")[0]], path.read_bytes()) is None


def test_the_harness_can_fail() -> None:
    assert attempt(Parser(lambda data: data[99], ()), b"short") is not None


# --- trees ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("patch", PATCHES, ids=range(len(PATCHES)))
def test_patches_that_leave_the_tree_are_refused(patch: bytes) -> None:
    with pytest.raises(PatchError):
        apply_patch(BASE, patch)


@pytest.mark.parametrize(
    "path", ["../x", "/etc/x", "a/../x", "a//x", "./x", "a/", "", "a\0b", ".."]
)
def test_no_tree_has_a_path_out_of_it(path: str) -> None:
    with pytest.raises(RehydrationError):
        Tree({path: Entry(Mode.REGULAR, b"")})


def put(world: World, base: Tree, target: Tree, counter: int, files: Quick | None = None) -> None:
    with open_probe(world.state, files or Quick()) as probe:
        apply(probe, envelope(classical(base, target), counter), regenerator, lambda: 1.0)


def test_nothing_is_written_through_a_link(world: World) -> None:
    """A link out of the tree comes with one message, a file below its name with the next."""
    outside = world.folder / "outside"
    outside.mkdir()
    link = BASE.replace({"door": Entry(Mode.SYMLINK, str(outside).encode())})
    below = link.replace({"door": None, "door/x": Entry(Mode.REGULAR, b"through the door")})
    put(world, BASE, link, 1)
    put(world, link, below, 2)
    assert world.tree() == below
    assert list(outside.iterdir()) == []
    with pytest.raises(RehydrationError):
        link.replace({"door/x": Entry(Mode.REGULAR, b"through the door")})


STRANGE = {
    name: Entry(Mode.REGULAR, name.encode())
    for name in ("CON", "nul.txt", "aux/prn", "a:b", "x ", "-rf", "*", "Case", "case", "a\nb")
}


def test_strange_names_are_names(world: World) -> None:
    target = BASE.replace(STRANGE)
    put(world, BASE, target, 1)
    assert world.tree() == target


class Folding(Quick):
    """A filesystem for which Case and case are one name."""

    def write_file(self, path: Path, data: bytes, mode: int) -> None:
        below = path if path.parent.name == "state" else path.with_name(path.name.lower())
        super().write_file(below, data, mode)


def test_names_that_a_filesystem_folds_are_noticed(world: World) -> None:
    with pytest.raises(StoreError):
        put(world, BASE, BASE.replace(STRANGE), 1, Folding())
    assert (world.tree(), world.ledger().counter) == (BASE, -1)


def test_a_decompression_bomb_is_refused_before_it_unfolds() -> None:
    """A frame of a few kilobytes that says, or does not say, that it holds a gigabyte."""
    bomb = zstandard.ZstdCompressor(level=19, write_content_size=False).compressobj()
    data = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(96)) + bomb.flush()
    assert len(data) < 20_000
    for payload in (data, data[4:], b"\xa0\xff\xff\xff\x7f" + data[5:]):
        with pytest.raises(RehydrationError):
            zstd_delta.decode(b"old", payload)
