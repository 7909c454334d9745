"""A trained network as integers: the generator that both ends draw with.

Weights get 8 bits with one scale for each output, everything else 16 in 2**-12.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groundstation.media.learn.diffusion.network import schedule
from groundstation.media.learn.diffusion.plan import Plan
from shared.media.kinds.diffusion import NORMAL, PATH_BITS, SIGMOID, UNIT_BITS, Diffusion
from shared.media.kinds.diffusion_network import Shape
from shared.media.prompt import Attribute

F64 = NDArray[np.float64]
ONE: Final = 1 << UNIT_BITS
_MOST: Final = 2**15 - 1
_MOST_SHIFT: Final = 40


def exported(
    network: Any,
    plan: Plan,
    size: tuple[int, int],
    name: str,
    attributes: Sequence[Attribute],
    notes: Mapping[str, str],
) -> Diffusion:
    """The generator of a network.

    Args:
        network: as ``build`` makes it.
        plan: its shape, steps and codebook.
        size: width and height of the pictures.
        name: of the family.
        attributes: in the order of the network's tables.
        notes: for users.
    """
    state = {key: value.double().numpy() for key, value in network.state_dict().items()}
    unet = {key[5:]: value for key, value in state.items() if key.startswith("unet.")}
    layers = [_integers(unet, key) for key in layer_names(plan.shape)]
    norms = list(norm_names(plan.shape))
    canvas, unit = _canvas(state["canvas"][0])
    return Diffusion(
        name=name,
        width=size[0],
        height=size[1],
        attributes=tuple(attributes),
        shape=plan.shape,
        book=plan.book,
        seeds=0,
        path=path(plan.steps),
        times=_small(_times(network, plan.steps)),
        tables=tuple(_small(state[f"tables.{n}"]) for n in range(len(attributes))),
        canvas=canvas,
        canvas_step=unit,
        weights=np.concatenate([weights.ravel() for weights, _, _, _ in layers]),
        scales=np.concatenate([scales for _, scales, _, _ in layers]),
        shifts=tuple(shift for _, _, shift, _ in layers),
        biases=np.concatenate([biases for _, _, _, biases in layers]),
        gains=np.concatenate([_small(unet[f"{key}.weight"]) for key in norms]),
        offsets=np.concatenate([_small(unet[f"{key}.bias"]) for key in norms]),
        sigmoid=sigmoid_table(),
        normal=normal_table(),
        notes=dict(notes),
    )


def path(steps: int) -> NDArray[np.int32]:
    """The constants of each step, the noisiest first: see ``Diffusion.path``.

    The mean and the variance of the state before, given this one and the clean picture: Ho, Jain,
    Abbeel, "Denoising diffusion probabilistic models", 2020, equations 6 and 7.
    """
    kept = schedule(steps).alphas_cumprod.double().numpy()
    rows = []
    for step in reversed(range(steps)):
        now, before = float(kept[step]), float(kept[step - 1]) if step else 1.0
        alpha = now / before
        row = (
            math.sqrt(now),
            math.sqrt(1 - now),
            math.sqrt(before) * (1 - alpha) / (1 - now),
            math.sqrt(alpha) * (1 - before) / (1 - now),
            math.sqrt((1 - alpha) * (1 - before) / (1 - now)),
        )
        rows.append([round(number * 2**PATH_BITS) for number in row])
    return np.array(rows, np.int32)


def sigmoid_table() -> NDArray[np.int16]:
    """1 / (1 + exp(-x)) of x = 0, 2**-8 and so on, in 2**-15."""
    table = [2**15 / (1 + math.exp(-place / 256)) for place in range(SIGMOID)]
    return np.minimum(np.rint(table), _MOST).astype(np.int16)


def normal_table() -> NDArray[np.int16]:
    """Quantiles of the normal distribution at the middles of equal shares, of variance 1."""
    quantiles = np.array([NormalDist().inv_cdf((n + 0.5) / NORMAL) for n in range(NORMAL)])
    even: F64 = np.rint(quantiles / np.sqrt((quantiles**2).mean()) * ONE)
    return even.astype(np.int16)


def layer_names(shape: Shape) -> Iterator[str]:
    """What diffusers calls ``shape.layers``."""
    blocks = list(_block_names(shape))
    levels = len(shape.widths)
    yield "conv_in"
    for key, block in zip(blocks, shape.blocks, strict=True):
        yield from (f"{key}.conv1", f"{key}.conv2")
        if len(block.convolutions) == 3:
            yield f"{key}.conv_shortcut"
    yield from (f"down_blocks.{level}.downsamplers.0.conv" for level in range(levels - 1))
    yield from (f"up_blocks.{level}.upsamplers.0.conv" for level in range(levels - 1))
    yield "conv_out"
    yield from (f"{key}.time_emb_proj" for key in blocks)


def norm_names(shape: Shape) -> Iterator[str]:
    """What diffusers calls ``shape.normalised``."""
    for key in _block_names(shape):
        yield from (f"{key}.norm1", f"{key}.norm2")
    yield "conv_norm_out"


def _block_names(shape: Shape) -> Iterator[str]:
    levels = range(len(shape.widths))
    yield from (f"down_blocks.{level}.resnets.0" for level in levels)
    yield from ("mid_block.resnets.0", "mid_block.resnets.1")
    for level in levels:
        yield from (f"up_blocks.{level}.resnets.{n}" for n in range(2))


def _integers(
    unet: Mapping[str, F64], key: str
) -> tuple[NDArray[np.int8], NDArray[np.int16], int, NDArray[np.int32]]:
    """Weights, scales, shift and biases of a layer."""
    weights = unet[f"{key}.weight"]
    flat = weights.reshape(len(weights), -1)
    steps = np.maximum(np.abs(flat).max(axis=1), 2.0**-20) / 127
    shift = min(_MOST_SHIFT, math.floor(math.log2(_MOST / steps.max())))
    if shift < 0:
        raise ValueError(f"weights of {key} up to {steps.max() * 127:.3g}")
    scales = np.clip(np.rint(steps * 2.0**shift), 1, _MOST)
    # against the scale as it is stored, so that its rounding is not added to that of the weights
    exact = flat / (scales / 2.0**shift)[:, None]
    biases = np.rint(unet[f"{key}.bias"] * ONE).astype(np.int32)
    rounded = np.clip(np.rint(exact), -127, 127).astype(np.int8).reshape(weights.shape)
    return rounded, scales.astype(np.int16), shift, biases


def _canvas(canvas: F64) -> tuple[NDArray[np.int8], int]:
    largest = float(np.abs(canvas).max()) if canvas.size else 0.0
    unit = max(1, math.ceil(largest * ONE / 127))
    return np.rint(canvas * ONE / unit).astype(np.int8), unit


def _times(network: Any, steps: int) -> F64:
    """What the network is told of each step, the noisiest first."""
    import torch

    unet = network.unet
    with torch.no_grad():
        numbers = torch.arange(steps - 1, -1, -1)
        told: F64 = unet.time_embedding(unet.time_proj(numbers)).double().numpy()
    return told


def _small(numbers: F64) -> NDArray[np.int16]:
    return np.clip(np.rint(numbers * ONE), -_MOST, _MOST).astype(np.int16)
