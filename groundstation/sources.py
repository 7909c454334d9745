"""A model as its publisher gives it, before it is frozen: what every reader of a format returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from shared.errors import PinError
from shared.exact.bounds import Shape
from shared.exact.manifest import Source


@dataclass(frozen=True)
class TokenizerFacts:
    """A tokenizer in the form in which it is pinned.

    Attributes:
        data: the bytes of tokenizer.json, canonical.
        special_token_ids: ids below ``usable_vocab`` that are control tokens or have no token.
        usable_vocab: one more than the highest id that has a token.
    """

    data: bytes
    special_token_ids: tuple[int, ...]
    usable_vocab: int


@dataclass(frozen=True)
class SourceModel:
    """A model of a known family with its weights behind a function.

    Attributes:
        name: what to call it if the user does not say.
        family: "llama" or "qwen2".
        shape: its sizes; ``max_positions`` is already limited to what a pin holds.
        tied: the embedding serves as output matrix, there is no ``head``.
        weight: gives float32 weights by their name in the pin: ``embed``, ``head``,
            ``final_norm``, ``layers.{i}.attn_norm``, ``layers.{i}.wq`` [out, in] or
            ``layers.{i}.wq.b`` [out].  Rotary halves are apart, as in the reference
            implementations of both families, not interleaved.
    """

    name: str
    family: str
    shape: Shape
    rms_eps: float
    rope_theta: float
    tied: bool
    tokenizer: TokenizerFacts
    source: Source
    licence: str | None
    weight: Callable[[str], NDArray[np.float32]]


def unsupported(what: str, expected: str) -> NoReturn:
    """Refuse a model whose arithmetic would silently differ from what is pinned.

    Raises:
        PinError: always.
    """
    raise PinError(
        f"this model cannot be pinned: {what}",
        expected=expected,
        remedy="choose a Llama- or Qwen2-family model without this feature",
    )


def missing_package(error: ImportError, extras: str = "ground") -> PinError:
    """What to tell when the packages that read checkpoints, or train, are not installed."""
    return PinError(
        f"the package {error.name} is not installed",
        expected="the packages of the ground station",
        remedy=f"pip install 'rehydration-uplink[{extras}]'",
    )
