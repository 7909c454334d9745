"""Fitting latents to a picture: how a style network's drawing comes nearest to it.

Gauss-Newton on the pixels that the exact decoder draws: latents are turned a little, and what that
does to the picture says how far they have to go.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from shared.media.fixed import U8
from shared.media.kinds.network import Network
from shared.media.prompt import LATENT_LIMIT, Prompt
from shared.media.render import Renderer

TURN: Final = 8
"""By how much latents are turned to see what they do."""
ROUNDS: Final = 2


def fitted_latents(renderer: Renderer, choices: tuple[int, ...], pixels: U8) -> Prompt:
    """The prompt of these choices with the latents that come nearest to a picture.

    Each channel has latents of its own, so that one of every channel is turned in one drawing.
    """
    network = renderer.generator
    assert isinstance(network, Network)
    channels = network.channels
    best = network.grammar.plain(choices)
    found = np.array(best.latents).reshape(-1, channels)
    if not found.size:
        return best
    nearest = _error(renderer(best), pixels)
    for _ in range(ROUNDS):
        slopes = []
        for number in range(len(found)):
            drawn = []
            for turn in (TURN, -TURN):
                turned = found.copy()
                turned[number] += turn
                drawn.append(renderer(_prompt(choices, turned)).astype(np.float64))
            slopes.append((drawn[0] - drawn[1]) / (2 * TURN))
        missing = pixels.astype(np.float64) - renderer(_prompt(choices, found))
        moved = found.astype(np.float64)
        for channel in range(channels):
            slope = np.stack([each[..., channel].ravel() for each in slopes], axis=1)
            power = slope.T @ slope + 1e-6 * np.eye(len(found))
            moved[:, channel] += np.linalg.solve(power, slope.T @ missing[..., channel].ravel())
        found = np.clip(np.rint(moved), -LATENT_LIMIT, LATENT_LIMIT).astype(np.int64)
        prompt = _prompt(choices, found)
        error = _error(renderer(prompt), pixels)
        if error >= nearest:
            break
        best, nearest = prompt, error
    return best


def _prompt(choices: tuple[int, ...], latents: np.ndarray) -> Prompt:
    limited = np.clip(latents, -LATENT_LIMIT, LATENT_LIMIT)
    return Prompt(choices, tuple(map(int, limited.ravel())))


def _error(made: U8, pixels: U8) -> float:
    return float(((made.astype(np.float64) - pixels) ** 2).sum())
