"""LINK.md, from what ``benchmarks.link`` measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from sims.campaign.audit import Verdict, summed
from sims.scenario.presets import PRESETS

RATES = (1e-3, 1e-4, 1e-5, 1e-6)
CONFIDENCE = 0.999
"""Of each comparison of the two levels; there are twelve."""


@dataclass(frozen=True)
class Agreement:
    """One cell at both levels: how many of so many runs applied the message."""

    what: str
    runs: int
    frames: int
    bits: int

    @property
    def distance(self) -> float:
        """In standard deviations of the difference of two equal shares."""
        pooled = (self.frames + self.bits) / (2 * self.runs)
        error = math.sqrt(2 * pooled * (1 - pooled) / self.runs)
        return abs(self.frames - self.bits) / self.runs / error if error else 0.0

    @property
    def agrees(self) -> bool:
        """Whether the distance is within the limits of ``CONFIDENCE``."""
        return self.distance <= NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


@dataclass(frozen=True)
class Speed:
    """A sweep at the level of frames.

    Attributes:
        runs: of it.
        workers: processes.
        elapsed_s: by the clock on the wall.
        cpu_s: of all processes together.
        digest: of its report.
    """

    runs: int
    workers: int
    elapsed_s: float
    cpu_s: float
    digest: str


def page(
    one: dict[str, list[Verdict]],
    two: dict[str, list[Verdict]],
    delayed: dict[str, list[Verdict]],
    unchecked: Verdict,
    speeds: Sequence[Speed],
    agreements: Sequence[Agreement],
) -> str:
    """LINK.md."""
    return "\n".join(
        [
            *_audits(one, two, unchecked),
            *_delayed(delayed),
            *_speed(speeds),
            *_agreement(agreements),
        ]
    )


def _audits(
    one: dict[str, list[Verdict]], two: dict[str, list[Verdict]], unchecked: Verdict
) -> Iterator[str]:
    yield "# The link, measured"
    yield ""
    yield "Written by `python -m benchmarks.link`; what is real and what is simulated is in"
    yield "[linksim.md](../docs/linksim.md)."
    yield ""
    yield "## Nothing wrong, nothing torn, nothing twice"
    yield ""
    each = one[PRESETS[0].name][0].runs
    yield (
        f"{each * len(RATES):,} runs of every preset, {each:,} at each bit error rate. An "
        "envelope of 300 B in two frames, sent as the preset advises; every bit is coded, "
        "spoilt and decoded; CLTUs are cut, doubled, held up, lock is lost. Checks, "
        "regeneration, store and exchange of trees "
        "are the probe's own in every run; nothing is remembered from run to run. After each run "
        "the tree is read from disk, all that was recorded is played to the probe again, the "
        "message is rolled back and all of it is played once more."
    )
    yield ""
    yield "| preset | bit error rate | runs | applied | wrong tree | torn | replays | accepted |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for name, verdicts in one.items():
        for rate, verdict in zip(RATES, verdicts, strict=True):
            yield (
                f"| {name} | {rate:g} | {verdict.runs:,} | {verdict.applied:,} | {verdict.wrong} "
                f"| {verdict.torn} | {verdict.replays:,} | {verdict.replayed} |"
            )
    total = summed(verdict for verdicts in one.values() for verdict in verdicts)
    yield (
        f"| all | | {total.runs:,} | {total.applied:,} | **{total.wrong}** | **{total.torn}** "
        f"| {total.replays:,} | **{total.replayed}** |"
    )
    yield ""
    same = "the same" if one == two else "**another**"
    yield f"Flown again by two processes: {same} verdict on every cell."
    yield ""
    yield (
        f"Would it show? {unchecked.runs:,} runs with frames without a checksum at a bit error "
        f"rate of 0.01, where the decoder often corrects to the wrong word: {unchecked.damaged:,} "
        f"damaged envelopes reached the probe, {unchecked.forged} were accepted; "
        f"{unchecked.applied:,} runs applied the message, {unchecked.wrong} trees were wrong, "
        f"{unchecked.torn} torn."
    )
    yield ""


def _delayed(found: dict[str, list[Verdict]]) -> Iterator[str]:
    yield "## Delayed disclosure"
    yield ""
    yield "The same runs with TESLA: the message waits on board, its key comes at least an hour"
    yield "later over the same link, and closes it. Then message and key are played again."
    yield ""
    yield "| preset | runs | applied | wrong tree | torn | replays | accepted |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    total = summed(verdict for verdicts in found.values() for verdict in verdicts)
    for name, each in (*((n, summed(v)) for n, v in found.items()), ("all", total)):
        yield (
            f"| {name} | {each.runs:,} | {each.applied:,} | {each.wrong} | {each.torn} "
            f"| {each.replays:,} | {each.replayed} |"
        )
    yield ""


def _speed(speeds: Sequence[Speed]) -> Iterator[str]:
    yield "## Ten thousand runs"
    yield ""
    yield "A sweep over four strategies and five bit error rates, envelopes of 115 B, new-horizons,"
    yield "with the probe's own code behind every run. Wall time is of this machine as busy as it"
    yield "was, CPU time of all processes together."
    yield ""
    yield "| runs | processes | wall s | CPU s | ms of CPU a run | sha256 of the report |"
    yield "|---:|---:|---:|---:|---:|---|"
    for each in speeds:
        yield (
            f"| {each.runs:,} | {each.workers} | {each.elapsed_s:.1f} | {each.cpu_s:.1f} "
            f"| {1000 * each.cpu_s / each.runs:.2f} | `{each.digest[:16]}` |"
        )
    yield ""


def _agreement(agreements: Sequence[Agreement]) -> Iterator[str]:
    yield "## Frames against bits"
    yield ""
    yield "Messages of 300 B in three frames, each sent once; the share of runs that applied them"
    yield "at both levels, with seeds of their own. The distance is in standard deviations;"
    yield f"{NormalDist().inv_cdf(0.5 + CONFIDENCE / 2):.2f} is the limit at {CONFIDENCE:.1%}."
    yield ""
    yield "| code, bit error rate, weather | runs | frames | bits | distance | |"
    yield "|---|---:|---:|---:|---:|---|"
    for each in agreements:
        yield (
            f"| {each.what} | {each.runs:,} | {each.frames / each.runs:.4f} "
            f"| {each.bits / each.runs:.4f} | {each.distance:.2f} "
            f"| {'agrees' if each.agrees else '**differs**'} |"
        )
    yield ""
