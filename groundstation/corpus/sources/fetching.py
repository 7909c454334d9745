"""The texts of a manifest into the user's cache: from archives, from repositories, from folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from groundstation.corpus.manifest import Row
from groundstation.corpus.patch import short_digest
from groundstation.corpus.sources.archives import ArchiveCache
from groundstation.corpus.sources.histories import tree_name
from groundstation.corpus.sources.texts import TextStore
from groundstation.git.objects import open_objects
from shared.errors import DownloadError, InputError
from shared.terminal import Report, silent
from shared.tree import read_tree


@dataclass(frozen=True)
class Places:
    """Where what is not on the package index can be found, by the manifest's names.

    Attributes:
        repositories: folders of git repositories.
        trees: an old and a new folder.
    """

    repositories: Mapping[str, Path]
    trees: Mapping[str, tuple[Path, Path]]


def fetch_texts(
    rows: Sequence[Row],
    store: TextStore,
    archives: ArchiveCache,
    places: Places,
    report: Report = silent,
) -> int:
    """Puts every text that is not yet there into the store, each checked against the manifest.

    Returns:
        How many patches had a text fetched.

    Raises:
        DownloadError: an archive cannot be had, lacks a file, or holds another text.
        InputError: a repository or folder is not named, or is another than it was.
    """
    missing = [row for row in rows if row.old not in store or row.new not in store]
    done = 0
    for step, group in groupby(sorted(missing), key=_step):
        of_step = list(group)
        for version, is_new in ((step[2], False), (step[3], True)):
            _take(of_step, version, is_new, store, archives, places)
        done += len(of_step)
        report("texts", done, len(missing))
    return len(missing)


def _step(row: Row) -> tuple[str, str, str, str]:
    return row.package, row.archive, row.old_version, row.new_version


def _take(
    rows: Sequence[Row],
    version: str,
    is_new: bool,
    store: TextStore,
    archives: ArchiveCache,
    places: Places,
) -> None:
    """All texts of one version of a step."""
    first = rows[0]
    paths = [row.file for row in rows]
    if first.archive == "git":
        found = _from_git(first.package, version, paths, places)
    elif first.archive == "trees":
        found = _from_tree(first.package, version, is_new, places)
    else:
        found = archives.members(first.package, version, first.archive).get
    for row in rows:
        data = found(row.file)
        wanted = row.new if is_new else row.old
        if data is None or short_digest(data) != wanted:
            told = "no such file" if data is None else f"digest {short_digest(data)}"
            raise DownloadError(
                f"{row.package} {version}, {row.file}: {told}",
                expected=f"digest {wanted}",
                remedy="delete the archive from the cache, or name the folder it was drawn from",
            )
        store.put(data)


def _from_git(
    package: str, version: str, paths: Iterable[str], places: Places
) -> Callable[[str], bytes | None]:
    if package not in places.repositories:
        raise _unnamed(package, "--git", f"{package}=FOLDER")
    with open_objects(places.repositories[package]) as objects:
        texts = {path: objects.read(f"{version}:{path}")[1] for path in paths}
    return texts.get


def _from_tree(
    package: str, version: str, is_new: bool, places: Places
) -> Callable[[str], bytes | None]:
    if package not in places.trees:
        raise _unnamed(package, "--trees", f"{package}=OLD:NEW")
    tree = read_tree(places.trees[package][is_new])
    if tree_name(tree) != version:
        raise InputError(
            f"{places.trees[package][is_new]} is the tree {tree_name(tree)}",
            expected=f"the tree {version} that {package} was drawn from",
        )
    texts = {path: entry.data for path, entry in tree.items()}
    return texts.get


def _unnamed(package: str, option: str, form: str) -> InputError:
    return InputError(
        f"{package} is not on the package index, and its place is not named",
        remedy=f"name it with {option} {form}",
    )
