"""Kind ``network``: planes weighted by a small network of what the prompt says.

A *style network* reads the factors of a channel (attributes and latents) and says how much of each
plane that channel shows.  Its layers are dense, with 8-bit weights; a hidden layer's activation is
the square, since light that bounces multiplies, and each layer reads everything before it:

    v = factors;  for each hidden layer: v = v, square(layer(v));  weights = output(v)

All channels are drawn by the same network from their own factors.  docs/media.md has it to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.media.container import Container
from shared.media.fixed import I8, I32, I64, clipped, dense, rounding_shift
from shared.media.kinds.planes import (
    FACTOR_BITS,
    Planes,
    factor_values,
    planes_arrays,
    planes_header,
    planes_of,
    typed,
    whole_number,
)
from shared.media.prompt import Prompt

KIND: Final = "network"
MAX_WIDTH: Final = 4096
"""Numbers that a layer reads; a scaled sum is then below 2**12 * 2**7 * 2**15 * 2**15 = 2**49."""
MAX_SCALE: Final = 2**15 - 1
MAX_SHIFT: Final = 40
MAX_HIDDEN: Final = 8


@dataclass(frozen=True, eq=False)
class Dense:
    """A dense layer; see ``shared.media.fixed.dense``.

    Attributes:
        weights: int8 ``[outputs, inputs]``.
        scales: of each output, int32, 0 to ``MAX_SCALE``.
        biases: int32 ``[outputs]``, in the unit of the outputs, 2**-12.
        shift: of the scaled sums.
    """

    weights: I8
    scales: I32
    biases: I32
    shift: int

    def fits(self, inputs: int) -> bool:
        """Whether it reads so many numbers and its sums stay exact."""
        outputs = len(self.weights)
        return (
            self.weights.shape == (outputs, inputs)
            and 0 < outputs <= MAX_WIDTH >= inputs
            and self.scales.shape == self.biases.shape == (outputs,)
            and bool(((self.scales >= 0) & (self.scales <= MAX_SCALE)).all())
            and 0 <= self.shift <= MAX_SHIFT
        )


@dataclass(frozen=True, eq=False)
class Network(Planes):
    """A generator whose planes are weighted by a style network.

    Attributes:
        hidden: its hidden layers.
        output: gives the weight of each plane.
    """

    hidden: tuple[Dense, ...]
    output: Dense

    def conditions(self) -> tuple[tuple[bool, str], ...]:
        """See ``Planes``."""
        inputs, fitting = self.factors, len(self.hidden) <= MAX_HIDDEN
        for layer in self.hidden:
            fitting = fitting and layer.fits(inputs)
            inputs += len(layer.weights)
        return (
            *super().conditions(),
            (fitting and self.output.fits(inputs), "a layer of its network"),
            (len(self.output.weights) == len(self.steps), "its output layer"),
        )


def plane_weights(generator: Network, prompt: Prompt) -> I64:
    """What each plane is weighted with, for each channel.

    Returns:
        ``[planes, channels]`` in 2**-12, clipped to 16 bits.
    """
    values = clipped(factor_values(generator, prompt))
    for layer in generator.hidden:
        made = _applied(layer, values)
        values = np.concatenate([values, clipped(rounding_shift(made * made, FACTOR_BITS))])
    return _applied(generator.output, values)


def _applied(layer: Dense, values: I64) -> I64:
    return dense(values, layer.weights, layer.scales, layer.biases, layer.shift)


def network_container(generator: Network) -> Container:
    """What the file of a network holds."""
    layers = [*generator.hidden, generator.output]
    shifts = [layer.shift for layer in layers]
    arrays = planes_arrays(generator)
    for number, layer in enumerate(layers):
        arrays[f"weights{number}"] = layer.weights
        arrays[f"scales{number}"] = layer.scales
        arrays[f"biases{number}"] = layer.biases
    return Container({"kind": KIND, "shifts": shifts, **planes_header(generator)}, arrays)


def network_of(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Network:
    """The network in a file.

    Raises:
        PinError: its parts do not fit each other.
        KeyError, TypeError, ValueError, AttributeError, IndexError: a part is missing or wrong.
    """
    layers = [
        Dense(
            typed(arrays[f"weights{number}"], np.int8),
            typed(arrays[f"scales{number}"], np.int32),
            typed(arrays[f"biases{number}"], np.int32),
            whole_number(shift),
        )
        for number, shift in enumerate(header["shifts"])
    ]
    return Network(hidden=tuple(layers[:-1]), output=layers[-1], **planes_of(header, arrays))
