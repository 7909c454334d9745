"""The shape of a diffusion generator's network: its layers in the order in which they are used.

A UNet as ``UNet2DModel`` of the package diffusers builds it, without attention: each level one
residual block on the way down and two on the way up, halved by convolutions of stride 2 and doubled
by repeating pixels.  Time and attributes shift and scale the second normalisation of every block.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

MAX_SIDE: Final = 512
MAX_WIDTH: Final = 512
COLOURS: Final = 3


@dataclass(frozen=True)
class Convolution:
    """A layer of weights.

    Attributes:
        inputs, outputs: channels.
        size: side of the window, 1 or 3.
    """

    inputs: int
    outputs: int
    size: int


@dataclass(frozen=True)
class Block:
    """A residual block.

    Attributes:
        inputs, outputs: channels; where they differ a convolution of size 1 adapts the shortcut.
    """

    inputs: int
    outputs: int

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """First, second and, where needed, that of the shortcut."""
        first, second = (
            Convolution(self.inputs, self.outputs, 3),
            Convolution(self.outputs, self.outputs, 3),
        )
        if self.inputs == self.outputs:
            return first, second
        return first, second, Convolution(self.inputs, self.outputs, 1)


@dataclass(frozen=True)
class Shape:
    """What decides a network's layers.

    Attributes:
        widths: channels of the levels, the finest first.
        groups: of channels that are normalised together; divides every number of channels.
        patch: side of the squares of pixels that become channels.
        canvas: channels of the picture that the network sees beside the noise.
    """

    widths: tuple[int, ...]
    groups: int
    patch: int
    canvas: int

    @property
    def unit(self) -> int:
        """Width and height of pictures are multiples of this."""
        return self.patch << max(0, len(self.widths) - 1)

    @property
    def embedding(self) -> int:
        """Length of what says time and attributes."""
        return 4 * self.widths[0]

    @property
    def colours(self) -> int:
        """Channels of a picture whose squares became channels."""
        return COLOURS * self.patch**2

    @property
    def entry(self) -> Convolution:
        """The first layer."""
        return Convolution(self.colours + self.canvas, self.widths[0], 3)

    @property
    def exit(self) -> Convolution:
        """The last layer."""
        return Convolution(self.widths[0], self.colours, 3)

    @property
    def down(self) -> tuple[Block, ...]:
        """One block a level, the finest first."""
        return tuple(map(Block, (self.widths[0], *self.widths), self.widths))

    @property
    def middle(self) -> tuple[Block, Block]:
        """The two at the coarsest level."""
        block = Block(self.widths[-1], self.widths[-1])
        return block, block

    @property
    def up(self) -> tuple[tuple[Block, Block], ...]:
        """Two blocks a level, the coarsest first; each takes in what the way down has left."""
        levels = []
        before = self.widths[-1]
        for level, width in reversed(list(enumerate(self.widths))):
            left = self.widths[max(0, level - 1)]  # before the block of the way down
            levels.append((Block(before + width, width), Block(width + left, width)))
            before = width
        return tuple(levels)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All of them in the order of use."""
        return (*self.down, *self.middle, *itertools.chain.from_iterable(self.up))

    @property
    def resizing(self) -> tuple[Convolution, ...]:
        """The convolutions that halve, then those after doubling, in the order of use."""
        halve = [Convolution(width, width, 3) for width in self.widths[:-1]]
        double = [Convolution(width, width, 3) for width in self.widths[:0:-1]]
        return (*halve, *double)

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """Entry, those of the blocks, resizing, exit."""
        inside = itertools.chain.from_iterable(block.convolutions for block in self.blocks)
        return (self.entry, *inside, *self.resizing, self.exit)

    @property
    def projections(self) -> tuple[Convolution, ...]:
        """Of each block the layer that turns time and attributes into scales and shifts."""
        return tuple(Convolution(self.embedding, 2 * b.outputs, 1) for b in self.blocks)

    @property
    def layers(self) -> tuple[Convolution, ...]:
        """All layers of weights, in the order of a file."""
        return (*self.convolutions, *self.projections)

    @property
    def normalised(self) -> tuple[int, ...]:
        """Channels of all normalisations: two a block in the order of use, then the last one."""
        pairs = itertools.chain.from_iterable((b.inputs, b.outputs) for b in self.blocks)
        return (*pairs, self.widths[0])
