"""What the simulated link promises, measured: ``python -m benchmarks.link`` writes LINK.md.

1. Every preset, 1,000 runs at four bit error rates, every bit coded, spoilt and decoded, the
   probe's own code behind it: is the tree on board ever wrong or torn, is a replay ever accepted?
   All of it twice, by one process and by two, to the same verdicts; and again with delayed
   disclosure, where a message waits on board for its key.
2. The same with frames that have no checksum, over a link a hundred times worse, so that damaged
   envelopes do reach the probe; else nothing would show that part 1 could fail.
3. How long a sweep of 10,000 runs at the level of frames takes.
4. Whether that level's estimates agree with those of bits.
"""

from __future__ import annotations

import math
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Annotated

import typer
from rich.console import Console

from shared.digest import sha256
from sims.audit import Verdict, audit_cells, audited_run, summed
from sims.campaign import Campaign
from sims.endpoints import Spacecraft, scratch
from sims.presets import PRESETS
from sims.report import as_json, row
from sims.scenario import read_scenario
from sims.shipment import prepare
from sims.workers import fly_all

PAGE = Path(__file__).parent / "LINK.md"
RATES = (1e-3, 1e-4, 1e-5, 1e-6)
MISHAPS = """
truncate = 0.02
lose_lock = 0.02
duplicate = 0.1
delay = 0.05
delay_s = 30
down_ber = 1e-4
"""
CONFIDENCE = 0.999
"""Of each comparison of the two levels; there are twelve."""

Say = Callable[[str], None]


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


def campaign_of(text: str) -> Campaign:
    """A campaign from a scenario's text."""
    with tempfile.TemporaryDirectory() as folder, scratch() as made:
        path = Path(folder) / "scenario.toml"
        path.write_text(text, "utf-8")
        scenario = read_scenario(path)
        return Campaign(scenario, prepare(scenario, made))


def preset_scenario(
    preset: str, runs: int, rates: Sequence[float] = RATES, authentication: str = "ed25519"
) -> str:
    """A message in two frames, as the preset advises to send it, with mishaps of every kind."""
    return (
        f'preset = "{preset}"\nruns = {runs}\nseed = 1977\nlevel = "bits"\n'
        f'authentication = "{authentication}"\n'
        f"[message]\nbytes = 300\n[frames]\nmax_frame_bytes = 192\n"
        f"[link]{MISHAPS}[sweep]\nup_ber = {list(rates)}\n"
    )


def audit_presets(
    runs: int, workers: int, say: Say, authentication: str = "ed25519"
) -> dict[str, list[Verdict]]:
    """Part 1: the verdicts of every preset, by bit error rate."""
    found = {}
    for preset in PRESETS:
        say(f"{preset.name}, {authentication}, {workers} process(es)")
        text = preset_scenario(preset.name, runs, authentication=authentication)
        found[preset.name] = audit_cells(campaign_of(text), workers)
    return found


def audit_unchecked(runs: int, say: Say) -> Verdict:
    """Part 2: no frame check, and a bit error rate that makes the decoder err."""
    say("without frame checks")
    text = preset_scenario("lora-cubesat", runs, [1e-2]).replace(
        "[message]", 'strategy = "once"\nattempts = 30\n[message]'
    )
    campaign = campaign_of(text)
    _, settings = next(campaign.scenario.cells())
    parcel = campaign.parcel(settings)
    with scratch() as folder:
        probe = Spacecraft(folder / "probe", parcel.base, parcel.cargo)
        return summed(
            audited_run(probe, parcel, settings, number, fecf=False) for number in range(runs)
        )


SWEEP = """
preset = "{preset}"
runs = {runs}
seed = 10000
[message]
bytes = 115
[sweep]
strategy = ["once", "AAABBB", "ABCABC", "cop-1"]
up_ber = [1e-6, 1e-5, 1e-4, 1e-3, 3e-3]
"""


def measure_sweep(runs: int, workers: int, say: Say) -> Speed:
    """Part 3: at least so many runs in twenty cells."""
    say(f"{runs:,} runs at the level of frames, {workers} process(es)")
    before, started = _cpu_s(), time.perf_counter()
    campaign = campaign_of(SWEEP.format(preset="new-horizons", runs=-(-runs // 20)))
    cells = [settings for _, settings in campaign.scenario.cells()]
    results: list[list[object]] = [[] for _ in cells]
    for chunk, found in fly_all(campaign, list(campaign.chunks()), workers):
        results[chunk.cell] += found
    rows = [
        row(campaign, changed, settings, results[cell])  # type: ignore[arg-type]
        for cell, (changed, settings) in enumerate(campaign.scenario.cells())
    ]
    digest = sha256(repr(as_json(campaign, rows)).encode()).hex()
    taken = time.perf_counter() - started
    return Speed(sum(map(len, results)), workers, taken, _cpu_s() - before, digest)


def _cpu_s() -> float:
    """Of this process and of those that it has waited for."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


AGREEMENT = """
preset = "lora-cubesat"
strategy = "once"
runs = {runs}
seed = {seed}
level = "{level}"
[message]
bytes = 300
[frames]
max_frame_bytes = 128
[link]
{link}
[sweep]
coding = ["bch", "bch-detect"]
up_ber = [1e-4, 1e-3, 3e-3]
"""
WEATHERS = {
    "white noise": "truncate = 0.03\nlose_lock = 0.03",
    "bursts": "good_bits = 8000\nburst_bits = 12",
}


def compare_levels(runs: int, say: Say) -> Iterator[Agreement]:
    """Part 4.  The levels get seeds of their own: they must agree in the mean, not by sharing."""
    for weather, link in WEATHERS.items():
        counts: dict[str, list[int]] = {}
        for seed, level in enumerate(("frames", "bits"), start=3):
            say(f"level {level}, {weather}")
            campaign = campaign_of(AGREEMENT.format(runs=runs, seed=seed, level=level, link=link))
            cells = list(campaign.scenario.cells())
            applied = [0] * len(cells)
            for chunk, found in fly_all(campaign, list(campaign.chunks())):
                applied[chunk.cell] += sum(each.applied for each in found)
            counts[level] = applied
        for cell, (changed, _) in enumerate(cells):
            what = f"{changed['coding']}, {changed['up_ber']:g}, {weather}"
            yield Agreement(what, runs, counts["frames"][cell], counts["bits"][cell])


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


def main(
    out: Annotated[Path, typer.Option(help="The page to write.")] = PAGE,
    runs: Annotated[int, typer.Option(min=10, help="Of each preset at each of four rates.")] = 250,
    sweep_runs: Annotated[int, typer.Option(min=20, help="Of the sweep at level frames.")] = 10_000,
    level_runs: Annotated[int, typer.Option(min=10, help="Of each cell of part 4.")] = 1000,
) -> None:
    """Measure, write the page; exit code 1 if anything is not as promised."""
    console = Console(stderr=True, highlight=False)

    def say(text: str) -> None:
        console.print(text)

    speeds = [measure_sweep(sweep_runs, workers, say) for workers in (2, 1)]
    agreements = list(compare_levels(level_runs, say))
    unchecked = audit_unchecked(runs, say)
    one, two = audit_presets(runs, 1, say), audit_presets(runs, 2, say)
    delayed = audit_presets(runs, 2, say, "tesla")
    out.write_text(page(one, two, delayed, unchecked, speeds, agreements), "utf-8")
    flown = (*one.values(), *delayed.values())
    verdicts = [unchecked, *(each for found in flown for each in found)]
    good = one == two and not any(each.failed for each in verdicts) and unchecked.damaged
    same = len({each.digest for each in speeds}) == 1
    if not (good and same and all(each.agrees for each in agreements)):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
