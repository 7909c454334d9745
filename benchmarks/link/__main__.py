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

import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.link.page import RATES, Agreement, Speed, page
from shared.digest import sha256
from sims.campaign.audit import Verdict, audit_cells, audited_run, summed
from sims.campaign.campaign import Campaign
from sims.campaign.payloads import prepare
from sims.campaign.report import as_json, row
from sims.campaign.workers import fly_all
from sims.mission.endpoints import Spacecraft, scratch
from sims.scenario.presets import PRESETS
from sims.scenario.scenario import read_scenario

PAGE = Path(__file__).parents[1] / "LINK.md"
MISHAPS = """
truncate = 0.02
lose_lock = 0.02
duplicate = 0.1
delay = 0.05
delay_s = 30
down_ber = 1e-4
"""

Say = Callable[[str], None]


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
