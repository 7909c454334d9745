"""A generator of one family: prompt in, pixels out, the same on every machine.

There are several kinds; what they have in common is a file, a grammar of prompts, and a size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.errors import PinError
from shared.media.container import Coder, Container, generator_digest, pack, unpack
from shared.media.kinds import basis, diffusion, network
from shared.media.kinds.basis import Basis
from shared.media.kinds.diffusion import Diffusion
from shared.media.kinds.network import Network

FORMAT: Final = "rehydration-media/1"

Generator = Basis | Network | Diffusion

_READERS: Final[Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Generator]]] = {
    basis.KIND: basis.basis_of,
    network.KIND: network.network_of,
    diffusion.KIND: diffusion.diffusion_of,
}


@dataclass(frozen=True, eq=False)
class Loaded:
    """A generator with the name and size of its file."""

    generator: Generator
    digest: bytes
    size_bytes: int


def write_generator(generator: Generator, coder: Coder = Coder.LZMA) -> bytes:
    """The file of a generator."""
    if isinstance(generator, Diffusion):
        found = diffusion.diffusion_container(generator)
    elif isinstance(generator, Network):
        found = network.network_container(generator)
    else:
        found = basis.basis_container(generator)
    return pack(Container({"format": FORMAT, **found.header}, found.arrays), coder)


def read_generator(data: bytes) -> Loaded:
    """The generator of a file.

    Raises:
        PinError: the bytes are none, or are damaged.
    """
    found = unpack(data)
    header = found.header
    reader = _READERS.get(str(header.get("kind")))
    if header.get("format") != FORMAT or reader is None:
        raise PinError(
            f"a generator of format {header.get('format')!r}, kind {header.get('kind')!r}",
            expected=f"{FORMAT!r}, kind {' or '.join(map(repr, _READERS))}",
            remedy="update this program, or train the family again",
        )
    try:
        generator = reader(header, found.arrays)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise PinError(
            f"the generator lacks a part or has a wrong one: {type(error).__name__} {error}",
            remedy="fetch the generator again, or train it again",
        ) from None
    return Loaded(generator, generator_digest(data), len(data))
