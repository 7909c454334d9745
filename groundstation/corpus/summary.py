"""What is in a corpus, in numbers, and whether a held-out patch is in its texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from groundstation.corpus.choice.exclusion import Guard, Leak
from groundstation.corpus.choice.ranking import canonical
from groundstation.corpus.manifest import SPLITS, Row
from groundstation.corpus.sources.texts import TextStore
from shared.terminal import Report, silent


@dataclass(frozen=True)
class Summary:
    """Counts of patches.

    Attributes:
        patches, packages: in all.
        diff_bytes: of all plain unified diffs together.
        splits: by split; packages_by_split counts their packages.
        languages, archives, licences, by_package: most first.
    """

    patches: int
    packages: int
    diff_bytes: int
    splits: Mapping[str, int]
    packages_by_split: Mapping[str, int]
    languages: Mapping[str, int]
    archives: Mapping[str, int]
    licences: Mapping[str, int]
    by_package: Mapping[str, int]


def summarise(rows: Sequence[Row]) -> Summary:
    """Counts of a manifest's rows; licences count packages, the rest patches."""
    licences = {row.package: row.licence for row in rows}
    return Summary(
        patches=len(rows),
        packages=len(licences),
        diff_bytes=sum(row.diff_bytes for row in rows),
        splits={split: sum(row.split == split for row in rows) for split in SPLITS},
        packages_by_split={
            split: len({row.package for row in rows if row.split == split}) for split in SPLITS
        },
        languages=_most_first(row.language for row in rows),
        archives=_most_first(row.archive for row in rows),
        licences=_most_first(licences.values()),
        by_package=_most_first(row.package for row in rows),
    )


def _most_first(values: Iterable[str]) -> dict[str, int]:
    counted: Counter[str] = Counter(values)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True)
class Checked:
    """The outcome of a check.

    Attributes:
        patches: rows that were looked at.
        texts: different texts that were read.
        runs: held-out runs that were looked for.
        named: rows whose package is held out.
        leaks: the first shared run of each text that has one.
    """

    patches: int
    texts: int
    runs: int
    named: tuple[str, ...]
    leaks: tuple[Leak, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing held out was found."""
        return not self.named and not self.leaks

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {"clean": self.is_clean, **asdict(self)}


def check(
    rows: Sequence[Row],
    store: TextStore,
    guard: Guard,
    excluded: frozenset[str],
    report: Report = silent,
) -> Checked:
    """Looks for held-out packages by name and for held-out runs in every text.

    Raises:
        DownloadError: a text is not in the store: nothing is proven about what was not read.
    """
    where: dict[str, str] = {}
    for row in rows:
        where.setdefault(row.old, f"{row.package} {row.old_version} {row.file}")
        where.setdefault(row.new, f"{row.package} {row.new_version} {row.file}")
    leaks = []
    for done, (digest, name) in enumerate(sorted(where.items()), start=1):
        leak = guard.first_leak(name, store.get(digest))
        if leak is not None:
            leaks.append(leak)
        report("texts", done, len(where))
    named = sorted({row.package for row in rows if canonical(row.package) in excluded})
    return Checked(len(rows), len(where), len(guard), tuple(named), tuple(leaks))
