"""A sweep's results: one row a cell, for people, for tables and for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from shared.ccsds.overhead import overhead
from sims.campaign.campaign import Campaign
from sims.campaign.estimate import CONFIDENCE, Estimate, mean, quantile, share
from sims.mission.mission import Result
from sims.scenario.scenario import stack_of, strategy_of
from sims.scenario.schema import Settings
from sims.trace import clock

FORMAT = "linksim-report/1"


@dataclass(frozen=True)
class Row:
    """A cell's runs in numbers; times in seconds from the decision to send.

    Attributes:
        changed: what the axes of the sweep say.
        settings: all of them.
        envelope_bytes: what the ground wants across.
        link_bytes: the same once, framed and coded; with TESLA, and the disclosure.
        frames: in how many.
        runs: histories.
        applied: share of them in which the new tree was in place in the end.
        applied_s: median time until then, of those.
        known_s: median time until the ground knew, of those in which it came to know.
        station_s: mean time that the transmitter was on.
        sent_bytes: mean bytes that it sent.
        times_s: every time to applied, ascending, for figures.
    """

    changed: Mapping[str, Any]
    settings: Settings
    envelope_bytes: int
    link_bytes: int
    frames: int
    runs: int
    applied: Estimate
    applied_s: Estimate | None
    known_s: Estimate | None
    station_s: Estimate
    sent_bytes: Estimate
    times_s: tuple[float, ...]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            **self.changed,
            "envelope_bytes": self.envelope_bytes,
            "link_bytes": self.link_bytes,
            "frames": self.frames,
            "runs": self.runs,
            **{name: each.as_dict() if each else None for name, each in self.estimates.items()},
        }

    @property
    def estimates(self) -> dict[str, Estimate | None]:
        """All of them by name."""
        return {
            "applied": self.applied,
            "applied_s": self.applied_s,
            "known_s": self.known_s,
            "station_s": self.station_s,
            "sent_bytes": self.sent_bytes,
        }


def row(
    campaign: Campaign, changed: Mapping[str, Any], settings: Settings, results: Sequence[Result]
) -> Row:
    """Counts one cell."""
    cargo, stack = campaign.parcel(settings).cargo, stack_of(settings)
    framed = [overhead(len(message), stack) for message in cargo.messages]
    times = sorted(each.applied_s for each in results if each.applied)
    station = mean([each.station_s for each in results])
    sent = mean([float(each.sent_bytes) for each in results])
    if station is None or sent is None:
        raise ValueError("a cell without runs")
    return Row(
        changed,
        settings,
        len(cargo.envelope),
        sum(each.total for each in framed),
        sum(each.frames for each in framed),
        len(results),
        share(len(times), len(results)),
        quantile(times, 0.5),
        quantile([each.known_s for each in results if each.known_s >= 0], 0.5),
        station,
        sent,
        tuple(times),
    )


def as_json(campaign: Campaign, rows: Sequence[Row]) -> dict[str, object]:
    """The whole report; nothing in it depends on machine or time."""
    scenario = campaign.scenario
    return {
        "format": FORMAT,
        "preset": scenario.preset,
        "seed": scenario.settings["seed"],
        "confidence": CONFIDENCE,
        "settings": {
            name: value
            for name, value in scenario.settings.items()
            if name not in dict(scenario.axes)
        },
        "axes": {name: list(values) for name, values in scenario.axes},
        "rows": [each.as_dict() for each in rows],
    }


def as_csv(rows: Sequence[Row]) -> str:
    """The rows with limits in columns of their own; empty where there is no estimate."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(rows[0].changed)
    estimates = list(rows[0].estimates)
    limits = [f"{name}{end}" for name in estimates for end in ("", "_low", "_high")]
    writer.writerow([*names, "envelope_bytes", "link_bytes", "frames", "runs", *limits])
    for each in rows:
        values: list[object] = []
        for found in each.estimates.values():
            values += ["", "", ""] if found is None else [found.value, found.low, found.high]
        counts = [each.envelope_bytes, each.link_bytes, each.frames, each.runs]
        writer.writerow([*each.changed.values(), *counts, *values])
    return text.getvalue()


TABLE_WIDTH = 118
"""Columns that the table needs; in a pipe there are no others."""


def as_table(rows: Sequence[Row]) -> Table:
    """For people; times are medians, station minutes means."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    names = list(rows[0].changed)
    for name in names:
        table.add_column(name, no_wrap=True)
    for heading in (
        "envelope B",
        "link B",
        f"applied, {CONFIDENCE:.0%} limits",
        "to applied",
        "to known",
        "station min",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in rows:
        applied = each.applied
        table.add_row(
            *(_shown(each, name) for name in names),
            str(each.envelope_bytes),
            str(each.link_bytes),
            f"{applied.value:.4f} ({applied.low:.4f} to {applied.high:.4f})",
            _short(each.applied_s.value) if each.applied_s else "never",
            _short(each.known_s.value) if each.known_s else "never",
            f"{each.station_s.value / 60:.2f}",
        )
    return table


def _short(time_s: float) -> str:
    """Without the thousandths, which no reader of a table wants."""
    return clock(time_s)[:-4]


def _shown(row: Row, name: str) -> str:
    if name == "strategy":
        return strategy_of(row.settings).name
    value = row.changed[name]
    return f"{value:g}" if isinstance(value, float) else str(value)
