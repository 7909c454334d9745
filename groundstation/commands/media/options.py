"""Arguments and options that several of the media commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from groundstation.media.judge.gate import Gate

GATE: Final = Gate()
FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the pictures.")]
TableOption = Annotated[
    Path | None,
    typer.Option(
        "--table",
        help="CSV with a column `file` and one for each attribute.",
        show_default="catalogue.csv in FOLDER, or file names like part-value_part-value.png",
    ),
]
RowsOption = Annotated[
    str | None, typer.Option(help="Only these pictures of the table, counted from 1: 1-100.")
]
NameOption = Annotated[str | None, typer.Option(help="Of the family.", show_default="FOLDER's")]
GeneratorOption = Annotated[Path, typer.Option(help="File of the generator.")]
NewGeneratorOption = Annotated[Path, typer.Option(help="File to write the generator to.")]
ScoreOption = Annotated[float, typer.Option(help="Least SSIMULACRA2 of a picture that is served.")]
BlockOption = Annotated[
    float, typer.Option(help="Largest error of any 8 x 8 block, root mean square, of 255 levels.")
]
NoteOption = Annotated[
    list[str] | None,
    typer.Option(help="KEY=TEXT to keep in the file, as licence=... ; may be repeated."),
]
LargerOption = Annotated[
    bool,
    typer.Option(
        "--even-if-larger", help="Keep a generator that takes more bytes than its pictures."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
