"""From package lists, histories and trees to a manifest; what is done is kept, package by package.

A package's drawing is written to the cache under a digest of everything that it depends on, so
that a build that was stopped goes on where it was, and one with other settings starts anew.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from groundstation.corpus.choice.exclusion import Guard
from groundstation.corpus.choice.licences import UNKNOWN
from groundstation.corpus.choice.ranking import canonical, rank
from groundstation.corpus.choice.selection import Limits
from groundstation.corpus.choice.splits import later_from, split_of
from groundstation.corpus.manifest import Row
from groundstation.corpus.patch import FilePatch
from groundstation.corpus.release_pairs import Caps, Drawn
from groundstation.corpus.sources.texts import TextStore
from shared.errors import DownloadError, InputError
from shared.files import make_folder, replace_file
from shared.terminal import Report, silent
from shared.untrusted import PARSING_FAULTS, json_value

_FORMAT = "corpus drawing 2"
"""Counts up when the same settings would draw or describe something else."""

_MAX_KEPT_BYTES = 1 << 28


@dataclass(frozen=True)
class Candidate:
    """A drawn patch whose texts are in the store."""

    package: str
    archive: str
    old_version: str
    new_version: str
    step: int
    file: str
    diff_bytes: int
    old: str
    new: str
    fingerprint: str


@dataclass(frozen=True)
class Drawing:
    """What is kept of one package.

    Attributes:
        candidates: in the order in which they were drawn.
        licence: of the package.
        leaks: patches left out because they share a run with what is held out.
        notes: what could not be read, and why.
    """

    candidates: tuple[Candidate, ...]
    licence: str
    leaks: int
    notes: tuple[str, ...]


Draw = Callable[[Callable[[FilePatch], bool]], Drawn]
"""Draws from something, asking its argument which patches are clean."""


@dataclass(frozen=True)
class Source:
    """Something to draw from.

    Attributes:
        package: its name in the manifest.
        key: what its drawing depends on besides the settings, or None if that can change
            unnoticed (a repository, a folder) and nothing shall be kept.
        draw: draws from it.
    """

    package: str
    key: str | None
    draw: Draw


@dataclass(frozen=True)
class Built:
    """A corpus without its texts, and what was left out of it.

    Attributes:
        rows: sorted.
        repeated: patches left out because another has the same edit.
        leaks: patches left out because they share a run with what is held out.
        notes: releases or packages that could not be read, and why.
    """

    rows: tuple[Row, ...]
    repeated: int
    leaks: int
    notes: tuple[str, ...]


def refuse_excluded(packages: Iterable[str], excluded: frozenset[str]) -> None:
    """Refuses a list that names a held-out package.

    Raises:
        InputError: it does; all such names are told.
    """
    wrong = sorted(package for package in packages if canonical(package) in excluded)
    if wrong:
        raise InputError(
            f"{', '.join(wrong)}: held out for judging",
            expected="packages that no held-out patch is of",
            remedy="leave them out of the list",
        )


def settings_key(caps: Caps, limits: Limits, guard: Guard) -> str:
    """What every drawing depends on."""
    return json.dumps([_FORMAT, asdict(caps), asdict(limits), guard.digest])


def build(
    sources: Sequence[Source],
    *,
    settings: str,
    guard: Guard,
    store: TextStore,
    state: Path,
    report: Report = silent,
) -> Built:
    """Draws from every source and puts the corpus together.

    A source whose packages cannot be had is noted and left out.

    Args:
        sources: names must differ.
        settings: see ``settings_key``.
        guard: what must not be in the texts.
        store: takes the texts.
        state: folder of what is done.
        report: told after each source.
    """
    drawings: dict[str, Drawing] = {}
    for done, source in enumerate(sources, start=1):
        drawings[source.package] = _drawing(source, settings, guard, store, state)
        report("packages", done, len(sources))
    return assemble(drawings)


def assemble(drawings: dict[str, Drawing]) -> Built:
    """One corpus of the drawings by package: repeated edits left out, splits told."""
    rows: list[Row] = []
    seen: set[str] = set()
    repeated = 0
    for package in sorted(drawings, key=lambda package: rank("order", package)):
        drawing = drawings[package]
        first_later = later_from({candidate.step for candidate in drawing.candidates})
        for candidate in sorted(drawing.candidates, key=lambda each: (each.step, each.file)):
            texts = f"{candidate.old} {candidate.new}"
            if candidate.fingerprint in seen or texts in seen:
                repeated += 1
                continue
            seen |= {candidate.fingerprint, texts}
            known = asdict(candidate)
            step = known.pop("step")
            del known["fingerprint"]
            split = split_of(package, step, first_later)
            rows.append(Row(**known, split=split, licence=drawing.licence))
    return Built(
        tuple(sorted(rows)),
        repeated,
        sum(drawing.leaks for drawing in drawings.values()),
        tuple(note for name in sorted(drawings) for note in drawings[name].notes),
    )


def _drawing(source: Source, settings: str, guard: Guard, store: TextStore, state: Path) -> Drawing:
    kept = None
    if source.key is not None:
        key = hashlib.sha256(f"{settings}\n{source.key}".encode()).hexdigest()[:16]
        kept = state / f"{source.package}-{key}.json"
        known = _read(kept, store)
        if known is not None:
            return known
    leaks: Counter[str] = Counter()

    def is_clean(patch: FilePatch) -> bool:
        leak = guard.first_leak(patch.path, patch.old) or guard.first_leak(patch.path, patch.new)
        leaks["found"] += leak is not None
        return leak is None

    try:
        drawn = source.draw(is_clean)
    except DownloadError as error:
        # not kept: it may be there the next time
        return Drawing((), UNKNOWN, 0, (f"{source.package}: {error.found}",))
    candidates = tuple(_candidate(patch, store) for patch in drawn.patches)
    made = Drawing(candidates, drawn.licence, leaks["found"], drawn.notes)
    if kept is not None and drawn.is_complete:
        make_folder(state)
        replace_file(kept, json.dumps(asdict(made)).encode(), durable=False)
    return made


def _candidate(patch: FilePatch, store: TextStore) -> Candidate:
    return Candidate(
        package=patch.package,
        archive=patch.archive,
        old_version=patch.old_version,
        new_version=patch.new_version,
        step=patch.step,
        file=patch.path,
        diff_bytes=patch.diff_bytes,
        old=store.put(patch.old),
        new=store.put(patch.new),
        fingerprint=patch.fingerprint,
    )


def _read(path: Path, store: TextStore) -> Drawing | None:
    """A kept drawing, unless it is damaged or a text of it is gone: then it is drawn again."""
    try:
        found = json_value(path.read_bytes(), most_bytes=_MAX_KEPT_BYTES)
        candidates = tuple(Candidate(**each) for each in found["candidates"])
        made = Drawing(candidates, found["licence"], found["leaks"], tuple(found["notes"]))
    except (OSError, *PARSING_FAULTS):
        return None
    has_all = all(each.old in store and each.new in store for each in made.candidates)
    return made if has_all else None
