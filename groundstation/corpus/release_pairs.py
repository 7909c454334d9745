"""Patches between consecutive releases of a package, drawn in digest order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from groundstation.corpus.choice.licences import UNKNOWN, licence_of
from groundstation.corpus.choice.ranking import canonical, is_final, rank
from groundstation.corpus.choice.selection import COMPILED, Limits, is_taken, language_of
from groundstation.corpus.manifest import read_csv
from groundstation.corpus.patch import FilePatch
from groundstation.corpus.sources.archives import KINDS, ArchiveCache, TooLargeError
from shared.errors import DownloadError, InputError

GROUPS = ("flight", "driver", "protocol", "embedded", "native", "general")
"""What a package is: the last two are there for breadth and get fewer patches each."""


@dataclass(frozen=True)
class PackageEntry:
    """A package to draw from: its name on the index, the archives to read, what it is."""

    package: str
    archive: str
    group: str


@dataclass(frozen=True)
class Caps:
    """How much of one package is taken, so that no package fills the corpus.

    Attributes:
        per_step: files of one release step or commit.
        per_package: patches of a package of the first four groups, and of a repository.
        per_other: patches of a package of the last two groups.
        most_steps: release steps or commits looked at.
    """

    per_step: int = 8
    per_package: int = 80
    per_other: int = 50
    most_steps: int = 14

    def of(self, group: str) -> int:
        """The cap of a package of a group."""
        return self.per_other if group in GROUPS[4:] else self.per_package


@dataclass(frozen=True)
class Drawn:
    """What one package or repository gave.

    Attributes:
        patches: in the order in which they were drawn.
        licence: of the newest release that was read.
        notes: steps that could not be read, and why.
        is_complete: whether another try would find no more: no transfer failed.
    """

    patches: tuple[FilePatch, ...]
    licence: str = UNKNOWN
    notes: tuple[str, ...] = ()
    is_complete: bool = True


def read_packages(path: Path) -> list[PackageEntry]:
    """A package list: CSV with the columns package, archive, group.

    Raises:
        InputError: it cannot be read, or a line is malformed or names a package again.
    """
    entries: list[PackageEntry] = []
    seen: set[str] = set()
    for number, record in enumerate(read_csv(path), start=2):
        where = f"{path.name} line {number}"
        if set(record) != {"package", "archive", "group"}:
            raise InputError(
                f"{where}: columns {', '.join(record)}", expected="package, archive, group"
            )
        entry = PackageEntry(**record)
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", entry.package):
            raise InputError(f"{where}: {entry.package!r} is no name of a package")
        if entry.archive not in KINDS or entry.group not in GROUPS:
            raise InputError(
                f"{where}: {entry.archive!r}, {entry.group!r}",
                expected=f"one of {', '.join(KINDS)} and one of {', '.join(GROUPS)}",
            )
        if canonical(entry.package) in seen:
            raise InputError(f"{where}: {entry.package} occurs twice")
        seen.add(canonical(entry.package))
        entries.append(entry)
    if not entries:
        raise InputError(f"{path.name} names no package", expected="package,archive,group")
    return entries


def draw_releases(
    entry: PackageEntry,
    archives: ArchiveCache,
    caps: Caps,
    limits: Limits,
    *,
    refresh: bool = False,
    is_clean: Callable[[FilePatch], bool] = lambda _patch: True,
) -> Drawn:
    """Patches of one package: release steps in rank order, files of a step in rank order,
    compiled languages first.

    Args:
        entry: the package.
        archives: the cache, with or without an index behind it.
        caps, limits: how much and how large.
        refresh: ask the index for its releases even if its answer is kept.
        is_clean: says no to patches that must not be taken; they do not count.

    Raises:
        DownloadError: the index does not know the package.
    """
    listed = archives.versions(entry.package, entry.archive, refresh=refresh)
    steps = list(enumerate(pairwise(filter(is_final, listed))))
    steps.sort(key=lambda step: rank(entry.package, *step[1]))
    cap = caps.of(entry.group)
    taken: list[FilePatch] = []
    notes: list[str] = []
    is_complete = True
    licences: dict[int, str] = {}
    for place, (old, new) in steps[: caps.most_steps]:
        if len(taken) >= cap:
            break
        try:
            before = archives.members(entry.package, old, entry.archive)
            after = archives.members(entry.package, new, entry.archive)
        except (DownloadError, InputError) as error:
            notes.append(f"{entry.package} {old} to {new}: {error.found}")
            is_complete &= isinstance(error, TooLargeError | InputError)
            continue
        licences[place] = licence_of(after)
        step = _patches(entry, place, old, new, before, after, limits)
        taken += islice(filter(is_clean, step), min(caps.per_step, cap - len(taken)))
    licence = licences[max(licences)] if licences else UNKNOWN
    return Drawn(tuple(taken), licence, tuple(notes), is_complete)


def _patches(
    entry: PackageEntry,
    place: int,
    old: str,
    new: str,
    before: dict[str, bytes],
    after: dict[str, bytes],
    limits: Limits,
) -> Iterator[FilePatch]:
    paths = [
        path
        for path in before.keys() & after.keys()
        if is_taken(path, before[path], after[path], limits)
    ]
    order = {path: rank(entry.package, old, new, path) for path in paths}
    for path in sorted(paths, key=lambda path: (language_of(path) not in COMPILED, order[path])):
        patch = FilePatch(
            entry.package, entry.archive, old, new, place, path, before[path], after[path]
        )
        if limits.least_diff_bytes <= patch.diff_bytes <= limits.most_diff_bytes:
            yield patch
