"""The generator that draws by removing noise: a small network in 8-bit weights, and its constants.

docs/media-diffusion.md has the arithmetic.  Everything that the drawing multiplies and adds is an
integer of the file; the bounds that make its sums exact are checked here, when it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.errors import PinError
from shared.media.container import Container
from shared.media.fixed import I8, I32
from shared.media.kinds.diffusion_network import COLOURS, MAX_SIDE, MAX_WIDTH, Shape
from shared.media.kinds.planes import typed, whole_number
from shared.media.prompt import Attribute, Grammar

KIND: Final = "diffusion"
UNIT_BITS: Final = 12
"""Activations, noise and pictures count 2**-12; a picture is from -2**12 to 2**12."""
PATH_BITS: Final = 15
LIMIT: Final = 2**18 - 1
"""Of activations, in magnitude."""
MAX_TAPS: Final = 2**12 - 1
"""Products in a sum: 2**12 * 2**7 * 2**18, times a scale of 2**15, is 2**52."""
MAX_GROUP: Final = 2**20
"""Numbers that are normalised together: their squares of 2**38 sum to 2**58."""
MAX_WEIGHTS: Final = 2**24
MAX_WORK: Final = 2**26
"""Numbers that a layer multiplies at a time: a hostile file must not take all memory."""
MAX_STEPS: Final = 256
MAX_BOOK: Final = 2**12
MAX_SEEDS: Final = 2**32
SIGMOID: Final = 2048
"""Entries of the table, in 2**-8."""
NORMAL: Final = 256

I16 = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Diffusion:
    """A generator that removes noise.

    Attributes:
        name: of the family.
        width, height: of the pictures, pixels.
        attributes: in the order in which prompts choose.
        shape: of the network.
        book: noise pictures of the codebook of each step.
        seeds: 0 if a prompt picks from each codebook; else it has one number below this, from
            which all picks are drawn.
        path: of each step, the noisiest first, how much of state and velocity makes the clean
            picture, and of clean picture, state and noise the next state, in 2**-15: int32
            ``[steps, 5]``.
        times: of each step what the network is told, in 2**-12: int16 ``[steps, embedding]``.
        tables: of each attribute what its values add to that, int16 ``[values, embedding]``.
        canvas: what the network sees beside the noise, int8 ``[canvas, rows, columns]``.
        canvas_step: its unit, in 2**-12.
        weights: of ``shape.layers`` one after the other, int8, each
            ``[outputs, inputs, size, size]``.
        scales: of each output, int16, positive.
        shifts: of each layer: a sum times its scale counts 2**-(12 + shift).
        biases: of each output, in 2**-12, int32.
        gains, offsets: of ``shape.normalised`` one after the other, in 2**-12, int16.
        sigmoid: of 0, 2**-8, 2 * 2**-8 and so on, in 2**-15: int16 ``[SIGMOID]``.
        normal: the values of noise, all alike likely, in 2**-12: int16 ``[NORMAL]``.
        notes: what users should know: licence, source; shown, never used.
    """

    name: str
    width: int
    height: int
    attributes: tuple[Attribute, ...]
    shape: Shape
    book: int
    seeds: int
    path: I32
    times: I16
    tables: tuple[I16, ...]
    canvas: I8
    canvas_step: int
    weights: I8
    scales: I16
    shifts: tuple[int, ...]
    biases: I32
    gains: I16
    offsets: I16
    sigmoid: I16
    normal: I16
    notes: Mapping[str, str]

    def __post_init__(self) -> None:
        """Checks that all parts fit each other and every sum is exact.

        Raises:
            PinError: they do not.
        """
        for conditions in (_sizes, _numbers):  # the second ones need the first ones to hold
            for holds, what in conditions(self):
                if not holds:
                    raise PinError(
                        f"the generator {self.name!r} is inconsistent: {what}",
                        remedy="fetch the generator again, or train it again",
                    )

    @property
    def channels(self) -> int:
        """Always colours."""
        return COLOURS

    @property
    def steps(self) -> int:
        """Of denoising; the last one adds no noise."""
        return len(self.path)

    @property
    def grammar(self) -> Grammar:
        """Of its prompts: choices, and picks as the seed."""
        books = (self.seeds,) if self.seeds else (self.book,) * (self.steps - 1)
        return Grammar(self.attributes, (), books)


def _sizes(generator: Diffusion) -> tuple[tuple[bool, str], ...]:
    shape, widths = generator.shape, generator.shape.widths
    return (
        (0 < len(widths) <= 6 and all(0 < width <= MAX_WIDTH for width in widths), "its widths"),
        (shape.groups > 0 and not any(width % shape.groups for width in widths), "its groups"),
        (shape.patch in (1, 2, 4, 8) and 0 <= shape.canvas <= MAX_WIDTH, "its patch or canvas"),
        (
            all(
                0 < side <= MAX_SIDE and shape.unit > 0 and side % shape.unit == 0
                for side in (generator.width, generator.height)
            ),
            "its size",
        ),
    )


def _numbers(generator: Diffusion) -> tuple[tuple[bool, str], ...]:
    shape, path = generator.shape, generator.path
    layers, outputs = shape.layers, sum(layer.outputs for layer in shape.layers)
    rows, columns = generator.height // shape.patch, generator.width // shape.patch
    names = [attribute.name for attribute in generator.attributes]
    groups = max(shape.normalised) // shape.groups * rows * columns
    taps = max(layer.inputs * layer.size**2 for layer in layers)
    weights = sum(layer.outputs * layer.inputs * layer.size**2 for layer in layers)
    return (
        (taps <= MAX_TAPS, "a layer too wide to sum exactly"),
        (taps * rows * columns <= MAX_WORK, "layers too large for the memory allowed"),
        (weights <= MAX_WEIGHTS, "too many weights"),
        (groups <= MAX_GROUP, "groups too large to sum exactly"),
        (path.ndim == 2 and path.shape[1:] == (5,), "the form of its path"),
        (2 <= len(path) <= MAX_STEPS, "the number of its steps"),
        (bool((np.abs(path.astype(np.int64)) <= 2**PATH_BITS).all()), "a path out of range"),
        (not path[-1, 4:].any(), "noise in the last step"),
        (0 < generator.book <= MAX_BOOK, "its codebooks"),
        (0 <= generator.seeds <= MAX_SEEDS, "its seeds"),
        (generator.times.shape == (len(path), shape.embedding), "its times"),
        (len(names) == len(set(names)) == len(generator.tables), "its attributes"),
        (
            all(
                0 < len(attribute.values) == len(set(attribute.values))
                and table.shape == (len(attribute.values), shape.embedding)
                for table, attribute in zip(generator.tables, generator.attributes, strict=False)
            ),
            "the table of an attribute",
        ),
        (generator.canvas.shape == (shape.canvas, rows, columns), "its canvas"),
        (0 <= generator.canvas_step <= LIMIT >> 7, "the step of its canvas"),
        (generator.weights.shape == (weights,), "the number of its weights"),
        (generator.scales.shape == generator.biases.shape == (outputs,), "scales or biases"),
        (bool((generator.scales > 0).all()), "a scale"),
        (len(generator.shifts) == len(layers), "the number of its shifts"),
        (all(0 <= shift <= 40 for shift in generator.shifts), "a shift"),
        (
            generator.gains.shape == generator.offsets.shape == (sum(shape.normalised),),
            "its normalisations",
        ),
        (generator.sigmoid.shape == (SIGMOID,), "the length of its sigmoid"),
        (bool((generator.sigmoid >= 0).all()), "a sigmoid below nought"),
        (bool((np.diff(generator.sigmoid) >= 0).all()), "a sigmoid that falls"),
        (generator.normal.shape == (NORMAL,), "the length of its table of noise"),
    )


def diffusion_container(generator: Diffusion) -> Container:
    """What the file of such a generator holds."""
    shape = generator.shape
    header = {
        "kind": KIND,
        "name": generator.name,
        "width": generator.width,
        "height": generator.height,
        "attributes": [[a.name, list(a.values)] for a in generator.attributes],
        "widths": list(shape.widths),
        "groups": shape.groups,
        "patch": shape.patch,
        "book": generator.book,
        "seeds": generator.seeds,
        "canvas_step": generator.canvas_step,
        "shifts": list(generator.shifts),
        "notes": dict(generator.notes),
    }
    arrays: dict[str, NDArray[Any]] = {
        **{name: getattr(generator, name) for name in _ARRAYS},
        **{f"table{number}": table for number, table in enumerate(generator.tables)},
    }
    # differences are small and alike, which compresses
    arrays["sigmoid"] = np.diff(generator.sigmoid, prepend=np.int16(0))
    arrays["normal"] = np.diff(generator.normal, prepend=np.int16(0))
    return Container(header, arrays)


def diffusion_of(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Diffusion:
    """The generator in a file.

    Raises:
        PinError: its parts do not fit each other.
        KeyError, TypeError, ValueError, AttributeError, IndexError: a part is missing or wrong.
    """
    attributes = tuple(
        Attribute(str(name), tuple(map(str, values))) for name, values in header["attributes"]
    )
    found = {name: typed(arrays[name], dtype) for name, dtype in _ARRAYS.items()}
    for name in ("sigmoid", "normal"):
        found[name] = np.cumsum(found[name], dtype=np.int16)
    return Diffusion(
        name=str(header["name"]),
        width=whole_number(header["width"]),
        height=whole_number(header["height"]),
        attributes=attributes,
        shape=Shape(
            tuple(map(whole_number, header["widths"])),
            whole_number(header["groups"]),
            whole_number(header["patch"]),
            len(found["canvas"]),
        ),
        book=whole_number(header["book"]),
        seeds=whole_number(header["seeds"]),
        tables=tuple(typed(arrays[f"table{n}"], np.int16) for n in range(len(attributes))),
        canvas_step=whole_number(header["canvas_step"]),
        shifts=tuple(map(whole_number, header["shifts"])),
        notes={str(key): str(value) for key, value in header["notes"].items()},
        **found,
    )


_ARRAYS: Final[Mapping[str, type[np.generic]]] = {
    "path": np.int32,
    "times": np.int16,
    "canvas": np.int8,
    "weights": np.int8,
    "scales": np.int16,
    "biases": np.int32,
    "gains": np.int16,
    "offsets": np.int16,
    "sigmoid": np.int16,
    "normal": np.int16,
}
