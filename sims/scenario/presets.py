"""Links that missions have or had: rates, light times and passes, each figure with its source."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sims.mission.strategies import Order, Strategy

UNSOURCED = "no source found; an assumption"

LIGHT_M_PER_S = 299_792_458
DAY_S = 86_400.0
SOL_S = 88_775.0
"""A day on Mars, 24 h 39 min 35 s."""


@dataclass(frozen=True)
class Figure:
    """A number and where it comes from.

    Attributes:
        value: in the unit of the field that holds it.
        source: publication or page; begins with ``UNSOURCED`` where there is none.
    """

    value: float
    source: str

    @property
    def unsourced(self) -> bool:
        return self.source.startswith(UNSOURCED)


@dataclass(frozen=True)
class Advice:
    """How to send on a link, unless a scenario says otherwise.

    Attributes:
        strategy: which, and how many copies.
        why: in a sentence or two.
    """

    strategy: Strategy
    why: str


_BER = Figure(
    1e-5,
    "the middle of the three rates that CCSDS 200.0-G-6 reckons with (tables D-3 to D-6); "
    "not measured on this link",
)


@dataclass(frozen=True)
class Preset:
    """A link.

    Attributes:
        name: for commands and scenarios.
        summary: which link that is.
        uplink_bps: bits a second to the probe.
        downlink_bps: bits a second back.
        one_way_light_s: seconds from the ground to the probe.
        pass_period_s: seconds from one window of visibility to the next.
        pass_length_s: seconds that each lasts; as long as the period where there is no gap.
        advice: which strategy, and why.
        uplink_ber: wrong bits on the way up, before the decoder.
    """

    name: str
    summary: str
    uplink_bps: Figure
    downlink_bps: Figure
    one_way_light_s: Figure
    pass_period_s: Figure
    pass_length_s: Figure
    advice: Advice
    uplink_ber: Figure = _BER

    def sending_s(self, size_bytes: int) -> float:
        """Seconds to send so many bytes, framing and light time left out."""
        return 8 * size_bytes / self.uplink_bps.value

    @property
    def figures(self) -> dict[str, Figure]:
        """Every figure by its name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: each for name, each in found.items() if isinstance(each, Figure)}

    def as_dict(self) -> dict[str, object]:
        """For ``--json`` output."""
        return {
            "name": self.name,
            "summary": self.summary,
            "strategy": self.advice.strategy.name,
            "strategy_because": self.advice.why,
            **{
                name: {"value": figure.value, "source": figure.source}
                for name, figure in self.figures.items()
            },
        }


_VOYAGER_DOWN = Figure(
    160.0,
    "S. Dodd, project manager, as quoted by the press on the light-day of 2026 (secondary); one of "
    "the rates of its telemetry modulation unit, Ludwig and Taylor, Voyager Telecommunications, "
    "DESCANSO, 3.2.2.4 (as quoted: 10 bit/s to 115.2 kbit/s)",
)
_VOYAGER_UP = Figure(16.0, UNSOURCED + "; 16 bit/s is what is commonly said")
_BLIND = Advice(
    Strategy(Order.HAMMER, 3),
    "an answer takes a day and a half or two, and a second pass costs more than two more copies; "
    "at one wrong bit in 1,000 three copies bring a frame of 129 B with a chance of 0.9999",
)
_DSN_DAY = Figure(DAY_S, UNSOURCED + "; one pass of one station a day")
_DSN_PASS = Figure(8 * 3600.0, UNSOURCED + "; a third of a day, three sites 120 degrees apart")


def lora_bps(spreading_factor: int, bandwidth_hz: float, coding_rate: int) -> float:
    """Bits a second of a LoRa modem: SF BW / 2^SF, 4 in 4 + CR of them data (Semtech AN1200.22).

    >>> round(lora_bps(11, 125_000, 4), 1)
    335.7
    """
    return spreading_factor * bandwidth_hz / (1 << spreading_factor) * 4 / (4 + coding_rate)


PRESETS = (
    Preset(
        "voyager-1",
        "Voyager 1 in late 2026",
        _VOYAGER_UP,
        _VOYAGER_DOWN,
        Figure(DAY_S, "one light-day in November 2026, S. Dodd as quoted by the press (secondary)"),
        _DSN_DAY,
        _DSN_PASS,
        _BLIND,
    ),
    Preset(
        "voyager-2",
        "Voyager 2 in late 2025, commanded from DSS-43 only",
        _VOYAGER_UP,
        _VOYAGER_DOWN,
        Figure(19.5 * 3600, "19.5 light-hours in late 2025, press (secondary)"),
        _DSN_DAY,
        _DSN_PASS,
        _BLIND,
    ),
    Preset(
        "new-horizons",
        "New Horizons at Pluto, 2015",
        Figure(2000.0, UNSOURCED),
        Figure(1000.0, "E. Lakdawalla, planetary.org, 2015-01-30: at most 1 kbit/s"),
        Figure(
            4.5 * 3600,
            "NASA release of 2015-09-04: radio signals need more than 4 1/2 hours",
        ),
        _DSN_DAY,
        _DSN_PASS,
        Advice(
            Strategy(Order.HAMMER, 3),
            "a round trip is longer than a pass: a loss would cost a day, a copy costs a second",
        ),
    ),
    Preset(
        "mars-direct",
        "From Earth to the surface of Mars through a high-gain antenna, planets far apart",
        Figure(
            250.0,
            "L. Harcke, telecommunications analyst of Mars Pathfinder, 1997: commanded at 250 "
            "bit/s then, 7.8125 to 500 possible, 7.8125 at arrival",
        ),
        Figure(500.0, "mars.jpl.nasa.gov, MSL direct to Earth from 500 bit/s (secondary)"),
        Figure(
            round(400e9 / LIGHT_M_PER_S, 1),
            "400 million km at most (S. Gordon after JPL's MSL telecommunications summary; "
            "secondary) at the speed of light",
        ),
        Figure(SOL_S / 2, "Athena science team, athena.cornell.edu: contacts twice a day"),
        Figure(3600.0, "the same: of about one or two hours each"),
        Advice(
            Strategy(Order.HAMMER, 2),
            "a round trip takes most of the hour of a pass, so an answer would come too late for "
            "this pass; a second copy takes seconds",
        ),
    ),
    Preset(
        "mars-relay-pass",
        "From an orbiter down to a lander on Mars; the way from Earth to the orbiter is not in it",
        Figure(
            2000.0,
            "NSSDC, Mars Surveyor 2001 rover, telecommunications: commanding relay links at 2 "
            "kbit/s",
        ),
        Figure(8000.0, "the same: 8 and 128 kbit/s the other way"),
        Figure(0.003, UNSOURCED + "; some 900 km"),
        Figure(SOL_S / 2, "the same: nominally two passes over the lander a sol"),
        Figure(8 * 60.0, "mars.jpl.nasa.gov, MSL: passes of eight minutes (secondary)"),
        Advice(
            Strategy(Order.COP1, 10),
            "answers come at once: only what was lost is sent again, and the station knows",
        ),
    ),
    Preset(
        "lora-cubesat",
        "A CubeSat's LoRa link: SF11, 125 kHz, coding rate 4/8",
        Figure(
            round(lora_bps(11, 125_000, 4), 1),
            "SF11, CR4, 125 kHz: FossaSat-1's lead developer, community.libre.space, 2019; CR4 "
            "read as 4/8, with 4/5 it would be 537",
        ),
        Figure(round(lora_bps(11, 125_000, 4), 1), "the same"),
        Figure(0.005, UNSOURCED + "; some 1,500 km"),
        Figure(DAY_S / 2, UNSOURCED + "; two good passes a day"),
        Figure(8 * 60.0, UNSOURCED),
        Advice(
            Strategy(Order.COP1, 20),
            "answers come at once, and losses are many: only what was lost is sent again",
        ),
    ),
)

BY_NAME = {preset.name: preset for preset in PRESETS}
