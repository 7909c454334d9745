"""``groundstation media archive`` and ``groundstation media restore``."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from groundstation.commands.media.options import (
    GATE,
    BlockOption,
    JsonOption,
    NoteOption,
    RowsOption,
    ScoreOption,
    TableOption,
)
from groundstation.commands.tables import wide_console
from groundstation.media.archive.disk import Disk
from groundstation.media.archive.index import Index, Keep
from groundstation.media.archive.reader import Archive, open_archive
from groundstation.media.archive.restore import (
    Outcome,
    Pruned,
    chosen,
    remove_originals,
    restore_all,
)
from groundstation.media.archive.writer import nameable, write_archive
from groundstation.media.family import pictures_below, read_family
from groundstation.media.files import checked_out, generator_file, named_values, readable, selected
from groundstation.media.judge.gate import Gate
from shared.errors import InputError
from shared.terminal import print_json, progress, reports_errors

FAILED = 3


@reports_errors
def archive(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the originals.")],
    out: Annotated[Path, typer.Option(help="Archive to write: FILE.rhma.")],
    generator: Annotated[
        Path | None,
        typer.Option(help="File of the family's generator; without it no picture is drawn."),
    ] = None,
    table_file: TableOption = None,
    rows: RowsOption = None,
    keep: Annotated[
        Keep,
        typer.Option(
            help="What is to come back: a picture that passes the gate, the very pixels, or the "
            "very file."
        ),
    ] = Keep.QUALITY,
    score: ScoreOption = GATE.score,
    block: BlockOption = GATE.block_levels,
    note: NoteOption = None,
    delete_originals: Annotated[
        bool,
        typer.Option(
            "--delete-originals",
            help="Remove each original once the archive on disk has given it back.",
        ),
    ] = False,
    drop_metadata: Annotated[
        bool,
        typer.Option(
            "--drop-metadata",
            help="Let go of Exif, XMP and texts; without it their files are kept as they are.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put the pictures of a family into one file: generator, prompts, and files where needed.

    Where pixels do not say all that a file shows (more bits, frames, inks, a profile), the file
    itself is kept, whatever --keep says, and named. What files have in common to the byte is kept
    once. Without --generator all pictures in FOLDER and below it are taken, and none is drawn.

    The archive is written, synced, read again and every picture restored from it, before it gets
    its name; without --delete-originals nothing else is touched. If --delete-originals was
    interrupted, the same command goes on. A second reader, not the one that archived, compares
    before an original goes. Exit code 3 if one had to stay, or could not be read at all,
    a folder among them, or bears a name that no archive holds; each is named.
    """
    checked_out(out)
    if out.exists() and not delete_originals:
        raise InputError(
            f"{out} is there already",
            expected="a new file",
            remedy="name another one, or check it with `media restore FILE --check`",
        )
    there, left_out = out.exists(), dict[str, str]()
    with progress(quiet=as_json) as report:
        if not there:
            named = generator is not None or table_file is not None
            family = read_family(folder, table_file) if named else pictures_below(folder)
            members, unopened = readable(folder, selected(family, rows))
            members, unnamed = nameable(folder, members)
            left_out = {**family.passed_over, **unopened, **unnamed}
            write_archive(
                folder,
                members,
                None if generator is None else generator_file(generator),
                out,
                gate=Gate(score, block),
                keep=keep,
                created=_stamp(time.time()),
                notes=named_values(note or ()),
                report=report,
                disk=Disk(),
                drop_metadata=drop_metadata,
            )
        pruned = None
        if delete_originals:
            disk = Disk()
            pruned = remove_originals(out, folder, report, disk, drop_metadata=drop_metadata)
    index = open_archive(out).index
    facts = archive_facts(index, out, out.stat().st_size)
    if left_out:
        facts["left_out"] = left_out
    if pruned is not None:
        facts |= {"went_on": there, **_pruned_facts(pruned)}
    _show(facts, as_json)
    if left_out or (pruned is not None and pruned.kept):
        raise typer.Exit(FAILED)


@reports_errors
def restore(
    file: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="File of `media archive`.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Name of a picture; may be repeated.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 3 if anything is damaged.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring pictures back from an archive; each is checked against its digest.

    Damage of index and generator is mended as far as their parity goes. What is lost is named, and
    everything else comes back. Exit code 3 if a picture is lost.
    """
    if (out is None) == (not check):
        raise InputError(
            "nothing says whether to restore or to check",
            expected="--out FOLDER or --check",
            remedy="give one of them",
        )
    opened = open_archive(file)
    pictures = chosen(opened, only or ())
    opened.check_frame()
    with progress(quiet=as_json) as report:
        outcome = restore_all(opened, pictures, out, report, Disk())
    facts = archive_facts(opened.index, file, opened.size_bytes)
    facts |= _restored_facts(opened, outcome, out)
    if as_json:
        facts["index"] = [
            {"name": p.name, "restored_as": p.restored_as, "kind": p.kind.value}
            for p in opened.index.pictures
        ]
    _show(facts, as_json)
    if outcome.lost or (check and opened.damage):
        raise typer.Exit(FAILED)


def archive_facts(index: Index, path: Path, size_bytes: int) -> dict[str, object]:
    """What an archive holds, for ``--json`` and for people."""
    pictures = index.pictures
    original_bytes = sum(picture.original_bytes for picture in pictures)
    facts: dict[str, object] = {
        "archive": str(path),
        "family": index.family,
        "keep": index.keep.value,
        "created": index.created,
        "pictures": len(pictures),
        **{f"kept as {kind}": n for kind, n in sorted(Counter(p.kind for p in pictures).items())},
        "archive_bytes": size_bytes,
        "generator_bytes": index.generator_bytes,
        "common_bytes": index.common_bytes,
        "original_bytes": original_bytes,
        "share": round(size_bytes / max(1, original_bytes), 4),
    }
    if pictures and not index.generator and index.keep is not Keep.EXACT:
        facts["remark"] = "the generator takes more than drawing saves: none is drawn"
    if pictures:
        facts |= {
            "mean_ssimulacra2": round(sum(p.score for p in pictures) / len(pictures), 3),
            "least_ssimulacra2": min(p.score for p in pictures),
            "worst_block_levels": max(p.block_levels for p in pictures),
        }
    if whole := {picture.name: picture.why for picture in pictures if picture.why}:
        facts["kept_whole"] = whole
    return facts | {f"note {key}": text for key, text in index.notes.items()}


def _restored_facts(opened: Archive, outcome: Outcome, out: Path | None) -> dict[str, object]:
    return {
        **({"out": str(out), "already_there": len(outcome.there)} if out else {}),
        "restored": len(outcome.restored),
        "lost": outcome.lost,
        "damage": opened.damage,
    }


def _pruned_facts(pruned: Pruned) -> dict[str, object]:
    return {
        "originals_removed": len(pruned.removed),
        "originals_gone_before": len(pruned.gone),
        "originals_kept": pruned.kept,
    }


def _show(facts: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    console = wide_console()
    width = max(map(len, facts)) + 2
    for key, value in facts.items():
        if isinstance(value, dict):
            value = [f"{name}: {why}" for name, why in value.items()]
        for line in (value or ["none"]) if isinstance(value, list) else [value]:
            shown = f"{line:,}" if isinstance(line, int) else line
            console.print(f"{key:{width}}{shown}", markup=False)


def _stamp(now_s: float) -> str:
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
