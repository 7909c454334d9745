"""Finding the seed of a picture: noise, chosen so that the drawing comes near.

At every step of the drawing the codebook's entry is taken that points most from the picture that
the network sees to the one that is wanted.  The steps are those of the decoder itself, to the bit.

Source: G. Ohayon, H. Manor, T. Michaeli, M. Elad, "Compressed image generation with denoising
diffusion codebook models", ICML 2025, section 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from shared.media.fixed import F64, U8
from shared.media.kinds.diffusion import Diffusion
from shared.media.kinds.diffusion_drawing import DiffusionDrawer, noise_pictures, pixels_of
from shared.media.kinds.diffusion_layers import ONE
from shared.media.prompt import Prompt

_ENTRIES: Final = 32
"""Entries that are compared at a time, for memory."""
SEEDS_TRIED: Final = 16


def searched(generator: Diffusion, choices: tuple[int, ...], target: U8) -> Prompt:
    """The prompt that draws a picture best, of those that are tried.

    Args:
        generator: what draws.
        choices: the picture's attributes.
        target: ``[height, width, 3]`` of the generator's size.
    """
    drawer = DiffusionDrawer(generator)
    if generator.seeds:
        tried = range(min(SEEDS_TRIED, generator.seeds))
        return best_seed(drawer, choices, target, tried)[0]
    return best_picks(drawer, choices, target)[0]


def best_picks(drawer: DiffusionDrawer, choices: tuple[int, ...], target: U8) -> tuple[Prompt, U8]:
    """The prompt whose every pick is the best at its step, and its pixels."""
    generator = drawer.generator
    wanted = levels_of(target)
    told, state = drawer.told(choices), drawer.start()
    picks: list[int] = []
    for step in range(generator.steps - 1):
        clean = drawer.clean(state, step, told)
        picks.append(best_pick(generator, step + 1, wanted - clean))
        state = drawer.after(state, clean, step, drawer.noise(step + 1, picks[-1]))
    pixels = pixels_of(drawer.clean(state, generator.steps - 1, told))
    return Prompt(choices, (), tuple(picks)), pixels


def best_pick(generator: Diffusion, step: int, missing: F64) -> int:
    """The entry of a step's codebook that points most to where a picture is missing something.

    Args:
        generator: whose codebook.
        step: before which the noise is added.
        missing: ``[3, height, width]``, integers; the first of equal entries wins.
    """
    scores = []
    for first in range(0, generator.book, _ENTRIES):
        entries = noise_pictures(
            generator, step, range(first, min(first + _ENTRIES, generator.book))
        )
        # exact: 3 * 2**18 products below 2**28 at most
        scores.append(entries.reshape(len(entries), -1) @ missing.ravel())
    return int(np.argmax(np.concatenate(scores)))


def best_seed(
    drawer: DiffusionDrawer, choices: tuple[int, ...], target: U8, seeds: Iterable[int]
) -> tuple[Prompt, U8]:
    """Of these seeds the one whose drawing has the least squared error, and its pixels."""
    found = []
    for seed in seeds:
        prompt = Prompt(choices, (), (seed,))
        pixels = drawer(prompt)
        error = int(((pixels.astype(np.int64) - target) ** 2).sum())
        found.append((error, seed, prompt, pixels))
    _, _, prompt, pixels = min(found, key=lambda item: item[:2])
    return prompt, pixels


def levels_of(pixels: U8) -> F64:
    """A picture as the drawing has it: ``[3, height, width]``, integers from -2**12 to 2**12."""
    levels: F64 = np.rint(pixels.astype(np.float64) * (2 * ONE) / 255.0) - ONE
    return levels.transpose(2, 0, 1)
