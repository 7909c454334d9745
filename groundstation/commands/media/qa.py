"""``groundstation media qa``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from groundstation.commands.media.options import (
    GATE,
    BlockOption,
    FolderArgument,
    GeneratorOption,
    JsonOption,
    ScoreOption,
)
from groundstation.commands.media.report import report_book
from groundstation.media.files import checked_out, open_generator, write_new
from groundstation.media.images import pillow
from groundstation.media.judge.gate import Gate
from groundstation.media.records.book import Book, read_book
from groundstation.media.records.encode import Checked, Unopened, check_file
from groundstation.media.records.page import quality_page
from shared.digest import to_hex
from shared.errors import InputError
from shared.files import readable
from shared.media.render import Renderer
from shared.terminal import progress, reports_errors

FAILED = 3


@reports_errors
def qa(
    folder: FolderArgument,
    generator: GeneratorOption,
    book_file: Annotated[Path, typer.Option("--book", help="Book of prompts of `media encode`.")],
    page: Annotated[
        Path | None, typer.Option("--html", help="Page to write: side by side, and flickering.")
    ] = None,
    shown: Annotated[int, typer.Option(min=0, help="Pictures on the page, the worst first.")] = 8,
    score: ScoreOption = GATE.score,
    block: BlockOption = GATE.block_levels,
    butteraugli: Annotated[
        float | None,
        typer.Option(
            min=0, help="Largest Butteraugli distance; 1 is visually lossless. Needs libjxl."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Regenerate every record of a book and judge it against its original in FOLDER.

    Exit code 3 if one fails, or cannot be opened. SSIMULACRA2: 80 cannot be told apart side by
    side, 85 not when flipping between the two, 90 is visually lossless.
    """
    loaded, book = open_generator(generator), read_book(book_file)
    if book.generator != loaded.digest:
        raise InputError(
            f"the book was made with generator {to_hex(book.generator, characters=16)}...",
            expected=f"{to_hex(loaded.digest, characters=16)}..., the one given",
            remedy="give the generator that the book names, or encode the pictures again",
        )
    if page is not None:
        checked_out(page)
    gate = Gate(score, block, butteraugli)
    pillow()
    renderer, checked, left_out = Renderer(loaded.generator), list[Checked](), dict[str, str]()
    with progress(quiet=as_json) as report:
        for number, entry in enumerate(book.entries.values()):
            report("pictures", number, len(book.entries))
            try:
                checked.append(check_file(entry, folder / entry.key, renderer, gate))
            except Unopened as error:
                left_out[entry.key] = error.found
    if not checked:
        raise InputError(
            f"none of the {len(book.entries)} pictures can be judged: "
            + next(iter(left_out.values()), "the book is empty"),
            expected="the originals of the book in FOLDER",
            remedy="check FOLDER",
        )
    if page is not None:
        write_new(
            page,
            readable(quality_page(book.family, checked, gate, shown)),
        )
    entries = {item.entry.key: item.entry for item in checked}
    failed = [item.entry.key for item in checked if not item.passed]
    extra: dict[str, object] = {"failed": failed} | ({"html": str(page)} if page else {})
    judged = Book(book.family, book.generator, entries, left_out)
    report_book(judged, loaded, as_json, extra)
    if failed or left_out:
        raise typer.Exit(FAILED)
