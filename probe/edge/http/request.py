"""What may be set, and what may be asked: the values that the service works on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from probe.edge.formats import Format, Quality, liking, ranges
from probe.edge.http.responses import YEAR_S
from shared.errors import InputError

_STEPS: Final = 10


@dataclass(frozen=True)
class Options:
    """How an edge works.

    Attributes:
        workers: drawings and encodings at a time, a thread each.
        queue: more that may wait; the rest gets 503.
        memory_bytes: of encoded pictures that are kept.
        max_age_s: how long caches may keep a picture.
        missing_s: how long a name that the origin has not is remembered.
        quality: of lossy formats.
        parameters: of URLs that are part of a picture's name.
    """

    workers: int = 2
    queue: int = 256
    memory_bytes: int = 256 << 20
    max_age_s: int = YEAR_S
    missing_s: float = 30.0
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
    """What a client accepts, in one spelling; nothing if it accepts no picture.

    The order of its weights stays, and what it refuses; their figures become tenths, so that one
    client cannot spell a request in endlessly many ways.  AVIF and WebP are named only if the
    client did.

    Args:
        accept: the request's field.
        formats: that the edge writes, the preferred one first.
    """
    wanted = ranges(accept)
    likings = {one.media_type: liking(one.media_type, wanted) for one in formats}
    named = {kind: weight for kind, (weight, explicit) in likings.items() if explicit}
    rest = liking("image/*", wanted)[0]
    # without the rest, what is not named is refused anyway
    weights = {**named, "image/*": rest} if rest > 0 else {k: w for k, w in named.items() if w > 0}
    order = sorted({weight for weight in weights.values() if weight > 0}, reverse=True)
    shown = [
        (weight, _spelled(media_type, order.index(weight) if weight > 0 else _STEPS))
        for media_type, weight in weights.items()
    ]
    return ", ".join(text for _, text in sorted(shown, key=lambda one: -one[0]))


def _spelled(media_type: str, place: int) -> str:
    tenths = max(_STEPS - place, 0)
    return media_type if tenths == _STEPS else f"{media_type};q={tenths / _STEPS:g}"


def unacceptable(accept: str | None, formats: Collection[Format]) -> InputError:
    return InputError(
        f"the client accepts {(accept or '')[:200]!r}",
        expected="one of " + ", ".join(one.media_type for one in formats),
        remedy="ask with another Accept field",
    )
