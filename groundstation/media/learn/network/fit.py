"""Fitting a generator of kind network: planes by least squares, their weights by a network.

What one plane for each part (T0, linear) leaves is cut into principal pictures.  The style network
learns how much of each a channel shows; then all planes are fitted anew to what it says, as exactly
as the decoder says it.  Latents correct the network where it is wrong: their directions are those
in which it erred on pictures that were left out in turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from groundstation.media.learn.basis import Fit, constant_axes, fit_basis, planes_for
from groundstation.media.learn.factors import Samples, light_weight
from groundstation.media.learn.linear_light import F32, F64
from groundstation.media.learn.network.quantise import quantised
from groundstation.media.learn.network.style import Style, train_style
from shared.media.coding.transform import BLOCK
from shared.media.fixed import I64
from shared.media.kinds.basis import Basis, term_values
from shared.media.kinds.network import Network, plane_weights
from shared.media.kinds.planes import FACTOR_BITS, factor_values
from shared.media.prompt import Attribute, Grammar, Prompt
from shared.terminal import Report

VARIMAX_PIXELS: Final = 20_000
VARIMAX_ROUNDS: Final = 60
FOLDS: Final = 4
LATENT_STEPS: Final = 6
"""Latents count so many parts of the usual error in their direction."""
LATENT_DECAY: Final = 218
"""Frequencies of latents, as for a mean magnitude of ``LATENT_STEPS``."""


@dataclass(frozen=True)
class Plan:
    """The size of a network.

    Attributes:
        planes: beside those of the parts.
        hidden: width of the hidden layers.
        latents: of each channel.
        updates: of training.
    """

    planes: int = 16
    hidden: tuple[int, ...] = (24,)
    latents: int = 4
    updates: int = 4000


def fit_network(
    name: str,
    size: tuple[int, int],
    attributes: tuple[Attribute, ...],
    samples: Samples,
    notes: Mapping[str, str],
    report: Report,
    plan: Plan,
    checkpoint: Path,
) -> Fit:
    """Learns a network and its planes; arguments as of ``fit_basis``.

    Args:
        plan: how large it is.
        checkpoint: file of unfinished training.

    Raises:
        InputError: torch or accelerate is not installed.
    """
    base = fit_basis(name, size, attributes, samples, notes, report, degree=1)
    blank = base.blank
    assert isinstance(blank, Basis)
    prompts = [Prompt(tuple(map(int, row))) for row in samples.choices]
    design = _as_real([term_values(blank, prompt).T for prompt in prompts])
    shown, importance = _principal(samples, design, base.planes, plan.planes)
    factors = _as_real([factor_values(blank, prompt).T for prompt in prompts])
    told = _told(blank)
    pictures, channels, _ = factors.shape

    def learned(chosen: np.ndarray, name: str) -> Style:
        return train_style(
            factors[chosen][..., told].reshape(-1, len(told)),
            shown[chosen].reshape(-1, shown.shape[2]),
            importance,
            plan.hidden,
            plan.updates,
            checkpoint.with_name(f"{checkpoint.name}.{name}"),
            report,
        )

    everyone = np.arange(pictures)
    errors = np.empty_like(shown)
    for fold in range(FOLDS if plan.latents else 0):
        style = learned(everyone[everyone % FOLDS != fold], f"fold{fold}")
        rest = everyone[everyone % FOLDS == fold]
        made = style(factors[rest][..., told].reshape(-1, len(told)))
        errors[rest] = shown[rest] - made.reshape(len(rest), channels, -1)
    directions = _directions(errors, importance, plan.latents)
    network = _assembled(blank, learned(everyone, "all"), told, directions)
    weights = [plane_weights(network, network.grammar.plain(prompt.choices)) for prompt in prompts]
    exact = _as_real([weight.T for weight in weights])
    return Fit(network, planes_for(exact, samples, size, report), (1.0,) * len(network.steps))


def _as_real(numbers: Sequence[I64]) -> F64:
    result: F64 = np.stack(numbers).astype(np.float64) * 2.0**-FACTOR_BITS
    return result


def _told(blank: Basis) -> list[int]:
    """The factors that the network reads: all but the constants, behind the first attribute's."""
    constants = len(constant_axes(blank.channels == 4))
    return [n for n in range(blank.factors) if not 2 <= n < 2 + constants]


def _principal(samples: Samples, design: F64, planes: F32, count: int) -> tuple[F64, F64]:
    """What is left, as sums of so many pictures.

    Returns:
        How much each sample shows of each, root mean square 1, ``[pictures, channels, count]``,
        and how large they are, the largest 1.
    """
    pictures, pixels, channels = samples.light.shape
    flat = planes.reshape(len(planes), -1)
    middle = np.sqrt(light_weight(samples.light.mean(axis=(0, 2))))
    left = np.empty((pictures * channels, pixels), np.float32)
    for picture in range(pictures):
        rest = samples.light[picture].T - design[picture].astype(np.float32) @ flat
        rest *= samples.known[picture].T
        left[picture * channels : (picture + 1) * channels] = rest * middle
    spread, turned = np.linalg.eigh((left @ left.T).astype(np.float64))
    count = min(count, len(spread))
    chosen = turned[:, ::-1][:, :count]
    spots = np.linspace(0, pixels - 1, min(pixels, VARIMAX_PIXELS)).astype(np.int64)
    turn = _varimax((left[:, spots].T @ chosen).astype(np.float64))
    shown = chosen @ turn
    sizes = np.sqrt(np.maximum(((spread[::-1][:count, None]) * turn**2).sum(axis=0), 0.0))
    importance = np.maximum(sizes / max(float(sizes.max()), 1e-12), 1e-3)
    return (shown * np.sqrt(len(turned))).reshape(pictures, channels, count), importance


def _varimax(loads: F64) -> F64:
    """The rotation of columns after which few of them are large at a place.

    Pictures that are dark nearly everywhere take fewer bytes.  H. F. Kaiser, "The varimax criterion
    for analytic rotation in factor analysis", Psychometrika 23(3), 1958.

    Args:
        loads: ``[places, columns]``.
    """
    turn = np.eye(loads.shape[1])
    for _ in range(VARIMAX_ROUNDS):
        turned = loads @ turn
        pull = turned**3 - turned * (turned**2).mean(axis=0)
        left, _, right = np.linalg.svd(loads.T @ pull)
        turn = left @ right
    return turn


def _directions(errors: F64, importance: F64, count: int) -> F64:
    """In which the network errs most, each as large as its usual error: ``[count, planes]``."""
    planes = errors.shape[2]
    if not count:
        return np.zeros((0, planes))
    flat = errors.reshape(-1, planes) * importance
    _, spread, right = np.linalg.svd(flat, full_matrices=False)
    sized = right[:count] * spread[:count, None] / np.sqrt(len(flat))
    result: F64 = sized / importance
    return result


def _assembled(blank: Basis, style: Style, told: list[int], directions: F64) -> Network:
    """The exact network of a style, without planes.

    Its first planes are weighted by the factors themselves, as those of ``blank`` are.
    """
    linear, channels = len(blank.terms), blank.channels
    latents = len(directions) * channels
    known = blank.factors + latents

    def spread(weights: F64) -> F64:
        wide = np.zeros((len(weights), known + weights.shape[1] - len(told)))
        wide[:, told] = weights[:, : len(told)]
        wide[:, known:] = weights[:, len(told) :]
        return wide

    weights, biases = style.output
    output = np.zeros((linear + len(weights), known + weights.shape[1] - len(told)))
    for plane, (factor,) in enumerate(blank.terms):
        output[plane, factor] = 1.0
    output[linear:] = spread(weights)
    output[linear:, blank.factors : known] = np.repeat(directions, channels, axis=0).T
    gain = 2**FACTOR_BITS // LATENT_STEPS
    rows, columns = blank.blocks
    return Network(
        name=blank.name,
        width=blank.width,
        height=blank.height,
        grammar=Grammar(blank.grammar.attributes, (LATENT_DECAY,) * latents),
        tables=blank.tables,
        gains=np.tile(np.eye(channels) * gain, (len(directions), 1)).astype(np.int16),
        steps=(1,) * len(output),
        coded=np.zeros((len(output), rows * columns), bool),
        waves=np.zeros((0, BLOCK * BLOCK), np.int16),
        curves=blank.curves,
        notes=blank.notes,
        hidden=tuple(quantised(spread(w), b) for w, b in style.hidden),
        output=quantised(output, np.concatenate([np.zeros(linear), biases])),
    )
