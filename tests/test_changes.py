"""Which files differ between two trees, and which are renamed."""

from __future__ import annotations

import pytest
from hypothesis import given
from tree_pairs import PATIENT, pairs

from shared.tree import Change, ChangeKind, Entry, Mode, Tree, changes, path_bytes, similarity
from shared.tree.renames import MAX_RENAME_PAIRS

TEN = [b"%02d line\n" % number for number in range(10)]


def file(data: bytes, mode: Mode = Mode.REGULAR) -> Entry:
    return Entry(mode, data)


def summary(base: dict[str, Entry], target: dict[str, Entry]) -> list[tuple[str, str | None, str]]:
    found = changes(Tree(base), Tree(target))
    return [(change.kind.value, change.old_path, change.path) for change in found]


def test_each_kind_in_the_order_of_paths() -> None:
    base = {"gone": file(b"g"), "same": file(b"s"), "text": file(b"1"), "x": file(b"x")}
    target = {
        "new": file(b"n"),
        "same": file(b"s"),
        "text": file(b"2"),
        "x": file(b"x", Mode.EXECUTABLE),
    }
    assert changes(Tree(base), Tree(target)) == (
        Change(ChangeKind.DELETE, "gone", "gone", base["gone"], None),
        Change(ChangeKind.ADD, "new", None, None, target["new"]),
        Change(ChangeKind.MODIFY, "text", "text", base["text"], target["text"]),
        Change(ChangeKind.MODIFY, "x", "x", base["x"], target["x"]),
    )


def test_a_file_that_becomes_a_link_is_modified() -> None:
    assert summary({"a": file(b"t")}, {"a": file(b"t", Mode.SYMLINK)}) == [("modify", "a", "a")]


def test_identical_files_are_renamed_even_if_empty_or_of_another_mode() -> None:
    base = {"a": file(b""), "b": file(b"\0\1")}
    target = {"c": file(b"", Mode.EXECUTABLE), "d/b": file(b"\0\1")}
    assert summary(base, target) == [("rename", "a", "c"), ("rename", "b", "d/b")]


def test_the_base_name_decides_between_identical_files_then_the_order() -> None:
    base = {"p/x": file(b"1"), "q/y": file(b"1"), "r/z": file(b"1")}
    target = {"n/new": file(b"1"), "s/z": file(b"1"), "t/other": file(b"1"), "u/4th": file(b"1")}
    assert summary(base, target) == [
        ("rename", "p/x", "n/new"),
        ("rename", "r/z", "s/z"),
        ("rename", "q/y", "t/other"),
        ("add", None, "u/4th"),
    ]


def test_links_are_not_renamed() -> None:
    base = {"a": file(b"t", Mode.SYMLINK), "b": file(b"u")}
    target = {"c": file(b"t", Mode.SYMLINK), "d": file(b"u", Mode.SYMLINK), "e": file(b"t")}
    assert [kind for kind, _, _ in summary(base, target)] == [
        "delete", "delete", "add", "add", "add",
    ]  # fmt: skip


def test_the_most_similar_files_are_paired_first() -> None:
    base = {"half": file(b"".join(TEN[:6])), "most": file(b"".join(TEN[:9]))}
    target = {"a": file(b"".join(TEN)), "b": file(b"".join([*TEN[:5], b"other\n"]))}
    assert summary(base, target) == [("rename", "most", "a"), ("rename", "half", "b")]


@pytest.mark.parametrize(("kept", "kind"), [(5, "rename"), (4, "delete")])
def test_half_of_the_larger_file_must_be_common(kept: int, kind: str) -> None:
    base = {"x": file(b"".join(TEN))}
    target = {"y": file(b"".join([*TEN[:kept], *(b"other %d\n" % n for n in range(10 - kept))]))}
    assert summary(base, target)[0][0] == kind


def test_equal_similarity_is_settled_by_base_name_then_paths() -> None:
    base = {"p/one": file(b"".join(TEN[:9])), "p/two": file(b"".join(TEN[1:]))}
    target = {"q/a": file(b"".join(TEN)), "q/two": file(b"".join(TEN))}
    assert summary(base, target) == [("rename", "p/one", "q/a"), ("rename", "p/two", "q/two")]


def test_too_many_pairs_leave_only_identical_files_renamed() -> None:
    count = 257
    assert count * count > MAX_RENAME_PAIRS
    text = b"".join(TEN)
    base = {f"a/{n:03}": file(text + b"%d" % n) for n in range(count)}
    target = {f"b/x{n:03}": file(text + b"x%d" % n) for n in range(count)}
    assert {kind for kind, _, _ in summary(base, target)} == {"add", "delete"}
    target["b/same"] = base["a/007"]
    assert ("rename", "a/007", "b/same") in summary(base, target)
    del target["b/same"], target["b/x000"]
    few = dict(list(base.items())[:256])
    assert {kind for kind, _, _ in summary(few, target)} == {"rename"}


@pytest.mark.parametrize(
    ("old", "new", "percent"),
    [
        (b"", b"", 100),
        (b"", b"a", 0),
        (b"a\nb\n", b"b\na\n", 99),  # the same lines, but not the same file
        (b"a\nb\n", b"a\nb", 50),
        (b"aa\na\n", b"aa\nb\n", 60),
        (b"x\n" * 3, b"x\n" * 4, 75),
        (b"x\n" * 999 + b"y\n", b"x\n" * 999 + b"z\n", 99),
        (b"\0\0", b"\0\1", 0),
        (b"a\nb\nc\n", b"a\nd\ne\n", 33),
    ],
)
def test_similarity(old: bytes, new: bytes, percent: int) -> None:
    assert similarity(old, new) == similarity(new, old) == percent


@PATIENT
@given(pairs())
def test_changes_lead_from_one_tree_to_the_other(pair: tuple[Tree, Tree]) -> None:
    base, target = pair
    found = changes(base, target)
    entries = dict(base.entries)
    for change in found:
        if change.old_path is not None:
            assert entries.pop(change.old_path) == change.old
            assert (change.old_path != change.path) == (change.kind is ChangeKind.RENAME)
    for change in found:
        if change.new is not None:
            assert change.path not in entries
            entries[change.path] = change.new
    assert Tree(entries) == target
    paths = [path_bytes(change.path) for change in found]
    assert paths == sorted(set(paths))
    assert all(change.old != change.new for change in found if change.kind is ChangeKind.MODIFY)
