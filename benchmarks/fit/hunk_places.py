"""Fits the weights of hunk places to changes between releases of other packages.

    python -m benchmarks.fit.hunk_places            # fits to fit_releases.csv, prints tables
    python -m benchmarks.fit.hunk_places --draw c --archive sdist PACKAGE [PACKAGE ...]   # rows

Four choices are fitted, each a conditional logit (``conditional_logit.py``): where a hunk starts,
whether it was the last, how many lines it removes and how many it writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer

from benchmarks.archives import ArchiveCache, corpus_home, open_index
from benchmarks.fit.conditional_logit import Event, Floats, Ints, Stacked, fit, rounded_tables
from benchmarks.fit.releases import draw_steps, format_steps, load_steps, read_steps
from benchmarks.patches.pairs import Pair
from benchmarks.patches.sampling import rank
from shared.lines import line_edits
from shared.prompts.places.hunk_place_tables import TABLES
from shared.prompts.places.hunk_places import LocusRanker
from shared.prompts.rewrite import Hunk
from shared.prompts.text.line_class import KINDS, OPENINGS
from shared.prompts.text.line_endings import TextForm
from shared.terminal import progress

MAX_LINES = 6000
MAX_HUNKS = 30
"""Of one file; a rewritten file would outweigh a hundred others."""

MAX_COUNT = 100
PLAIN_PLACES = 150
"""So many of an event's places that nothing draws attention to stand for all of them."""

FOLDS = 3

SIZES: Mapping[str, Mapping[str, int]] = {
    "start": {
        "head_near": 12,
        "head_here": KINDS,
        "head_before": KINDS,
        "near": 12,
        "here": KINDS,
        "before": KINDS,
        "opening": OPENINGS,
        "length": 8,
        "indent": 6,
        "quoted": 2,
        "kind_seen": 3,
        "as_last": 4,
        "same_step": 2,
        "gone": 6,
        "come": 6,
        "resembling": 6,
        "below_resembling": 6,
    },
    "end": {
        "hunks": 5,
        "lines_ahead": 12,
        "gone_ahead": 6,
        "resembling_ahead": 6,
        "below_ahead": 6,
    },
    "removed": {
        "removed_last": 80,
        "removed_marked": 12,
        "after_removed": 2 * KINDS,
        "last_removed": KINDS + 1,
        "deeper": 4,
        "brackets": 4,
        "all_marked": 4,
        "removed_before": 8,
    },
    "written": {
        "written_removed": 70,
        "written_last": 56,
        "written_before": 8,
        "written_here": 4 * KINDS,
        "written_below": 4 * KINDS,
    },
}


@dataclass(frozen=True)
class FileEvents:
    """What one changed file says.

    Attributes:
        package: that it is from.
        events: of each choice.
        hunks: its hunks.
    """

    package: str
    events: Mapping[str, Sequence[Event]]
    hunks: tuple[Hunk, ...]


def file_events(pair: Pair) -> FileEvents | None:
    """The choices that a change takes; None where the file is too long or only its form changes.

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
    events: dict[str, list[Event]] = {choice: [] for choice in SIZES}
    first = 0
    for count, hunk in enumerate(hunks[:MAX_HUNKS]):
        if count:
            events["end"].append(_end_event(ranker.end_features(first), ended=False))
        place = hunk.start - first
        events["start"].append(
            thinned(ranker.start_features(first), place, rank(pair.path, str(place)))
        )
        removed, written = hunk.end - hunk.start, hunk.text.count(b"\n")
        most = min(len(lines) - hunk.start, MAX_COUNT)
        if removed <= most:
            counts = np.maximum(9, np.arange(most + 1))
            offset = np.log(82 / (counts * counts + 1))
            events["removed"].append(
                Event(ranker.removed_features(hunk.start, most), removed, offset)
            )
        if written <= MAX_COUNT:
            counts = np.maximum(9, np.arange(MAX_COUNT + 1))
            offset = np.log(90 / (counts * (counts + 1)))
            if not removed:
                offset[0] = -1000
            found = ranker.written_features(hunk.start, removed, MAX_COUNT)
            events["written"].append(Event(found, written, offset))
        ranker.learn(hunk.start, hunk.end, hunk.text)
        first = hunk.end + 1
    if len(hunks) <= MAX_HUNKS and first <= len(lines):
        events["end"].append(_end_event(ranker.end_features(first), ended=True))
    return FileEvents(pair.package, events, hunks[:MAX_HUNKS])


def _end_event(features: Mapping[str, Ints], ended: bool) -> Event:
    """Candidate 0 is another hunk: it has row -1 of each table, which weighs nothing."""
    rows = {
        name: np.array([-1 - before, row[0]])
        for (name, row), before in zip(
            features.items(), np.cumsum([0, *SIZES["end"].values()]), strict=False
        )
    }
    return Event(rows, int(ended), np.zeros(2))


def thinned(features: Mapping[str, Ints], chosen: int, seed: str) -> Event:
    """A choice of place with few of the plain places, each of which stands for several.

    Plain are places more than 64 lines on that nothing marks.  Their share is unbiased
    (McFadden 1978, sampling of alternatives); it makes the fit several times as quick.
    """
    size = next(iter(features.values())).size
    keep = np.arange(size) < 64
    keep[-3:] = True
    keep[chosen] = True
    for name in ("gone", "resembling", "below_resembling", "come"):
        if name in features:
            keep |= features[name] > 2
    rest = np.flatnonzero(~keep)
    offset = np.zeros(size)
    if rest.size > PLAIN_PLACES:
        drawn = np.random.default_rng(int(seed, 16)).choice(rest, PLAIN_PLACES, replace=False)
        offset[drawn] = np.log(rest.size / PLAIN_PLACES)
        rest = drawn
    keep[rest] = True
    kept = np.flatnonzero(keep)
    rows = {name: row[kept] for name, row in features.items()}
    return Event(rows, int(np.searchsorted(kept, chosen)), offset[kept])


def fitted_bits(files: Sequence[FileEvents], choice: str) -> Floats:
    """What each event of a choice costs with weights fitted to other packages."""
    packages = sorted({file.package for file in files}, key=rank)
    bits = []
    for fold in range(FOLDS):
        others = set(packages[fold::FOLDS])
        there, here = (
            Stacked.of(
                [e for f in files if (f.package in others) == held for e in f.events[choice]],
                SIZES[choice],
            )
            for held in (False, True)
        )
        bits.append(here.bits(fit(there)))
    return np.concatenate(bits)


def fit_tables(files: Sequence[FileEvents]) -> dict[str, dict[str, list[int]]]:
    """The tables of every choice."""
    tables = {}
    for choice, sizes in SIZES.items():
        data = Stacked.of([e for file in files for e in file.events[choice]], sizes)
        tables[choice] = rounded_tables(fit(data), sizes)
    return tables


def tables_in_use() -> dict[str, dict[str, list[int]]]:
    """The tables of the wire format."""
    return {
        choice: {name: table.tolist() for name, table in tables.items()}
        for choice, tables in TABLES.items()
    }


def report(files: Sequence[FileEvents]) -> Iterator[str]:
    """The fitted tables, and what they cost on packages that they were not fitted to."""
    packages = {file.package for file in files}
    hunks = sum(len(file.hunks) for file in files)
    yield f"{len(files)} files of {len(packages)} packages, {hunks} hunks"
    tables = fit_tables(files)
    for choice, named in tables.items():
        for name, table in named.items():
            yield f"{choice} {name}: {table}"
    yield f"these tables are those of hunk_place_tables.py: {tables == tables_in_use()}"
    for choice in SIZES:
        bits = fitted_bits(files, choice)
        yield f"bits of {choice}, fitted to other packages: {bits.mean():.3f} of {bits.size}"


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
