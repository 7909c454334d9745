"""Kind ``basis`` of generators: planes weighted by products of what the prompt says.

In linear light this is the physics of recoloured parts: the light that reaches the camera is a
polynomial in the reflectances of what it met, and the planes are its coefficients.  A *term* is a
product of up to three factors; the empty product is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.media.container import Container
from shared.media.fixed import I64, rounding_shift
from shared.media.kinds.planes import (
    FACTOR_BITS,
    TERM_LIMIT,
    Planes,
    factor_values,
    planes_arrays,
    planes_header,
    planes_of,
    whole_number,
)
from shared.media.prompt import Prompt

KIND: Final = "basis"

Factors = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Basis(Planes):
    """A generator whose planes are weighted by terms.

    Attributes:
        terms: each a product of these factors: those of the attributes in order, then the latents.
    """

    terms: tuple[Factors, ...]

    def conditions(self) -> tuple[tuple[bool, str], ...]:
        """See ``Planes``."""
        return (
            *super().conditions(),
            (len(self.terms) == len(self.steps), "its terms"),
            (
                all(
                    len(term) <= 3 and all(0 <= factor < self.factors for factor in term)
                    for term in self.terms
                ),
                "a factor of a term",
            ),
        )


def term_values(generator: Basis, prompt: Prompt) -> I64:
    """What each plane is weighted with, for each channel.

    Returns:
        ``[terms, channels]`` in 2**-12, clipped to ``TERM_LIMIT``.
    """
    factors = factor_values(generator, prompt)
    values = np.full((len(generator.terms), generator.channels), 1 << FACTOR_BITS, np.int64)
    for number, term in enumerate(generator.terms):
        for factor in term:
            product = rounding_shift(values[number] * factors[factor], FACTOR_BITS)
            values[number] = np.clip(product, -TERM_LIMIT, TERM_LIMIT)
    return values


def basis_container(generator: Basis) -> Container:
    """What the file of a basis holds."""
    terms = [list(term) for term in generator.terms]
    header = {"kind": KIND, "terms": terms, **planes_header(generator)}
    return Container(header, planes_arrays(generator))


def basis_of(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Basis:
    """The basis in a file.

    Raises:
        PinError: its parts do not fit each other.
        KeyError, TypeError, ValueError, AttributeError, IndexError: a part is missing or wrong.
    """
    terms = tuple(tuple(map(whole_number, term)) for term in header["terms"])
    return Basis(terms=terms, **planes_of(header, arrays))
