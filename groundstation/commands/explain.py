"""``groundstation explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from groundstation.authoring.author import Effort
from groundstation.authoring.author import author as find_recipe
from groundstation.authoring.signed import send
from groundstation.commands.author import Source
from groundstation.commands.patch_options import Strip
from groundstation.commands.tables import wide_console
from groundstation.explain.account import Explanation
from groundstation.explain.account import explain as explain_envelope
from groundstation.explain.dearest import dearest
from groundstation.explain.html import as_page
from groundstation.explain.json_report import as_dict
from groundstation.explain.terminal import print_explanation
from groundstation.inputs import open_model, read_file, read_trees
from groundstation.scoring.cached_model import ReusingModel
from shared.errors import InputError
from shared.files import check_writable, readable, replace_file
from shared.terminal import Report, print_json, progress, reports_errors
from shared.tree import Tree, read_tree

_COUNTER = 1


@reports_errors
def explain(
    base: Annotated[Path, typer.Option(help="Folder with the software that is on board.")],
    model: Annotated[str, typer.Option(help="The model pinned on board: a folder or a name.")],
    file: Annotated[
        Path | None, typer.Argument(help="An envelope that `author` wrote against --base.")
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option(help="Instead of FILE: the folder as it shall be; authored on the fly."),
    ] = None,
    patch: Annotated[
        Path | None, typer.Option(help="Instead of FILE: a git diff against --base.")
    ] = None,
    strip: Strip = None,
    seed_source: Annotated[
        Source, typer.Option(help="With --target or --patch: as of `author`.")
    ] = Source.AUTO,
    budget: Annotated[
        float,
        typer.Option(
            min=0, help="With --target or --patch: seconds after which no new prompt is tried."
        ),
    ] = 30.0,
    most: Annotated[
        int, typer.Option(min=0, help="So many of the dearest tokens, words and lines.")
    ] = 10,
    html: Annotated[
        Path | None,
        typer.Option(help="Write a page that shows it all; it needs no network and no script."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Show where the bytes of an envelope go: by cause, file, line and token.

    A token that the model expected is free, a surprise costs 5 to 15 bits. Lines in red are those
    worth a second thought: another name or another wording may save bytes. With --target or --patch
    nothing is signed for use: key and counter are made up, the size is that of a real envelope.
    """
    if file is not None and (target, patch, strip) != (None, None, None):
        raise InputError(
            "an envelope and a target or patch are both there",
            expected="one of them",
            remedy="leave out --target, --patch and --strip to explain the envelope",
        )
    if html is not None:
        check_writable(html)
    with progress(quiet=as_json) as report:
        if file is not None:
            envelope, tree = read_file(file), read_tree(base)
            opened = ReusingModel(open_model(model))
            found = explain_envelope(envelope, tree, opened, report=report)
        else:
            effort = Effort(seed_source.seed_source, max_seconds=budget, check=False)
            trees = read_trees(base, target, patch, strip)
            found = _author_and_explain(trees, model, effort, report)
    costliest = dearest(found, most)
    if html is not None:
        replace_file(html, readable(as_page(found, costliest)), durable=False)
    if as_json:
        print_json(as_dict(found, costliest))
    else:
        print_explanation(found, costliest, wide_console())


def _author_and_explain(
    trees: tuple[Tree, Tree],
    model: str,
    effort: Effort,
    report: Report,
) -> Explanation:
    """Explains the envelope that ``author`` would write; the key is made up and forgotten."""
    opened = ReusingModel(open_model(model))
    authored = find_recipe(*trees, opened, effort=effort, report=report)
    sent = send(authored, _COUNTER, Ed25519PrivateKey.generate())
    return explain_envelope(sent.envelope, trees[0], opened, report=report)
