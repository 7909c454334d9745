"""Regeneration: against the definition in Python's integers, and alike in every way."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from shared.errors import PinError, RegenerationError
from shared.media.coding.transform import inverse_blocks
from shared.media.generator import read_generator, write_generator
from shared.media.kinds.basis import Basis, term_values
from shared.media.kinds.network import Network
from shared.media.kinds.planes_drawing import compiled_library
from shared.media.pixels import pixel_digest
from shared.media.prompt import Attribute, Grammar, Prompt
from shared.media.render import Renderer

KERNELS = ("numpy", "c") if compiled_library() else ("numpy",)
PROMPTS = [
    Prompt((a, b), (c, d)) for a, b, c, d in [(0, 0, 0, 0), (2, 1, 5, -9), (1, 1, -127, 127)]
]


def nearest(value: int, bits: int) -> int:
    return math.floor(Fraction(value, 2**bits) + Fraction(1, 2))


def limited(value: int) -> int:
    return max(-32767, min(32767, value))


def weights_by_definition(generator: Basis | Network, factors: list[int]) -> list[int]:
    if isinstance(generator, Basis):
        weights = []
        for term in generator.terms:
            value = 4096
            for factor in term:
                value = limited(nearest(value * factors[factor], 12))
            weights.append(value)
        return weights
    values = [limited(factor) for factor in factors]
    for layer in (*generator.hidden, generator.output):
        made = []
        for row, scale, bias in zip(
            layer.weights.tolist(), layer.scales.tolist(), layer.biases.tolist(), strict=True
        ):
            total = sum(w * v for w, v in zip(row, values, strict=True))
            made.append(limited(nearest(total * scale, layer.shift) + bias))
        if layer is generator.output:
            return made
        values += [limited(nearest(value * value, 12)) for value in made]
    raise AssertionError


def by_definition(generator: Basis | Network, prompt: Prompt) -> np.ndarray:
    """Section by section of docs/media.md, a number at a time."""
    zigzag = sorted(((y, x) for y in range(8) for x in range(8)), key=lambda p: (sum(p), p[0]))
    rows, columns = generator.blocks
    planes = np.zeros((len(generator.steps), rows * 8, columns * 8), int)
    waves = iter(generator.waves.tolist())
    for term in range(len(generator.steps)):
        for block in range(rows * columns):
            if generator.coded[term, block]:
                square = np.zeros((8, 8))
                for (y, x), value in zip(zigzag, next(waves), strict=True):
                    square[y, x] = value * generator.steps[term]
                top, left = block // columns * 8, block % columns * 8
                planes[term, top : top + 8, left : left + 8] = inverse_blocks(square)
    pixels = np.zeros((generator.height, generator.width, generator.channels), np.uint8)
    for channel in range(generator.channels):
        factors = [
            int(table[choice, f, channel])
            for table, choice in zip(generator.tables, prompt.choices, strict=True)
            for f in range(table.shape[1])
        ]
        factors += [
            int(gain[channel]) * latent
            for gain, latent in zip(generator.gains, prompt.latents, strict=True)
        ]
        weights = weights_by_definition(generator, factors)
        for y in range(generator.height):
            for x in range(generator.width):
                total = sum(w * int(plane[y, x]) for w, plane in zip(weights, planes, strict=True))
                light = nearest(total, 12)
                curve = generator.curves[channel].tolist()
                pixels[y, x, channel] = sum(light >= threshold for threshold in curve)
    return pixels


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_pixels_are_those_of_the_definition(pocket: Basis, kernel: str, prompt: Prompt) -> None:
    wanted = by_definition(pocket, prompt)
    assert 0 < wanted.mean() < 255
    made = Renderer(pocket, kernel=kernel)(prompt)
    assert made.tolist() == wanted.tolist()


def large(seed: int, side: int, terms: int) -> Basis:
    """Extreme numbers everywhere: the largest planes, weights and sums that are allowed."""
    rng = np.random.default_rng(seed)
    blocks = (side // 8) ** 2
    coded = rng.random((terms, blocks)) < 0.5
    waves = rng.integers(-3, 4, (int(coded.sum()), 64)) * rng.integers(0, 900, (1, 64))

    return Basis(
        name="large",
        width=side,
        height=side,
        grammar=Grammar((Attribute("a", ("x", "y")),)),
        tables=(rng.choice(np.array([-32768, 32767], np.int16), (2, terms, 3)),),
        gains=np.zeros((0, 3), np.int16),
        terms=tuple((n,) for n in range(terms)),
        steps=tuple(int(s) for s in rng.integers(1, 200, terms)),
        coded=coded,
        waves=waves.astype(np.int16),
        curves=np.sort(rng.integers(0, 2**20, (3, 255))).astype(np.int32),
        notes={},
    )


@pytest.mark.parametrize("seed", range(3))
def test_kernels_and_threads_agree(seed: int) -> None:
    generator = large(seed, 136, 23)
    digests = {
        pixel_digest(Renderer(generator, kernel=kernel, threads=threads)(Prompt((1,))))
        for kernel in KERNELS
        for threads in (1, 2, 5)
    }
    assert len(digests) == 1


def test_a_file_gives_the_same_pixels(pocket: Basis, pocket_file: bytes) -> None:
    found = read_generator(pocket_file)
    assert write_generator(found.generator) == pocket_file
    assert found.size_bytes == len(pocket_file)
    for prompt in PROMPTS:
        assert (Renderer(found.generator)(prompt) == Renderer(pocket)(prompt)).all()


@pytest.mark.parametrize(
    "prompt", [Prompt((0,), (0, 0)), Prompt((3, 0), (0, 0)), Prompt((0, 0)), Prompt(())]
)
def test_prompts_of_another_grammar_are_refused(pocket: Basis, prompt: Prompt) -> None:
    with pytest.raises(RegenerationError):
        Renderer(pocket)(prompt)


def test_terms_are_clipped_not_wrapped(pocket: Basis) -> None:
    high = dataclasses.replace(
        pocket, tables=(np.full((3, 2, 3), 32767, np.int16), pocket.tables[1])
    )
    values = term_values(high, Prompt((0, 0), (0, 0)))
    assert values[1].tolist() == [32767] * 3
    assert np.abs(values).max() <= 32767


@pytest.mark.parametrize(
    "change",
    [
        lambda g: {"width": 0 * g.width},
        lambda g: {"width": g.width + 9000},
        lambda g: {"steps": g.steps[1:]},
        lambda g: {"steps": (0, *g.steps[1:])},
        lambda g: {"terms": (*g.terms[1:], (9,))},
        lambda g: {"terms": (*g.terms[1:], (0, 0, 0, 0))},
        lambda g: {"coded": g.coded[:, 1:]},
        lambda g: {"waves": g.waves[1:]},
        lambda g: {"curves": g.curves[:, ::-1]},
        lambda g: {"curves": g.curves[:2]},
        lambda g: {"curves": g.curves - 2**16},
        lambda g: {"tables": g.tables[:1]},
        lambda g: {"tables": (g.tables[0][:2], g.tables[1])},
        lambda g: {"gains": g.gains[:1]},
    ],
)
def test_parts_that_do_not_fit_are_refused(
    pocket: Basis, change: Callable[[Basis], dict[str, object]]
) -> None:
    with pytest.raises(PinError):
        dataclasses.replace(pocket, **change(pocket))  # type: ignore[arg-type]


def test_planes_out_of_range_are_refused(pocket: Basis) -> None:
    wild = dataclasses.replace(pocket, steps=(2**20, *pocket.steps[1:]))
    with pytest.raises(PinError):
        Renderer(wild)


def test_unknown_kernels_are_refused(pocket: Basis) -> None:
    with pytest.raises(ValueError, match="cuda"):
        Renderer(pocket, kernel="cuda")
