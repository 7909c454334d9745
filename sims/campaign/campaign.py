"""Many runs of every cell of a scenario: in chunks, by several processes, from a journal on.

Run number n draws the same numbers in every cell and in every encoding: what is compared flies
through the same weather.  A chunk's result depends on nothing but the scenario, so who computes it,
and when, does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from shared.errors import InputError
from sims.campaign.payloads import Parcel, Shipment, key_of
from sims.mission.endpoints import Spacecraft, scratch
from sims.mission.mission import Mission, Plan, Result
from sims.mission.payload import Cargo
from sims.random_streams import Streams
from sims.scenario.scenario import Scenario, profile_of, stack_of, strategy_of
from sims.scenario.schema import Settings
from sims.trace import Trace

CHUNK_RUNS = 100


@dataclass(frozen=True)
class Chunk:
    """Runs that are computed together.

    Attributes:
        cell: which cell of the scenario.
        first: number of the first run.
        runs: how many.
    """

    cell: int
    first: int
    runs: int

    @property
    def name(self) -> str:
        """For journals."""
        return f"{self.cell}:{self.first}+{self.runs}"


@dataclass(frozen=True)
class Campaign:
    """A scenario and all that it sends; it can be pickled.

    Attributes:
        scenario: checked.
        shipment: prepared.
    """

    scenario: Scenario
    shipment: Shipment

    def chunks(self) -> Iterator[Chunk]:
        """All of them, in the order of the report."""
        for cell, (_, settings) in enumerate(self.scenario.cells()):
            for first in range(0, settings["runs"], CHUNK_RUNS):
                yield Chunk(cell, first, min(CHUNK_RUNS, settings["runs"] - first))

    def parcel(self, settings: Settings) -> Parcel:
        """What a cell sends."""
        return self.shipment[key_of(self.scenario, settings)]

    @property
    def digest(self) -> str:
        """Of everything that a result depends on."""
        parcels = sorted((str(key), each.cargo.name) for key, each in self.shipment.items())
        return self.scenario.digest(b"".join(name for _, name in parcels))


def plan_of(settings: Settings, cargo: Cargo) -> Plan:
    """What settings and a cargo come to."""
    return Plan(
        cargo.envelope,
        profile_of(settings),
        stack_of(settings),
        strategy_of(settings),
        settings["attempts"],
        settings["onboard_s"],
        settings["level"] == "bits",
        cargo.later,
    )


class Crew:
    """One process's probes, kept from chunk to chunk."""

    def __init__(self, campaign: Campaign, folder: Path) -> None:
        self._campaign, self._folder = campaign, folder
        self._cells = [settings for _, settings in campaign.scenario.cells()]
        self._probes: dict[bytes, Spacecraft] = {}

    def fly(self, chunk: Chunk) -> list[Result]:
        """The runs of a chunk, in order."""
        settings = self._cells[chunk.cell]
        numbers = range(chunk.first, chunk.first + chunk.runs)
        return [self.run(settings, number, Trace(keep=False)) for number in numbers]

    def run(self, settings: Settings, number: int, trace: Trace) -> Result:
        """One run."""
        parcel = self._campaign.parcel(settings)
        probe = self._probe(parcel)
        probe.renew()
        streams = Streams(settings["seed"], number)
        plan, ahead_s = plan_of(settings, parcel.cargo), settings["clock_offset_s"]
        receive = lambda data, time_s: probe.receive(  # noqa: E731
            data, parcel.memo, time_s + ahead_s
        )
        return Mission(plan, streams, receive, trace).fly()

    def _probe(self, parcel: Parcel) -> Spacecraft:
        name = parcel.cargo.name
        if name not in self._probes:
            folder = self._folder / f"probe-{len(self._probes)}"
            self._probes[name] = Spacecraft(folder, parcel.base, parcel.cargo)
        return self._probes[name]


def fly_chunk(campaign: Campaign, chunk: Chunk) -> list[Result]:
    """A chunk, with probes of its own."""
    with scratch() as folder:
        return Crew(campaign, folder).fly(chunk)


def fly_once(campaign: Campaign, settings: Settings, number: int, trace: Trace) -> Result:
    """One run with its trace."""
    with scratch() as folder:
        return Crew(campaign, folder).run(settings, number, trace)


def packed(results: Sequence[Result]) -> list[list[float]]:
    """For one line of a journal."""
    return [list(astuple(result)) for result in results]


def unpacked(rows: object) -> list[Result]:
    """What ``packed`` wrote.

    Raises:
        InputError: it is something else.
    """
    try:
        return [
            Result(float(a), float(b), float(c), int(d), int(e), int(f), int(g))
            for a, b, c, d, e, f, g in rows  # type: ignore[attr-defined]
        ]
    except (TypeError, ValueError) as error:
        raise InputError(f"a damaged line of results: {error}") from error
