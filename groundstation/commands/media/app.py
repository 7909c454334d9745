"""``groundstation media``: families of near-identical pictures as prompts of a few bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from groundstation.commands.media.archive import archive, restore
from groundstation.commands.media.author import author
from groundstation.commands.media.bundle import bundle
from groundstation.commands.media.diffuse import diffuse
from groundstation.commands.media.lean import lean
from groundstation.commands.media.options import (
    GATE,
    BlockOption,
    FolderArgument,
    GeneratorOption,
    JsonOption,
    LargerOption,
    NameOption,
    NewGeneratorOption,
    NoteOption,
    RowsOption,
    ScoreOption,
    TableOption,
)
from groundstation.commands.media.publish import publish
from groundstation.commands.media.qa import qa
from groundstation.commands.media.report import (
    info_dict,
    print_left_out,
    print_pairs,
    print_trained,
    report_book,
    trained_dict,
)
from groundstation.commands.media.survey import survey
from groundstation.commands.tables import wide_console
from groundstation.media.family import read_family
from groundstation.media.files import (
    checked_out,
    drawn_name,
    named_values,
    open_generator,
    selected,
    write_new,
)
from groundstation.media.images import encode_picture
from groundstation.media.judge.gate import Gate
from groundstation.media.learn.fits import NETWORKS
from groundstation.media.learn.learnable import learners, refuse_larger
from groundstation.media.learn.train import Target
from groundstation.media.learn.train import train as learn
from groundstation.media.records.book import read_book, write_book
from groundstation.media.records.encode import drawn, encode_pictures, opened
from shared.digest import to_hex
from shared.errors import InputError
from shared.media.generator import read_generator
from shared.media.pixels import pixel_digest
from shared.media.prompt import encode_prompt
from shared.media.render import Renderer
from shared.terminal import print_json, progress, reports_errors

app = typer.Typer(
    help="Pictures that differ in a few attributes: learn the family once, send four bytes each.",
    no_args_is_help=True,
)

app.command()(survey)
app.command()(lean)
app.command()(diffuse)
app.command()(archive)
app.command()(restore)
app.command()(bundle)
app.command()(qa)
app.command()(author)
app.command()(publish)

FAILED = 3
TARGET = Target()


@app.command()
@reports_errors
def train(
    folder: FolderArgument,
    out: NewGeneratorOption,
    table_file: TableOption = None,
    rows: RowsOption = None,
    name: NameOption = None,
    score: Annotated[
        float, typer.Option(help="Mean SSIMULACRA2 to reach on pictures held back.")
    ] = TARGET.mean_score,
    least_score: Annotated[
        float, typer.Option(help="SSIMULACRA2 that the worst of them is to reach.")
    ] = TARGET.least_score,
    max_bytes: Annotated[
        int, typer.Option(min=1000, help="Largest generator; wins over the scores.")
    ] = TARGET.max_bytes,
    linear: Annotated[
        bool, typer.Option(help="Linear terms only: no light between parts.")
    ] = False,
    network: Annotated[
        str,
        typer.Option(
            help="When to train a network (T1; needs torch): auto, where planes alone miss the "
            "scores; always, and the smaller file that reaches them is kept; never; alone."
        ),
    ] = "auto",
    note: NoteOption = None,
    work: Annotated[
        Path | None,
        typer.Option(
            help="Folder for fits and previews; a rerun goes on.", show_default="OUT.work"
        ),
    ] = None,
    even_if_larger: LargerOption = False,
    as_json: JsonOption = False,
) -> None:
    """Learn a family: which colours its attributes stand for, and how the parts share the light.

    Nothing but the pictures and the names of their attributes is needed. A run that was stopped
    goes on where it was. Pictures that cannot be opened, or that show more than a generator can
    draw, are left out and named. A generator larger than the pictures of FOLDER is an error.
    """
    family = read_family(folder, table_file, name)
    members = selected(family, rows)
    if network not in NETWORKS:
        raise InputError(
            f"--network {network}", expected=f"one of {', '.join(NETWORKS)}", remedy="choose one"
        )
    target = Target(score, least_score, max_bytes, 1 if linear else 2, network=network)
    checked_out(out)
    place = work or out.with_name(out.name + ".work")
    with progress(quiet=as_json) as report:
        found = learners(family, members, report)
        notes = named_values(note or ())
        trained = learn(found.family, found.members, target, place, notes, report)
    refuse_larger(len(trained.data), family, even_if_larger, [place])
    write_new(out, trained.data)
    loaded = read_generator(trained.data)
    if as_json:
        told = trained_dict(trained, loaded, out, len(found.members))
        print_json(told | {"left_out": dict(found.left_out)})
    else:
        print_trained(trained, loaded, out, len(found.members))
        print_left_out(found.left_out)


@app.command()
@reports_errors
def encode(
    folder: FolderArgument,
    generator: GeneratorOption,
    out: Annotated[Path, typer.Option(help="File to write the book of prompts to.")],
    table_file: TableOption = None,
    rows: RowsOption = None,
    score: ScoreOption = GATE.score,
    block: BlockOption = GATE.block_levels,
    as_json: JsonOption = False,
) -> None:
    """Turn pictures into prompts; those that no prompt draws well enough become AVIF or JPEG XL.

    Every picture is drawn and judged. A value that the family was not trained with, or a drawing
    that fails, falls back to the smallest file that passes, and to the original if none does. A
    picture that shows more than 8-bit sRGB pixels hold stays its file, and is named. Exit code 3 if
    one cannot be opened: it is named, and not in the book.
    """
    family = read_family(folder, table_file)
    loaded = open_generator(generator)
    members = selected(family, rows)
    checked_out(out)
    with progress(quiet=as_json) as report:
        book = encode_pictures(members, loaded, Gate(score, block), report)
    book = replace(book, left_out={**family.passed_over, **book.left_out})
    write_book(book, out)
    report_book(book, loaded, as_json, {"book": str(out)})
    if book.left_out:
        raise typer.Exit(FAILED)


@app.command()
@reports_errors
def draw(
    generator: GeneratorOption,
    out: Annotated[Path, typer.Option(help="Picture to write; PNG, WEBP, AVIF or JXL by suffix.")],
    chosen: Annotated[
        list[str], typer.Option("--set", help="ATTRIBUTE=VALUE; one for each attribute.")
    ],
    kernel: Annotated[
        str, typer.Option(help="auto, c or numpy; the pixels are the same.")
    ] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Threads; the pixels are the same.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Draw a picture of a family, also one that was never photographed."""
    loaded = open_generator(generator)
    values = named_values(chosen)
    grammar = loaded.generator.grammar
    prompt = grammar.plain(grammar.choose(values))
    pixels = Renderer(loaded.generator, kernel=kernel, threads=threads)(prompt)
    write_new(out, encode_picture(pixels, drawn_name(out), lossless=True))
    stream = encode_prompt(loaded.generator.grammar, prompt)
    found = {
        "out": str(out),
        "prompt": stream.hex(),
        "prompt_bytes": len(stream),
        "pixels_sha256": to_hex(pixel_digest(pixels)),
    }
    if as_json:
        print_json(found)
    else:
        print_pairs(found)


@app.command()
@reports_errors
def decode(
    generator: GeneratorOption,
    book_file: Annotated[Path, typer.Option("--book", help="Book of prompts.")],
    out: Annotated[Path, typer.Option(help="Folder to write the pictures to, as PNG.")],
    as_json: JsonOption = False,
) -> None:
    """Regenerate the pictures of a book; each is checked against the digest in its record.

    A file that shows more than a PNG of 8 bits would is written as it is, under its own name.
    """
    loaded, book = open_generator(generator), read_book(book_file)
    renderer = Renderer(loaded.generator)
    out.mkdir(parents=True, exist_ok=True)
    with progress(quiet=as_json) as report:
        for number, entry in enumerate(book.entries.values()):
            report("pictures", number, len(book.entries))
            if entry.record.image and opened(entry.record.image, entry.key).lacks:
                write_new(out / Path(entry.key).name, entry.record.image)
                continue
            pixels = drawn(entry.record, renderer)
            write_new(out / (Path(entry.key).stem + ".png"), encode_picture(pixels, "PNG"))
    if as_json:
        print_json({"out": str(out), "pictures": len(book.entries)})
    else:
        wide_console().print(f"{len(book.entries)} pictures in {out}", markup=False)


@app.command()
@reports_errors
def info(
    generator: Annotated[Path, typer.Argument(metavar="FILE", help="File of the generator.")],
    as_json: JsonOption = False,
) -> None:
    """What a generator draws: attributes and values, size, digest, notes."""
    loaded = open_generator(generator)
    made = loaded.generator
    if as_json:
        print_json(info_dict(loaded))
        return
    found = {key: value for key, value in info_dict(loaded).items() if key != "attributes"}
    print_pairs(found | {a.name: ", ".join(a.values) for a in made.grammar.attributes})
