"""Drawing with a diffusion generator: from one noise picture to another with less, to a picture.

The noise comes from a table by bytes of Philox words, so that any entry of any codebook is computed
alone.  numpy only; the sums are exact, so that threads of a BLAS do not show.
"""

from __future__ import annotations

import itertools

import numpy as np

from shared.media.fixed import F64, U8, rounded
from shared.media.kinds.diffusion import PATH_BITS, UNIT_BITS, Diffusion
from shared.media.kinds.diffusion_layers import ONE, Network, clipped
from shared.media.kinds.diffusion_network import COLOURS
from shared.media.prompt import Prompt
from shared.seeds.philox import word, words

_BYTES = 8


class DiffusionDrawer:
    """A diffusion generator ready to draw; see ``shared.media.render.Renderer``."""

    def __init__(self, generator: Diffusion) -> None:
        self.generator = generator
        self._network = Network(generator)

    def __call__(self, prompt: Prompt) -> U8:
        """The pixels of a prompt of this generator, ``[height, width, 3]``."""
        told = self.told(prompt.choices)
        picks = all_picks(self.generator, prompt)
        state = self.start()
        for step, pick in itertools.zip_longest(range(self.generator.steps), picks):
            clean = self.clean(state, step, told)
            if pick is not None:
                state = self.after(state, clean, step, self.noise(step + 1, pick))
        return pixels_of(clean)

    def told(self, choices: tuple[int, ...]) -> F64:
        """What the network hears of the attributes, ``[embedding]``."""
        told = np.zeros(self.generator.shape.embedding)
        for table, choice in zip(self.generator.tables, choices, strict=True):
            told += table[choice]
        return told

    def start(self) -> F64:
        """The noise that every picture begins with, ``[3, height, width]``."""
        return self.noise(0, 0)

    def noise(self, step: int, pick: int) -> F64:
        """An entry of the codebook before a step, ``[3, height, width]`` in 2**-12."""
        found: F64 = noise_pictures(self.generator, step, range(pick, pick + 1))[0]
        return found

    def clean(self, state: F64, step: int, told: F64) -> F64:
        """The picture that a state seems to hide, -2**12 to 2**12."""
        keep, velocity = self.generator.path[step, :2].astype(np.float64)
        heard = told + self.generator.times[step]
        patch = self.generator.shape.patch
        said = from_squares(self._network(to_squares(state, patch), heard), patch)
        return np.clip(rounded(keep * state - velocity * said, PATH_BITS), -ONE, ONE)

    def after(self, state: F64, clean: F64, step: int, noise: F64) -> F64:
        """The next state."""
        to_clean, to_state, to_noise = self.generator.path[step, 2:].astype(np.float64)
        return clipped(rounded(to_clean * clean + to_state * state + to_noise * noise, PATH_BITS))


def all_picks(generator: Diffusion, prompt: Prompt) -> tuple[int, ...]:
    """Of each codebook the entry that a prompt takes: its picks, or those of its seed."""
    if not generator.seeds:
        return prompt.picks
    seed = prompt.picks[0]
    steps = range(1, generator.steps)
    return tuple(word(seed, step) * generator.book >> 64 for step in steps)


def noise_pictures(generator: Diffusion, step: int, picks: range) -> F64:
    """Entries of a codebook.

    Args:
        generator: whose table and size are used.
        step: 0 for the start, or the step before which it is added.
        picks: which.

    Returns:
        ``[picks, 3, height, width]`` in 2**-12.
    """
    size = COLOURS * generator.height * generator.width
    count = -(-size // _BYTES)
    heads = (np.uint64(step) << np.uint64(48)) | (
        np.arange(picks.start, picks.stop, dtype=np.uint64) << np.uint64(32)
    )
    seeds = heads[:, None] | np.arange(count, dtype=np.uint64)
    found = words(seeds.ravel(), 0).astype("<u8").view(np.uint8).reshape(len(picks), -1)
    values = generator.normal[found[:, :size]].astype(np.float64)
    return values.reshape(-1, COLOURS, generator.height, generator.width)


def to_squares(image: F64, patch: int) -> F64:
    """Squares of pixels as channels: colour first, then row, then column of the square."""
    colours, height, width = image.shape
    split = image.reshape(colours, height // patch, patch, width // patch, patch)
    return split.transpose(0, 2, 4, 1, 3).reshape(-1, height // patch, width // patch)


def from_squares(squares: F64, patch: int) -> F64:
    """What ``to_squares`` was given."""
    _, rows, columns = squares.shape
    split = squares.reshape(COLOURS, patch, patch, rows, columns)
    return split.transpose(0, 3, 1, 4, 2).reshape(COLOURS, rows * patch, columns * patch)


def pixels_of(clean: F64) -> U8:
    """Bytes of a picture, ``[height, width, 3]``."""
    bytes_of = rounded((clean + ONE) * 255.0, UNIT_BITS + 1)
    return np.ascontiguousarray(bytes_of.transpose(1, 2, 0).astype(np.uint8))
