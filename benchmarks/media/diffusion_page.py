"""The page of ``benchmarks.media.diffusion``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Final

from groundstation.media.judge.gate import Gate, Verdict
from groundstation.media.learn.diffusion.plan import Plan
from groundstation.media.learn.diffusion.search import SEEDS_TRIED
from shared.media.generator import Loaded

SMALL_BOOK: Final = 16


@dataclass(frozen=True)
class Row:
    """A way to hold the test pictures.

    Attributes:
        name: of the way.
        once_bytes: of what all pictures share.
        sizes: of each picture, bytes.
        verdicts: on each picture.
        found_s: to find each prompt, seconds, or none.
        drawn_s: to draw each picture, seconds, or none.
    """

    name: str
    once_bytes: int
    sizes: Sequence[int]
    verdicts: Sequence[Verdict]
    found_s: Sequence[float] = ()
    drawn_s: Sequence[float] = ()

    @property
    def psnr_db(self) -> float:
        """Mean over the pictures."""
        return mean(verdict.psnr_db for verdict in self.verdicts)

    def line(self, gate: Gate) -> str:
        """Its line of the table."""
        passed = sum(map(gate.passes, self.verdicts))
        cells = [
            self.name,
            f"{mean(self.sizes):,.1f}",
            f"{self.once_bytes:,}" if self.once_bytes else "-",
            f"{self.psnr_db:.1f}",
            f"{min(v.psnr_db for v in self.verdicts):.1f}",
            f"{max(v.block_levels for v in self.verdicts):.1f}",
            f"{mean(v.score for v in self.verdicts):.1f}",
            f"{passed} of {len(self.verdicts)}",
            *(f"{median(s):.3f}" if s else "-" for s in (self.found_s, self.drawn_s)),
        ]
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class Facts:
    """What the page says beside its rows.

    Attributes:
        family: its name.
        plan: of the diffusion generator.
        updates: that were made.
        learned_from: pictures.
        update_s: seconds of an update.
        planes_s: seconds that T0 took to learn.
        alike: pictures with one digest everywhere.
    """

    family: str
    plan: Plan
    updates: int
    learned_from: int
    update_s: float
    planes_s: float
    alike: int


def page(facts: Facts, loaded: Loaded, planes: Loaded, rows: Sequence[Row], gate: Gate) -> str:
    """The page; ``rows`` begin with T0 and the ways of the diffusion generator."""
    plan, made = facts.plan, loaded.generator
    t0, picked, few, seed, alone, still = rows[:6]
    tested = len(t0.sizes)
    lines = "\n".join(each.line(gate) for each in rows)
    passed = sum(map(gate.passes, picked.verdicts))
    bits = (plan.steps - 1) * math.log2(plan.book)
    few_bits = (plan.steps - 1) * math.log2(SMALL_BOOK)
    numbers = 3 * made.width * made.height
    points = math.sqrt(2 * math.log(plan.book) / numbers)
    better = t0.psnr_db - picked.psnr_db
    each_times = mean(picked.sizes) / mean(t0.sizes)
    once_times = loaded.size_bytes / planes.size_bytes
    time_times = median(picked.drawn_s) / median(t0.drawn_s)
    files = min((row for row in rows if "PSNR of" in row.name), key=lambda row: mean(row.sizes))
    smaller = mean(files.sizes) / mean(picked.sizes)
    even = loaded.size_bytes / max(1.0, mean(files.sizes) - mean(picked.sizes))
    gains = [f"{way.psnr_db - alone.psnr_db:+.1f} dB" for way in (picked, few, seed, still)]
    return f"""# Prompt and seed of an image generator, measured

Written by `python -m benchmarks.media.diffusion`. Family `{facts.family}`, scaled to \
{made.width} x {made.height}
pixels; the first {facts.learned_from} pictures of its table to learn from, the last {tested}, \
which nothing has seen, to
test. How it works: [media-diffusion.md](../docs/media-diffusion.md).

| way | bytes each | once | PSNR dB | least | worst block | SSIMULACRA2 | pass | search s | draw s |
|---|---|---|---|---|---|---|---|---|---|
{lines}

- Bytes each: a whole record, which is a head, a check of 4 bytes, and the prompt. Picks are
  {plan.steps - 1} numbers: {bits:.0f} bits among {plan.book}, {few_bits:.0f} bits among \
{SMALL_BOOK}. The plain seed is a number of 16 bits,
  from which all picks are drawn; {SEEDS_TRIED} were tried for each picture.
- Pass: SSIMULACRA2 of at least {gate.score:g}, and no block of 8 x 8 with an error above \
{gate.block_levels:g} levels. At this
  size SSIMULACRA2 means little: it is made for pictures of some hundred pixels and more. PSNR and
  the block are what count here.
- Files: the coarsest quality that reaches, picture by picture, the PSNR of the picks among \
{plan.book}, or
  that passes the gate; the finest where none does. PSNR is infinite where one of them is lossless.
- Seconds are medians on one core. A drawing is {plan.steps} runs of the network, in numpy.
- Diffusion was trained for {facts.updates:,} updates of {plan.batch} pictures, \
{facts.update_s:.2f} s each on one core: {facts.updates * facts.update_s / 60:.0f} minutes.
  T0 took {facts.planes_s:.0f} s.
- {facts.alike} of {tested} pictures with picks have one digest in new processes with 1, 2 and \
again 1 BLAS threads,
  which is that of the search.

## What it says

Against picks among {plan.book}, T0 is {better:.1f} dB better with {each_times:.1f} times fewer \
bytes a picture, a generator
{once_times:.1f} times smaller, and draws {time_times:,.0f} times faster. {passed} of {tested} \
pictures with picks pass the gate.

- All pictures of this family are one polynomial in a few reflectances. T0 fits just that by least
  squares. The network has to discover which part is where, which colour a word means and that light
  adds up, and its errors are wherever training stopped.
- Against attributes alone: picks among {plan.book} {gains[0]}, among {SMALL_BOOK} {gains[1]}, the \
best of {SEEDS_TRIED} plain seeds {gains[2]},
  no noise after the first {gains[3]}.
- One of {plan.book} noise pictures of {numbers:,} numbers hardly points to the target: the \
largest of so
  many correlations is about {points:.3f}. A plain seed brings more for each byte, but every
  further bit of it doubles the drawings to be tried.
- Against files of equal PSNR a record is {smaller:.0f} times smaller, and pays for its generator \
from {even:,.0f}
  pictures on; against files that pass the gate it has nothing to offer.
- Codebooks pay where a large model knows pictures in general and details may be any that look
  right. Here the attributes already say all that tells pictures apart, and each pixel is asked for.
"""
