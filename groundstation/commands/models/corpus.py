"""``groundstation corpus``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from groundstation.commands.tables import cell, table, wide_console
from groundstation.corpus.build import Draw, Source, build, refuse_excluded, settings_key
from groundstation.corpus.choice.exclusion import Guard
from groundstation.corpus.choice.heldout import excluded_packages, load_heldout, read_heldout
from groundstation.corpus.choice.licences import UNKNOWN
from groundstation.corpus.choice.selection import Limits
from groundstation.corpus.manifest import format_rows, read_manifest
from groundstation.corpus.release_pairs import Caps, PackageEntry, draw_releases, read_packages
from groundstation.corpus.sources.archives import ArchiveCache, corpus_home, open_index
from groundstation.corpus.sources.fetching import Places, fetch_texts
from groundstation.corpus.sources.histories import draw_history, draw_trees
from groundstation.corpus.sources.texts import TextStore
from groundstation.corpus.summary import check as check_rows
from groundstation.corpus.summary import summarise
from shared.errors import InputError
from shared.files import check_writable, replace_file
from shared.terminal import print_json, progress, reports_errors

LEAKED = 3
"""Exit code of a check that finds something held out."""

_SHOWN = 12

app = typer.Typer(
    help="Patches to train on: drawn from releases, histories and trees, named by digest.",
    no_args_is_help=True,
)

Manifest = Annotated[Path, typer.Argument(help="A manifest that `corpus build` made.")]
HeldOutLists = Annotated[
    list[Path] | None,
    typer.Option("--heldout", help="A list of held-out patches. May be repeated."),
]
Repositories = Annotated[
    list[str] | None,
    typer.Option("--git", help="NAME=FOLDER: a git repository. May be repeated."),
]
TreePairs = Annotated[
    list[str] | None,
    typer.Option("--trees", help="Two folders as NAME=OLD:NEW; may be repeated."),
]
Offline = Annotated[bool, typer.Option(help="Use only what is in the cache.")]
AsJson = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


@app.command("build")
@reports_errors
def build_command(
    out: Annotated[Path, typer.Option(help="The manifest to write.")],
    packages: Annotated[
        Path | None, typer.Option(help="A package list: CSV with package, archive, group.")
    ] = None,
    heldout: HeldOutLists = None,
    git: Repositories = None,
    trees: TreePairs = None,
    licence: Annotated[
        list[str] | None,
        typer.Option(help="NAME=LICENCE of a repository or tree. May be repeated."),
    ] = None,
    per_package: Annotated[
        int, typer.Option(min=1, help="Patches of one package at most.")
    ] = Caps().per_package,
    per_other: Annotated[
        int, typer.Option(min=1, help="The same for the groups native and general.")
    ] = Caps().per_other,
    per_step: Annotated[
        int, typer.Option(min=1, help="Patches of one release step or commit at most.")
    ] = Caps().per_step,
    most_steps: Annotated[
        int, typer.Option(min=1, help="Release steps of a package to look at.")
    ] = Caps().most_steps,
    max_archive_mb: Annotated[
        int, typer.Option(min=1, help="Leave out releases whose archive is larger.")
    ] = 8,
    offline: Offline = False,
    refresh: Annotated[bool, typer.Option(help="Ask anew which releases there are.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw patches and write their manifest; the texts go into the cache.

    Packages of held-out lists are refused, and patches that share a run of 20 tokens with what a
    held-out patch adds are left out. Stop it with Ctrl-C whenever you like: the next run goes on.
    """
    check_writable(out)
    entries = read_packages(packages) if packages else []
    repositories, folders = _named(git, "--git"), _tree_pairs(trees)
    licences = _named(licence, "--licence")
    names = [entry.package for entry in entries] + [*repositories, *folders]
    if not names or len(set(names)) != len(names):
        raise InputError(
            "a name occurs twice" if names else "nothing to draw from",
            remedy="name a package list, a repository or two trees, each name once",
        )
    held = read_heldout(heldout or [])
    refuse_excluded(names, excluded_packages(held))
    caps = Caps(per_step, per_package, per_other, most_steps)
    limits = Limits()
    store = TextStore()
    with progress(quiet=as_json) as report, _archives(offline, max_archive_mb << 20) as archives:
        guard = Guard(load_heldout(held, archives, report))
        sources = [
            *(_release_source(entry, archives, caps, limits, refresh) for entry in entries),
            *(
                Source(name, None, _history(name, Path(folder), caps, limits, licences))
                for name, folder in repositories.items()
            ),
            *(
                Source(name, None, _trees(name, pair, caps, limits, licences))
                for name, pair in folders.items()
            ),
        ]
        built = build(
            sources,
            settings=settings_key(caps, limits, guard) + f" {max_archive_mb} MB",
            guard=guard,
            store=store,
            state=corpus_home().with_name("corpus-drawings"),
            report=report,
        )
    replace_file(out, format_rows(built.rows).encode(), durable=True)
    summary = summarise(built.rows)
    if as_json:
        print_json(
            {
                "manifest": str(out),
                "repeated": built.repeated,
                "leaks_left_out": built.leaks,
                "notes": built.notes,
                **asdict(summary),
            }
        )
        return
    console = wide_console()
    for note in built.notes:
        console.print(f"left out: {note}", markup=False)
    console.print(
        f"{out}: {summary.patches} patches of {summary.packages} packages; left out: "
        f"{built.repeated} repeated edits, {built.leaks} that share text with what is held out",
        markup=False,
    )


@app.command("fetch")
@reports_errors
def fetch_command(
    manifest: Manifest,
    git: Repositories = None,
    trees: TreePairs = None,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Get the texts of a manifest into the cache, each checked against its digest."""
    rows = read_manifest(manifest)
    repositories = {name: Path(folder) for name, folder in _named(git, "--git").items()}
    places = Places(repositories, _tree_pairs(trees))
    with progress(quiet=as_json) as report, _archives(offline) as archives:
        fetched = fetch_texts(rows, TextStore(), archives, places, report)
    if as_json:
        print_json({"patches": len(rows), "fetched": fetched})
    else:
        typer.echo(f"{len(rows)} patches in the cache, {fetched} of them fetched now")


@app.command("check")
@reports_errors
def check_command(
    manifest: Manifest,
    heldout: HeldOutLists = None,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Prove that no held-out patch is in the texts: no package, no run of 20 tokens it adds.

    Exit code 3 if there is one.
    """
    rows = read_manifest(manifest)
    held = read_heldout(heldout or [])
    if not held:
        raise InputError("no held-out list", remedy="name at least one with --heldout")
    with progress(quiet=as_json) as report:
        with _archives(offline) as archives:
            guard = Guard(load_heldout(held, archives, report))
        found = check_rows(rows, TextStore(), guard, excluded_packages(held), report)
    if as_json:
        print_json(found.as_dict())
    else:
        for package in found.named:
            typer.echo(f"held out for judging, but in the corpus: {package}")
        for leak in found.leaks:
            typer.echo(f"{leak.where} shares with {leak.held_out}: {leak.run}")
        verdict = "none found" if found.is_clean else f"{len(found.leaks)} texts share one"
        typer.echo(
            f"{found.runs} held-out runs looked for in {found.texts} texts of "
            f"{found.patches} patches: {verdict}"
        )
    if not found.is_clean:
        raise typer.Exit(LEAKED)


@app.command("show")
@reports_errors
def show_command(manifest: Manifest, as_json: AsJson = False) -> None:
    """Count a manifest's patches by split, language, licence and package."""
    summary = summarise(read_manifest(manifest))
    if as_json:
        print_json(asdict(summary))
        return
    console = wide_console()
    console.print(
        f"{summary.patches} patches of {summary.packages} packages, "
        f"{summary.diff_bytes} bytes of plain diff\n"
    )
    packages = summary.packages_by_split
    console.print(
        table(
            ("split", "patches", "packages"),
            [[name, cell(count), cell(packages[name])] for name, count in summary.splits.items()],
        )
    )
    _counts(console, "language", "patches", summary.languages)
    _counts(console, "licence", "packages", summary.licences)
    _counts(console, "package", "patches", summary.by_package)


def _counts(console: Console, name: str, unit: str, counts: Mapping[str, int]) -> None:
    rows = [[key, cell(count)] for key, count in list(counts.items())[:_SHOWN]]
    left = list(counts.values())[_SHOWN:]
    if left:
        rows.append([f"{len(left)} others", cell(sum(left))])
    console.print()
    console.print(table((name, unit), rows))


@contextmanager
def _archives(offline: bool, most_bytes: int = 64 << 20) -> Iterator[ArchiveCache]:
    if offline:
        yield ArchiveCache(corpus_home(), most_bytes=most_bytes)
        return
    with open_index() as index:
        yield ArchiveCache(corpus_home(), index, most_bytes=most_bytes)


def _release_source(
    entry: PackageEntry, archives: ArchiveCache, caps: Caps, limits: Limits, refresh: bool
) -> Source:
    draw = partial(draw_releases, entry, archives, caps, limits, refresh=refresh)
    key = None if refresh else f"{entry.archive} {entry.group}"
    return Source(entry.package, key, lambda is_clean: draw(is_clean=is_clean))


def _history(
    name: str, folder: Path, caps: Caps, limits: Limits, licences: Mapping[str, str]
) -> Draw:
    licence = licences.get(name, UNKNOWN)
    return lambda is_clean: draw_history(
        name, folder, caps, limits, licence=licence, is_clean=is_clean
    )


def _trees(
    name: str,
    pair: tuple[Path, Path],
    caps: Caps,
    limits: Limits,
    licences: Mapping[str, str],
) -> Draw:
    licence = licences.get(name, UNKNOWN)
    return lambda is_clean: draw_trees(
        name, *pair, caps, limits, licence=licence, is_clean=is_clean
    )


def _named(options: Sequence[str] | None, option: str) -> dict[str, str]:
    """NAME=VALUE options."""
    found: dict[str, str] = {}
    for text in options or ():
        name, sign, value = text.partition("=")
        if not name or not sign or not value or name in found:
            raise InputError(
                f"{option} {text!r}", expected="NAME=VALUE, each name once", remedy="see --help"
            )
        found[name] = value
    return found


def _tree_pairs(options: Sequence[str] | None) -> dict[str, tuple[Path, Path]]:
    """NAME=OLD:NEW options."""
    found = {}
    for name, value in _named(options, "--trees").items():
        old, sign, new = value.partition(":")
        if not sign or not old or not new:
            raise InputError(f"--trees {name}={value}", expected="NAME=OLD:NEW")
        found[name] = (Path(old), Path(new))
    return found
