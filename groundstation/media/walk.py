"""The one walk through folders of pictures: what could not be looked into is named.

``Path.rglob`` leaves out a folder that may not be read without a word.  Links to folders are not
followed: they may lead round in a circle.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.errors import InputError, words_of
from shared.files import readable

PICTURES: Final = frozenset(
    {".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".jxl", ".png", ".tif", ".tiff", ".webp"}
)


@dataclass(frozen=True)
class Walk:
    """What lies in a folder.

    Attributes:
        paths: all that has a picture's name and is no folder, sorted; a broken link and a pipe
            too, which are to be told of.
        closed: folders that could not be listed, by their name within the folder, and why.
    """

    paths: tuple[Path, ...]
    closed: Mapping[str, str]


def walk(folder: Path, *, below: bool) -> Walk:
    """The pictures in a folder.

    Args:
        folder: where to look.
        below: whether to look into its folders too.

    Raises:
        InputError: the folder itself cannot be listed.
    """
    paths, closed = list[Path](), dict[str, str]()

    def note(error: OSError) -> None:
        place, why = Path(os.fsdecode(error.filename or folder)), words_of(error)
        if place == folder:
            raise InputError(
                f"{folder} cannot be listed: {why}",
                expected="a folder of pictures",
                remedy="check the rights",
            ) from error
        closed[f"{within(folder, place)}/"] = f"the folder cannot be listed: {why}"

    for here, folders, names in os.walk(folder, onerror=note):
        paths += [Path(here, name) for name in names if _suffix(name) in PICTURES]
        if not below:
            folders.clear()
    return Walk(tuple(sorted(paths)), dict(sorted(closed.items())))


def within(folder: Path, path: Path) -> str:
    """A path as reports name it: from the folder on, with slashes; whole if it lies elsewhere."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def is_text(name: str) -> bool:
    """Whether a file's name is UTF-8, so that it can stand in files that others read."""
    return readable(name) == name.encode("utf-8", "surrogatepass")


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()
