"""``groundstation media publish``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from groundstation.commands.media.options import JsonOption
from groundstation.commands.tables import wide_console
from groundstation.media.files import open_generator
from groundstation.media.records.book import read_book
from groundstation.media.records.publish import EdgeRefused, batch_of, edge_status, push, signed
from groundstation.signing.counter import keep_counter, message_counter
from groundstation.signing.keys import load_private_key, signing_key
from groundstation.signing.outgoing import check_outgoing, write_outgoing
from shared.errors import InputError
from shared.media.names import DEFAULT_SITE
from shared.message.wire import MAX_COUNTER
from shared.terminal import print_json, reports_errors


@reports_errors
def publish(
    books: Annotated[list[Path], typer.Argument(metavar="BOOK...", help="Of `media encode`.")],
    generator: Annotated[Path, typer.Option(help="File of the generator of these books.")],
    key: Annotated[Path, typer.Option(help="Key that the edges trust; not of a TESLA chain.")],
    to: Annotated[
        list[str] | None, typer.Option(help="URL of an edge to push to; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write the batch to, for `probe edge load`.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="Put before each name, as shoes/.")] = "",
    remove: Annotated[
        list[str] | None, typer.Option(help="Name to take away; may be repeated.")
    ] = None,
    site: Annotated[str, typer.Option(help="Text that the edges were started with.")] = (
        DEFAULT_SITE
    ),
    with_generator: Annotated[
        bool | None,
        typer.Option(
            "--with-generator/--without-generator",
            help="Send the generator's file along.",
            show_default="if an edge lacks it, or with --out",
        ),
    ] = None,
    counter: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_COUNTER, help="Batch counter; without it one more than the key's last."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there under the name --out.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Sign books of prompts and put them into edges: all records of a batch, or none.

    An edge verifies before it stores, and takes no batch twice. Exit code 6 if one refuses; the
    others have it then.
    """
    edges = list(to or ())
    if not edges and out is None:
        raise InputError(
            "nothing says where to", expected="--to URL or --out FILE", remedy="give one of them"
        )
    if out is not None:
        check_outgoing(out, [key], force=force, inputs=[*books, generator])
    loaded, signer = open_generator(generator), load_private_key(key)
    lacking = [url for url in edges if loaded.digest not in edge_status(url).generators]
    along = (out is not None or bool(lacking)) if with_generator is None else with_generator
    number = message_counter(key, counter)
    batch = batch_of(
        [read_book(book) for book in books],
        loaded,
        generator.read_bytes() if along else b"",
        counter=number,
        prefix=prefix,
        removed=remove or (),
    )
    data = signed(batch, site, signing_key(signer, time.time()))
    if out is not None:
        write_outgoing(out, data, [key], number)
    else:
        keep_counter(key, number)
    answers = {url: _pushed(data, url) for url in edges}
    refused = [url for url, answer in answers.items() if "error" in answer]
    report: dict[str, object] = {
        "counter": number,
        "records": len(batch.records),
        "batch_bytes": len(data),
        "generator_bytes": len(batch.file),
        **({"out": str(out)} if out else {}),
        "edges": answers,
    }
    if as_json:
        print_json(report)
    else:
        _print(report, answers)
    if refused:
        raise typer.Exit(EdgeRefused.exit_code)


def _pushed(data: bytes, url: str) -> Mapping[str, object]:
    try:
        return push(data, url)
    except EdgeRefused as error:
        return error.as_dict()


def _print(report: Mapping[str, object], answers: Mapping[str, Mapping[str, object]]) -> None:
    console = wide_console()
    console.print(
        "counter {counter}: {records} records, {batch_bytes} bytes, of which generator "
        "{generator_bytes}".format(**report),
        markup=False,
    )
    if "out" in report:
        console.print(f"written to {report['out']}", markup=False)
    for url, answer in answers.items():
        if "error" in answer:
            console.print(f"{url}: {answer['found']}", markup=False)
            console.print(
                f"  expected: {answer['expected']}\n  to do:    {answer['remedy']}", markup=False
            )
            continue
        console.print(
            "{url}: {added} added, {replaced} replaced, {removed} removed, {same} the same".format(
                url=url, **answer
            ),
            markup=False,
        )
        if answer["replaced"]:
            console.print("  caches may still hold the replaced pictures: purge them there")
