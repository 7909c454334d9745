"""A mean picture and residuals: chosen by the sum of all bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("ssimulacra2")
from conftest import Shown

from groundstation.cli import app
from groundstation.media.family import Family, Member
from groundstation.media.images import encode_picture, read_picture
from groundstation.media.judge.gate import Gate, judge
from groundstation.media.learn.basis import stored
from groundstation.media.learn.components import fit_components
from groundstation.media.learn.lean import STEPS, lean_generator
from groundstation.media.records.encode import encode_pictures, totals
from shared.errors import InputError
from shared.media.generator import Loaded, read_generator, write_generator
from shared.media.prompt import Attribute
from shared.terminal import silent

GATE = Gate(score=70.0, block_levels=24.0)


@pytest.fixture(scope="module")
def family(shown: tuple[Shown, ...], tmp_path_factory: pytest.TempPathFactory) -> Family:
    """Four pictures that differ in the colour of one part."""
    place = tmp_path_factory.mktemp("lean")
    first = shown[0].values
    chosen = [p for p in shown if {**p.values, "foot": ""} == {**first, "foot": ""}]
    members = []
    for picture in chosen:
        path = place / f"{picture.values['foot']}.png"
        path.write_bytes(encode_picture(picture.pixels, "PNG"))
        members.append(Member(path, {"picture": path.stem}))
    names = tuple(sorted(member.path.stem for member in members))
    return Family("feet", (Attribute("picture", names),), tuple(members))


def all_bytes(family: Family, loaded: Loaded) -> int:
    book = encode_pictures(family.members, loaded, GATE, silent)
    assert all(GATE.passes(entry.verdict) for entry in book.entries.values())
    return loaded.size_bytes + totals(list(book.entries.values())).record_bytes


def test_no_other_step_needs_many_fewer_bytes(family: Family) -> None:
    assert len(family.members) == 4
    chosen = read_generator(lean_generator(family, family.members, GATE, {"licence": "CC0"}))
    assert chosen.generator.notes == {"licence": "CC0"}
    pictures = [read_picture(member.path) for member in family.members]
    choices = [row[0] for row in family.choices(family.members)]
    fit = fit_components("feet", family.attributes[0], pictures, choices, 0, {"licence": "CC0"})
    files = [write_generator(stored(fit, step)) for step in STEPS]
    sums = [all_bytes(family, read_generator(file)) for file in files]
    # it looks at two of the four pictures
    assert all_bytes(family, chosen) <= 1.1 * min(sums)
    assert chosen.digest in {read_generator(file).digest for file in files}


def run(*arguments: object, code: int = 0) -> Any:
    """What a command reports with ``--json``."""
    result = CliRunner().invoke(app, ["media", *map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_the_command_and_what_follows_it(family: Family, tmp_path: Path) -> None:
    """By a table; then each picture is the mean and a residual, in a book and in an archive."""
    folder = family.members[0].path.parent
    table, generator, book = (tmp_path / name for name in ("t.csv", "feet.gen", "feet.book"))
    rows = [f"{member.path.name},{member.path.stem}" for member in family.members]
    table.write_text("\n".join(["file,picture", *rows]))
    gate = ("--score", GATE.score, "--block", GATE.block_levels)
    given = (folder, "--table", table, *gate)
    made = run("lean", *given, "--out", generator, "--name", "feet", "--note", "licence=CC0")
    assert made["generator_bytes"] == generator.stat().st_size
    assert (made["name"], made["pictures"], made["note licence"]) == ("feet", 4, "CC0")
    wanted = lean_generator(family, family.members, GATE, {"licence": "CC0"})
    assert generator.read_bytes() == wanted

    encoded = run("encode", *given, "--generator", generator, "--out", book)
    assert encoded["by_prompt"] == encoded["corrected"] == 4
    out, back = tmp_path / "feet.rhma", tmp_path / "back"
    archived = run("archive", *given, "--generator", generator, "--out", out)
    assert archived["kept as corrected"] == 4
    assert encoded["record_bytes"] < archived["archive_bytes"] - generator.stat().st_size
    restored = run("restore", out, "--out", back)
    assert (restored["restored"], restored["lost"], restored["damage"]) == (4, {}, [])
    for member in family.members:
        pair = read_picture(member.path), read_picture(back / f"{member.path.stem}.png")
        assert GATE.passes(judge(*pair))

    named = (*given, "--name", "feet", "--note", "licence=CC0", "--out", tmp_path / "again.gen")
    told = CliRunner().invoke(app, ["media", "lean", *map(str, named)])
    assert told.exit_code == 0
    assert made["digest"] in told.output


def test_families_of_several_attributes_are_refused(family: Family) -> None:
    wide = replace(family, attributes=family.attributes * 2)
    with pytest.raises(InputError, match="2 attributes"):
        lean_generator(wide, wide.members, GATE, {})


def test_pictures_of_several_sizes_are_refused(family: Family, tmp_path: Path) -> None:
    for member in family.members[:2]:
        (tmp_path / f"foot-{member.path.stem}.png").write_bytes(member.path.read_bytes())
    pixels = read_picture(family.members[2].path)
    (tmp_path / "foot-large.png").write_bytes(encode_picture(pixels.repeat(2, axis=0), "PNG"))
    refused = run("lean", tmp_path, "--out", tmp_path / "feet.gen", code=4)
    assert "2 different sizes" in refused["found"]
    assert not (tmp_path / "feet.gen").exists()
