"""The demo's input: two consecutive releases of a flight library, whole.

spacepackets implements the packet standards of CCSDS and ECSS.  Of all its release steps this is
the one whose complete difference comes nearest to one kibibyte, which is why it was chosen; no
codec's result was looked at.  It changes one file, adds one, and moves the version number.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.archives import ArchiveCache, corpus_home, open_index
from shared.tree import Entry, Mode, Tree

PACKAGE = "spacepackets"
OLD, NEW = "0.14.1", "0.15.0"


@dataclass(frozen=True)
class Releases:
    """The package folder of two releases.

    Attributes:
        old: what is on board.
        new: what shall be on board.
    """

    old: Tree
    new: Tree


def fetch_releases() -> Releases:
    """Both releases, from the archive cache or from PyPI.

    Raises:
        DownloadError: one of them cannot be fetched.
    """
    with open_index() as index:
        archives = ArchiveCache(corpus_home(), index)
        old, new = (package_folder(archives.members(PACKAGE, v, "wheel")) for v in (OLD, NEW))
    return Releases(old, new)


def package_folder(members: dict[str, bytes]) -> Tree:
    """Every file of a wheel below the package's own folder."""
    inside = f"{PACKAGE}/"
    return Tree(
        {
            path.removeprefix(inside): Entry(Mode.REGULAR, data)
            for path, data in members.items()
            if path.startswith(inside)
        }
    )
