"""The results of ``benchmarks.drawn`` as a page and a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.drawn.results import Measured, Trial

EULER = 0.5772156649015329
"""The mean of log2 N for a geometric N of a large mean 1/P is log2(1/P) - EULER / ln 2."""

_DEVIATION = math.pi / math.sqrt(6) / math.log(2)  # of log2 N

_DRAWN, _LINE = "#c2410c", "#64748b"


def page(measured: Measured) -> str:
    """The results as Markdown."""
    return "\n".join([*_head(), *_rates(measured), *_real(measured), *_many(measured),
                      *_cuts(measured)]) + "\n"  # fmt: skip


def _head() -> list[str]:
    return [
        "# Measured search for drawn seeds",
        "",
        "Written by `python -m benchmarks.drawn`; do not edit. What it means:",
        "[docs/drawn-seeds.md](../docs/drawn-seeds.md).",
        "",
    ]


def _rates(measured: Measured) -> list[str]:
    return [
        "## Rates",
        "",
        "Millions of seeds a second, tested against the rarest of the real targets below. The",
        "right column is per second of one core's time, which other programs on the machine do",
        "not take away.",
        "",
        "| search | processes | by the clock | a second of a core |",
        "|---|---|---|---|",
        *(
            f"| {each.path if each.path == 'numpy' else f'C, {each.path}'} | {each.processes} | "
            f"{each.by_clock / 1e6:.1f} | {each.by_core / 1e6:.1f} |"
            for each in measured.rates
        ),
        "",
    ]


def _real(measured: Measured) -> list[str]:
    real = measured.real
    return [
        "## Trials",
        "",
        f"{len(real)} runs of tokens of real edits, expected by the pinned SmolLM2. All were",
        f"found; the mean of trials times P is **{mean_ratio(real):.2f}** (1 is expected).",
        "",
        "| tokens | -log2 P | 1/P | trials | trials times P | drawn B | coded B |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {each.tokens} | {each.bits:.2f} | {each.expected:,.0f} | {each.trials:,} | "
            f"{each.trials / each.expected:.2f} | {each.drawn_bytes} | {each.coded_bytes} |"
            for each in real
        ),
        "",
    ]


def _many(measured: Measured) -> list[str]:
    many = measured.made_up
    most = max(each.bits for each in many)
    # the law of large 1/P: with few trials log2 of them is not so low
    rare = [each for each in many if each.bits >= 8]
    law = -EULER / math.log(2)
    return [
        "## Many targets",
        "",
        f"{len(many)} made-up targets of up to {most:.0f} bits. Mean of trials times P:",
        f"**{mean_ratio(many):.2f}**. Mean of log2 of the trials less -log2 P, from 8 bits on:",
        f"**{mean(math.log2(each.trials) - each.bits for each in rare):+.2f}**"
        f" ({law:+.2f} is expected: minus Euler's constant over ln 2; one standard",
        f"deviation of such a mean is {_DEVIATION / math.sqrt(len(rare)):.2f}).",
        "",
        "| -log2 P | targets | drawn B, mean | coded B, mean | drawn is shorter | longer |",
        "|---|---|---|---|---|---|",
        *(_band(many, low) for low in range(0, math.ceil(most), 4)),
        "",
    ]


def _band(many: Sequence[Trial], low: int) -> str:
    band = [each for each in many if low <= each.bits < low + 4]
    drawn, coded = [each.drawn_bytes for each in band], [each.coded_bytes for each in band]
    shorter = sum(a < b for a, b in zip(drawn, coded, strict=True))
    longer = sum(a > b for a, b in zip(drawn, coded, strict=True))
    return (
        f"| {low} to {low + 4} | {len(band)} | {mean(drawn):.2f} | {mean(coded):.2f} | "
        f"{shorter / len(band):.0%} | {longer / len(band):.0%} |"
    )


def _cuts(measured: Measured) -> list[str]:
    return [
        "## A seed a segment",
        "",
        f"The real targets one after another are {measured.joined_bits:.0f} bits, "
        f"{measured.joined_coded_bytes} B as one coded seed. One",
        "drawn seed for all would take 2 to that power trials. Cut into segments, each ending with",
        "the token that reaches so many bits, with a drawn seed each:",
        "",
        "| segment ends at | seeds | sum of 1/P | trials | drawn B | above coded |",
        "|---|---|---|---|---|---|",
        *(
            f"| {each.bits} bits | {each.segments} | {each.expected:,.0f} | {each.trials:,} | "
            f"{each.drawn_bytes} | {each.drawn_bytes / measured.joined_coded_bytes - 1:+.0%} |"
            for each in measured.cuts
        ),
        *(
            f"| {bits} bits | left out: one segment, ending with a rare token, is "
            f"{most:.0f} bits | | | | |"
            for bits, most in measured.left_out.items()
        ),
    ]


def mean_ratio(trials: Sequence[Trial]) -> float:
    """Mean of trials times P."""
    return mean(each.trials / each.expected for each in trials)


def draw(measured: Measured, path: Path) -> None:
    """Three plots; the same trials give the same bytes."""
    import matplotlib
    from matplotlib.figure import Figure

    many, real = measured.made_up, measured.real
    most = max(each.bits for each in (*many, *real)) + 1
    settings: dict[str, Any] = {"svg.hashsalt": "drawn-seeds", "svg.fonttype": "none"}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(12, 4), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        for trials, size, name in ((many, 6, "made-up tokens"), (real, 30, "real edits")):
            bits = [each.bits for each in trials]
            left.scatter(bits, [each.seed.bit_length() for each in trials], size, label=name)
            middle.scatter(
                [each.expected for each in trials], [each.trials for each in trials], size
            )
        left.plot([0, most], [0, most], color=_LINE, linestyle=":", label="equal")
        left.set_xlabel("-log2 P: bits of a coded seed")
        left.set_ylabel("bits of the drawn seed")
        left.legend()
        middle.plot([1, 2**most], [1, 2**most], color=_LINE, linestyle=":")
        middle.set_xscale("log", base=2)
        middle.set_yscale("log", base=2)
        middle.set_xlabel("1/P")
        middle.set_ylabel("trials")
        _spread(right, (*many, *real))
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def _spread(axes: Any, trials: tuple[Trial, ...]) -> None:
    """The share of targets found after x/P trials, beside 1 - exp(-x)."""
    rare = sorted(each.trials / each.expected for each in trials if each.bits >= 8)
    axes.plot(rare, [(k + 1) / len(rare) for k in range(len(rare))], color=_DRAWN, label="measured")
    grid = [k / 50 for k in range(301)]
    law = [1 - math.exp(-x) for x in grid]
    axes.plot(grid, law, color=_LINE, linestyle=":", label="1 - exp(-x)")
    axes.set_xlim(0, 6)
    axes.set_xlabel("x: trials times P")
    axes.set_ylabel("share of targets found")
    axes.legend()
