"""Kind ``basis`` of generators: a pixel is a sum of planes, followed by a curve.

Each plane is weighted by a *term* of the prompt.  In linear light this is the physics of recoloured
parts: the light that reaches the camera is a polynomial in the reflectances of what it met, and
the planes are its coefficients.

    factors   numbers that attributes (by a table) and latents give to each channel, 2**-12 units
    terms     products of up to three factors; the empty product is 1
    planes    one for each term, in blocks of integer cosine waves, 2**-16 units, all channels alike
    curves    for each channel 255 thresholds: a sum of at least the n-th gives a byte above n - 1

All of it is in docs/media.md to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.errors import PinError
from shared.media.container import Container
from shared.media.fixed import I64, rounding_shift
from shared.media.prompt import Attribute, Grammar, Prompt
from shared.media.transform import BLOCK

KIND: Final = "basis"
FACTOR_BITS: Final = 12
PLANE_BITS: Final = 16
TERM_LIMIT: Final = 2**15 - 1
"""Terms are within this; with planes below 2**20 and 2**12 terms a sum stays below 2**47."""
PLANE_LIMIT: Final = 2**20
MAX_SIDE: Final = 8192
MAX_TERMS: Final = 4096
THRESHOLDS: Final = 255

Factors = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Basis:
    """A generator that adds planes.

    Attributes:
        name: of the family.
        width, height: of the pictures, pixels.
        grammar: of the prompts.
        tables: for each attribute its factors, int16 ``[values, factors, channels]``.
        gains: for each latent the factor of latent 1, int16 ``[latents, channels]``.
        terms: each a product of these factors: those of the attributes in order, then the latents.
        steps: of each plane, in 2**-(PLANE_BITS + 3).
        coded: which blocks of a plane are not zero, bool ``[terms, blocks]``.
        waves: their coefficients in steps, int16 ``[coded blocks, 64]``, in zigzag order.
        curves: int32 ``[channels, 255]``, not falling.
        notes: what users should know: licence, source; shown, never used.
    """

    name: str
    width: int
    height: int
    grammar: Grammar
    tables: tuple[NDArray[np.int16], ...]
    gains: NDArray[np.int16]
    terms: tuple[Factors, ...]
    steps: tuple[int, ...]
    coded: NDArray[np.bool_]
    waves: NDArray[np.int16]
    curves: NDArray[np.int32]
    notes: Mapping[str, str]

    def __post_init__(self) -> None:
        """Checks that all parts fit each other.

        Raises:
            PinError: they do not.
        """
        for holds, what in _conditions(self):
            if not holds:
                raise PinError(
                    f"the generator {self.name!r} is inconsistent: {what}",
                    remedy="fetch the generator again, or train it again",
                )

    @property
    def channels(self) -> int:
        """3 for colours, 4 with alpha, 1 for grey."""
        return len(self.curves)

    @property
    def blocks(self) -> tuple[int, int]:
        """Rows and columns of blocks; the last ones may stand over."""
        return -(-self.height // BLOCK), -(-self.width // BLOCK)


def _conditions(generator: Basis) -> tuple[tuple[bool, str], ...]:
    attributes = generator.grammar.attributes
    channels, terms = len(generator.curves), len(generator.terms)
    factors = sum(table.shape[1] for table in generator.tables) + len(generator.gains)
    rows, columns = generator.blocks
    return (
        (0 < generator.width <= MAX_SIDE and 0 < generator.height <= MAX_SIDE, "its size"),
        (channels in (1, 3, 4), f"{channels} channels"),
        (generator.curves.shape[1:] == (THRESHOLDS,), "the length of its curves"),
        (bool((np.diff(generator.curves, axis=1) >= 0).all()), "a curve that falls"),
        (
            bool(((generator.curves >= 0) & (generator.curves <= PLANE_LIMIT)).all()),
            "a curve out of range",
        ),
        (len(attributes) == len(generator.tables), "tables and attributes"),
        (len({attribute.name for attribute in attributes}) == len(attributes), "a name twice"),
        (
            all(
                table.ndim == 3
                and table.shape[0] == len(attribute.values) == len(set(attribute.values)) > 0
                and table.shape[2] == channels
                for table, attribute in zip(generator.tables, attributes, strict=False)
            ),
            "a table of factors",
        ),
        (generator.gains.shape == (len(generator.grammar.decays), channels), "its latents"),
        (all(1 <= decay <= 255 for decay in generator.grammar.decays), "a decay of a latent"),
        (0 < terms <= MAX_TERMS and len(generator.steps) == terms, "its terms"),
        (
            all(
                len(term) <= 3 and all(0 <= factor < factors for factor in term)
                for term in generator.terms
            ),
            "a factor of a term",
        ),
        (all(0 < step <= 2**20 for step in generator.steps), "a step"),
        (generator.coded.shape == (terms, rows * columns), "the map of blocks"),
        (
            generator.waves.shape == (int(generator.coded.sum()), BLOCK * BLOCK),
            "the number of blocks",
        ),
    )


def term_values(generator: Basis, prompt: Prompt) -> I64:
    """What each plane is weighted with, for each channel.

    Returns:
        ``[terms, channels]`` in 2**-12, clipped to ``TERM_LIMIT``.
    """
    rows = [
        table[choice].astype(np.int64)
        for table, choice in zip(generator.tables, prompt.choices, strict=True)
    ]
    latents = np.array(prompt.latents, np.int64).reshape(-1, 1)
    factors = np.concatenate([*rows, generator.gains.astype(np.int64) * latents])
    values = np.full((len(generator.terms), generator.channels), 1 << FACTOR_BITS, np.int64)
    for number, term in enumerate(generator.terms):
        for factor in term:
            product = rounding_shift(values[number] * factors[factor], FACTOR_BITS)
            values[number] = np.clip(product, -TERM_LIMIT, TERM_LIMIT)
    return values


def basis_container(generator: Basis) -> Container:
    """What the file of a basis holds."""
    waves = generator.waves.astype(np.int32)
    low = ((waves + 128) % 256 - 128).astype(np.int8)
    high = ((waves - low) >> 8).astype(np.int8)
    header = {
        "kind": KIND,
        "name": generator.name,
        "width": generator.width,
        "height": generator.height,
        "attributes": [[a.name, list(a.values)] for a in generator.grammar.attributes],
        "decays": list(generator.grammar.decays),
        "terms": [list(term) for term in generator.terms],
        "steps": list(generator.steps),
        "notes": dict(generator.notes),
    }
    arrays: dict[str, NDArray[Any]] = {
        **{f"table{number}": table for number, table in enumerate(generator.tables)},
        "gains": generator.gains,
        "curves": np.diff(generator.curves, axis=1, prepend=0).astype(np.int32),
        "coded": np.packbits(generator.coded, axis=1),
        "low": low,
        "high": high,
    }
    return Container(header, arrays)


def basis_of(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Basis:
    """The basis in a file.

    Raises:
        PinError: its parts do not fit each other.
        KeyError, TypeError, ValueError, AttributeError, IndexError: a part is missing or wrong.
    """
    attributes = tuple(
        Attribute(str(name), tuple(map(str, values))) for name, values in header["attributes"]
    )
    width, height = whole_number(header["width"]), whole_number(header["height"])
    blocks = -(-height // BLOCK) * -(-width // BLOCK)
    low, high = arrays["low"].astype(np.int32), arrays["high"].astype(np.int32)
    return Basis(
        name=str(header["name"]),
        width=width,
        height=height,
        grammar=Grammar(attributes, tuple(map(whole_number, header["decays"]))),
        tables=tuple(typed(arrays[f"table{n}"], np.int16) for n in range(len(attributes))),
        gains=typed(arrays["gains"], np.int16),
        terms=tuple(tuple(map(whole_number, term)) for term in header["terms"]),
        steps=tuple(map(whole_number, header["steps"])),
        coded=np.unpackbits(typed(arrays["coded"], np.uint8), axis=1, count=blocks).astype(bool),
        waves=(high * 256 + low).astype(np.int16),
        curves=np.cumsum(arrays["curves"], axis=1, dtype=np.int64).astype(np.int32),
        notes={str(key): str(value) for key, value in header["notes"].items()},
    )


def whole_number(value: object) -> int:
    """An integer of a header.

    Raises:
        TypeError: it is none.
    """
    if type(value) is not int:
        raise TypeError(f"{value!r} is no integer")
    return value


def typed(array: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    """An array of this type.

    Raises:
        TypeError: it has another.
    """
    if array.dtype != np.dtype(dtype):
        raise TypeError(f"an array of {array.dtype}")
    return array
