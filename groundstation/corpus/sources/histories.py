"""Patches from a git history, commit by commit, and from two trees on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

from groundstation.corpus.choice.licences import UNKNOWN
from groundstation.corpus.choice.ranking import rank
from groundstation.corpus.choice.selection import Limits, is_taken
from groundstation.corpus.patch import FilePatch
from groundstation.corpus.release_pairs import Caps, Drawn
from groundstation.git.history import Commit, find_commits
from groundstation.git.objects import RAW_CHANGES, GitObjects, open_objects
from shared.errors import InputError
from shared.tree import Mode, Tree, path_text, read_tree

_NAME_DIGITS = 16
"""Digits of a commit's name that a manifest keeps; git finds the object by them."""


def draw_history(
    name: str,
    repository: Path,
    caps: Caps,
    limits: Limits,
    *,
    licence: str = UNKNOWN,
    since: datetime | None = None,
    until: datetime | None = None,
    paths: Sequence[str] = (),
    is_clean: Callable[[FilePatch], bool] = lambda _patch: True,
) -> Drawn:
    """Patches of one repository: the files that each commit with one parent changes.

    Args:
        name: what the manifest calls the repository.
        repository: a folder of it.
        caps, limits: how much and how large; commits come in rank order.
        licence: as its owner states it.
        since, until, paths: as ``find_commits``.
        is_clean: says no to patches that must not be taken; they do not count.

    Raises:
        InputError: no repository, or it has no such commit; a commit that lacks an object is left
            out and noted.
    """
    taken: list[FilePatch] = []
    notes: list[str] = []
    with open_objects(repository) as objects:
        history = find_commits(objects, since=since, until=until, paths=paths)
        commits = list(enumerate(reversed(history)))
        commits.sort(key=lambda item: rank(name, item[1].name))
        for place, commit in commits[: caps.most_steps * caps.per_step]:
            if len(taken) >= caps.per_package:
                break
            found = _changed(name, place, commit, objects, limits, paths)
            room = min(caps.per_step, caps.per_package - len(taken))
            try:
                taken += list(islice(filter(is_clean, found), room))
            except InputError as error:  # what one commit lacks must not cost the others
                notes.append(f"{name} {commit.name[:_NAME_DIGITS]}: {error.found}")
    return Drawn(tuple(taken), licence, tuple(notes))


def _changed(
    name: str,
    place: int,
    commit: Commit,
    objects: GitObjects,
    limits: Limits,
    paths: Sequence[str],
) -> Iterator[FilePatch]:
    raw = objects.run(
        *RAW_CHANGES, "--diff-filter=M", commit.parent, commit.name,
        "--", *paths,
    )  # fmt: skip
    fields = raw.split(b"\0")
    changes = []
    for head, raw_path in zip(fields[0:-1:2], fields[1::2], strict=True):
        old_mode, new_mode, old, new, _ = head.decode("ascii").removeprefix(":").split(" ")
        if old_mode.startswith("100") and new_mode.startswith("100"):  # neither link nor submodule
            changes.append((path_text(raw_path), old, new))
    for path, old, new in sorted(changes, key=lambda change: rank(name, commit.name, change[0])):
        before, after = objects.read(old)[1], objects.read(new)[1]
        yield from _patch(
            (name, "git", commit.parent[:_NAME_DIGITS], commit.name[:_NAME_DIGITS]),
            (place, path, before, after),
            limits,
        )


def draw_trees(
    name: str,
    old: Path,
    new: Path,
    caps: Caps,
    limits: Limits,
    *,
    licence: str = UNKNOWN,
    is_clean: Callable[[FilePatch], bool] = lambda _patch: True,
) -> Drawn:
    """Patches between two folders, files in rank order; one step, so ``per_package`` caps it.

    Raises:
        InputError: a folder cannot be read as a software tree.
    """
    before, after = read_tree(old), read_tree(new)
    names = (name, "trees", tree_name(before), tree_name(after))
    shared = sorted(set(before) & set(after), key=lambda path: rank(*names, path))
    found = (
        patch
        for path in shared
        if Mode.SYMLINK not in (before[path].mode, after[path].mode)
        for patch in _patch(names, (0, path, before[path].data, after[path].data), limits)
    )
    return Drawn(tuple(islice(filter(is_clean, found), caps.per_package)), licence)


def tree_name(tree: Tree) -> str:
    """What a manifest calls a tree: the first digits of its digest."""
    return tree.digest.hex()[:_NAME_DIGITS]


def _patch(
    names: tuple[str, str, str, str], change: tuple[int, str, bytes, bytes], limits: Limits
) -> Iterator[FilePatch]:
    _, path, before, after = change
    if not path.isprintable() or not is_taken(path, before, after, limits):
        return
    patch = FilePatch(*names, *change)
    if limits.least_diff_bytes <= patch.diff_bytes <= limits.most_diff_bytes:
        yield patch
