"""``groundstation media diffuse``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from groundstation.commands.media.options import (
    FolderArgument,
    JsonOption,
    LargerOption,
    NameOption,
    NewGeneratorOption,
    NoteOption,
    RowsOption,
    TableOption,
)
from groundstation.commands.media.report import info_dict, print_left_out, print_pairs
from groundstation.media.family import read_family
from groundstation.media.files import checked_out, named_values, selected, write_new
from groundstation.media.learn.diffusion.learn import learn
from groundstation.media.learn.diffusion.plan import Plan
from groundstation.media.learn.learnable import learners, refuse_larger
from shared.media.generator import read_generator
from shared.terminal import print_json, progress, reports_errors

DEFAULT = Plan()


@reports_errors
def diffuse(
    folder: FolderArgument,
    out: NewGeneratorOption,
    table_file: TableOption = None,
    rows: RowsOption = None,
    name: NameOption = None,
    side: Annotated[
        int, typer.Option(help="Longer side, pixels; larger pictures are scaled down.")
    ] = DEFAULT.side,
    steps: Annotated[int, typer.Option(help="Steps of denoising.")] = DEFAULT.steps,
    book: Annotated[
        int, typer.Option(help="Noise pictures to choose from at each step; the seed's size.")
    ] = DEFAULT.book,
    updates: Annotated[
        int, typer.Option(help="Updates of the weights; about a quarter of a second each.")
    ] = DEFAULT.updates,
    minutes: Annotated[
        float | None,
        typer.Option(help="Train at most so long now; a rerun goes on.", show_default="all"),
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, help="Threads to train with; one gives the same file every time.")
    ] = 1,
    note: NoteOption = None,
    work: Annotated[
        Path | None,
        typer.Option(help="Folder for checkpoint and previews.", show_default="OUT.work"),
    ] = None,
    even_if_larger: LargerOption = False,
    as_json: JsonOption = False,
) -> None:
    """Learn a family as a diffusion generator: pictures travel as prompt and seed.

    To compare: for families of recoloured parts `media train` is smaller, faster and far better.
    Needs the extras ground and diffusion. A run that was stopped goes on where it was.
    """
    plan = Plan(side=side, steps=steps, book=book, updates=updates)
    family = read_family(folder, table_file, name)
    members = selected(family, rows)
    checked_out(out)
    place = work or out.with_name(out.name + ".work")
    with progress(quiet=as_json) as report:
        fit = learners(family, members, report)
        learned = learn(
            fit.family,
            fit.members,
            plan,
            place,
            named_values(note or ()),
            report,
            minutes=minutes,
            threads=threads,
        )
    refuse_larger(len(learned.data), family, even_if_larger, [place])
    write_new(out, learned.data)
    found = {
        **info_dict(read_generator(learned.data)),
        "out": str(out),
        "pictures": len(fit.members),
        "updates": learned.progress.updates,
        "updates_wanted": plan.updates,
        "loss": round(learned.progress.loss, 6),
    }
    if as_json:
        print_json(found | {"left_out": dict(fit.left_out)})
    else:
        print_pairs({key: value for key, value in found.items() if key != "attributes"})
        print_left_out(fit.left_out)
