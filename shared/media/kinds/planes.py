"""What generators have in common that draw with planes: a pixel is a sum of weighted pictures.

    factors   numbers that attributes (by a table) and latents give to each channel, 2**-12 units
    planes    in blocks of integer cosine waves, 2**-16 units, the same for all channels
    curves    for each channel 255 thresholds: a sum of at least the n-th gives a byte above n - 1

What the planes are weighted with is each kind's own affair.  docs/media.md has it to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.errors import PinError
from shared.media.coding.transform import BLOCK
from shared.media.fixed import I64
from shared.media.prompt import Attribute, Grammar, Prompt

FACTOR_BITS: Final = 12
PLANE_BITS: Final = 16
TERM_LIMIT: Final = 2**15 - 1
"""Weights are within this; with planes below 2**20 and 2**12 of them a sum stays below 2**47."""
PLANE_LIMIT: Final = 2**20
MAX_SIDE: Final = 8192
MAX_TERMS: Final = 4096
THRESHOLDS: Final = 255


@dataclass(frozen=True, eq=False)
class Planes:
    """A generator that adds planes.

    Attributes:
        name: of the family.
        width, height: of the pictures, pixels.
        grammar: of the prompts.
        tables: for each attribute its factors, int16 ``[values, factors, channels]``.
        gains: for each latent the factor of latent 1, int16 ``[latents, channels]``.
        steps: of each plane, in 2**-(PLANE_BITS + 3).
        coded: which blocks of a plane are not zero, bool ``[planes, blocks]``.
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
        for holds, what in self.conditions():
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
    def factors(self) -> int:
        """How many factors a prompt gives to a channel."""
        return sum(int(table.shape[1]) for table in self.tables) + len(self.gains)

    @property
    def blocks(self) -> tuple[int, int]:
        """Rows and columns of blocks; the last ones may stand over."""
        return -(-self.height // BLOCK), -(-self.width // BLOCK)

    def conditions(self) -> tuple[tuple[bool, str], ...]:
        """What must hold, and what is wrong where it does not."""
        attributes = self.grammar.attributes
        channels, planes = len(self.curves), len(self.steps)
        rows, columns = self.blocks
        return (
            (0 < self.width <= MAX_SIDE and 0 < self.height <= MAX_SIDE, "its size"),
            (channels in (1, 3, 4), f"{channels} channels"),
            (self.curves.shape[1:] == (THRESHOLDS,), "the length of its curves"),
            (bool((np.diff(self.curves, axis=1) >= 0).all()), "a curve that falls"),
            (
                bool(((self.curves >= 0) & (self.curves <= PLANE_LIMIT)).all()),
                "a curve out of range",
            ),
            (len(attributes) == len(self.tables), "tables and attributes"),
            (len({attribute.name for attribute in attributes}) == len(attributes), "a name twice"),
            (
                all(
                    table.ndim == 3
                    and table.shape[0] == len(attribute.values) == len(set(attribute.values)) > 0
                    and table.shape[2] == channels
                    for table, attribute in zip(self.tables, attributes, strict=False)
                ),
                "a table of factors",
            ),
            (self.gains.shape == (len(self.grammar.decays), channels), "its latents"),
            (all(1 <= decay <= 255 for decay in self.grammar.decays), "a decay of a latent"),
            (0 < planes <= MAX_TERMS, "its planes"),
            (all(0 < step <= 2**20 for step in self.steps), "a step"),
            (self.coded.shape == (planes, rows * columns), "the map of blocks"),
            (self.waves.shape == (int(self.coded.sum()), BLOCK * BLOCK), "the number of blocks"),
        )


def factor_values(generator: Planes, prompt: Prompt) -> I64:
    """The factors that a prompt gives, ``[factors, channels]`` in 2**-12."""
    rows = [
        table[choice].astype(np.int64)
        for table, choice in zip(generator.tables, prompt.choices, strict=True)
    ]
    latents = np.array(prompt.latents, np.int64).reshape(-1, 1)
    return np.concatenate([*rows, generator.gains.astype(np.int64) * latents])


def planes_header(generator: Planes) -> dict[str, object]:
    """Its part of a file's header."""
    return {
        "name": generator.name,
        "width": generator.width,
        "height": generator.height,
        "attributes": [[a.name, list(a.values)] for a in generator.grammar.attributes],
        "decays": list(generator.grammar.decays),
        "steps": list(generator.steps),
        "notes": dict(generator.notes),
    }


def planes_arrays(generator: Planes) -> dict[str, NDArray[Any]]:
    """Its arrays in a file."""
    waves = generator.waves.astype(np.int32)
    low = ((waves + 128) % 256 - 128).astype(np.int8)
    high = ((waves - low) >> 8).astype(np.int8)
    return {
        **{f"table{number}": table for number, table in enumerate(generator.tables)},
        "gains": generator.gains,
        "curves": np.diff(generator.curves, axis=1, prepend=0).astype(np.int32),
        "coded": np.packbits(generator.coded, axis=1),
        "low": low,
        "high": high,
    }


def planes_of(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """The fields of ``Planes`` in a file.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, IndexError: a part is missing or wrong.
    """
    attributes = tuple(
        Attribute(str(name), tuple(map(str, values))) for name, values in header["attributes"]
    )
    width, height = whole_number(header["width"]), whole_number(header["height"])
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ValueError(f"{width} x {height} pixels")
    blocks = -(-height // BLOCK) * -(-width // BLOCK)
    if arrays["coded"].shape[1:] != (-(-blocks // 8),):  # before it is unpacked to eight times
        raise ValueError("the map of blocks is of another size")
    low, high = arrays["low"].astype(np.int32), arrays["high"].astype(np.int32)
    return {
        "name": str(header["name"]),
        "width": width,
        "height": height,
        "grammar": Grammar(attributes, tuple(map(whole_number, header["decays"]))),
        "tables": tuple(typed(arrays[f"table{n}"], np.int16) for n in range(len(attributes))),
        "gains": typed(arrays["gains"], np.int16),
        "steps": tuple(map(whole_number, header["steps"])),
        "coded": np.unpackbits(typed(arrays["coded"], np.uint8), axis=1, count=blocks).astype(bool),
        "waves": (high * 256 + low).astype(np.int16),
        "curves": np.cumsum(arrays["curves"], axis=1, dtype=np.int64).astype(np.int32),
        "notes": {str(key): str(value) for key, value in header["notes"].items()},
    }


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
