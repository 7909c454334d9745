"""Learning a family: fit, choose how finely to store, keep what is done.

The step between stored coefficients is chosen on pictures that the first fit has not seen; then
all are fitted together.  Both fits are kept in a folder, named by what went into them, so that a
stopped run goes on where it was and a run with another target only stores anew.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groundstation.media.basis import Fit, fit_basis, samples_of, stored
from groundstation.media.family import Family, Member
from groundstation.media.gate import Verdict, judge
from groundstation.media.images import encode_picture, read_picture
from shared.digest import sha256, to_hex
from shared.errors import PinError
from shared.media.fixed import U8
from shared.media.generator import read_generator, write_generator
from shared.media.pixels import pixel_digest
from shared.media.prompt import Prompt
from shared.media.render import Renderer
from shared.terminal import Report

FINEST: Final = 0.0005
COARSEST: Final = 0.016
MOST: Final = 0.25
TRIALS: Final = 6
"""Halvings of the ratio between the two: the chosen step is within 6 % of the best."""
_FITS: Final = "fit/2"


@dataclass(frozen=True)
class Target:
    """What a generator is to reach on pictures it has not seen, as small as that goes.

    Attributes:
        mean_score: mean SSIMULACRA2.
        least_score: of the worst picture.
        max_bytes: of the generator; wins over the scores.
        degree: 2 for quadratic terms, 1 for linear ones.
        checked: how many pictures are held back to choose the step.
    """

    mean_score: float = 93.0
    least_score: float = 88.0
    max_bytes: int = 500_000
    degree: int = 2
    checked: int = 8


@dataclass(frozen=True)
class Trial:
    """A step that was tried.

    Attributes:
        step: in light.
        size_bytes: of the generator's file.
        verdicts: on the pictures held back.
    """

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
        step: of its planes.
        trials: in the order in which they were made.
        reached: whether the chosen step reached the target on the pictures held back.
    """

    data: bytes
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
        InputError: the pictures cannot be read or do not fit together.
    """
    work.mkdir(parents=True, exist_ok=True)
    shelf = _Shelf(family, members, _pictures(members, report), target.degree, notes, work, report)
    everyone = list(range(len(members)))
    count = min(target.checked, len(members) // 4)
    checked = [int(n) for n in np.linspace(0, len(members) - 1, count).round()] or everyone
    fit = shelf.fit([n for n in everyone if n not in checked] or everyone)
    prompts = [Prompt(tuple(row)) for row in family.choices(members)]
    trials: list[Trial] = []

    def reached(step: float) -> bool:
        report("steps", len(trials), TRIALS)
        generator = stored(fit, step)
        renderer = Renderer(generator)
        made = [renderer(prompts[n]) for n in checked]
        pairs = zip((shelf.pictures[n] for n in checked), made, strict=True)
        verdicts = tuple(judge(original, image) for original, image in pairs)
        trials.append(Trial(step, len(write_generator(generator)), verdicts))
        name = members[checked[0]].name
        _preview(work / "previews" / f"{len(trials):02}-{name}.png", made[0])
        return trials[-1].reaches(target)

    step, good = coarsest_step(reached)
    report("steps", TRIALS, TRIALS)
    whole = shelf.fit(everyone)
    data = write_generator(stored(whole, step))
    while len(data) > target.max_bytes and step < MOST:
        step, good = step * 1.08, False
        data = write_generator(stored(whole, step))
    return Trained(data, step, tuple(trials), good)


def coarsest_step(reached: Callable[[float], bool]) -> tuple[float, bool]:
    """The coarsest step that reaches the target, and True; or the finest, and False.

    Args:
        reached: whether a step does; assumed to hold for every finer one.
    """
    low, high, found = FINEST, COARSEST, False
    for _ in range(TRIALS):
        middle = math.sqrt(low * high)
        if reached(middle):
            low, found = middle, True
        else:
            high = middle
    return low, found


class _Shelf:
    """Fits of a family's pictures, kept in files that are named by what went into them."""

    def __init__(
        self,
        family: Family,
        members: Sequence[Member],
        pictures: Sequence[U8],
        degree: int,
        notes: Mapping[str, str],
        work: Path,
        report: Report,
    ) -> None:
        self.pictures = pictures
        self._family, self._members, self._degree = family, members, degree
        self._notes, self._work, self._report = notes, work, report

    def fit(self, chosen: Sequence[int]) -> Fit:
        """The fit of these members' pictures, from its file if there is one."""
        choices = np.array(self._family.choices([self._members[n] for n in chosen]))
        pictures = [self.pictures[n] for n in chosen]
        path = self._work / f"{self._key(choices, pictures)}.fit"
        if path.is_file() and (known := _read_fit(path)) is not None:
            return known
        attributes = self._family.attributes
        samples = samples_of(pictures, choices, [len(a.values) for a in attributes])
        height, width = pictures[0].shape[:2]
        fit = fit_basis(
            self._family.name,
            (width, height),
            attributes,
            samples,
            self._notes,
            self._report,
            degree=self._degree,
        )
        _write_fit(path, fit)
        return fit

    def _key(self, choices: NDArray[np.int64], pictures: Sequence[U8]) -> str:
        text = json.dumps(
            [
                _FITS,
                self._family.name,
                [[a.name, a.values] for a in self._family.attributes],
                sorted(self._notes.items()),
                self._degree,
                choices.tolist(),
                [to_hex(pixel_digest(picture)) for picture in pictures],
            ]
        )
        return to_hex(sha256(text.encode()), characters=16)


def _write_fit(path: Path, fit: Fit) -> None:
    """A generator without planes and the planes, under another name until they are whole."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(
            file,
            blank=np.frombuffer(write_generator(fit.blank), np.uint8),
            planes=fit.planes,
            coarseness=np.array(fit.coarseness),
        )
    unfinished.replace(path)


def _read_fit(path: Path) -> Fit | None:
    """None where the file is damaged: then it is made again."""
    try:
        with np.load(path, allow_pickle=False) as found:
            blank = read_generator(found["blank"].tobytes()).generator
            return Fit(blank, found["planes"], tuple(map(float, found["coarseness"])))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, PinError):
        return None


def _pictures(members: Sequence[Member], report: Report) -> list[U8]:
    pictures = []
    for number, member in enumerate(members):
        report("reading", number, len(members))
        pictures.append(read_picture(member.path))
    report("reading", len(members), len(members))
    return pictures


def _preview(path: Path, pixels: U8) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encode_picture(pixels, "PNG"))
