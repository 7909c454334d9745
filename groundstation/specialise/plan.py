"""How a model is trained, and what is noted while it is: values only."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Thin:
    """The thin matrices that training changes (``network``).

    Attributes:
        rank: rows of each ``down``, columns of each ``up``.
        alpha: their product counts ``alpha / rank`` times.
        first_layer: the first layer that has them; those before it stay as they are.
    """

    rank: int = 30
    alpha: int = 32
    first_layer: int = 6


@dataclass(frozen=True)
class Plan:
    """How a model is trained.

    Attributes:
        steps: of the optimiser.
        rate: its largest step size; it rises over ``warm_up`` steps and falls as a cosine to 0.
        warm_up: steps.
        thin: the matrices that are trained.
        batch_tokens: tokens of a step at most, what fills examples up among them.
        scale_tokens: by so many written tokens a step's sum of bits is divided.
        clip: the gradient's norm is not larger.
        decay: of the weights, as in AdamW (Loshchilov and Hutter 2019).
        validate_every: steps.
        patience: validations without a better one before it stops; 0 for never.
        seed: of the first matrices, the order and the settings.
        compiled: let torch compile the network: some minutes before the first step, then a third
            faster on two cores. Its numbers differ in the last digits, so it is part of the plan.
    """

    steps: int = 640
    rate: float = 7e-4
    warm_up: int = 20
    thin: Thin = Thin()
    batch_tokens: int = 4096
    scale_tokens: int = 256
    clip: float = 1.0
    decay: float = 0.0
    validate_every: int = 80
    patience: int = 3
    seed: int = 1
    compiled: bool = False

    def rate_at(self, step: int) -> float:
        """The step size of a step, counted from 0."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        gone = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, gone)))


@dataclass(frozen=True)
class Note:
    """What is known after a step.

    Attributes:
        step: how many are done; 0 before the first.
        bits: of the step's written tokens, on average; 0 before the first step.
        written: how many tokens these were.
        validated: bytes a patch of those held back, where it was measured.
        seconds: of training, over all runs that led here.
    """

    step: int
    bits: float
    written: int
    validated: float | None
    seconds: float
