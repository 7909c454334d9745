"""The LDPC decoder's frame error rate against Eb/N0, beside a published one and what theory allows.

``python -m benchmarks.link.ldpc`` decodes random codewords after BPSK in white Gaussian noise until
a hundred are wrong, and writes LDPC.md beside this file and docs/images/ldpc.svg.  It uses one core
for about a minute and a half; seeds are fixed, so a second run counts the same errors.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from shared.ccsds.coding.ldpc import ITERATIONS, decode
from shared.ccsds.coding.ldpc_codes import LDPC_128_64, LDPC_512_256, LdpcCode

HERE = Path(__file__).parents[1]
PAGE = HERE / "LDPC.md"
PICTURE = HERE.parent / "docs" / "images" / "ldpc.svg"

WANTED_ERRORS = 100
BATCH_WORDS = 2000
POINTS: dict[LdpcCode, tuple[tuple[float, int], ...]] = {
    LDPC_128_64: (
        (2.0, 10**6),
        (2.5, 10**6),
        (3.0, 10**6),
        (3.5, 10**6),
        (4.0, 10**6),
        (4.5, 10**6),
    ),
    LDPC_512_256: ((1.5, 10**6), (2.0, 10**6), (2.5, 10**6), (3.0, 10**6)),
}
"""Eb/N0 in dB, and how many words are tried at most."""

PUBLISHED: dict[LdpcCode, tuple[tuple[float, float], ...]] = {
    LDPC_128_64: (
        (1.5, 5.56e-1),
        (2.0, 3.33e-1),
        (2.5, 1.41e-1),
        (3.0, 4.96e-2),
        (3.5, 1.03e-2),
        (4.0, 1.52e-3),
        (4.5, 2.07e-4),
        (5.0, 1.77e-5),
    ),
    LDPC_512_256: (),
}
"""Eb/N0 in dB and frame error rate, from AFF3CT's repository error_rate_references, file
LDPC_N128_K64_hlayered_SPA_i50_CCSDS.txt: sum-product in layers, 50 iterations, 100 errors a point.
For the long code no table was found, only pictures."""


@dataclass(frozen=True)
class Point:
    """One code at one signal-to-noise ratio.

    Attributes:
        code: which.
        ebn0_db: energy a data bit over noise density.
        words: how many were decoded.
        wrong: how many came out other than they were sent.
        undetected: how many of these fulfilled all checks.
        iterations: mean, of all words.
        seconds: of one core, making the words included.
    """

    code: LdpcCode
    ebn0_db: float
    words: int
    wrong: int
    undetected: int
    iterations: float
    seconds: float

    @property
    def rate(self) -> float:
        """Frame error rate, a frame being one codeword."""
        return self.wrong / self.words


def measure(code: LdpcCode, ebn0_db: float, most_words: int, wanted_errors: int) -> Point:
    """Decodes until enough words are wrong, or all were tried."""
    random = np.random.default_rng([code.n, round(100 * ebn0_db)])
    variance = noise_variance(ebn0_db, code.k / code.n)
    words = wrong = undetected = iterations = 0
    began = time.process_time()
    while wrong < wanted_errors and words < most_words:
        count = min(BATCH_WORDS, most_words - words)
        sent = code.encode(random.integers(0, 2, (count, code.k), dtype=np.uint8))
        received = 1.0 - 2.0 * sent + random.normal(0, math.sqrt(variance), sent.shape)
        found = decode(code, 2 * received / variance)
        differ = (found.bits != sent).any(axis=1)
        words += count
        wrong += int(differ.sum())
        undetected += int((differ & found.ok).sum())
        iterations += int(found.iterations.sum())
    seconds = time.process_time() - began
    return Point(code, ebn0_db, words, wrong, undetected, iterations / words, seconds)


def noise_variance(ebn0_db: float, rate: float) -> float:
    """Of each received value, where bits are sent as +1 and -1."""
    return float(1 / (2 * rate * 10 ** (ebn0_db / 10)))


# --- theory -----------------------------------------------------------------------------------


def information(variance: float) -> tuple[float, float]:
    """Mean and variance of the bits of information in a received value: capacity, dispersion."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    received = 1 + math.sqrt(variance) * nodes
    bits = 1 - np.logaddexp(0, -2 * received / variance) / math.log(2)
    weights = weights / weights.sum()
    mean = float(weights @ bits)
    return mean, float(weights @ (bits - mean) ** 2)


def normal_approximation(code: LdpcCode, ebn0_db: float) -> float:
    """About the least frame error rate of any code of this length and rate.

    Source: Polyanskiy, Poor, Verdu, IEEE Trans. Inf. Theory 56 (2010), section IV, with the term
    of half a logarithm.
    """
    capacity, dispersion = information(noise_variance(ebn0_db, code.k / code.n))
    spare = code.n * capacity - code.k + 0.5 * math.log2(code.n)
    return 0.5 * math.erfc(spare / math.sqrt(2 * code.n * dispersion))


def reached_at(rate: float, curve: Sequence[tuple[float, float]]) -> float:
    """Eb/N0 at which a falling curve has a rate, its logarithm taken as straight between points.

    Args:
        rate: to be found.
        curve: pairs of Eb/N0 and rate.

    Returns:
        In dB; NaN beyond the curve's ends.
    """
    for (low, high_rate), (high, low_rate) in pairwise(curve):
        if low_rate <= rate <= high_rate and low_rate > 0:
            share = math.log(high_rate / rate) / math.log(high_rate / low_rate)
            return low + share * (high - low)
    return math.nan


def theory_curve(rate_at: Callable[[float], float]) -> list[tuple[float, float]]:
    """A formula at every twentieth of a decibel from 0 to 6."""
    return [(step / 20, rate_at(step / 20)) for step in range(121)]


def losses(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Each measured point's rate, and how many dB more it takes here than as published."""
    published = PUBLISHED[points[0].code]
    return [
        (point.rate, loss)
        for point in points
        if not math.isnan(loss := point.ebn0_db - reached_at(point.rate, published))
    ]


# --- results ----------------------------------------------------------------------------------


def page(points: Sequence[Point]) -> str:
    """The results as Markdown."""
    return "\n".join(_lines(points)) + "\n"


def _lines(points: Sequence[Point]) -> Iterator[str]:
    yield from (
        "# Measured LDPC decoder",
        "",
        "Written by `python -m benchmarks.link.ldpc`; do not edit. What it is for:",
        "[docs/link-frames.md](../docs/link-frames.md).",
        "",
        "Random codewords, BPSK, white Gaussian noise, soft bits in double precision, sum-product",
        f"with at most {ITERATIONS} iterations. A frame is one codeword; a hundred wrong ones fix",
        "a rate within a tenth of itself (one standard deviation). *Published* is AFF3CT's.",
        "*Allowed* is the normal approximation: about what the best code of this length and rate",
        "could do. *Undetected* are wrong words that fulfil all checks.",
        "",
    )
    for code in POINTS:
        mine = [point for point in points if point.code is code]
        yield from _table(code, mine)
        yield from _conclusion(code, mine)
        yield ""
    yield f"All of it took {sum(point.seconds for point in points):.0f} s of one core."


def _table(code: LdpcCode, points: Sequence[Point]) -> Iterator[str]:
    published = dict(PUBLISHED[code])
    yield f"## ({code.n},{code.k})"
    yield ""
    yield (
        "| Eb/N0, dB | words | wrong | frame error rate | published | allowed | undetected | "
        "iterations | words a second |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for point in points:
        known = published.get(point.ebn0_db)
        yield (
            f"| {point.ebn0_db} | {point.words:,} | {point.wrong} | {point.rate:.2e} | "
            f"{f'{known:.2e}' if known else '-'} | "
            f"{normal_approximation(code, point.ebn0_db):.1e} | {point.undetected} | "
            f"{point.iterations:.1f} | {point.words / point.seconds:,.0f} |"
        )
    yield ""


def _conclusion(code: LdpcCode, points: Sequence[Point]) -> Iterator[str]:
    """In decibels, which is what a link budget asks for."""
    if found := losses(points):
        largest = max(found, key=lambda each: abs(each[1]))
        yield (
            f"For the same rate as published {largest[1]:+.2f} dB are needed where the curves "
            f"differ most, and {sum(loss for _, loss in found) / len(found):+.2f} dB in the mean "
            f"of {len(found)} points."
        )
    allowed = theory_curve(lambda ebn0_db: normal_approximation(code, ebn0_db))
    measured = [(point.ebn0_db, point.rate) for point in points]
    for rate in (1e-2, 1e-3):
        here = reached_at(rate, measured)
        if not math.isnan(here):
            yield (
                f"A rate of {rate:g} needs {here:.2f} dB here; "
                f"{here - reached_at(rate, allowed):.2f} dB more than allowed."
            )


def draw(points: Sequence[Point], picture: Path) -> None:
    """The curves as SVG, the same bytes for the same points."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams["svg.hashsalt"] = "ldpc"
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for code, colour in zip(POINTS, ("#c2410c", "#0369a1"), strict=True):
        mine = [
            (point.ebn0_db, point.rate) for point in points if point.code is code and point.wrong
        ]
        name = f"({code.n},{code.k})"
        axes.semilogy(*zip(*mine, strict=True), "o-", color=colour, label=f"{name}, measured")
        if PUBLISHED[code]:
            label = f"{name}, AFF3CT"
            axes.semilogy(
                *zip(*PUBLISHED[code], strict=True), "x", color="#1c1917", label=label, zorder=3
            )
        allowed = theory_curve(lambda ebn0_db, code=code: normal_approximation(code, ebn0_db))  # type: ignore[misc]
        axes.semilogy(
            *zip(*allowed, strict=True), "--", color=colour, linewidth=1, label=f"{name}, allowed"
        )
    axes.set(xlim=(0, 5), ylim=(1e-4, 1), xlabel="Eb/N0, dB", ylabel="frame error rate")
    axes.grid(visible=True, which="both", linewidth=0.3)
    axes.legend(fontsize=8)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, format="svg", metadata={"Date": None})


def main(
    out: Annotated[Path, typer.Option(help="The page to write.")] = PAGE,
    picture: Annotated[Path, typer.Option(help="The picture to write.")] = PICTURE,
    errors: Annotated[int, typer.Option(min=1, help="Wrong words a point.")] = WANTED_ERRORS,
) -> None:
    """Measure the decoder and write page and picture."""
    console = Console(stderr=True, highlight=False)
    points = []
    for code, wanted in POINTS.items():
        for ebn0_db, most_words in wanted:
            points.append(measure(code, ebn0_db, most_words, errors))
            if console.is_terminal:
                console.print(f"({code.n},{code.k}) {ebn0_db} dB: {points[-1].rate:.2e}")
    out.write_text(page(points), "utf-8")
    draw(points, picture)


if __name__ == "__main__":
    typer.run(main)
