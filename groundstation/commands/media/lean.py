"""``groundstation media lean``."""

from __future__ import annotations

from groundstation.commands.media.options import (
    GATE,
    BlockOption,
    FolderArgument,
    JsonOption,
    LargerOption,
    NameOption,
    NewGeneratorOption,
    NoteOption,
    RowsOption,
    ScoreOption,
    TableOption,
)
from groundstation.commands.media.report import info_dict, print_left_out, print_pairs
from groundstation.media.family import read_family
from groundstation.media.files import checked_out, named_values, selected, write_new
from groundstation.media.judge.gate import Gate
from groundstation.media.learn.lean import lean_generator
from groundstation.media.learn.learnable import learners, refuse_larger
from shared.media.generator import read_generator
from shared.terminal import print_json, progress, reports_errors


@reports_errors
def lean(
    folder: FolderArgument,
    out: NewGeneratorOption,
    table_file: TableOption = None,
    rows: RowsOption = None,
    name: NameOption = None,
    score: ScoreOption = GATE.score,
    block: BlockOption = GATE.block_levels,
    note: NoteOption = None,
    even_if_larger: LargerOption = False,
    as_json: JsonOption = False,
) -> None:
    """Keep the mean picture of a few, as coarsely as the sum of all bytes wants it.

    For half a dozen pictures, which a trained generator is too large for. The pictures differ in
    one attribute; `media encode` and `media archive` then give each a residual. What cannot be
    opened, or shows more than a generator can draw, is left out and named.
    """
    family = read_family(folder, table_file, name)
    members = selected(family, rows)
    checked_out(out)
    gate, notes = Gate(score, block), named_values(note or ())
    with progress(quiet=as_json) as report:
        fit = learners(family, members, report)
        data = lean_generator(fit.family, fit.members, gate, notes, report)
    refuse_larger(len(data), family, even_if_larger, ())
    write_new(out, data)
    found = {**info_dict(read_generator(data)), "out": str(out), "pictures": len(fit.members)}
    if as_json:
        print_json(found | {"left_out": dict(fit.left_out)})
    else:
        print_pairs({key: value for key, value in found.items() if key != "attributes"})
        print_left_out(fit.left_out)
