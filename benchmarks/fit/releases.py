"""Which releases the weights of loci are fitted to: steps between two releases, and their files.

``fit_releases.csv`` lists the steps; their texts come from PyPI.  No package of the benchmark's own
lists may be among them: a fit that has seen other files of a package is not blind to it.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from benchmarks.archives import KINDS, ArchiveCache
from benchmarks.patches.pairs import HELDOUT, PAIRS, Pair, load_pair, read_rows
from benchmarks.patches.sampling import SUFFIXES, changed_files, rank, release_steps
from groundstation.corpus.choice.ranking import canonical
from shared.errors import DownloadError, InputError

RELEASES = Path(__file__).parents[1] / "fit_releases.csv"
FILES_PER_STEP = 12
STEPS_PER_PACKAGE = 22


@dataclass(frozen=True)
class Step:
    """Two releases of a package; ``sha256`` names the files that changed between them."""

    package: str
    language: str
    archive: str
    old_version: str
    new_version: str
    sha256: str = ""


_COLUMNS = tuple(field.name for field in fields(Step))


def read_steps(path: Path = RELEASES) -> list[Step]:
    """The steps of a list, checked.

    Raises:
        InputError: a line is malformed, or names a package of the benchmark.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        records = list(csv.DictReader(stream))
    forbidden = benchmark_packages()
    steps = []
    for number, record in enumerate(records, start=2):
        if tuple(record) != _COLUMNS or None in record.values():
            raise InputError(f"{path.name} line {number}: {list(record)}", expected=str(_COLUMNS))
        step = Step(**record)
        if step.archive not in KINDS or step.language not in SUFFIXES:
            raise InputError(f"{path.name} line {number}: {step.language} in a {step.archive}")
        if canonical(step.package) in forbidden:
            raise InputError(
                f"{path.name} line {number}: {step.package} belongs to the benchmark",
                expected="packages that no benchmark patch is of",
                remedy="leave the package out",
            )
        steps.append(step)
    return steps


def format_steps(steps: Iterable[Step]) -> str:
    """Steps as CSV text."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(step) for step in steps)
    return text.getvalue()


def benchmark_packages() -> frozenset[str]:
    """Every package that a benchmark patch is of."""
    return frozenset(canonical(row.package) for path in (PAIRS, HELDOUT) for row in read_rows(path))


def changed_texts(step: Step, archives: ArchiveCache) -> list[Pair]:
    """The changed files of a step, in an order that has nothing to do with their contents.

    Raises:
        DownloadError: an archive cannot be fetched.
    """
    rows = changed_files(
        archives, step.package, step.old_version, step.new_version, step.archive, step.language
    )
    return [load_pair(row, archives) for _, row in zip(range(FILES_PER_STEP), rows, strict=False)]


def digest(pairs: Sequence[Pair]) -> str:
    """sha256 over the names and texts of these files, in hex."""
    parts = (part for pair in pairs for part in (pair.path.encode(), pair.old, pair.new))
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def load_steps(steps: Sequence[Step], archives: ArchiveCache) -> Iterator[list[Pair]]:
    """The changed files of each step.

    Raises:
        DownloadError: an archive cannot be fetched, or holds something else than when it was drawn.
    """
    for step in steps:
        pairs = changed_texts(step, archives)
        if digest(pairs) != step.sha256:
            raise DownloadError(
                f"{step.package} {step.new_version}: the changed files are others",
                expected=f"sha256 {step.sha256}",
                remedy="delete the archives from the cache and try again",
            )
        yield pairs


def draw_steps(
    packages: Sequence[str], language: str, kind: str, archives: ArchiveCache
) -> Iterator[Step]:
    """A few steps of each package, first in rank order, that change files of a language.

    Raises:
        DownloadError: the index lacks a package.
    """
    for package in packages:
        pairs = release_steps(archives, package, kind)
        pairs.sort(key=lambda pair: rank(package, *pair))
        for old, new in pairs[:STEPS_PER_PACKAGE]:
            step = Step(package, language, kind, old, new)
            found = changed_texts(step, archives)
            if found:
                yield Step(package, language, kind, old, new, digest(found))
