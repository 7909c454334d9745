"""Files that the commands of the media mode read and write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from groundstation.media.family import Family, Member
from groundstation.media.walk import within
from shared.errors import InputError
from shared.files import check_writable, replace_file
from shared.media.generator import Loaded, read_generator

SUFFIXES: Final = {".png": "PNG", ".webp": "WEBP", ".avif": "AVIF", ".jxl": "JXL"}


def open_generator(path: Path) -> Loaded:
    """The generator in a file.

    Raises:
        InputError: the file cannot be read.
        PinError: it is no generator, or damaged.
    """
    return read_generator(generator_file(path))


def generator_file(path: Path) -> bytes:
    """The bytes of a file that should be a generator.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}",
            expected="a file that `media train` wrote",
            remedy="check the path",
        ) from None


def parse_rows(text: str, count: int) -> tuple[int, int]:
    """First and last of ``3-7``, ``3-`` or ``3``, counted from 1.

    Raises:
        InputError: no such rows.
    """
    first, dash, last = text.partition("-")
    numbers = (first, (last or str(count)) if dash else first)
    if all(number.isascii() and number.isdigit() for number in numbers):
        begin, end = map(int, numbers)
        if 1 <= begin <= end <= count:
            return begin, end
    raise InputError(
        f"{text!r} names no rows",
        expected=f"first and last of 1 to {count}, as 1-{count}",
        remedy="correct --rows",
    )


def selected(family: Family, rows: str | None) -> Sequence[Member]:
    """The members of a family that ``--rows`` means; all of them without it.

    Raises:
        InputError: no such rows.
    """
    if rows is None:
        return family.members
    first, last = parse_rows(rows, len(family.members))
    return family.members[first - 1 : last]


def readable(folder: Path, members: Sequence[Member]) -> tuple[list[Member], dict[str, str]]:
    """The members whose files can be opened, and why the others cannot, by name in the folder.

    Raises:
        InputError: there are some, and none of them can.
    """
    found, left_out = list[Member](), dict[str, str]()
    for member in members:
        name = within(folder, member.path)
        try:
            if not member.path.is_file():  # to open a pipe might never end
                left_out[name] = "it is no file"
                continue
            with member.path.open("rb") as file:
                file.read(1)
            found.append(member)
        except OSError as error:
            left_out[name] = f"it cannot be read: {error.strerror}"
    if members and not found:
        name, why = next(iter(left_out.items()))
        raise InputError(f"no picture can be read; {name}: {why}", remedy="check the rights")
    return found, left_out


def named_values(chosen: Sequence[str]) -> dict[str, str]:
    """Names and values of texts like ``lid=red``.

    Raises:
        InputError: one has another form.
    """
    found = {}
    for text in chosen:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{text!r} names no value", expected="NAME=VALUE")
        found[name] = value
    return found


def checked_out(path: Path) -> None:
    """Refuses, before anything is computed, what could not be written afterwards.

    Raises:
        InputError: the folder is not there or takes no file, or the path is a folder.
    """
    check_writable(path)


def write_new(path: Path, data: bytes) -> None:
    """Writes a file, whole or not at all, and on the disk when this returns.

    Raises:
        InputError: it cannot be written.
    """
    replace_file(path, data, durable=True)


def drawn_name(path: Path) -> str:
    """Pillow's name of the format that a file's suffix asks for.

    Raises:
        InputError: none that can hold pixels without loss.
    """
    name = SUFFIXES.get(path.suffix.lower())
    if name is None:
        raise InputError(
            f"the suffix {path.suffix!r} names no format",
            expected=f"one of {', '.join(SUFFIXES)}",
            remedy="rename the output",
        )
    return name
