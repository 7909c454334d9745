"""A small family made on the spot: three recoloured parts, whose truth is known exactly."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.media.generator import write_generator
from shared.media.kinds.basis import Basis
from shared.media.prompt import Attribute, Grammar

COLOURS: Mapping[str, tuple[float, float, float]] = {
    "black": (0.02, 0.021, 0.025),
    "cream": (0.81, 0.74, 0.55),
    "red": (0.58, 0.03, 0.05),
    "sky": (0.11, 0.35, 0.77),
}
PARTS = ("lid", "body", "foot")


@dataclass(frozen=True)
class Shown:
    """A picture and what it shows."""

    values: dict[str, str]
    pixels: NDArray[np.uint8]


def scene(width: int, height: int) -> NDArray[np.float64]:
    """Planes of 1, three reflectances and the light that bounces between lid and body."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    shade = 0.35 + 0.5 * np.cos(3.1 * x - 1.2) * np.cos(2.3 * y - 0.7)
    grain = 0.06 * np.sin(57.0 * x + 13.0 * y) * np.sin(41.0 * y)
    lid, foot = y < 0.31, y > 0.55
    body = ~lid & ~foot & (np.abs(x - 0.5) < 0.37)
    ground = ~lid & ~foot & ~body
    bounce = 0.25 * np.exp(-8 * np.abs(y - 0.31)) * (lid | body)
    planes = [0.02 + ground * (0.4 + 0.2 * x), *((shade + grain) * m for m in (lid, body, foot))]
    return np.stack([*planes, bounce])


def paint(planes: NDArray[np.float64], colours: tuple[str, ...]) -> NDArray[np.uint8]:
    """The picture of a choice of colours, by the textbook: sum in light, then the sRGB curve."""
    rho = np.array([COLOURS[colour] for colour in colours])
    terms = np.stack([np.ones(3), *rho, rho[0] * rho[1]])
    light = np.clip(np.einsum("tc,thw->hwc", terms, planes), 0, 1)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(curve * 255).astype(np.uint8)


@pytest.fixture(scope="session")
def shown() -> tuple[Shown, ...]:
    """All 64 pictures of the family, 72 x 56 pixels, in an order that mixes the values."""
    planes = scene(72, 56)
    combinations = list(itertools.product(COLOURS, repeat=3))
    order = np.random.default_rng(5).permutation(len(combinations))
    chosen = [combinations[n] for n in order]
    return tuple(
        Shown(dict(zip(PARTS, colours, strict=True)), paint(planes, colours)) for colours in chosen
    )


@pytest.fixture(scope="session")
def pocket() -> Basis:
    """A generator of random planes, 20 x 12 pixels, with attributes and latents."""
    rng = np.random.default_rng(11)
    coded = rng.random((5, 6)) < 0.6
    waves = np.rint(rng.laplace(0, 9, (int(coded.sum()), 64)) / (1 + np.arange(64) / 8))
    waves[:, 0] += 200
    curve = np.arange(1, 256) * 230
    return Basis(
        name="pocket",
        width=20,
        height=12,
        grammar=Grammar(
            (Attribute("lid", ("ash", "bay", "elm")), Attribute("foot", ("in", "out"))), (140, 90)
        ),
        tables=(
            rng.integers(-6000, 9000, (3, 2, 3)).astype(np.int16),
            rng.integers(-6000, 9000, (2, 1, 3)).astype(np.int16),
        ),
        gains=np.array([[300, 0, -120], [7, 55, 90]], np.int16),
        terms=((), (0,), (1, 2), (3,), (0, 2, 4)),
        steps=(190, 77, 61, 33, 49),
        coded=coded,
        waves=waves.astype(np.int16),
        curves=np.stack([curve, curve // 2, curve + 5]).astype(np.int32),
        notes={"licence": "CC0"},
    )


@pytest.fixture(scope="session")
def pocket_file(pocket: Basis) -> bytes:
    """The file of ``pocket``."""
    return write_generator(pocket)


@pytest.fixture(scope="session")
def folder(shown: tuple[Shown, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The family as files, whose names tell the attributes, in a folder without a table."""
    images = pytest.importorskip("groundstation.media.images")
    place = tmp_path_factory.mktemp("family")
    for picture in shown:
        stem = "_".join(f"{part}-{value}" for part, value in picture.values.items())
        (place / f"{stem}.png").write_bytes(images.encode_picture(picture.pixels, "PNG"))
    return place
