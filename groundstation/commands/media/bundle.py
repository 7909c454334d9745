"""``groundstation media bundle``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from groundstation.commands.media.options import JsonOption
from groundstation.commands.media.report import print_pairs
from groundstation.media.files import checked_out, open_generator, write_new
from groundstation.media.records.book import read_book
from groundstation.media.records.bundle import read_bundle, viewer_page, write_bundle
from shared.digest import to_hex
from shared.errors import InputError
from shared.media.message import Record, encode_record
from shared.terminal import print_json, reports_errors


@reports_errors
def bundle(
    books: Annotated[list[Path], typer.Argument(metavar="BOOK...", help="Of `media encode`.")],
    generator: Annotated[Path, typer.Option(help="File of the generator of these books.")],
    out: Annotated[Path, typer.Option(help="Bundle to write: FILE.rhmb.")],
    page: Annotated[
        Path | None,
        typer.Option("--html", help="Page to write that draws from the bundle, which is in it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put generator and prompts into one file, from which a device draws without a network.

    The page of --html needs no server: it draws with the same integers, and shows the digest of
    the pixels. It draws all combinations of attributes, not only those of the books.
    """
    for path in (out, page):
        if path is not None:
            checked_out(path)
    loaded, records = open_generator(generator), dict[str, Record]()
    for path in books:
        book = read_book(path)
        if book.generator != loaded.digest:
            raise InputError(
                f"the book {path} was made with generator {to_hex(book.generator, characters=16)}",
                expected=f"{to_hex(loaded.digest, characters=16)}, the one given",
                remedy="give the generator that the book names",
            )
        for name, entry in book.entries.items():
            if records.setdefault(name, entry.record) != entry.record:
                raise InputError(
                    f"two of the books have a picture {name!r}",
                    remedy="bundle them apart, or encode them with other names",
                )
    data = write_bundle(loaded, records)
    write_new(out, data)
    found: dict[str, object] = {
        "out": str(out),
        "bundle_bytes": len(data),
        "generator_bytes": read_bundle(data).generator.size_bytes,
        "pictures": len(records),
        "by_prompt": sum(not record.image for record in records.values()),
        "record_bytes": sum(len(encode_record(record)) for record in records.values()),
    }
    if page is not None:
        text = viewer_page(data).encode("utf-8")
        write_new(page, text)
        found |= {"html": str(page), "html_bytes": len(text)}
    if as_json:
        print_json(found)
    else:
        print_pairs(found)
