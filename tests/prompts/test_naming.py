"""Paths of new and renamed files: any path comes back, and near ones are short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tree_pairs import PATHS

from shared.errors import RegenerationError
from shared.prompts.places.paths import MAX_PATH_BYTES, transcribe_path
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import DecisionCounter, DecisionReader, DecisionWriter
from shared.tree import path_bytes

KNOWN = tuple(sorted(PATHS, key=path_bytes))


def round_trip(known: tuple[str, ...], old_path: str | None, path: str) -> bytes:
    """Writes and reads a path; returns the stream."""
    writer = DecisionWriter(SeedSource.CODED)
    assert transcribe_path(writer, known, old_path, path) == path
    stream = writer.finish()
    reader = DecisionReader(SeedSource.CODED, stream)
    assert transcribe_path(reader, known, old_path, None) == path
    reader.finish()
    return stream


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("old_path", [None, "a/b/c", "\udcff\udc80"])
def test_odd_paths_come_back(path: str, old_path: str | None) -> None:
    round_trip(KNOWN, old_path, path)
    if old_path is None:
        round_trip((), None, path)


@given(
    parts=st.lists(
        st.text(
            st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1
        ).filter(lambda part: part not in (".", "..")),
        min_size=1,
        max_size=4,
    ),
    known=st.lists(st.sampled_from(PATHS), unique=True).map(
        lambda paths: tuple(sorted(paths, key=path_bytes))
    ),
)
def test_any_path_comes_back(parts: list[str], known: tuple[str, ...]) -> None:
    round_trip(known, None, "/".join(parts))


@pytest.mark.parametrize(
    ("path", "most_bits"),
    [
        ("src/app/main.c", 13),  # one letter fewer than a known path
        ("src/app/mains.c", 18),
        ("src/lib/queue_test.c", 40),
        ("src/lib/stack.c", 45),
    ],
)
def test_paths_near_known_ones_are_short(path: str, most_bits: float) -> None:
    known = ("doc/x.md", "src/app/mainx.c", "src/lib/queue.c", "src/lib/queue.h")
    counter = DecisionCounter()
    transcribe_path(counter, known, None, path)
    assert counter.tally.bits < most_bits
    round_trip(known, None, path)


def test_overlapping_beginnings_and_endings() -> None:
    """A known path may share more at both ends than either path is long."""
    for old, new in (("aaaa", "aaaaaa"), ("aaaaaa", "aaaa"), ("ab/ab", "ab"), ("x", "xx/x")):
        round_trip((old,), None, new)
        round_trip((old,), old, new)


def test_the_longest_path_and_one_byte_more() -> None:
    """The old one is empty of common bytes, so every byte is spelled."""
    round_trip(("q",), None, "x/" * (MAX_PATH_BYTES // 2 - 1) + "yy")
    with pytest.raises(RegenerationError, match="longer than 4096"):
        round_trip(("q",), None, "x" * (MAX_PATH_BYTES + 1))


@pytest.mark.parametrize("path", ["../x", "/x", "x/", "a//b", ".", ""])
def test_what_is_not_a_path_is_refused(path: str) -> None:
    writer = DecisionWriter(SeedSource.CODED)
    with pytest.raises(RegenerationError, match="not a path"):
        transcribe_path(writer, (), None, path)
    with pytest.raises(RegenerationError, match="not a path"):
        transcribe_path(DecisionReader(SeedSource.CODED, writer.finish()), (), None, None)
