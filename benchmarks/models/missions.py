"""A mission's own history: what tuning on it before launch saves on the patches that came after.

``python -m benchmarks.models.missions`` writes MISSIONS.md.  A mission is a package: its releases
become
the commits of a repository, one a day, and ``groundstation specialise --repo --until`` learns those
up to a day.  Patches of the releases after it are then authored with the untuned model, the shipped
specialised one and the mission's own, with the usual prompt, and read back.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from groundstation.authoring.author import Effort, author
from groundstation.corpus.choice.ranking import is_final, rank
from groundstation.corpus.choice.selection import Limits, is_taken, language_of
from groundstation.corpus.patch import FilePatch
from groundstation.corpus.sources.archives import ArchiveCache, corpus_home, open_index
from groundstation.models.adapter import read_adapter
from groundstation.models.fetch import open_source
from groundstation.models.pin import write_pin
from groundstation.scoring.cached_model import ReusingModel
from shared.errors import InputError
from shared.exact.pin import cache_home, load_pin, resolve_pin
from shared.prompts.language_model.pinned import PinnedModel
from shared.terminal import progress
from shared.tree import Entry, Mode, Tree

RESULT = Path(__file__).parents[1] / "MISSIONS.md"
BASE, SHIPPED = "smollm2-135m", "smollm2-135m-patch"
FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)
LEARNED_SHARE = 0.7
"""Of the releases, so many come before launch."""
MOST_DIFF_BYTES = 4000
"""Of a patch that is measured, as in the lists of the benchmark."""


@dataclass(frozen=True)
class Mission:
    """A package and the kind of archive that its releases are read from."""

    package: str
    archive: str


MISSIONS = (
    Mission("spacepackets", "wheel"),
    Mission("tmtccmd", "wheel"),
)
"""Neither is in the corpus that the shipped model was trained on."""


@dataclass(frozen=True)
class Result:
    """One mission, measured.

    Attributes:
        mission: which.
        releases: before launch and after.
        patches: names of those measured.
        sizes: of each, prompt and seed in bytes: untuned, shipped, own.
        adapter_bytes: of the mission's adapter.
    """

    mission: Mission
    releases: tuple[int, int]
    patches: tuple[str, ...]
    sizes: tuple[tuple[int, int, int], ...]
    adapter_bytes: int


def releases(mission: Mission, archives: ArchiveCache) -> list[tuple[str, dict[str, bytes]]]:
    """Versions and the hand-written files of each, oldest first."""
    found = []
    for version in filter(is_final, archives.versions(mission.package, mission.archive)):
        members = archives.members(mission.package, version, mission.archive)
        taken = {
            path: data
            for path, data in members.items()
            if language_of(path) is not None and ".dist-info/" not in path
        }
        found.append((version, taken))
    return found


def write_repository(history: Sequence[tuple[str, dict[str, bytes]]], folder: Path) -> None:
    """A commit a release, one a day."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    stream = b""
    for number, (version, files) in enumerate(history, start=1):
        seconds = int((FIRST_DAY + timedelta(days=number)).timestamp())
        stream += b"commit refs/heads/main\nmark :%d\n" % number
        stream += b"committer releases <releases@example.org> %d +0000\n" % seconds
        stream += b"data %d\n%b\n" % (len(version), version.encode())
        if number > 1:
            stream += b"from :%d\n" % (number - 1)
        stream += b"deleteall\n"
        for path, data in sorted(files.items()):
            stream += b'M 100644 inline "%b"\n' % path.encode()
            stream += b"data %d\n%b\n" % (len(data), data)
        stream += b"\n"
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=stream, check=True)


def later_patches(
    history: Sequence[tuple[str, dict[str, bytes]]], name: str, launch: int, most: int
) -> list[FilePatch]:
    """Patches between the releases from the last one before launch on, by digest."""
    limits = Limits(most_diff_bytes=MOST_DIFF_BYTES)
    found = []
    steps = list(pairwise(history))[launch - 1 :]
    for place, ((old, before), (new, after)) in enumerate(steps):
        for path in before.keys() & after.keys():
            if not is_taken(path, before[path], after[path], limits):
                continue
            patch = FilePatch(name, "", old, new, place, path, before[path], after[path])
            if limits.least_diff_bytes <= patch.diff_bytes <= limits.most_diff_bytes:
                found.append(patch)
    found.sort(key=lambda patch: rank(name, patch.old_version, patch.new_version, patch.path))
    return found[:most]


def train(repo: Path, launch: int, out: Path, steps: int) -> Path:
    """Runs the command, as a mission would; its progress goes to the terminal."""
    until = (FIRST_DAY + timedelta(days=launch, hours=12)).isoformat()
    subprocess.run(
        [
            *(sys.executable, "-c", "from groundstation.cli import app; app()", "specialise"),
            *("--repo", str(repo), "--until", until, "--out", str(out), "--name", "mission"),
            *("--start", SHIPPED, "--model", BASE, "--steps", str(steps), "--rate", "2e-4"),
            *("--validate-every", "20"),
        ],
        check=True,
    )
    return out / "mission.adapter"


def sizes(patches: Sequence[FilePatch], models: Sequence[PinnedModel]) -> list[tuple[int, ...]]:
    """Prompt and seed of each patch by each model, with the usual prompt, read back."""
    effort = Effort(max_candidates=1)
    found = []
    for patch in patches:
        name = Path(patch.path).name
        base, target = (Tree({name: Entry(Mode.REGULAR, data)}) for data in (patch.old, patch.new))
        found.append(
            tuple(
                author(base, target, ReusingModel(model), effort=effort).payload_bytes
                for model in models
            )
        )
    return found


def measure(mission: Mission, archives: ArchiveCache, work: Path, steps: int, most: int) -> Result:
    """Trains for a mission and measures what came after."""
    history = releases(mission, archives)
    launch = round(LEARNED_SHARE * len(history))
    with TemporaryDirectory() as scratch:
        repo = Path(scratch) / "repo"
        write_repository(history, repo)
        path = train(repo, launch, work / f"{mission.package}-run", steps)
    merged = read_adapter(path).applied(open_source(BASE))
    patches = later_patches(history, mission.package, launch, most)
    if not patches:
        raise InputError(f"{mission.package} has no patch after its release {launch}")
    known = [PinnedModel.open(load_pin(resolve_pin(name))) for name in (BASE, SHIPPED)]
    with TemporaryDirectory() as scratch:
        own = PinnedModel.open(write_pin(merged, Path(scratch) / "pin"))
        found = sizes(patches, [*known, own])
    return Result(
        mission,
        (launch, len(history) - launch),
        tuple(f"{patch.new_version} {patch.path}" for patch in patches),
        tuple((a, b, c) for a, b, c in found),
        path.stat().st_size,
    )


def page(results: Sequence[Result], steps: int) -> str:
    """The report."""
    lines = [
        "# Tuned on a mission's own history",
        "",
        "Written by `python -m benchmarks.models.missions`; do not edit. Bytes of prompt and seed,",
        "the usual prompt, every message read back. The releases before launch are learned in",
        f"{steps} steps from the shipped adapter on; the patches are of the releases after it.",
        "",
        "| package | releases learned | patches after | untuned | shipped | own | gain of own |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        plain, shipped, own = (mean(size[k] for size in result.sizes) for k in range(3))
        lines.append(
            f"| {result.mission.package} | {result.releases[0]} | {len(result.sizes)} | "
            f"{plain:.1f} | {shipped:.1f} | {own:.1f} | {own / shipped - 1:+.1%} |"
        )
    lines.append("")
    for result in results:
        saved = mean(size[1] - size[2] for size in result.sizes)
        even = f"{result.adapter_bytes / saved:,.0f} patches" if saved > 0 else "never"
        lines.append(
            f"Sent up after launch, the adapter of {result.mission.package} "
            f"({result.adapter_bytes:,} bytes) would pay for itself after {even}."
        )
    lines += ["", "<details><summary>Patch by patch</summary>", ""]
    lines += ["| patch | untuned | shipped | own |", "|---|---|---|---|"]
    for result in results:
        lines += [
            f"| {result.mission.package} {name} | {' | '.join(map(str, size))} |"
            for name, size in zip(result.patches, result.sizes, strict=True)
        ]
    return "\n".join([*lines, "", "</details>", ""])


def main(
    steps: Annotated[int, typer.Option(min=1, help="Of training, for each.")] = 100,
    most: Annotated[int, typer.Option(min=1, help="Patches measured, for each.")] = 24,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULT,
) -> None:
    """Train on two packages' older releases and measure their newer ones; an hour."""
    results = []
    work = cache_home() / "missions"
    with open_index() as index, progress() as report:
        archives = ArchiveCache(corpus_home(), index)
        for done, mission in enumerate(MISSIONS):
            report("missions", done, len(MISSIONS))
            results.append(measure(mission, archives, work, steps, most))
            out.write_text(page(results, steps), "utf-8")
    typer.echo(f"written to {out}")


if __name__ == "__main__":
    typer.run(main)
