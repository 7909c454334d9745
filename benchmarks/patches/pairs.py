"""The benchmark's patches: files of two consecutive releases, named by digest, fetched on demand.

``pairs.csv`` and ``heldout.csv`` hold facts only; the sources come from PyPI through pip.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from benchmarks.archives import KINDS, ArchiveCache, corpus_home, open_index
from shared.errors import DownloadError, InputError
from shared.terminal import Report, silent

HERE = Path(__file__).parents[1]
PAIRS = HERE / "pairs.csv"
HELDOUT = HERE / "heldout.csv"


@dataclass(frozen=True)
class PairRow:
    """One patch of the corpus, without its text."""

    id: str
    language: str
    package: str
    old_version: str
    new_version: str
    archive: str
    file: str
    diff_bytes: int
    old_sha256: str
    new_sha256: str


@dataclass(frozen=True)
class Pair:
    """One patch of the corpus with both texts; ``path`` is the file's path in the release."""

    id: str
    language: str
    package: str
    path: str
    diff_bytes: int
    old: bytes
    new: bytes


def read_rows(path: Path) -> list[PairRow]:
    """The rows of a list, checked.

    Raises:
        InputError: a column is missing, a number or kind is malformed, or an id occurs twice.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        return list(_rows(csv.DictReader(stream), path.name))


def _rows(records: Iterable[dict[str, str]], name: str) -> Iterator[PairRow]:
    seen: set[str] = set()
    for number, record in enumerate(records, start=2):
        if None in record or None in record.values() or set(record) != set(_COLUMNS):
            raise InputError(
                f"{name} line {number}: columns {list(record)}", expected=str(_COLUMNS)
            )
        try:
            size = int(record["diff_bytes"])
        except ValueError as error:
            raise InputError(
                f"{name} line {number}: diff_bytes {record['diff_bytes']!r}"
            ) from error
        texts = {key: value for key, value in record.items() if key != "diff_bytes"}
        row = PairRow(diff_bytes=size, **texts)
        problem = _problem(row)
        if problem or row.id in seen:
            raise InputError(f"{name} line {number}: {problem or f'id {row.id!r} occurs twice'}")
        seen.add(row.id)
        yield row


def _problem(row: PairRow) -> str | None:
    """What is wrong with a row; names become parts of file names, so they are held to a form."""
    if row.archive not in KINDS:
        return f"archive {row.archive!r}, not one of {KINDS}"
    for text in (row.id, row.package, row.old_version, row.new_version):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
            return f"name {text!r}"
    for digest in (row.old_sha256, row.new_sha256):
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            return f"sha256 {digest!r}"
    return None


_COLUMNS = tuple(field.name for field in fields(PairRow))


def format_rows(rows: Iterable[PairRow]) -> str:
    """Rows as CSV text, sorted by id."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in sorted(rows, key=lambda row: row.id))
    return text.getvalue()


def load_pair(row: PairRow, archives: ArchiveCache) -> Pair:
    """Both texts of a row.

    Raises:
        DownloadError: an archive lacks the file, or its text has another digest than the row says.
    """
    texts = []
    for version, digest in ((row.old_version, row.old_sha256), (row.new_version, row.new_sha256)):
        data = archives.members(row.package, version, row.archive).get(row.file)
        found = hashlib.sha256(data).hexdigest() if data is not None else "no such file"
        if data is None or found != digest:
            raise DownloadError(
                f"{row.package} {version}, {row.file}: {found}",
                expected=f"sha256 {digest}",
                remedy="delete the archive from the cache and try again",
            )
        texts.append(data)
    return Pair(row.id, row.language, row.package, row.file, row.diff_bytes, *texts)


def load_corpus(
    path: Path = PAIRS, *, folder: Path | None = None, report: Report = silent
) -> tuple[Pair, ...]:
    """Every pair of a list; archives not yet in the cache are fetched.

    Args:
        path: a list such as ``PAIRS`` or ``HELDOUT``.
        folder: the archive cache; the user's by default.
        report: told after each pair.

    Raises:
        InputError, DownloadError: as ``read_rows`` and ``load_pair``.
    """
    rows = read_rows(path)
    pairs = []
    with open_index() as index:
        archives = ArchiveCache(folder or corpus_home(), index)
        for done, row in enumerate(rows, start=1):
            pairs.append(load_pair(row, archives))
            report("corpus", done, len(rows))
    return tuple(pairs)
