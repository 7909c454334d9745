"""A generator that is not to be good alone, but small together with what its drawings lack.

Of a family with a single attribute only the mean picture is kept, and every picture has a residual.
How finely the mean is stored is chosen by the bytes of everything: generator and records, those of
a few pictures standing for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from groundstation.media.family import Family, Member
from groundstation.media.judge.gate import Gate
from groundstation.media.judge.residual import smallest_residual
from groundstation.media.learn.basis import check_alike, stored
from groundstation.media.learn.components import fit_components
from groundstation.media.learn.learnable import read_learnable
from shared.errors import InputError
from shared.media.generator import write_generator
from shared.media.prompt import Prompt
from shared.media.render import Renderer
from shared.terminal import Report, silent

STEPS: Final = (0.03, 0.045, 0.07)
SAMPLED: Final = 2


def lean_generator(
    family: Family,
    members: Sequence[Member],
    gate: Gate,
    notes: Mapping[str, str],
    report: Report = silent,
) -> bytes:
    """The file of a family's mean picture, stored as finely as is best for the sum of all bytes.

    Args:
        family: of one attribute.
        members: its pictures, at least one.
        gate: what a picture has to pass.
        notes: to go into the file.
        report: told about progress.

    Raises:
        InputError: the family has more attributes, or a picture cannot be read or has another size.
    """
    if len(family.attributes) != 1:
        raise InputError(
            f"the family {family.name!r} has {len(family.attributes)} attributes",
            expected="one",
            remedy="train it: its colours are worth a generator",
        )
    pictures = [read_learnable(member.path) for member in members]
    check_alike(pictures)
    choices = [row[0] for row in family.choices(members)]
    fit = fit_components(family.name, family.attributes[0], pictures, choices, 0, notes)
    places = np.unique(np.linspace(0, len(members) - 1, SAMPLED).round().astype(int))
    found = []
    for number, step in enumerate(STEPS):
        report("how finely", number, len(STEPS))
        generator = stored(fit, step)
        renderer, data = Renderer(generator), write_generator(generator)
        records = 0
        for n in places.tolist():
            made = renderer(Prompt((choices[n],)))
            size = members[n].path.stat().st_size
            better = smallest_residual(pictures[n], made, gate, size)
            records += len(better.residual) if better else size
        found.append((len(data) + records * len(members) / len(places), data))
    report("how finely", len(STEPS), len(STEPS))
    return min(found, key=lambda one: one[0])[1]
