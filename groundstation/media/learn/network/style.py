"""Training the style network: from what a prompt says of a channel to weights of planes.

The samples are few (pictures times channels) and small, so every update sees all of them: the run
has no randomness but its first weights, and one that was stopped goes on to the same end.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groundstation.training.accelerator import full_precision
from shared.errors import InputError
from shared.files import replacing
from shared.terminal import Report

F64 = NDArray[np.float64]

RATE: Final = 5e-3
DECAY: Final = 0.1
KEPT_EVERY: Final = 500
ACTIVATION_MAX: Final = 7.99
"""Activations of the exact network are clipped here; training does the same."""


@dataclass(frozen=True, eq=False)
class Style:
    """A style network of real numbers.

    Attributes:
        hidden: weights ``[outputs, inputs]`` and biases ``[outputs]`` of each hidden layer.
        output: the same of the last layer.
    """

    hidden: tuple[tuple[F64, F64], ...]
    output: tuple[F64, F64]

    def __call__(self, inputs: F64) -> F64:
        """Outputs of ``[samples, inputs]``."""
        values = inputs
        for weights, biases in self.hidden:
            made = np.clip((values @ weights.T + biases) ** 2, None, ACTIVATION_MAX)
            values = np.concatenate([values, made], axis=1)
        weights, biases = self.output
        result: F64 = values @ weights.T + biases
        return result


def torch_is_there() -> bool:
    """Whether networks can be trained here."""
    return all(importlib.util.find_spec(name) for name in ("accelerate", "torch"))


def require_torch() -> None:
    """Makes sure that networks can be trained here.

    Raises:
        InputError: torch or accelerate is not installed.
    """
    if not torch_is_there():
        raise InputError(
            "networks cannot be trained: torch or accelerate is not installed",
            expected="the extra `ground` of this package",
            remedy="pip install 'rehydration-uplink[ground,media]', or train with --network never",
        )


def train_style(
    inputs: F64,
    wanted: F64,
    importance: F64,
    hidden: Sequence[int],
    updates: int,
    checkpoint: Path,
    report: Report,
) -> Style:
    """Fits a style network.

    Args:
        inputs: ``[samples, numbers]``.
        wanted: ``[samples, outputs]``.
        importance: of each output's error, ``[outputs]``.
        hidden: how wide the hidden layers are.
        updates: of the weights.
        checkpoint: file to go on from, and to keep what is done in; removed at the end.
        report: told about progress.

    Raises:
        InputError: torch or accelerate is not installed.
    """
    require_torch()
    import torch

    torch.manual_seed(0)
    accelerator = full_precision()
    sizes = [inputs.shape[1]]
    layers = torch.nn.ModuleList()
    for width in (*hidden, wanted.shape[1]):
        layers.append(torch.nn.Linear(sum(sizes), width))
        sizes.append(width)
    optimiser = torch.optim.AdamW(layers.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, updates)
    done = _restored(checkpoint, layers, optimiser, schedule)
    layers, optimiser = accelerator.prepare(layers, optimiser)
    told, target, scale = (
        torch.tensor(array, dtype=torch.float32, device=accelerator.device)
        for array in (inputs, wanted, importance)
    )
    for update in range(done, updates):
        values = told
        for layer in layers[:-1]:
            made = torch.clamp(layer(values) ** 2, max=ACTIVATION_MAX)
            values = torch.cat([values, made], 1)
        error = (((layers[-1](values) - target) * scale) ** 2).sum(1).mean()
        optimiser.zero_grad()
        accelerator.backward(error)
        optimiser.step()
        schedule.step()
        if (update + 1) % KEPT_EVERY == 0:
            report("style network", update + 1, updates)
            _keep(checkpoint, update + 1, layers, optimiser, schedule)
    checkpoint.unlink(missing_ok=True)
    pairs = tuple(
        (layer.weight.detach().cpu().double().numpy(), layer.bias.detach().cpu().double().numpy())
        for layer in layers
    )
    return Style(pairs[:-1], pairs[-1])


def _keep(path: Path, done: int, *parts: Any) -> None:
    import torch

    with replacing(path, durable=False) as file:
        torch.save([done, *(part.state_dict() for part in parts)], file)


def _restored(path: Path, *parts: Any) -> int:
    """How many updates a checkpoint has done; 0 without one, or where it is damaged."""
    import torch

    try:
        done, *states = torch.load(path, weights_only=True)
        for part, state in zip(parts, states, strict=True):
            part.load_state_dict(state)
    except Exception:  # torch names many causes; none matters: what was lost is made again
        return 0
    return int(done)
