"""Which codecs can carry a change."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_codec import vocabulary
from tree_pairs import pairs

from groundstation.scoring.options import MAX_MODEL_BYTES, hunks_between, options
from shared.diff import zstd_delta
from shared.lines import split_lines
from shared.prompts.changeset import Codec
from shared.prompts.rewrite import Hunk, apply_hunks
from shared.tree import Change, ChangeKind, Entry, Mode, Tree, changes

WORDS = vocabulary()
LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"c\n"]), max_size=12)


def modify(old: bytes, new: bytes, mode: Mode = Mode.REGULAR) -> Change:
    return Change(ChangeKind.MODIFY, "f", "f", Entry(mode, old), Entry(mode, new))


@given(old=LINES, new=LINES)
def test_hunks_are_a_line_apart_and_make_the_new_text(old: list[bytes], new: list[bytes]) -> None:
    hunks = hunks_between(old, new)
    assert apply_hunks(old, hunks) == b"".join(new)
    for hunk in hunks:
        assert hunk.end > hunk.start or hunk.text
    for first, second in itertools.pairwise(hunks):
        assert first.end < second.start


def test_hunks_of_an_example() -> None:
    old = split_lines(b"a\nb\nc\nd\n")
    assert hunks_between(old, split_lines(b"x\nb\nd\ny\nz\n")) == (
        Hunk(0, 1, b"x\n"),
        Hunk(2, 3, b""),
        Hunk(4, 4, b"y\nz\n"),
    )


@given(pair=pairs())
def test_every_change_has_a_classical_codec_that_carries_it(pair: tuple[Tree, Tree]) -> None:
    base, target = pair
    for change in changes(base, target):
        plan = options(change, WORDS).classical
        old = b"" if change.old is None else change.old.data
        if change.new is None:
            assert plan.codec is Codec.SAME
        elif plan.codec is Codec.SAME:
            assert change.new.data == old
        elif plan.codec is Codec.STORED:
            assert plan.blob == change.new.data
        else:
            assert zstd_delta.decode(old, plan.blob) == change.new.data
        assert len(plan.blob) <= (len(change.new.data) if change.new else 0)


@pytest.mark.parametrize(
    "change",
    [
        modify(b"a", b"b", Mode.SYMLINK),
        Change(ChangeKind.ADD, "f", None, None, Entry(Mode.REGULAR, b"")),
        Change(ChangeKind.DELETE, "f", "f", Entry(Mode.REGULAR, b"a\n"), None),
        Change(
            ChangeKind.MODIFY, "f", "f", Entry(Mode.REGULAR, b"a\n"), Entry(Mode.EXECUTABLE, b"a\n")
        ),
        modify(b"a\n\xff\n", b"b\n\xff\n"),
        modify(b"a\n\x04\n", b"b\n\x04\n"),
        modify(b"a\n", b"\x04\n"),
        modify(b"a\n", b"abc\n" * (MAX_MODEL_BYTES // 4 + 1)),
        modify(b"a\n" * 4001 + b"b\n", b"b\n"),
        modify(b"b\n", b"a\n" * 4001 + b"b\n"),
    ],
)
def test_what_the_model_is_not_offered(change: Change) -> None:
    """Links, empty and unchanged files, what it cannot spell, what is too long to count or read."""
    found = options(change, WORDS)
    assert found.model is None
    assert found.inside is None


def test_limits_are_not_one_too_low() -> None:
    for change in (
        modify(
            b"a\n", b"abc\n" * (MAX_MODEL_BYTES // 12 - 1) + b"x" * (MAX_MODEL_BYTES // 3) + b"\n"
        ),
        modify(b"a\n" * 4000 + b"b\n", b"b\n"),
        modify(b"b\n", b"a\n" * 4000 + b"b\n"),
        modify(b"a\r\nb\nc", b"a\nb\r\nc"),
        modify(b"", b"a"),
        modify(b"a", b""),
        modify(b"\xc3\xa9\n", b"\xc3\xa9\xc3\xa9\n"),
    ):
        assert options(change, WORDS).model is not None


def test_changes_inside_lines() -> None:
    """Only lines that keep most of themselves, one for one."""
    old = b"int alpha = 1;\nint beta = 2;\nint gamma = 3;\nint delta;\n"
    new = b"int alpha = 4;\nint beta = 2;\nnothing like it\nint delta;\nint more;\n"
    found = options(modify(old, new), WORDS)
    assert found.inside is not None
    assert [hunk.inside for hunk in found.inside.hunks] == [True, False, False]
    assert found.model is not None
    assert not any(hunk.inside for hunk in found.model.hunks)
    assert options(modify(b"a b c\n", b"x y z\n"), WORDS).inside is None
    added = Change(ChangeKind.ADD, "f", None, None, Entry(Mode.REGULAR, b"a\n"))
    assert options(added, WORDS).inside is None
