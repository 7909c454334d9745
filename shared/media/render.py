"""Pixels from a generator and a prompt: the only way in which either end makes them.

The compiled kernels and numpy give the same bytes, with any number of threads: every sum is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from shared.errors import RegenerationError
from shared.media.coding.residual import corrected
from shared.media.fixed import U8
from shared.media.generator import Generator
from shared.media.kinds.basis import term_values
from shared.media.kinds.diffusion import Diffusion
from shared.media.kinds.diffusion_drawing import DiffusionDrawer
from shared.media.kinds.network import Network, plane_weights
from shared.media.kinds.planes_drawing import PlaneDrawer, compiled_library
from shared.media.prompt import Prompt

KERNELS: Final = ("auto", "c", "numpy")


class Renderer:
    """A generator ready to draw.

    Args:
        generator: what to draw with.
        kernel: one of ``KERNELS``; ``auto`` takes the compiled one where it was built.
        threads: how many share an image.

    Raises:
        PinError: the generator's numbers leave their range.
        ValueError: no such kernel, or the compiled one was asked for and is not there.
    """

    def __init__(self, generator: Generator, *, kernel: str = "auto", threads: int = 1) -> None:
        if kernel not in KERNELS:
            raise ValueError(f"kernel {kernel!r} is none of {', '.join(KERNELS)}")
        drawn_in_c = not isinstance(generator, Diffusion)
        compiled = drawn_in_c and kernel != "numpy" and compiled_library() is not None
        if not compiled and kernel == "c":
            raise ValueError(
                "the compiled kernel of the media mode was not built"
                if drawn_in_c
                else "generators of this kind are drawn by numpy"
            )
        self.generator = generator
        self.kernel = "c" if compiled else "numpy"
        self.threads = max(1, threads)
        self._drawer = _drawer(generator, self.kernel, self.threads)

    def __call__(self, prompt: Prompt) -> U8:
        """The pixels of a prompt, ``[height, width, channels]``.

        Raises:
            RegenerationError: the prompt is not one of this generator's, or its residual is none.
        """
        grammar = self.generator.grammar
        if not grammar.holds(prompt):
            raise RegenerationError(
                "the prompt is not of this generator's grammar",
                expected=f"{len(grammar.attributes)} choices, {len(grammar.decays)} latents, "
                f"{len(grammar.books)} picks",
                remedy="take the generator that the prompt was made for",
            )
        pixels = self._drawer(prompt)
        return corrected(pixels, prompt.residual) if prompt.residual else pixels


def _drawer(generator: Generator, kernel: str, threads: int) -> Callable[[Prompt], U8]:
    if isinstance(generator, Diffusion):
        return DiffusionDrawer(generator)
    if isinstance(generator, Network):
        return PlaneDrawer(generator, partial(plane_weights, generator), kernel, threads)
    return PlaneDrawer(generator, partial(term_values, generator), kernel, threads)
