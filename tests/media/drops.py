"""A small diffusion generator of random numbers, and what it draws by the definition.

``by_definition`` follows docs/media-diffusion.md a number at a time, in Python's integers and
floats; it shares nothing with the drawing but the order of the layers in the file.
"""

from __future__ import annotations

import math

import numpy as np

from shared.media.kinds.diffusion import NORMAL, SIGMOID, Diffusion
from shared.media.kinds.diffusion_network import Shape
from shared.media.prompt import Attribute, Prompt
from shared.seeds.philox import word

LIMIT = 2**18 - 1
Image = list[list[list[int]]]
"""Channels, rows, columns."""


def made(
    seed: int = 3,
    *,
    shape: Shape | None = None,
    size: tuple[int, int] = (8, 4),
    steps: int = 3,
    book: int = 5,
    seeds: int = 0,
    wild: bool = False,
) -> Diffusion:
    """A generator of random numbers, the same for the same arguments on every machine.

    Integers are taken from Philox words, since numpy promises no stream for ever.

    Args:
        seed: of the numbers.
        shape, size, steps, book, seeds: see ``Diffusion``; size is width and height.
        wild: the largest numbers that the format allows, instead of likely ones.
    """
    shape = shape or Shape((4, 6), 2, 2, 2)
    place = 0

    def numbers(low: int, high: int, *sizes: int) -> np.ndarray:
        nonlocal place
        count = math.prod(sizes)
        found = [low + word(seed, place + n) * (high - low + 1) // 2**64 for n in range(count)]
        place += count
        if wild:
            found = [low if number < (low + high) / 2 else high for number in found]
        return np.array(found, np.int64).reshape(sizes)

    layers = shape.layers
    outputs = sum(layer.outputs for layer in layers)
    path = numbers(6000, 26000, steps, 5)
    path[-1, 4] = 0
    sigmoid = [min(32767, round(2**15 / (1 + math.exp(-n / 256)))) for n in range(SIGMOID)]
    values = (("in", "out"), ("ash", "bay", "elm"))
    return Diffusion(
        name="drops",
        width=size[0],
        height=size[1],
        attributes=(Attribute("lid", values[0]), Attribute("foot", values[1])),
        shape=shape,
        book=book,
        seeds=seeds,
        path=path.astype(np.int32),
        times=numbers(-9000, 9000, steps, shape.embedding).astype(np.int16),
        tables=tuple(
            numbers(-9000, 9000, len(v), shape.embedding).astype(np.int16) for v in values
        ),
        canvas=numbers(
            -127, 127, shape.canvas, size[1] // shape.patch, size[0] // shape.patch
        ).astype(np.int8),
        canvas_step=2047 if wild else 60,
        weights=numbers(-128, 127, sum(x.outputs * x.inputs * x.size**2 for x in layers)).astype(
            np.int8
        ),
        scales=numbers(9000, 32767, outputs).astype(np.int16),
        shifts=tuple(20 + (n % 3) for n in range(len(layers))),
        biases=numbers(-(2**31) if wild else -3000, 2**31 - 1 if wild else 3000, outputs).astype(
            np.int32
        ),
        gains=numbers(
            -32768 if wild else 2000, 32767 if wild else 6000, sum(shape.normalised)
        ).astype(np.int16),
        offsets=numbers(
            -32768 if wild else -900, 32767 if wild else 900, sum(shape.normalised)
        ).astype(np.int16),
        sigmoid=np.array(sigmoid, np.int16),
        normal=np.sort(numbers(-11000, 11000, NORMAL)).astype(np.int16),
        notes={"licence": "CC0"},
    )


def by_definition(generator: Diffusion, prompt: Prompt) -> np.ndarray:
    """The pixels of a prompt."""
    width, height, steps = generator.width, generator.height, len(generator.path)
    picks = list(prompt.picks)
    if generator.seeds:
        picks = [word(prompt.picks[0], n) * generator.book // 2**64 for n in range(1, steps)]

    def noise(step: int, pick: int) -> list[int]:
        found = []
        for n in range(3 * height * width):
            byte = word(step * 2**48 + pick * 2**32 + n // 8, 0) // 256 ** (n % 8) % 256
            found.append(int(generator.normal[byte]))
        return found

    state = noise(0, 0)
    clean: list[int] = []
    for step in range(steps):
        told = generator.times[step].tolist()
        for table, choice in zip(generator.tables, prompt.choices, strict=True):
            told = [a + b for a, b in zip(told, table[choice].tolist(), strict=True)]
        keep, away, to_clean, to_state, to_noise = generator.path[step].tolist()
        velocity = _velocity(generator, state, told)
        clean = [
            _clip(_round(keep * a - away * b, 15), 4096)
            for a, b in zip(state, velocity, strict=True)
        ]
        if step < steps - 1:
            triples = zip(clean, state, noise(step + 1, picks[step]), strict=True)
            state = [
                _clip(_round(to_clean * a + to_state * b + to_noise * c, 15), LIMIT)
                for a, b, c in triples
            ]
    levels = [_round((a + 4096) * 255, 13) for a in clean]
    return np.array(levels, np.uint8).reshape(3, height, width).transpose(1, 2, 0)


def _velocity(generator: Diffusion, state: list[int], told: list[int]) -> list[int]:
    shape, patch = generator.shape, generator.shape.patch
    rows, columns = generator.height // patch, generator.width // patch
    weights, outputs = iter(generator.weights.tolist()), iter(range(len(generator.scales)))

    def layer(inputs: int, count: int, size: int, shift: int) -> tuple[list[object], ...]:
        taken = [
            [[[next(weights) for _ in range(size)] for _ in range(size)] for _ in range(inputs)]
            for _ in range(count)
        ]
        places = [next(outputs) for _ in range(count)]
        return (
            taken,
            [int(generator.scales[p]) for p in places],
            [int(generator.biases[p]) for p in places],
            [shift],
        )

    layers = [
        layer(x.inputs, x.outputs, x.size, shift)
        for x, shift in zip(shape.layers, generator.shifts, strict=True)
    ]
    gains, offsets = iter(generator.gains.tolist()), iter(generator.offsets.tolist())
    norms = [[(next(gains), next(offsets)) for _ in range(n)] for n in shape.normalised]

    image: Image = [
        [
            [
                state[
                    c * rows * columns * patch**2
                    + (y * patch + dy) * columns * patch
                    + x * patch
                    + dx
                ]
                for x in range(columns)
            ]
            for y in range(rows)
        ]
        for c in range(3)
        for dy in range(patch)
        for dx in range(patch)
    ]
    image += [
        [[v * generator.canvas_step for v in row] for row in plane]
        for plane in generator.canvas.tolist()
    ]
    heard = [[[_smooth(generator, _clip(v, LIMIT))]] for v in told]

    def rest(convolutions: int) -> list[tuple[list[object], ...]]:
        return [layers.pop(0) for _ in range(convolutions)]

    entry = rest(1)[0]
    blocks = [rest(len(block.convolutions)) for block in shape.blocks]
    resizing, last = rest(len(shape.resizing)), rest(1)[0]
    projections = layers

    def block(number: int, seen: Image) -> Image:
        first, second, *shortcut = blocks[number]
        said = [plane[0][0] for plane in _convolve(projections[number], heard)]
        half = len(said) // 2
        inner = _normalise(seen, norms[2 * number], shape.groups, None)
        inner = _convolve(first, _each(inner, generator))
        pairs = list(zip(said[:half], said[half:], strict=True))
        inner = _normalise(inner, norms[2 * number + 1], shape.groups, pairs)
        inner = _convolve(second, _each(inner, generator))
        beside = _convolve(shortcut[0], seen) if shortcut else seen
        return [
            [
                [_clip(a + b, LIMIT) for a, b in zip(p, q, strict=True)]
                for p, q in zip(left, right, strict=True)
            ]
            for left, right in zip(beside, inner, strict=True)
        ]

    levels = len(shape.widths)
    image = _convolve(entry, image)
    kept, number, resized = [image], 0, 0
    for level in range(levels):
        image = block(number, image)
        kept.append(image)
        number += 1
        if level + 1 < levels:
            image = [
                [row[::2] for row in plane[::2]] for plane in _convolve(resizing[resized], image)
            ]
            kept.append(image)
            resized += 1
    image = block(number + 1, block(number, image))
    number += 2
    for level in range(levels):
        for _ in range(2):
            image = block(number, image + kept.pop())
            number += 1
        if level + 1 < levels:
            image = [
                [[v for v in row for _ in range(2)] for row in plane for _ in range(2)]
                for plane in image
            ]
            image = _convolve(resizing[resized], image)
            resized += 1
    squares = _convolve(last, _each(_normalise(image, norms[-1], shape.groups, None), generator))
    return [
        squares[c * patch**2 + y % patch * patch + x % patch][y // patch][x // patch]
        for c in range(3)
        for y in range(rows * patch)
        for x in range(columns * patch)
    ]


def _convolve(layer: tuple[list[object], ...], image: Image) -> Image:
    weights, scales, biases, (shift,) = layer
    height, width = len(image[0]), len(image[0][0])
    size = len(weights[0][0])  # type: ignore[index]
    edge = size // 2
    made_: Image = []
    for taps, scale, bias in zip(weights, scales, biases, strict=True):
        plane = []
        for y in range(height):
            row = []
            for x in range(width):
                total = 0
                for square, seen in zip(taps, image, strict=True):  # type: ignore[call-overload]
                    for dy in range(size):
                        for dx in range(size):
                            at, across = y + dy - edge, x + dx - edge
                            if 0 <= at < height and 0 <= across < width:
                                total += square[dy][dx] * seen[at][across]
                row.append(_clip(_round(total * scale, shift) + bias, LIMIT))  # type: ignore[operator,arg-type]
            plane.append(row)
        made_.append(plane)
    return made_


def _normalise(
    image: Image,
    norm: list[tuple[int, int]],
    groups: int,
    said: list[tuple[int, int]] | None,
) -> Image:
    size = len(image) // groups
    found: Image = []
    for group in range(groups):
        planes = image[group * size : (group + 1) * size]
        numbers = [v for plane in planes for row in plane for v in row]
        mean = round(sum(numbers) / len(numbers))
        variance = float(sum((v - mean) ** 2 for v in numbers)) / float(len(numbers))
        factor = 4096.0 / math.sqrt(variance + 168.0)
        for channel in range(size):
            gain, offset = norm[group * size + channel]
            if said is not None:
                scale, shift = said[group * size + channel]
                gain = _round(gain * (4096 + scale), 12)
                offset = _round(offset * (4096 + scale), 12) + shift
            found.append(
                [
                    [
                        _clip(_round(round((v - mean) * factor) * gain, 12) + offset, LIMIT)
                        for v in row
                    ]
                    for row in planes[channel]
                ]
            )
    return found


def _each(image: Image, generator: Diffusion) -> Image:
    return [[[_smooth(generator, v) for v in row] for row in plane] for plane in image]


def _smooth(generator: Diffusion, value: int) -> int:
    share = int(generator.sigmoid[min(_round(abs(value), 4), SIGMOID - 1)])
    return _round(value * (share if value >= 0 else 2**15 - share), 15)


def _round(value: int, bits: int) -> int:
    return (value + (1 << bits >> 1)) >> bits


def _clip(value: int, limit: int) -> int:
    return max(-limit, min(limit, value))
