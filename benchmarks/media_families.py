"""How well families are found: ``python -m benchmarks.media_families FOLDER``.

FOLDER holds the assets of npm's ``@lobehub/fluent-emoji-3d`` (MIT): ``npm pack`` it and unpack.
File names are code points, and names that differ in skin tones alone are the truth, of which the
survey reads nothing.  Writes benchmarks/MEDIA_FAMILIES.md.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from groundstation.media.grouping import Likeness
from groundstation.media.survey import agreement, find_families, take_inventory
from groundstation.media.worth import Prices
from shared.terminal import progress, reports_errors

OUT = Path(__file__).with_name("MEDIA_FAMILIES.md")
MISMATCHES = (0.1, Likeness().mismatch)
_TONE = re.compile("1f3f[b-f]")
_PRESENTATION = "fe0f"


def name_without_tone(name: str) -> str:
    """What names of one family have in common: their code points but tones."""
    points = Path(name).stem.split("-")
    return "-".join(p for p in points if p != _PRESENTATION and not _TONE.fullmatch(p))


@reports_errors
def main(
    folder: Annotated[Path, typer.Argument(help="Folder of the pictures.")],
    out: Annotated[Path, typer.Option(help="File to write.")] = OUT,
) -> None:
    """Measure precision and recall over pairs of pictures."""
    lines = []
    with progress() as report:
        start = time.process_time()
        inventory = take_inventory(folder, report)
        reading = time.process_time() - start
        truth = {name: name_without_tone(name) for name in inventory.names}
        for mismatch in MISMATCHES:
            start = time.process_time()
            likeness = Likeness(mismatch=mismatch)
            families = find_families(inventory, {}, Prices(), likeness, report)
            seconds = time.process_time() - start
            groups = [[inventory.names[n] for n in family.members] for family in families]
            precision, recall = agreement(groups, truth)
            lines.append(
                f"| {mismatch:g} | {len(groups)} | {precision:.3f} | {recall:.3f} | {seconds:.1f} |"
            )
    wanted = sum(count > 1 for count in Counter(truth.values()).values())
    table = "\n".join(lines)
    out.write_text(
        f"""# Families found, measured

Written by `python -m benchmarks.media_families` on `@lobehub/fluent-emoji-3d` 1.1.0 from npm:
{len(truth)} pictures, in which {wanted} names come in several skin tones. Precision and recall over
pairs of pictures against these names. Reading took {reading:.0f} s of one core.

| mismatch | families | precision | recall | seconds |
|---|---|---|---|---|
{table}

What counts as wrong is mostly one figure under several names: the same pose as a woman, a man and
neither, or with another colour of hair. A survey by shape puts them together; the names do not.
""",
        encoding="utf-8",
    )
    typer.echo(f"written: {out}")


if __name__ == "__main__":
    typer.run(main)
