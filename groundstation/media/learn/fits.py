"""Fits of a family's pictures, by model, kept in files that are named by what went into them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groundstation.media.family import Family, Member
from groundstation.media.learn.basis import Fit, fit_basis, samples_of
from groundstation.media.learn.components import fit_components
from groundstation.media.learn.network.fit import Plan, fit_network
from shared.digest import sha256, to_hex
from shared.errors import PinError
from shared.files import replacing
from shared.media.fixed import U8
from shared.media.generator import read_generator, write_generator
from shared.media.kinds.basis import Basis
from shared.media.kinds.network import Network
from shared.media.pixels import pixel_digest
from shared.terminal import Report

_FITS: Final = "fit/3"
MAX_COMPONENTS: Final = 8
NETWORKS: Final = ("auto", "always", "never", "alone")
"""When a network is tried: where nothing else reaches the target, always beside it, ..."""


@dataclass(frozen=True)
class Model:
    """A kind of fit.

    Attributes:
        name: as reports have it.
        finest, coarsest: the steps to try, in the unit of its planes (1.0 is white).
        degree: of the polynomial in the colours; 0 for components.
        components: how many principal components; 0 for colours.
        network: the size of a network; None without one.
    """

    name: str
    finest: float
    coarsest: float
    degree: int = 0
    components: int = 0
    network: Plan | None = None

    @property
    def tier(self) -> str:
        """As records have it."""
        return "T1" if self.network else "T0"


def models_of(family: Family, degree: int, network: str = "never") -> tuple[Model, ...]:
    """The models that suit a family, in the order in which they are to be tried.

    Args:
        family: what is to be learned.
        degree: of the polynomial in the colours.
        network: one of ``NETWORKS``.
    """
    colours = Model("linear" if degree == 1 else "quadratic", 0.0005, 0.016, degree=degree)
    if len(family.attributes) != 1:
        style = Model("network", colours.finest, colours.coarsest, degree=1, network=Plan())
        return {"never": (colours,), "alone": (style,)}.get(network, (colours, style))
    most = min(len(family.attributes[0].values) - 1, MAX_COMPONENTS)
    counts = range(1, most + 1)
    several = (Model(f"{n} components", 0.004, 0.128, components=n) for n in counts)
    return (colours, *several)


class Shelf:
    """The fits of some pictures."""

    def __init__(
        self,
        family: Family,
        members: Sequence[Member],
        pictures: Sequence[U8],
        notes: Mapping[str, str],
        work: Path,
        report: Report,
    ) -> None:
        self.pictures = pictures
        self._family, self._members = family, members
        self._notes, self._work, self._report = notes, work, report

    def fit(self, chosen: Sequence[int], model: Model) -> Fit:
        """The fit of these members' pictures, from its file if there is one."""
        choices = np.array(self._family.choices([self._members[n] for n in chosen]))
        pictures = [self.pictures[n] for n in chosen]
        path = self._work / f"{self._key(choices, pictures, model)}.fit"
        if path.is_file() and (known := _read_fit(path)) is not None:
            return known
        fit = self._fitted(choices, pictures, model)
        _write_fit(path, fit)
        return fit

    def _fitted(self, choices: NDArray[np.int64], pictures: Sequence[U8], model: Model) -> Fit:
        family, attributes = self._family, self._family.attributes
        samples = samples_of(pictures, choices, [len(a.values) for a in attributes])
        if model.components:
            values = choices[:, 0].tolist()
            return fit_components(
                family.name, attributes[0], pictures, values, model.components, self._notes
            )
        height, width = pictures[0].shape[:2]
        if model.network:
            key = self._key(choices, pictures, model)
            return fit_network(
                family.name,
                (width, height),
                attributes,
                samples,
                self._notes,
                self._report,
                model.network,
                self._work / f"{key}.training",
            )
        return fit_basis(
            family.name,
            (width, height),
            attributes,
            samples,
            self._notes,
            self._report,
            degree=model.degree,
        )

    def _key(self, choices: NDArray[np.int64], pictures: Sequence[U8], model: Model) -> str:
        text = json.dumps(
            [
                _FITS,
                self._family.name,
                [[a.name, a.values] for a in self._family.attributes],
                sorted(self._notes.items()),
                [
                    model.degree,
                    model.components,
                    *_sizes(model),
                ],
                choices.tolist(),
                [to_hex(pixel_digest(picture)) for picture in pictures],
            ]
        )
        return to_hex(sha256(text.encode()), characters=16)


def _sizes(model: Model) -> tuple[object, ...]:
    return astuple(model.network) if model.network else ()


def _write_fit(path: Path, fit: Fit) -> None:
    """A generator without planes and the planes."""
    with replacing(path, durable=False) as file:
        np.savez(
            file,
            blank=np.frombuffer(write_generator(fit.blank), np.uint8),
            planes=fit.planes,
            coarseness=np.array(fit.coarseness),
        )


def _read_fit(path: Path) -> Fit | None:
    """None where the file is damaged: then it is made again."""
    try:
        with np.load(path, allow_pickle=False) as found:
            blank = read_generator(found["blank"].tobytes()).generator
            if not isinstance(blank, Basis | Network):
                return None
            return Fit(blank, found["planes"], tuple(map(float, found["coarseness"])))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, PinError):
        return None
