"""The registry of classical peers and the container for several files."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from tree_pairs import pairs

from groundstation.peers import PEERS, Peer, measure_peer, measure_peers
from groundstation.peers.container import pack, sole_path, unpack, varint
from shared.errors import PatchError, RehydrationError
from shared.tree import Entry, Mode, Tree

OLD = b"".join(b"static int value_%d = %d;\n" % (n, n * n % 97) for n in range(120))
NEW = OLD.replace(b"value_37 = 11", b"value_37 = 12").replace(b"int value_90", b"long value_90")


def tree(**files: bytes) -> Tree:
    return Tree({name.replace("_", "."): Entry(Mode.REGULAR, data) for name, data in files.items()})


ONE_FILE = (tree(a_c=OLD, b_c=b"other\n"), tree(a_c=NEW, b_c=b"other\n"))
MANY_FILES = (
    Tree(
        {
            "a.c": Entry(Mode.REGULAR, OLD),
            "gone.c": Entry(Mode.REGULAR, b"x\n" * 40),
            "moved.c": Entry(Mode.REGULAR, OLD[::-1]),
            "tool.sh": Entry(Mode.REGULAR, b"#!/bin/sh\nexit 3\n"),
            "link": Entry(Mode.SYMLINK, b"a.c"),
            "blob": Entry(Mode.REGULAR, bytes(range(256))),
        }
    ),
    Tree(
        {
            "a.c": Entry(Mode.REGULAR, NEW),
            "new.c": Entry(Mode.REGULAR, b"int x;\nint y"),
            "lib/moved.c": Entry(Mode.REGULAR, OLD[::-1] + b"tail\n"),
            "tool.sh": Entry(Mode.EXECUTABLE, b"#!/bin/sh\nexit 3\n"),
            "link": Entry(Mode.SYMLINK, b"new.c"),
            "blob": Entry(Mode.REGULAR, bytes(range(255, -1, -1))),
            "empty": Entry(Mode.REGULAR, b""),
        }
    ),
)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize(
    "base, target",
    [
        pytest.param(*ONE_FILE, id="one file"),
        pytest.param(*MANY_FILES, id="many files"),
        pytest.param(tree(), tree(a_c=OLD), id="from nothing"),
        pytest.param(tree(a_c=OLD), tree(), id="to nothing"),
        pytest.param(tree(a_c=OLD), tree(a_c=b""), id="emptied"),
        pytest.param(tree(a_c=b""), tree(a_c=OLD), id="filled"),
        pytest.param(tree(a_c=OLD), tree(a_c=OLD), id="nothing changes"),
        pytest.param(tree(a_c=OLD), tree(a_c=OLD[:-1]), id="line end lost"),
        pytest.param(tree(a_c=OLD[:-1]), tree(a_c=OLD + b"x"), id="line end moved"),
    ],
)
def test_round_trip(name: str, base: Tree, target: Tree) -> None:
    result = measure_peer(PEERS[name], base, target)
    assert result.verified, result.note
    assert result.bytes is not None


@given(pairs())
@settings(max_examples=60, deadline=None)
def test_own_codecs_on_any_patch(pair: tuple[Tree, Tree]) -> None:
    base, target = pair
    for name in ("stored", "zstd-dict", "ppmd-primed", "diff+zstd"):
        result = measure_peer(PEERS[name], base, target)
        assert result.verified, (name, result.note)


def test_sizes_of_one_file_are_in_the_known_order() -> None:
    sizes = {result.name: result.bytes or 0 for result in measure_peers(*ONE_FILE)}
    assert sizes["stored"] == len(NEW)
    for worse, better in (
        ("stored", "xz"),
        ("xz", "diff+xz"),
        ("diff", "diff+brotli"),
        ("diff+brotli", "zstd-dict"),
        ("bsdiff4", "zstd-dict"),
        ("detools-crle", "zstd-dict"),
        ("hdiffpatch-tuz", "zstd-dict"),
        ("zstd-dict-frame", "zstd-dict"),
        ("zstd-dict", "ppmd-primed"),
    ):
        assert sizes[better] < sizes[worse], (better, worse, sizes)


def test_report_and_clock_are_the_callers() -> None:
    told: list[tuple[str, int, int]] = []
    ticks = iter(range(0, 1000, 3))
    results = measure_peers(
        *ONE_FILE, lambda *seen: told.append(seen), clock=lambda: float(next(ticks))
    )
    assert [result.name for result in results] == list(PEERS)
    assert {result.seconds for result in results} == {3.0}
    assert told[0] == ("peers", 1, len(PEERS))
    assert told[-1] == ("peers", len(PEERS), len(PEERS))


@pytest.mark.parametrize(
    "library, names",
    [
        ("brotli", {"brotli", "diff+brotli"}),
        ("bsdiff4", {"bsdiff4"}),
        ("detools", {"detools-crle", "detools-lzma", "detools-heatshrink"}),
        ("hdiffpatch", {"hdiffpatch-tuz", "hdiffpatch-tamp"}),
        ("pyppmd", {"ppmd-primed"}),
    ],
)
def test_missing_library_costs_its_rows_only(
    library: str, names: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    results = {result.name: result for result in measure_peers(*ONE_FILE)}
    missing = {name for name, result in results.items() if result.bytes is None}
    assert missing == names
    for name, result in results.items():
        assert result.verified == (name not in names)
    assert all("rehydration-uplink[compare]" in results[name].note for name in names)


def test_a_peer_that_decodes_something_else_is_not_verified() -> None:
    stored = PEERS["stored"]
    liar = Peer("liar", "", stored.encode, lambda base, _payload, _sole: base)
    result = measure_peer(liar, *ONE_FILE)
    assert (result.verified, result.bytes) == (False, len(NEW))
    assert result.note == "decodes to another tree"


def test_a_peer_that_fails_says_how() -> None:
    stored = PEERS["stored"]

    def fail(base: Tree, payload: bytes, sole: str | None) -> Tree:
        raise ZeroDivisionError(f"{len(base)} {len(payload)} {sole}")

    result = measure_peer(Peer("broken", "", stored.encode, fail), *ONE_FILE)
    assert (result.verified, result.bytes) == (False, len(NEW))
    assert f"2 {len(NEW)} a.c" in result.note


def test_ppmd_row_gives_the_published_figure_too() -> None:
    result = measure_peer(PEERS["ppmd-primed"], *ONE_FILE)
    difference = int(result.note.split()[0])
    assert result.bytes is not None
    assert 0 < result.bytes <= difference + 2


# --- container --------------------------------------------------------------------------------


def identity(_old: bytes, data: bytes) -> bytes:
    return data


@pytest.mark.parametrize(
    "value, coded", [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02")]
)
def test_varint_bytes(value: int, coded: str) -> None:
    assert varint(value).hex() == coded


def test_container_bytes() -> None:
    base = tree(a_c=b"one\n", b_c=b"two\n", gone=b"q" * 9)
    target = Tree(
        {
            "a.c": Entry(Mode.REGULAR, b"ONE\n"),
            "b.c": Entry(Mode.EXECUTABLE, b"two\n"),
            "n": Entry(Mode.SYMLINK, b"a.c"),
        }
    )
    expected = (
        b"\x04"
        + (b"\x02" + b"\x03a.c" + b"\x04ONE\n")
        + (b"\x16" + b"\x03b.c")
        + (b"\x01" + b"\x04gone")
        + (b"\x08" + b"\x01n" + b"a.c")
    )
    assert pack(base, target, identity) == expected
    assert unpack(base, expected, identity, sole=None) == target


def test_one_modified_file_is_its_payload_alone() -> None:
    base, target = ONE_FILE
    assert sole_path(base, target) == "a.c"
    assert pack(base, target, identity) == NEW
    with pytest.raises(PatchError, match="not have"):
        unpack(tree(z_c=b""), NEW, identity, sole="a.c")


@pytest.mark.parametrize("target", [tree(), tree(a_c=OLD, b=b""), tree(b_c=OLD)])
def test_no_sole_path_otherwise(target: Tree) -> None:
    assert sole_path(tree(a_c=OLD), target) is None
    executable = Tree({"a.c": Entry(Mode.EXECUTABLE, NEW)})
    assert sole_path(tree(a_c=OLD), executable) is None


def test_damaged_containers_raise_only_our_errors() -> None:
    base, target = MANY_FILES
    packed = pack(base, target, identity)
    for size in range(len(packed)):
        with_cut = packed[:size]
        try:
            assert unpack(base, with_cut, identity, sole=None) != target
        except RehydrationError:
            continue
    for bit in range(0, 8 * len(packed), 3):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            unpack(base, bytes(damaged), identity, sole=None)
        except RehydrationError:
            continue


@pytest.mark.parametrize(
    "packed, words",
    [
        (b"", "too early"),
        (b"\x01\x00", "too early"),
        (b"\x00\x00", "behind"),
        (b"\x01\x20\x01a", "head"),
        (b"\x01\x0c\x01a", "head"),
        (b"\x01\x01\x01q", "not have"),
        (b"\xff" * 9, "eight bytes"),
    ],
)
def test_malformed_container(packed: bytes, words: str) -> None:
    with pytest.raises(PatchError, match=words):
        unpack(tree(a_c=b"x"), packed, identity, sole=None)
