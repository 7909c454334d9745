"""A mean picture and residuals: chosen by the sum of all bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import Shown

from groundstation.media.basis import stored
from groundstation.media.components import fit_components
from groundstation.media.encode import encode_pictures, totals
from groundstation.media.family import Family, Member
from groundstation.media.gate import Gate
from groundstation.media.images import encode_picture, read_picture
from groundstation.media.lean import STEPS, lean_generator
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


def test_families_of_several_attributes_are_refused(family: Family) -> None:
    wide = replace(family, attributes=family.attributes * 2)
    with pytest.raises(InputError, match="2 attributes"):
        lean_generator(wide, wide.members, GATE, {})
