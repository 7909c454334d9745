"""What is asked of an edge in the benchmark, and whether what came was right."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from PIL import Image

from benchmarks.edge.client import Ask, Seen
from benchmarks.edge.stack import Catalogue
from probe.edge.formats import Format, Quality, encoded
from shared.digest import sha256
from shared.media.fixed import U8
from shared.media.message import decode_record, regenerate_record

ACCEPTS: Final = {
    "image/avif": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    "image/webp": "image/webp,*/*",
    "image/jpeg": "*/*",
}
"""What browsers send, by the format that they get."""


def zipf(names: Sequence[str], count: int, exponent: float, rng: np.random.Generator) -> list[str]:
    """Names at random, the n-th with a probability like n^-exponent (Zipf, 1935)."""
    weights = np.arange(1, len(names) + 1) ** -exponent
    return [names[k] for k in rng.choice(len(names), count, p=weights / weights.sum())]


def mixed(names: Sequence[str], shares: Mapping[str, float], rng: np.random.Generator) -> list[Ask]:
    """Requests for names by clients of all sorts, each sort with its share."""
    kinds = rng.choice(list(shares), len(names), p=list(shares.values()))
    return [Ask(name, ACCEPTS[str(kind)]) for name, kind in zip(names, kinds, strict=True)]


@dataclass(frozen=True)
class Spread:
    """Seconds of many answers.

    Attributes:
        count: how many.
        p50, p95, p99: so many percent took at most this long, by nearest rank.
    """

    count: int
    p50: float
    p95: float
    p99: float


def spread(seconds: Sequence[float]) -> Spread | None:
    """Quantiles; None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    ranks = (ordered[max(0, math.ceil(part * len(ordered)) - 1)] for part in (0.5, 0.95, 0.99))
    return Spread(len(ordered), *ranks)


def spreads(seen: Sequence[Seen]) -> dict[str, Spread]:
    """By who answered."""
    ways: dict[str, list[float]] = {}
    for one in seen:
        ways.setdefault(one.way, []).append(one.seconds)
    found = {way: spread(seconds) for way, seconds in sorted(ways.items())}
    return {way: one for way, one in found.items() if one is not None}


def step_spread(seen: Sequence[Seen], step: str) -> Spread | None:
    """Of a step that Server-Timing tells, over answers that were drawn."""
    found = []
    for one in seen:
        if one.way != "rehydrated":
            continue
        for piece in one.fields.get("server-timing", "").split(", "):
            name, _, milliseconds = piece.partition(";dur=")
            if name == step:
                found.append(float(milliseconds) / 1e3)
    return spread(found)


@dataclass
class Judge:
    """Knows what each answer must be, by drawing it anew with numpy's kernel.

    Attributes:
        catalogue: the family.
        originals: sha256 of the origin's files, by name.
        least_db: the lowest PSNR of a file that was right, against the pixels that were signed.
        checked: different files that were compared.
    """

    catalogue: Catalogue
    records: Mapping[str, bytes]
    originals: Mapping[str, bytes]
    least_db: float = math.inf
    checked: int = 0
    _formats: Mapping[str, Format] = field(
        default_factory=lambda: {one.media_type: one for one in Quality().formats()}
    )
    _right: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def wrong(self, seen: Sequence[Seen], bodies: Mapping[bytes, bytes]) -> list[str]:
        """What is wrong with answers; every single one is looked at."""
        return [found for one in seen if (found := self._fault(one, bodies))]

    def _fault(self, one: Seen, bodies: Mapping[bytes, bytes]) -> str:
        name = one.ask.name
        if one.status != 200:
            return f"{name}: status {one.status} {one.why}".strip()
        if one.way == "upstream":
            return "" if one.body == self.originals[name] else f"{name}: not the original"
        kind = one.fields["content-type"]
        if ACCEPTS.get(kind) != one.ask.accept:
            return f"{name}: {kind} to a client that accepts {one.ask.accept}"
        if (name, kind) not in self._right:
            self._right[name, kind] = self._drawn(name, kind, bodies.get(one.body, b""))
        return "" if one.body == self._right[name, kind] else f"{name}: another picture"

    def _drawn(self, name: str, kind: str, body: bytes) -> bytes:
        """What is right; of the file that came its distance from the pixels is kept too.

        The record's check is compared on the way, so that the pixels are those that were signed.
        """
        pixels = regenerate_record(decode_record(self.records[name]), self.catalogue.renderer)
        self.checked += 1
        self.least_db = min(self.least_db, _psnr_db(pixels, body))
        return sha256(encoded(pixels, self._formats[kind]))


def _psnr_db(pixels: U8, body: bytes) -> float:
    try:
        with Image.open(io.BytesIO(body)) as image:
            shown = np.asarray(image.convert("RGBA" if pixels.shape[2] == 4 else "RGB"))
    except OSError:
        return -math.inf
    if shown.shape != pixels.shape:
        return -math.inf
    error = float(np.mean((shown.astype(np.float64) - pixels) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)
