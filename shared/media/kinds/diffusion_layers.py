"""The network of a diffusion generator in integers, held in binary64.

Three operations: convolution, normalisation over groups, and x times sigmoid(x).  Sums run over
integers below 2**53 or in 64-bit integers; what is rounded is rounded elementwise, one operation
at a time.  The bounds are those that ``Diffusion`` has checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

import numpy as np

from shared.media.fixed import F64, rounded
from shared.media.kinds.diffusion import LIMIT, PATH_BITS, SIGMOID, UNIT_BITS, Diffusion

EPSILON: Final = 168.0
"""1e-5 in squares of 2**-12, added to variances."""
ONE: Final = float(1 << UNIT_BITS)


@dataclass(frozen=True, eq=False)
class Layer:
    """Weights as binary64.

    Attributes:
        weights: ``[outputs, inputs * size * size]``.
        size: side of the window.
        scales, biases: ``[outputs, 1]``.
        shift: bits by which a scaled sum is divided.
    """

    weights: F64
    size: int
    scales: F64
    biases: F64
    shift: int

    def __call__(self, image: F64, stride: int = 1) -> F64:
        """``clip(R(scale * sum, shift) + bias)`` of an image ``[inputs, height, width]``.

        Zeros are around the image; stride 2 starts at the first pixel.
        """
        columns, height, width = _windows(image, self.size, stride)
        sums = self.weights @ columns  # below 2**37, times a scale below 2**52: exact
        values = rounded(sums * self.scales, self.shift) + self.biases
        return clipped(values).reshape(-1, height, width)


@dataclass(frozen=True, eq=False)
class Norm:
    """A normalisation: ``gains`` and ``offsets`` are ``[channels, 1]``."""

    gains: F64
    offsets: F64

    def __call__(self, image: F64, groups: int, told: tuple[F64, F64] | None = None) -> F64:
        """Normalised over groups of channels, then scaled and shifted.

        Args:
            image: ``[channels, height, width]``.
            groups: how many.
            told: scales (0 for none) and shifts of the channels, ``[channels, 1]`` each.
        """
        grouped = image.reshape(groups, -1)
        count = float(grouped.shape[1])
        means = np.rint(grouped.sum(axis=1, keepdims=True) / count)
        apart = (grouped - means).astype(np.int64)
        squares = (apart * apart).sum(axis=1, keepdims=True).astype(np.float64)
        factors = ONE / np.sqrt(squares / count + EPSILON)
        even = np.rint(apart.astype(np.float64) * factors)
        gains, offsets = self.gains, self.offsets
        if told is not None:
            scales, shifts = told
            gains = rounded(gains * (ONE + scales), UNIT_BITS)
            offsets = rounded(offsets * (ONE + scales), UNIT_BITS) + shifts
        values = rounded(even.reshape(len(image), -1) * gains, UNIT_BITS) + offsets
        return clipped(values).reshape(image.shape)


class Network:
    """The layers of a generator, ready to compute."""

    def __init__(self, generator: Diffusion) -> None:
        shape = self.shape = generator.shape
        layers = list(_layers(generator))
        edges = pairwise(accumulate((0, *shape.normalised)))
        norms = [
            Norm(_column(generator.gains[a:b]), _column(generator.offsets[a:b])) for a, b in edges
        ]
        self._sigmoid = generator.sigmoid.astype(np.float64)
        weights, self._norms = iter(layers), norms
        self._entry = next(weights)
        self._blocks = [[next(weights) for _ in block.convolutions] for block in shape.blocks]
        self._resizing = [next(weights) for _ in shape.resizing]
        self._exit = next(weights)
        self._projections = list(weights)
        self._canvas = generator.canvas.astype(np.float64) * generator.canvas_step

    def __call__(self, squares: F64, told: F64) -> F64:
        """The velocity.

        Args:
            squares: the noisy picture, ``[colours, rows, columns]``.
            told: time and attributes, ``[embedding]``.

        Returns:
            As large as ``squares``.
        """
        levels = len(self.shape.widths)
        heard = self.smooth(clipped(told)).reshape(-1, 1, 1)
        image = self._entry(np.concatenate([squares, self._canvas]))
        kept, place, resized = [image], 0, 0
        for level in range(levels):
            image = self._block(place, image, heard)
            kept.append(image)
            place += 1
            if level < levels - 1:
                image = self._resizing[resized](image, 2)
                kept.append(image)
                resized += 1
        for _ in range(2):
            image = self._block(place, image, heard)
            place += 1
        for level in range(levels):
            for _ in range(2):
                image = self._block(place, np.concatenate([image, kept.pop()]), heard)
                place += 1
            if level < levels - 1:
                image = self._resizing[resized](image.repeat(2, axis=1).repeat(2, axis=2))
                resized += 1
        return self._exit(self.smooth(self._norms[-1](image, self.shape.groups)))

    def smooth(self, values: F64) -> F64:
        """x times sigmoid(x), the sigmoid from its table."""
        places = np.minimum(rounded(np.abs(values), UNIT_BITS - 8), SIGMOID - 1).astype(np.intp)
        share = self._sigmoid[places]
        share = np.where(values < 0, float(1 << PATH_BITS) - share, share)
        return rounded(values * share, PATH_BITS)

    def _block(self, place: int, image: F64, heard: F64) -> F64:
        first, second, *shortcut = self._blocks[place]
        groups = self.shape.groups
        said = self._projections[place](heard)[:, :, 0]
        half = len(said) // 2
        inner = first(self.smooth(self._norms[2 * place](image, groups)))
        inner = self._norms[2 * place + 1](inner, groups, (said[:half], said[half:]))
        inner = second(self.smooth(inner))
        return clipped((shortcut[0](image) if shortcut else image) + inner)


def clipped(values: F64) -> F64:
    """Within ``LIMIT``."""
    return np.clip(values, -float(LIMIT), float(LIMIT))


def _layers(generator: Diffusion) -> Iterator[Layer]:
    weight = output = 0
    for layer, shift in zip(generator.shape.layers, generator.shifts, strict=True):
        taps = layer.inputs * layer.size**2
        taken = slice(output, output + layer.outputs)
        yield Layer(
            generator.weights[weight : weight + layer.outputs * taps]
            .reshape(layer.outputs, taps)
            .astype(np.float64),
            layer.size,
            _column(generator.scales[taken]),
            _column(generator.biases[taken]),
            shift,
        )
        weight, output = weight + layer.outputs * taps, output + layer.outputs


def _column(numbers: np.ndarray) -> F64:
    return numbers.astype(np.float64).reshape(-1, 1)


def _windows(image: F64, size: int, stride: int) -> tuple[F64, int, int]:
    inputs, height, width = image.shape
    if size == 1:
        return image.reshape(inputs, -1), height, width
    padded = np.zeros((inputs, height + 2, width + 2))
    padded[:, 1:-1, 1:-1] = image
    views = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (1, 2))
    # [inputs, 3, 3, height, width]: the image shifted by each tap
    taken = views[..., ::stride, ::stride]
    rows, columns = taken.shape[-2:]
    return taken.reshape(inputs * size * size, rows * columns), rows, columns
