"""What a diffusion generator is to be, and how it is trained; no package is needed to say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.errors import InputError
from shared.media.kinds.diffusion_network import MAX_SIDE, Shape

MAX_STEPS: Final = 256
MAX_BOOK: Final = 4096


@dataclass(frozen=True)
class Plan:
    """A run.

    Attributes:
        side: the longer side of the pictures, pixels; larger ones are scaled down.
        steps: of denoising.
        book: noise pictures of a codebook.
        updates: of the weights.
        widths: channels of the network's levels, the finest first.
        groups: of channels that are normalised together.
        patch: side of the squares of pixels that become channels.
        canvas: channels of the learned picture that the network sees beside the noise.
        batch: pictures of an update.
        rate: the highest learning rate; it rises first and falls to nothing at the end.
        seed: of the first weights and of all draws.
    """

    side: int = 64
    steps: int = 40
    book: int = 256
    updates: int = 5000
    widths: tuple[int, ...] = (24, 40)
    groups: int = 8
    patch: int = 2
    canvas: int = 8
    batch: int = 16
    rate: float = 2e-3
    seed: int = 1

    def __post_init__(self) -> None:
        """Checks what a user chooses.

        Raises:
            InputError: a number is out of range.
        """
        ranges = {
            "--side": (self.side, 8, MAX_SIDE),
            "--steps": (self.steps, 2, MAX_STEPS),
            "--book": (self.book, 1, MAX_BOOK),
            "--updates": (self.updates, 1, 10_000_000),
        }
        for option, (value, least, most) in ranges.items():
            if not least <= value <= most:
                raise InputError(
                    f"{option} is {value}",
                    expected=f"a number from {least} to {most}",
                    remedy=f"choose another {option}",
                )

    @property
    def shape(self) -> Shape:
        """Of the network."""
        return Shape(self.widths, self.groups, self.patch, self.canvas)

    def rate_at(self, update: int) -> float:
        """The learning rate of an update, counted from 0."""
        risen = min(1.0, (update + 1) / (0.05 * self.updates))
        return self.rate * risen * max(0.02, 1 - update / self.updates)

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """Width and height to which pictures of this size are scaled.

        The longer side becomes ``side`` if it was longer; both become multiples of what the
        network halves.
        """
        scale = min(1.0, self.side / max(width, height))
        unit = self.shape.unit
        return tuple(max(1, round(n * scale / unit)) * unit for n in (width, height))  # type: ignore[return-value]
