"""One history, several forms of the same patch: each flown through the same weather."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from shared.ccsds.overhead import overhead
from sims.campaign.campaign import Campaign, fly_once
from sims.mission.mission import Result
from sims.scenario.scenario import stack_of
from sims.scenario.schema import Settings
from sims.trace import Trace


@dataclass(frozen=True)
class Flown:
    """One form of the patch in one history.

    Attributes:
        encoding: ``ours``, or the name of a peer.
        envelope_bytes: what the ground wants across, signature and headers included.
        link_bytes: the same once, framed and coded.
        result: how the run ended.
    """

    encoding: str
    envelope_bytes: int
    link_bytes: int
    result: Result

    def as_dict(self) -> dict[str, object]:
        """For JSON; hours are None for what did not happen."""
        return {
            "encoding": self.encoding,
            "envelope_bytes": self.envelope_bytes,
            "link_bytes": self.link_bytes,
            "station_s": self.result.station_s,
            "applied_h": _hours(self.result.applied_s),
            "known_h": _hours(self.result.known_s),
            "cltus": self.result.cltus,
            "survived": self.result.survived,
        }


def fly_encodings(campaign: Campaign, settings: Settings, number: int) -> list[Flown]:
    """Every encoding of the scenario's patch, in its order, in the run of this number.

    Args:
        campaign: prepared; without a patch there is nothing to compare.
        settings: of a cell; all but its encoding is kept.
        number: of the run.
    """
    if campaign.scenario.patch is None:
        return []
    flown = []
    for encoding in campaign.scenario.patch.encodings:
        changed = {**settings, "encoding": encoding}
        cargo, stack = campaign.parcel(changed).cargo, stack_of(changed)
        framed = sum(overhead(len(message), stack).total for message in cargo.messages)
        result = fly_once(campaign, changed, number, Trace(keep=False))
        flown.append(Flown(encoding, len(cargo.envelope), framed, result))
    return flown


def as_table(flown: Sequence[Flown]) -> Table:
    """For people."""
    table = Table("encoding", box=None, padding=(0, 2, 0, 0))
    headings = ("envelope B", "link B once", "station s", "applied after h", "known after h")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for each in flown:
        applied, known = _hours(each.result.applied_s), _hours(each.result.known_s)
        table.add_row(
            each.encoding,
            str(each.envelope_bytes),
            str(each.link_bytes),
            f"{each.result.station_s:.1f}",
            "never" if applied is None else f"{applied:.3f}",
            "never" if known is None else f"{known:.3f}",
            style="bold" if each.encoding == "ours" else None,
        )
    return table


def _hours(time_s: float) -> float | None:
    return time_s / 3600 if time_s >= 0 else None
