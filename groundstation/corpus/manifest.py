"""A corpus without its texts: a row for each patch, CSV, sorted.

Columns: package, archive (``wheel``, ``sdist``, ``git``, ``trees``), old_version, new_version,
file, diff_bytes, old and new (16 digits of sha256), split, licence.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from groundstation.corpus.choice.selection import language_of
from shared.errors import InputError, words_of

ARCHIVES = ("wheel", "sdist", "git", "trees")
SPLITS = ("train", "validation", "test", "later")


@dataclass(frozen=True, order=True)
class Row:
    """One patch; ``old`` and ``new`` are short digests of its texts."""

    package: str
    archive: str
    old_version: str
    new_version: str
    file: str
    diff_bytes: int
    old: str
    new: str
    split: str
    licence: str

    @property
    def language(self) -> str:
        """By the file's name."""
        return language_of(self.file) or "other"


_COLUMNS = tuple(field.name for field in fields(Row))


def format_rows(rows: Iterable[Row]) -> str:
    """Rows as CSV text; the same rows give the same bytes in whatever order they come."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in sorted(rows))
    return text.getvalue()


def read_manifest(path: Path) -> list[Row]:
    """The rows of a manifest, checked.

    Raises:
        InputError: it cannot be read, a line is malformed, or a patch occurs twice.
    """
    records = read_csv(path)
    if not records:
        raise InputError(
            f"{path.name} has no rows",
            expected=",".join(_COLUMNS),
            remedy="make one with: groundstation corpus build",
        )
    return list(_rows(records, path.name))


def read_csv(path: Path) -> list[dict[str, str]]:
    """The records of a CSV file.

    Raises:
        InputError: it cannot be read, is no UTF-8, or a line has more or fewer fields than the
            first.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            records = list(csv.DictReader(stream, strict=True))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path.name} is no CSV text: {words_of(error)}") from error
    for number, record in enumerate(records, start=2):
        if None in record or None in record.values():
            raise InputError(
                f"{path.name} line {number} has another number of fields than the first line"
            )
    return records


def _rows(records: Iterable[dict[str, str]], name: str) -> Iterator[Row]:
    seen: set[tuple[str, ...]] = set()
    licences: dict[str, str] = {}
    for number, record in enumerate(records, start=2):
        if tuple(record) != _COLUMNS:
            raise InputError(
                f"{name} line {number}: columns {', '.join(record)}", expected=", ".join(_COLUMNS)
            )
        size = record["diff_bytes"]
        if not re.fullmatch(r"[0-9]{1,9}", size):
            raise InputError(f"{name} line {number}: diff_bytes {size!r}")
        texts = {key: value for key, value in record.items() if key != "diff_bytes"}
        row = Row(diff_bytes=int(size), **texts)
        key = (row.package, row.archive, row.old_version, row.new_version, row.file)
        problem = _problem(row)
        if licences.setdefault(row.package, row.licence) != row.licence:
            problem = f"two licences of {row.package}"
        if key in seen:
            problem = f"{row.file} of {row.package} {row.new_version} occurs twice"
        if problem:
            raise InputError(f"{name} line {number}: {problem}")
        seen.add(key)
        yield row


def _problem(row: Row) -> str | None:
    """What is wrong with a row; names become parts of file names, so they are held to a form."""
    if row.archive not in ARCHIVES:
        return f"archive {row.archive!r}, not one of {', '.join(ARCHIVES)}"
    if row.split not in SPLITS:
        return f"split {row.split!r}, not one of {', '.join(SPLITS)}"
    for text in (row.package, row.old_version, row.new_version):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", text):
            return f"name {text!r}"
    for digest in (row.old, row.new):
        if not re.fullmatch(r"[0-9a-f]{16}", digest):
            return f"digest {digest!r}"
    if not row.file or not row.licence:
        return "an empty file name or licence"
    return None
