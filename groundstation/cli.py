"""The ground station's command line: parse, call, print."""

from __future__ import annotations

import typer

from groundstation.commands.author import author
from groundstation.commands.compare import compare
from groundstation.commands.explain import explain
from groundstation.commands.history import history
from groundstation.commands.inspect import inspect
from groundstation.commands.media.app import app as media
from groundstation.commands.models.corpus import app as corpus
from groundstation.commands.models.model import app as model
from groundstation.commands.models.specialise import specialise
from groundstation.commands.signing.keys import disclose, keygen
from groundstation.commands.signing.rotate import rotate
from groundstation.commands.signing.sign import sign
from groundstation.commands.suggest import suggest
from groundstation.commands.survey import survey

app = typer.Typer(
    help="Find the prompt and seed that make a far-away probe's pinned model write a patch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(model, name="model")
app.add_typer(corpus, name="corpus")
app.add_typer(media, name="media")
for command in (
    keygen,
    author,
    sign,
    disclose,
    rotate,
    history,
    inspect,
    explain,
    compare,
    suggest,
    survey,
    specialise,
):
    app.command()(command)
