"""Links that missions have or had: rates and light times, each figure with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

UNSOURCED = "no source found; an assumption"


@dataclass(frozen=True)
class Figure:
    """A number and where it comes from.

    Attributes:
        value: in the unit of the field that holds it.
        source: publication or page; ``UNSOURCED`` where there is none.
    """

    value: float
    source: str


@dataclass(frozen=True)
class Preset:
    """A link.

    Attributes:
        name: for commands and scenarios.
        summary: which link that is.
        uplink_bps: bits a second to the probe.
        downlink_bps: bits a second back.
        one_way_light_s: seconds from the ground to the probe.
    """

    name: str
    summary: str
    uplink_bps: Figure
    downlink_bps: Figure
    one_way_light_s: Figure

    def sending_s(self, size_bytes: int) -> float:
        """Seconds to send so many bytes, framing and light time left out."""
        return 8 * size_bytes / self.uplink_bps.value

    def as_dict(self) -> dict[str, object]:
        """For ``--json`` output."""
        return {
            "name": self.name,
            "summary": self.summary,
            **{
                name: {"value": figure.value, "source": figure.source}
                for name, figure in (
                    ("uplink_bps", self.uplink_bps),
                    ("downlink_bps", self.downlink_bps),
                    ("one_way_light_s", self.one_way_light_s),
                )
            },
        }


_VOYAGER_DOWN = Figure(160.0, "liquisearch.com, Voyager 1 telemetry (secondary)")

PRESETS = (
    Preset(
        "voyager-1",
        "Voyager 1 in late 2026",
        Figure(16.0, UNSOURCED),
        _VOYAGER_DOWN,
        Figure(86_400.0, "one light-day about 2026-11-15, press (secondary)"),
    ),
    Preset(
        "voyager-2",
        "Voyager 2 in October 2023, commanded from DSS-43 only",
        Figure(16.0, UNSOURCED),
        _VOYAGER_DOWN,
        Figure(18 * 3600 + 40 * 60.0, "The Register, 2023-10 (secondary)"),
    ),
    Preset(
        "new-horizons-pluto",
        "New Horizons at Pluto, 2015",
        Figure(2000.0, UNSOURCED),
        Figure(1000.0, "newsmax.com, 1 to 4 kbit/s (secondary)"),
        Figure(4.5 * 3600, UNSOURCED),
    ),
    Preset(
        "mars-pathfinder",
        "Mars, Pathfinder's uplink, planets far apart",
        Figure(250.0, "mpf.digitec.net, 7.8 to 250 bit/s (secondary)"),
        Figure(500.0, "mars.jpl.nasa.gov, direct to Earth from 500 bit/s (secondary)"),
        Figure(22 * 60.0, UNSOURCED),
    ),
    Preset(
        "lora-cubesat",
        "A CubeSat's LoRa link, SF11 at 125 kHz, coding rate 4/5",
        Figure(540.0, "from FossaSat's published radio settings (secondary)"),
        Figure(540.0, "from FossaSat's published radio settings (secondary)"),
        Figure(0.005, UNSOURCED),
    ),
)
