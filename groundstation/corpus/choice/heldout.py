"""Lists of held-out patches: the benchmark's format, of which only some columns are needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundstation.corpus.choice.exclusion import NEVER, HeldOut
from groundstation.corpus.choice.ranking import canonical
from groundstation.corpus.manifest import read_csv
from groundstation.corpus.sources.archives import KINDS, ArchiveCache
from shared.errors import DownloadError, InputError
from shared.terminal import Report, silent

_NEEDED = ("package", "old_version", "new_version", "archive", "file")


@dataclass(frozen=True)
class HeldOutRow:
    """A patch that a list holds out, without its text."""

    package: str
    old_version: str
    new_version: str
    archive: str
    file: str


def read_heldout(paths: Iterable[Path]) -> list[HeldOutRow]:
    """The rows of lists that have at least the columns of ``HeldOutRow``.

    Raises:
        InputError: a list cannot be read, or lacks a column.
    """
    rows = []
    for path in paths:
        records = read_csv(path)
        if not records:
            raise InputError(f"{path.name} holds nothing out", expected=", ".join(_NEEDED))
        for number, record in enumerate(records, start=2):
            missing = [column for column in _NEEDED if not record.get(column)]
            if missing or record["archive"] not in KINDS:
                raise InputError(
                    f"{path.name} line {number}: "
                    + (f"no {', '.join(missing)}" if missing else f"archive {record['archive']!r}"),
                    expected=", ".join(_NEEDED),
                )
            rows.append(HeldOutRow(**{column: record[column] for column in _NEEDED}))
    return rows


def excluded_packages(rows: Iterable[HeldOutRow]) -> frozenset[str]:
    """Canonical names of packages that no corpus may draw from."""
    return NEVER | {canonical(row.package) for row in rows}


def load_heldout(
    rows: Sequence[HeldOutRow], archives: ArchiveCache, report: Report = silent
) -> list[HeldOut]:
    """The texts of held-out patches.

    Raises:
        DownloadError: an archive cannot be fetched, or has no such file.
    """
    loaded = []
    for done, row in enumerate(rows, start=1):
        texts = []
        for version in (row.old_version, row.new_version):
            text = archives.members(row.package, version, row.archive).get(row.file)
            if text is None:
                raise DownloadError(f"{row.package} {version} has no file {row.file}")
            texts.append(text)
        loaded.append(HeldOut(f"{row.package} {row.new_version} {row.file}", *texts))
        report("held-out patches", done, len(rows))
    return loaded
