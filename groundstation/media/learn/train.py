"""Learning a family: fit, choose how finely to store, keep what is done.

The step between stored coefficients is chosen on pictures that the first fit has not seen; then
all are fitted together.  Both fits are kept in a folder, named by what went into them, so that a
stopped run goes on where it was and a run with another target only stores anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from groundstation.media.family import Family, Member
from groundstation.media.images import encode_picture
from groundstation.media.judge.gate import Verdict, judge
from groundstation.media.learn.basis import Fit, stored
from groundstation.media.learn.fits import Model, Shelf, models_of
from groundstation.media.learn.learnable import read_learnable
from groundstation.media.learn.network.style import torch_is_there
from groundstation.media.learn.prompts import fitted_prompts
from shared.errors import InputError, PinError
from shared.files import replace_file
from shared.media.fixed import U8
from shared.media.generator import read_generator, write_generator
from shared.media.prompt import Prompt
from shared.media.render import Renderer
from shared.terminal import Report

MOST: Final = 0.25
TRIALS: Final = 6
COARSER: Final = 1.25
"""Halvings of the ratio between the two: the chosen step is within 6 % of the best."""


@dataclass(frozen=True)
class Target:
    """What a generator is to reach on pictures it has not seen, as small as that goes.

    Attributes:
        mean_score: mean SSIMULACRA2.
        least_score: of the worst picture.
        max_bytes: of the generator; wins over the scores.
        degree: 2 for quadratic terms, 1 for linear ones.
        checked: how many pictures are held back to choose the step.
        network: one of ``fits.NETWORKS``: when a network is tried, where attributes are several.
    """

    mean_score: float = 93.0
    least_score: float = 88.0
    max_bytes: int = 500_000
    degree: int = 2
    checked: int = 8
    network: str = "never"


@dataclass(frozen=True)
class Trial:
    """A step that was tried.

    Attributes:
        model: name of the model.
        step: in light.
        size_bytes: of the generator's file.
        verdicts: on the pictures held back.
    """

    model: str
    step: float
    size_bytes: int
    verdicts: tuple[Verdict, ...]

    @property
    def mean_score(self) -> float:
        """Of SSIMULACRA2."""
        return sum(v.score for v in self.verdicts) / len(self.verdicts)

    @property
    def least_score(self) -> float:
        """Of SSIMULACRA2."""
        return min(v.score for v in self.verdicts)

    def reaches(self, target: Target) -> bool:
        """Whether the scores do; the size is another matter."""
        enough = self.mean_score >= target.mean_score
        return enough and self.least_score >= target.least_score

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "model": self.model,
            "step": self.step,
            "generator_bytes": self.size_bytes,
            "mean_ssimulacra2": round(self.mean_score, 3),
            "least_ssimulacra2": round(self.least_score, 3),
        }


@dataclass(frozen=True, eq=False)
class Trained:
    """A generator and how it was chosen.

    Attributes:
        data: its file.
        model: name of the model that was chosen.
        step: of its planes.
        trials: in the order in which they were made.
        reached: whether the chosen step reached the target on the pictures held back.
    """

    data: bytes
    model: str
    step: float
    trials: tuple[Trial, ...]
    reached: bool


def train(
    family: Family,
    members: Sequence[Member],
    target: Target,
    work: Path,
    notes: Mapping[str, str],
    report: Report,
) -> Trained:
    """Learns a family.

    Args:
        family: what its pictures are called.
        members: those to learn from.
        target: what to reach.
        work: folder for what is done and for previews; made if need be.
        notes: what users of the generator should read: licence, source.
        report: told about progress.

    Raises:
        InputError: the pictures cannot be read or learned, or do not fit together.
    """
    if target.network == "alone" and len(family.attributes) == 1:
        raise InputError(
            f"a network alone for {family.name!r}, which has one attribute",
            expected="several attributes, whose light a network can weigh",
            remedy="train with --network never",
        )
    work.mkdir(parents=True, exist_ok=True)
    shelf = Shelf(family, members, _pictures(members, report), notes, work, report)
    everyone = list(range(len(members)))
    checked = _held_back(family, members, target)
    first = [n for n in everyone if n not in checked] or everyone
    prompts = [Prompt(tuple(row)) for row in family.choices(members)]
    trials: list[Trial] = []
    good: list[tuple[int, Model, float]] = []
    models = models_of(family, target.degree, target.network)
    for model in models:
        if model.network and target.network == "auto" and (good or not torch_is_there()):
            continue
        fit = shelf.fit(first, model)

        def reached(step: float, fit: Fit = fit, model: Model = model) -> bool:
            report(model.name, sum(trial.model == model.name for trial in trials), TRIALS + 1)
            generator = stored(fit, step)
            renderer = Renderer(generator)
            made = [nearest(renderer, prompts[n], shelf.pictures[n]) for n in checked]
            pairs = zip((shelf.pictures[n] for n in checked), made, strict=True)
            verdicts = tuple(judge(original, image) for original, image in pairs)
            trials.append(Trial(model.name, step, len(write_generator(generator)), verdicts))
            name = members[checked[0]].name
            _preview(work / "previews" / f"{len(trials):02}-{name}.png", made[0])
            return trials[-1].reaches(target)

        try:
            step, found = coarsest_step(reached, finest_step(fit, model.finest), model.coarsest)
        except PinError:  # its planes are larger than a generator can hold
            continue
        if found:
            size = min(t.size_bytes for t in trials if (t.model, t.step) == (model.name, step))
            good.append((size, model, step))
            if model.components:  # more of them could only be larger
                break
    if good:
        ranked = [(model, step) for _, model, step in sorted(good, key=lambda item: item[0])]
    else:
        by_score = sorted(trials, key=lambda trial: -trial.mean_score)
        named = {model.name: model for model in models}
        ranked = [(named[trial.model], trial.step) for trial in by_score]
    model, step, whole, data = _fitting(shelf, ranked)
    small = len(data) <= target.max_bytes
    while len(data) > target.max_bytes and step < MOST:
        step *= 1.08
        data = write_generator(stored(whole, step))
    return Trained(data, model.name, step, tuple(trials), bool(good) and small)


def nearest(renderer: Renderer, prompt: Prompt, picture: U8) -> U8:
    """What a generator draws of a picture at best: with latents where it has some."""
    *_, best = fitted_prompts(prompt.choices, picture, renderer)
    return renderer(best)


def _held_back(family: Family, members: Sequence[Member], target: Target) -> list[int]:
    """Positions of the pictures to choose by: spread evenly, and none the only one of a value.

    All of them where none can be spared.
    """
    choices = np.array(family.choices(members))
    count = min(target.checked, len(members) // 4)
    held: list[int] = []
    for n in (int(n) for n in np.linspace(0, len(members) - 1, count).round()):
        rest = np.delete(choices, [*held, n], axis=0)
        if all((rest[:, a] == choices[n, a]).any() for a in range(choices.shape[1])):
            held.append(n)
    return held or list(range(len(members)))


def _fitting(
    shelf: Shelf, ranked: Sequence[tuple[Model, float]]
) -> tuple[Model, float, Fit, bytes]:
    """The first model that fits into a generator when it is fitted to all pictures.

    Raises:
        InputError: none does.
    """
    for model, wanted in ranked:
        whole = shelf.fit(list(range(len(shelf.pictures))), model)
        step = finest_step(whole, wanted)
        data = write_generator(stored(whole, step))
        try:
            Renderer(read_generator(data).generator)
        except PinError:
            continue
        return model, step, whole, data
    raise InputError(
        "no model of these pictures fits into a generator",
        remedy="leave out pictures that have another size, camera or subject than the rest",
    )


def finest_step(fit: Fit, step: float) -> float:
    """This step, or the next coarser one whose integers a generator can hold."""
    while True:
        try:
            stored(fit, step)
        except ValueError:
            step *= COARSER
        else:
            return step


def coarsest_step(
    reached: Callable[[float], bool], finest: float, coarsest: float
) -> tuple[float, bool]:
    """The coarsest step that reaches the target, and True; or the finest, and False.

    Args:
        reached: whether a step does; assumed to hold for every finer one.
        finest, coarsest: the range to search.
    """
    if not reached(finest):
        return finest, False
    low, high = finest, coarsest
    for _ in range(TRIALS):
        middle = math.sqrt(low * high)
        if reached(middle):
            low = middle
        else:
            high = middle
    return low, True


def _pictures(members: Sequence[Member], report: Report) -> list[U8]:
    pictures = []
    for number, member in enumerate(members):
        report("reading", number, len(members))
        pictures.append(read_learnable(member.path))
    report("reading", len(members), len(members))
    return pictures


def _preview(path: Path, pixels: U8) -> None:
    path.parent.mkdir(exist_ok=True)
    replace_file(path, encode_picture(pixels, "PNG"), durable=False)
