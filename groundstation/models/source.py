"""A model as its publisher gives it, before it is frozen: what every reader of a format returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from shared.errors import PinError
from shared.exact.bounds import Shape
from shared.exact.manifest import MAX_DIMENSION, MAX_LAYERS, MAX_POSITIONS, Source

MAX_SIZE = 1 << 31
"""Of a size that a pin does not take over, such as the context that a model was made for."""


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


def size_number(name: str, value: object, most: int = MAX_DIMENSION) -> int:
    """A size that a file gives, before anything is made of that size.

    Raises:
        PinError: it is no whole number from 1 to ``most``.
    """
    if type(value) is not int or not 1 <= value <= most:
        unsupported(f"its {name} is {repr(value)[:80]}", f"a whole number from 1 to {most}")
    return value


def real_number(name: str, value: object) -> float:
    """A finite number above nought that a file gives.

    Raises:
        PinError: it is none.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e300:
        return float(value)
    unsupported(f"its {name} is {repr(value)[:80]}", "a number above nought")


def checked_shape(**sizes: object) -> Shape:
    """The shape of a model from what its file says, bounded before its tensors are listed.

    Args:
        sizes: the fields of ``Shape``.

    Raises:
        PinError: one is no size that a pin can have.
    """
    limits = {"layers": MAX_LAYERS, "max_positions": MAX_POSITIONS}
    return Shape(
        **{
            name: size_number(name, value, limits.get(name, MAX_DIMENSION))
            for name, value in sizes.items()
        }
    )


def missing_package(error: ImportError, extras: str = "ground") -> PinError:
    """What to tell when the packages that read checkpoints, or train, are not installed."""
    return PinError(
        f"the package {error.name} is not installed",
        expected="the packages of the ground station",
        remedy=f"pip install 'rehydration-uplink[{extras}]'",
    )
