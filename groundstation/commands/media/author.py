"""``groundstation media author``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from groundstation.commands.media.options import JsonOption
from groundstation.commands.media.report import print_pairs
from groundstation.commands.options import Identity
from groundstation.media.files import named_values, open_generator
from groundstation.media.records.book import read_book
from groundstation.media.records.encode import drawn
from groundstation.signing.counter import message_counter
from groundstation.signing.keys import load_private_key, signing_key
from groundstation.signing.outgoing import check_outgoing, write_outgoing
from shared.auth.identity import check_identity
from shared.auth.keys import profile_of
from shared.digest import to_hex
from shared.errors import InputError
from shared.media.generator import Loaded
from shared.media.message import image_recipe, prompt_recipe
from shared.media.pixels import pixel_digest
from shared.media.prompt import decode_prompt
from shared.media.render import Renderer
from shared.message.envelope import sign
from shared.message.recipe import Recipe
from shared.message.wire import MAX_COUNTER, encode_message
from shared.terminal import print_json, reports_errors


@reports_errors
def author(
    generator: Annotated[Path, typer.Option(help="File of the generator; the probe has it too.")],
    key: Annotated[Path, typer.Option(help="The ground's private key.")],
    out: Annotated[Path, typer.Option(help="File for the envelope, for `probe draw`.")],
    chosen: Annotated[
        list[str] | None, typer.Option("--set", help="ATTRIBUTE=VALUE; one for each attribute.")
    ] = None,
    book_file: Annotated[
        Path | None, typer.Option("--book", help="Book of `media encode`, instead of --set.")
    ] = None,
    picture: Annotated[str | None, typer.Option(help="Which picture of the book.")] = None,
    counter: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_COUNTER, help="Message counter; without it one more than the key's last."
        ),
    ] = None,
    identity: Identity = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there under the name --out.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the signed message of a picture: its prompt, or the file that a book has instead.

    The same envelopes as for code, of kind media; the pin is the generator's digest. What the
    prompt draws is drawn here first, and the message carries the digest of its pixels.
    """
    check_identity(identity)
    check_outgoing(out, [key], force=force, inputs=[generator, book_file])
    loaded, signer = open_generator(generator), load_private_key(key)
    if (chosen is None) == (book_file is None) or (book_file is None) != (picture is None):
        raise InputError(
            "nothing says which picture, or more than one thing does",
            expected="--set for every attribute, or --book with --picture",
            remedy="give one of the two",
        )
    if book_file is not None and picture is not None:
        recipe, digest = _from_book(loaded, book_file, picture)
    else:
        recipe, digest = _from_values(loaded, chosen or ())
    number = message_counter(key, counter)
    signing = signing_key(signer, time.time())
    envelope = sign(encode_message(recipe, number), recipe.pin, recipe.baseline, signing, identity)
    write_outgoing(out, envelope, [key], number)
    signature_bytes = profile_of(signing).tail_bytes
    found = {
        "out": str(out),
        "counter": number,
        "prompt": recipe.stream.hex(),
        "prompt_bytes": len(recipe.stream),
        "file_bytes": len(recipe.blobs),
        "signature_bytes": signature_bytes,
        "overhead_bytes": len(envelope) - signature_bytes - len(recipe.stream + recipe.blobs),
        "total_bytes": len(envelope),
        "pixels_sha256": digest,
    }
    if as_json:
        print_json(found)
    else:
        print_pairs(found)


def _from_values(loaded: Loaded, chosen: Sequence[str]) -> tuple[Recipe, str]:
    grammar = loaded.generator.grammar
    prompt = grammar.plain(grammar.choose(named_values(chosen)))
    pixels = Renderer(loaded.generator)(prompt)
    return prompt_recipe(loaded, prompt, pixels), to_hex(pixel_digest(pixels))


def _from_book(loaded: Loaded, path: Path, picture: str) -> tuple[Recipe, str]:
    book = read_book(path)
    if book.generator != loaded.digest:
        raise InputError(
            f"the book was made with generator {to_hex(book.generator, characters=16)}...",
            expected=f"{to_hex(loaded.digest, characters=16)}..., the one given",
            remedy="give the generator that the book names",
        )
    if picture not in book.entries:
        raise InputError(
            f"the book has no picture {picture!r}",
            expected=f"one of {len(book.entries)}, as {next(iter(book.entries), '(none)')}",
            remedy="correct --picture",
        )
    record = book.entries[picture].record
    if record.image:
        return image_recipe(loaded.digest, record.image), ""
    pixels = drawn(record, Renderer(loaded.generator))  # refuses a record that draws another one
    prompt = decode_prompt(loaded.generator.grammar, record.stream)
    return prompt_recipe(loaded, prompt, pixels), to_hex(pixel_digest(pixels))
