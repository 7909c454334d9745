"""A family of pictures and what is known of each: from file names or from a table."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from groundstation.media.walk import is_text, walk
from shared.errors import InputError, words_of
from shared.files import readable
from shared.media.prompt import Attribute

MAX_VALUES: Final = 4096
MOST_TOLD: Final = 8


@dataclass(frozen=True)
class Member:
    """A picture.

    Attributes:
        path: of its file.
        values: its attributes by name.
    """

    path: Path
    values: Mapping[str, str]

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.path.stem


@dataclass(frozen=True)
class Family:
    """Pictures of one thing that differ in named attributes.

    Attributes:
        name: of the family.
        attributes: in the order in which they were first named.
        members: in the order of the table, or by file name.
        passed_over: what is not among them though it lies there, and why, by name.
    """

    name: str
    attributes: tuple[Attribute, ...]
    members: tuple[Member, ...]
    passed_over: Mapping[str, str] = field(default_factory=dict)

    def choices(self, members: Iterable[Member]) -> list[list[int]]:
        """The positions of the members' values, a row each."""
        places = [{v: n for n, v in enumerate(a.values)} for a in self.attributes]
        return [
            [
                place[member.values[attribute.name]]
                for place, attribute in zip(places, self.attributes, strict=True)
            ]
            for member in members
        ]


def read_family(folder: Path, table: Path | None = None, name: str | None = None) -> Family:
    """The family in a folder.

    Args:
        folder: of the pictures.
        table: CSV with a column ``file`` and a column for each attribute; a column ``sha256`` is
            ignored.  Without it, ``catalogue.csv`` in the folder if there is one; otherwise the
            file names are read: ``part-value_part-value.png``.
        name: of the family; the folder's otherwise.

    Raises:
        InputError: there are no pictures, or their attributes cannot be told.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is no folder", expected="a folder of pictures", remedy="check the path"
        )
    found = table or folder / "catalogue.csv"
    passed_over: Mapping[str, str] = {}
    if table is not None or found.is_file():
        members = _from_table(folder, found)
    else:
        paths = walk(folder, below=False).paths
        members = [Member(p, values_in_name(p.stem)) for p in paths if is_text(p.name)]
        passed_over = {
            path.name: "its name is no UTF-8, and attributes are text; rename it"
            for path in paths
            if not is_text(path.name)
        }
    if len(members) < 2:
        raise InputError(
            f"{folder} has {len(members)} pictures{_because(passed_over)}",
            expected="at least two of one family",
            remedy="name the folder that holds the pictures",
        )
    return Family(name or name_of(folder), _attributes(members), tuple(members), passed_over)


def without(family: Family, names: Collection[str]) -> Family:
    """A family without pictures of these file names, and without values that only these showed.

    Raises:
        InputError: fewer than two are left.
    """
    if not names:
        return family
    members = tuple(member for member in family.members if member.path.name not in names)
    if len(members) < 2:
        raise InputError(
            f"{len(members)} pictures are left of the family {family.name!r}",
            expected="at least two that a generator can learn",
            remedy="see to those that were left out: "
            + "; ".join(f"{name}: {why}" for name, why in _told(names)),
        )
    return Family(family.name, _attributes(members), members, family.passed_over)


def _told(names: Collection[str]) -> list[tuple[str, str]]:
    reasons = names if isinstance(names, Mapping) else dict.fromkeys(names, "")
    return list(reasons.items())[:MOST_TOLD]


def pictures_below(folder: Path) -> Family:
    """All pictures in a folder and below it, as a family of which nothing is known.

    Raises:
        InputError: there is none, or the folder cannot be listed.
    """
    found = walk(folder, below=True)
    if not found.paths:
        raise InputError(
            f"{folder} has no pictures{_because(found.closed)}",
            remedy="name the folder that holds them",
        )
    members = tuple(Member(path, {}) for path in found.paths)
    return Family(name_of(folder), (), members, found.closed)


def name_of(folder: Path) -> str:
    """What a family is called after its folder; bytes that are no UTF-8 are escaped."""
    return readable(folder.resolve().name).decode()


def _because(passed_over: Mapping[str, str]) -> str:
    return "".join(f"; {name}: {why}" for name, why in _told(passed_over))


def values_in_name(stem: str) -> dict[str, str]:
    """The attributes in ``part-value_part-value``.

    Raises:
        InputError: the name has another form.
    """
    pairs = [piece.partition("-") for piece in stem.split("_")]
    values = {part: value for part, dash, value in pairs if dash and part and value}
    if len(values) != len(pairs):
        raise InputError(
            f"the file name {stem!r} does not tell attributes",
            expected="part-value_part-value, every part once",
            remedy="rename the files, or give a table with --table",
        )
    return values


def _from_table(folder: Path, table: Path) -> list[Member]:
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{table} cannot be read: {words_of(error)}", expected="a CSV file"
        ) from None
    members = []
    for number, row in enumerate(rows, 2):
        values = {
            key: value
            for key, value in row.items()
            if key is not None and key not in ("file", "sha256")
        }
        path = folder / (row.get("file") or "")
        if not row.get("file") or None in row or None in values.values() or _missing(path):
            raise InputError(
                f"line {number} of {table} names no picture or lacks a value",
                expected="the columns file (a name in the folder) and one for each attribute",
                remedy="correct the table",
            )
        members.append(Member(path, values))
    return members


def _missing(path: Path) -> bool:
    """Whether there is no such file; of one that may not be looked at, its reader tells."""
    try:
        return not path.is_file()
    except OSError:
        return False


def _attributes(members: Sequence[Member]) -> tuple[Attribute, ...]:
    names = list(members[0].values)
    for member in members:
        if set(member.values) != set(names):
            raise InputError(
                f"{member.path.name} has the attributes {', '.join(member.values)}",
                expected=f"as {members[0].path.name}: {', '.join(names)}",
                remedy="rename the file, or put it into a folder of its own",
            )
    found = []
    for name in names:
        values = tuple(sorted({member.values[name] for member in members}))
        if len(values) > MAX_VALUES:
            raise InputError(
                f"the attribute {name} has {len(values)} values",
                expected=f"at most {MAX_VALUES}",
                remedy="leave out columns that are no property of the picture",
            )
        found.append(Attribute(name, values))
    return tuple(found)
