"""The network that is trained: diffusers' UNet, told the attributes, with a canvas beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundstation.media.learn.diffusion.plan import Plan
from groundstation.models.source import missing_package


def schedule(steps: int) -> Any:
    """How much noise each step has: squared cosine, the network saying the velocity.

    Raises:
        PinError: a package is missing.
    """
    try:
        from diffusers import DDPMScheduler
    except ImportError as error:
        raise missing_package(error, "ground,diffusion") from error
    return DDPMScheduler(
        num_train_timesteps=steps, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction"
    )


def waves(count: int, width: int, height: int) -> NDArray[np.float32]:
    """What a canvas begins as: slow waves that tell places apart, ``[1, count, height, width]``."""
    y, x = np.mgrid[0:height, 0:width]
    made = np.zeros((1, count, height, width), np.float32)
    for number in range(count):
        down, across = divmod(number + 1, 3)
        made[0, number] = 0.5 * np.cos(np.pi * (down * y / height + across * x / width))
    return made


def build(plan: Plan, size: tuple[int, int], values: Sequence[int]) -> Any:
    """A new network.

    Args:
        plan: its shape; the seed is not used.
        size: width and height of the pictures.
        values: of each attribute, how many.

    Returns:
        A module with ``unet``, ``canvas`` ``[1, canvas, height, width]`` in squares, and a table of
        each attribute ``[values, embedding]``; called with noisy pictures
        ``[n, 3, height, width]``, steps ``[n]`` and choices ``[n, attributes]`` it gives the
        velocity, as large as the pictures.

    Raises:
        PinError: a package is missing.
    """
    try:
        import torch
        from diffusers import UNet2DModel
    except ImportError as error:
        raise missing_package(error, "ground,diffusion") from error
    shape = plan.shape
    levels = len(shape.widths)

    class Painter(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.unet = UNet2DModel(
                in_channels=shape.entry.inputs,
                out_channels=shape.colours,
                down_block_types=("DownBlock2D",) * levels,
                up_block_types=("UpBlock2D",) * levels,
                block_out_channels=shape.widths,
                layers_per_block=1,
                norm_num_groups=shape.groups,
                add_attention=False,
                resnet_time_scale_shift="scale_shift",
                class_embed_type="identity",
            )
            width, height = (side // shape.patch for side in size)
            self.canvas = torch.nn.Parameter(torch.tensor(waves(shape.canvas, width, height)))
            # small, so that attributes add up: large random codes would let it learn combinations
            self.tables = torch.nn.ParameterList(
                torch.nn.Parameter(torch.randn(count, shape.embedding) * 0.02) for count in values
            )

        def forward(self, noisy: Any, steps: Any, choices: Any) -> Any:
            squares = torch.nn.functional.pixel_unshuffle(noisy, shape.patch)
            seen = torch.cat([squares, self.canvas.expand(len(noisy), -1, -1, -1)], 1)
            told = noisy.new_zeros(len(noisy), shape.embedding)
            for place, table in enumerate(self.tables):
                told = told + table[choices[:, place]]
            velocity = self.unet(seen, steps, class_labels=told).sample
            return torch.nn.functional.pixel_shuffle(velocity, shape.patch)

    return Painter()
