"""What may be set, and what may be asked: the values that the service works on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from probe.edge.answers import YEAR_S
from probe.edge.formats import Format, Quality, liking, ranges
from shared.errors import InputError

_PLAIN: Final = "image/*;q=0.8"


@dataclass(frozen=True)
class Options:
    """How an edge works.

    Attributes:
        workers: drawings and encodings at a time, a thread each.
        queue: more that may wait; the rest gets 503.
        memory_bytes: of encoded pictures that are kept.
        max_age_s: how long caches may keep a picture.
        quality: of lossy formats.
        parameters: of URLs that are part of a picture's name.
    """

    workers: int = 2
    queue: int = 256
    memory_bytes: int = 256 << 20
    max_age_s: int = YEAR_S
    quality: Quality = field(default_factory=Quality)
    parameters: Collection[str] = ()


@dataclass(frozen=True)
class Asked:
    """A request for a picture.

    Attributes:
        path: of the URL as it came, percent-encoded.
        query: likewise.
        accept, if_none_match: fields of its header.
        head: only the header is asked for.
    """

    path: bytes
    query: bytes = b""
    accept: str | None = None
    if_none_match: str | None = None
    head: bool = False


def upstream_accept(accept: str | None, formats: Collection[Format]) -> str:
    """What a client accepts, in one spelling."""
    wanted = ranges(accept)
    likings = ((one.media_type, *liking(one.media_type, wanted)) for one in formats)
    named = [media_type for media_type, weight, explicit in likings if explicit and weight > 0]
    return ", ".join([*named, _PLAIN])


def unacceptable(accept: str | None, formats: Collection[Format]) -> InputError:
    return InputError(
        f"the client accepts {(accept or '')[:200]!r}",
        expected="one of " + ", ".join(one.media_type for one in formats),
        remedy="ask with another Accept field",
    )
