"""Fits the weights of ``shared/prompts/loci.py`` and of line counts to changes between releases.

    python -m benchmarks.fit_loci                      # fits to fit_releases.csv, prints constants
    python -m benchmarks.fit_loci --draw c --archive sdist PACKAGE [PACKAGE ...]   # prints rows

Where a hunk starts is a conditional logit (McFadden, "Conditional logit analysis of qualitative
choice behavior", 1974): a place's score is the sum of what its features weigh.  The likelihood is
concave, and with a little ridge its maximum is unique; Newton's method finds it.  The other weights
are read off counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.archives import ArchiveCache, corpus_home, open_index
from benchmarks.corpus import Pair
from benchmarks.fit_releases import draw_steps, format_steps, load_steps, read_steps
from benchmarks.sampling import rank
from shared.lines import line_edits
from shared.prompts import loci
from shared.prompts.loci import LocusRanker
from shared.prompts.rewrite import Hunk
from shared.prompts.textform import TextForm
from shared.terminal import progress

MAX_LINES = 6000
MAX_HUNKS = 30
"""Of one file; a rewritten file would outweigh a hundred others."""

RIDGE = 1.0
FOLDS = 4

TABLES = {"near_head": 12, "near_last": 12, "here": 13, "before": 13, "gone": 2, "resembling": 6}
_FIRST = dict(zip(TABLES, np.cumsum([0, *TABLES.values()]).tolist(), strict=False))
WIDTH = sum(TABLES.values())

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Event:
    """A hunk whose place was chosen.

    Attributes:
        features: rows of the tables, one of each place and feature: int64 [5, places].
        chosen: the place.
    """

    features: NDArray[np.int64]
    chosen: int


@dataclass(frozen=True)
class FileEvents:
    """What one changed file says.

    Attributes:
        package: that it is from.
        events: its hunks' places.
        ended: whether "no more" came after them.
        hunks: them.
    """

    package: str
    events: tuple[Event, ...]
    ended: bool
    hunks: tuple[Hunk, ...]


def file_events(pair: Pair) -> FileEvents | None:
    """The decisions that a change takes; None where the file is too long or only its form changes.

    The features are those of ``LocusRanker`` itself, so the fit and the format cannot differ.
    """
    lines, new = (TextForm.of(data).normalise(data) for data in (pair.old, pair.new))
    hunks = tuple(
        Hunk(edit.old_start, edit.old_end, b"".join(new[edit.new_start : edit.new_end]))
        for edit in line_edits(lines, new)
    )
    if not hunks or len(lines) > MAX_LINES:
        return None
    ranker = LocusRanker(lines)
    events = []
    first = 0
    for count, hunk in enumerate(hunks[:MAX_HUNKS]):
        names = ("near_last" if count else "near_head", "here", "before", "gone", "resembling")
        offsets = np.array([[_FIRST[name]] for name in names])
        events.append(Event(ranker.features(first) + offsets, hunk.start - first))
        ranker.learn(range(hunk.start, hunk.end), hunk.text)
        first = hunk.end + 1
    ended = len(hunks) <= MAX_HUNKS and first <= len(lines)
    return FileEvents(pair.package, tuple(events), ended, hunks[:MAX_HUNKS])


def fit_places(events: Sequence[Event]) -> Floats:
    """What each row of the tables weighs, in nats: float64 [WIDTH]."""
    data = _Stacked.of(events)
    weights = np.zeros(WIDTH)
    for _ in range(50):
        gradient, hessian = data.derivatives(weights)
        step = np.linalg.solve(hessian + RIDGE * np.eye(WIDTH), gradient - RIDGE * weights)
        while data.worth(weights + step) < data.worth(weights):
            step /= 2
        weights += step
        if np.abs(step).max() < 1e-6:
            break
    return weights


def bits_of_places(events: Sequence[Event], weights: Floats) -> Floats:
    """What each event costs with these weights: float64 [events]."""
    data = _Stacked.of(events)
    chances = data.chances(weights)
    bits: Floats = -np.log2(chances[data.first + data.chosen])
    return bits


@dataclass(frozen=True)
class _Stacked:
    """Events one after another: features int64 [5, rows], and where each event begins."""

    features: NDArray[np.int64]
    first: NDArray[np.int64]
    chosen: NDArray[np.int64]

    @classmethod
    def of(cls, events: Sequence[Event]) -> _Stacked:
        sizes = [event.features.shape[1] for event in events]
        return cls(
            np.concatenate([event.features for event in events], axis=1),
            np.cumsum([0, *sizes[:-1]]),
            np.array([event.chosen for event in events]),
        )

    def chances(self, weights: Floats) -> Floats:
        """float64 [rows]: each place's probability within its event."""
        score = weights[self.features].sum(axis=0)
        sizes = np.diff([*self.first, score.size])
        odds = np.exp(score - np.repeat(np.maximum.reduceat(score, self.first), sizes))
        chances: Floats = odds / np.repeat(np.add.reduceat(odds, self.first), sizes)
        return chances

    def worth(self, weights: Floats) -> float:
        """The log likelihood less what the ridge takes: largest at the fitted weights."""
        chances = self.chances(weights)[self.first + self.chosen]
        return float(np.log(np.maximum(chances, 1e-300)).sum() - RIDGE / 2 * (weights @ weights))

    def derivatives(self, weights: Floats) -> tuple[Floats, Floats]:
        """Of the log likelihood: gradient [WIDTH], and minus the Hessian [WIDTH, WIDTH]."""
        chances = self.chances(weights)
        event = np.repeat(np.arange(self.first.size), np.diff([*self.first, chances.size]))
        means = np.zeros((self.first.size, WIDTH))
        products = np.zeros((WIDTH, WIDTH))
        for row in self.features:
            cells = np.bincount(event * WIDTH + row, chances, means.size)
            means += cells.reshape(means.shape)
            for other in self.features:
                cells = np.bincount(row * WIDTH + other, chances, products.size)
                products += cells.reshape(products.shape)
        seen = np.bincount(self.features[:, self.first + self.chosen].ravel(), minlength=WIDTH)
        return seen - means.sum(axis=0), products - means.T @ means


def rounded_tables(weights: Floats) -> dict[str, list[int]]:
    """The tables in eighths of an octave; what a place lacks ("gone", "resembling") weighs 0."""
    tables = {}
    for name, size in TABLES.items():
        part = weights[_FIRST[name] : _FIRST[name] + size]
        if name in ("gone", "resembling"):
            part = part - part[0]
        tables[name] = [round(value) for value in (8 * part / math.log(2)).tolist()]
    return tables


def tables_in_use() -> dict[str, list[int]]:
    """The tables of the wire format, named as in ``TABLES``."""
    used = (
        *(loci._NEAR_HEAD, loci._NEAR_LAST, loci._KIND_HERE, loci._KIND_BEFORE),
        *(np.array([0, loci._GONE]), loci._RESEMBLING),
    )
    return {name: table.tolist() for name, table in zip(TABLES, used, strict=True)}


def more_per_end(files: Iterable[FileEvents]) -> list[int]:
    """How often a hunk follows, for each time that none does, after 1, 2, 3, 4, 5 or more."""
    more, ends = [0] * 6, [0] * 6
    for file in files:
        for count in range(1, len(file.events)):
            more[min(count, 5)] += 1
        ends[min(len(file.events), 5)] += file.ended
    return [round(a / max(b, 1)) for a, b in zip(more[1:], ends[1:], strict=True)]


def removed_lines(hunks: Sequence[Hunk]) -> tuple[list[int], int]:
    """Per thousand hunks those that remove 0 to 8 lines, and c of the others' c / (n^2 + 1)."""
    counts = Counter(hunk.end - hunk.start for hunk in hunks)
    few = [max(1, round(1000 * counts[n] / len(hunks))) for n in range(9)]
    many = sum(count for n, count in counts.items() if n > 8) / len(hunks)
    return few, round(1000 * many / sum(1 / (n * n + 1) for n in range(9, 4001)))


def as_many_as_removed(hunks: Sequence[Hunk]) -> list[int]:
    """The likeliest bonuses, in thousandths, for as many written lines as removed: 1, 2, 3, 4+."""
    bonuses = []
    for fewest in (1, 2, 3, 4):
        written = [
            (hunk.end - hunk.start, hunk.text.count(b"\n"))
            for hunk in hunks
            if hunk.text and (hunk.end - hunk.start == fewest or hunk.end - hunk.start > fewest > 3)
        ]
        low, high = 0.0, 64.0
        for _ in range(60):
            bonus = (low + high) / 2
            slope = sum(1 / (1 / (n * (n + 1)) + bonus) for n, m in written if n == m)
            low, high = (bonus, high) if slope > len(written) / (1 + bonus) else (low, bonus)
        bonuses.append(round(1000 * low))
    return bonuses


def deletions(hunks: Sequence[Hunk]) -> float:
    """The share of hunks with removed lines that write nothing."""
    removing = [hunk for hunk in hunks if hunk.end > hunk.start]
    return sum(not hunk.text for hunk in removing) / len(removing)


def report(files: Sequence[FileEvents]) -> Iterator[str]:
    """The fitted constants, and what they cost on packages that they were not fitted to."""
    packages = sorted({file.package for file in files}, key=rank)
    events = [event for file in files for event in file.events]
    hunks = [hunk for file in files for hunk in file.hunks]
    yield f"{len(files)} files of {len(packages)} packages, {len(hunks)} hunks"
    tables = rounded_tables(fit_places(events))
    for name, table in tables.items():
        yield f"{name}: {table}"
    yield f"these tables are those of shared/prompts/loci.py: {tables == tables_in_use()}"
    yield f"more per end: {more_per_end(files)}"
    few, many = removed_lines(hunks)
    yield f"removed lines per thousand: {few}, then {many} / (n^2 + 1)"
    yield f"as many as removed, in thousandths: {as_many_as_removed(hunks)}"
    yield f"deletions: {deletions(hunks):.3f}"
    bits = []
    for fold in range(FOLDS):
        others = set(packages[fold::FOLDS])
        weights = fit_places(
            [e for file in files if file.package not in others for e in file.events]
        )
        here = [event for file in files if file.package in others for event in file.events]
        bits.append(bits_of_places(here, weights))
    yield f"bits a place, fitted to other packages: {np.concatenate(bits).mean():.3f}"


def main(
    packages: Annotated[list[str] | None, typer.Argument(help="Packages to draw from.")] = None,
    draw: Annotated[str, typer.Option(help="Draw steps: the language, c or python.")] = "",
    archive: Annotated[str, typer.Option(help="Where from: wheel or sdist.")] = "wheel",
) -> None:
    """Fit the weights of loci to changes between releases, and print them."""
    with open_index() as index, progress() as tell:
        archives = ArchiveCache(corpus_home(), index)
        if draw:
            steps = draw_steps(packages or [], draw, archive, archives)
            typer.echo(format_steps(steps), nl=False)
            return
        found = []
        wanted = read_steps()
        for done, pairs in enumerate(load_steps(wanted, archives), start=1):
            found += [events for pair in pairs if (events := file_events(pair))]
            tell("releases", done, len(wanted))
    for line in report(found):
        typer.echo(line)


if __name__ == "__main__":
    typer.run(main)
