"""What may stand in a scenario: every key, what it means, and which values it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.ccsds.cltu import ChannelCoding, Coding
from shared.ccsds.coding.bch import Decoding
from sims.mission.authentication import DEFAULT, PROFILES
from sims.mission.strategies import Order

Settings = Mapping[str, Any]
"""Every key of ``KEYS`` with its value."""

CODINGS = {
    "bch": ChannelCoding(),
    "bch-detect": ChannelCoding(decoding=Decoding.TRIPLE_ERROR_DETECTION),
    "ldpc-128-64": ChannelCoding(coding=Coding.LDPC_128_64),
    "ldpc-512-256": ChannelCoding(coding=Coding.LDPC_512_256),
}
LEVELS = ("frames", "bits")


@dataclass(frozen=True)
class Key:
    """One setting.

    Attributes:
        section: table of the file; "" for the top.
        default: what holds where nobody says anything; None where a preset does.
        expected: in words, for errors and the documentation.
        meaning: one line for the documentation.
        accepts: whether a value of the right type will do.
        kind: of values: float takes whole numbers too.
    """

    section: str
    default: Any
    expected: str
    meaning: str
    accepts: Callable[[Any], bool]
    kind: type = float

    def problem(self, value: Any) -> bool:
        """Whether this value is refused."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if self.kind is float:
            try:
                return not (number and math.isfinite(float(value)) and self.accepts(value))
            except OverflowError:  # a whole number beyond all floats
                return True
        if self.kind is int:
            return not (number and isinstance(value, int) and self.accepts(value))
        return not (isinstance(value, self.kind) and self.accepts(value))


def _number(
    section: str,
    default: float | None,
    low: float,
    high: float,
    meaning: str,
    *,
    above: bool = False,
) -> Key:
    bound = "no limit" if high == math.inf else f"{high:g}"
    words = f"a number {'above' if above else 'from'} {low:g} {'up ' if above else ''}to {bound}"
    return Key(
        section,
        default,
        words,
        meaning,
        lambda value: (value > low if above else value >= low) and value <= high,
    )


def _whole(section: str, default: int | None, low: int, high: int, meaning: str) -> Key:
    return Key(
        section,
        default,
        f"a whole number from {low} to {high}",
        meaning,
        lambda value: low <= value <= high,
        int,
    )


def _choice(section: str, default: str | None, choices: tuple[str, ...], meaning: str) -> Key:
    return Key(section, default, f"one of {', '.join(choices)}", meaning, choices.__contains__, str)


def _chance(meaning: str) -> Key:
    return _number("link", 0.0, 0.0, 1.0, meaning)


def _seconds(default: float | None, meaning: str, *, above: bool = False) -> Key:
    return _number("link", default, 0.0, 1e12, meaning, above=above)


_ORDERS = tuple(order.value for order in Order)

KEYS: dict[str, Key] = {
    "runs": _whole("", 1000, 1, 10_000_000, "histories in each cell of a sweep"),
    "seed": _whole("", 1, 0, 2**63 - 1, "of all random numbers"),
    "strategy": _choice("", None, _ORDERS, "how frames are sent"),
    "copies": _whole("", None, 1, 1000, "times a frame is sent; with cop-1, at most"),
    "attempts": _whole("", 1, 1, 1000, "times all of it is begun while no answer came"),
    "authentication": _choice("", DEFAULT.profile, PROFILES, "how the envelope proves its origin"),
    "level": _choice("", "frames", LEVELS, "draw the decoder's success, or decode every bit"),
    "onboard_s": _number("", 0.0, 0.0, 1e9, "seconds the probe needs to regenerate and apply"),
    "coding": _choice("frames", "bch", tuple(CODINGS), "channel code and decoder"),
    "max_frame_bytes": _whole("frames", 1024, 20, 1024, "length of a transfer frame at most"),
    "interval_s": _number(
        "tesla", 3600.0, 0.001, 4e6, "seconds of an interval of the chain; only with tesla"
    ),
    "disclosure_delay": _whole("tesla", 2, 2, 1000, "intervals until a key may be disclosed"),
    "clock_error_s": _number("tesla", 10.0, 0.0, 4e6, "by how much the clocks may differ"),
    "clock_offset_s": _number(
        "tesla", 0.0, -1e9, 1e9, "by how much the probe's clock is ahead of the ground's"
    ),
    "up_bps": _number("link", None, 0.0, 1e12, "bits a second to the probe", above=True),
    "down_bps": _number("link", None, 0.0, 1e12, "bits a second back", above=True),
    "one_way_light_s": _seconds(None, "seconds from the ground to the probe"),
    "up_ber": _number("link", None, 0.0, 0.5, "wrong bits on the way up, outside bursts"),
    "burst_ber": _number("link", 0.5, 0.0, 1.0, "wrong bits inside bursts"),
    "good_bits": _number("link", 0.0, 0.0, 1e15, "bits between bursts, in the mean; 0: no bursts"),
    "burst_bits": _number("link", 0.0, 0.0, 1e15, "bits of a burst, in the mean"),
    "down_ber": _number("link", 0.0, 0.0, 0.5, "wrong bits on the way down, behind the decoder"),
    "pass_period_s": _seconds(None, "from one window of visibility to the next", above=True),
    "pass_length_s": _seconds(None, "how long each lasts", above=True),
    "pass_first_s": _seconds(0.0, "when the first begins"),
    "up_outage_between_s": _seconds(0.0, "between outages of the uplink, in the mean; 0: none"),
    "up_outage_length_s": _seconds(0.0, "how long one lasts, in the mean"),
    "down_outage_between_s": _seconds(0.0, "between outages of the downlink, in the mean; 0: none"),
    "down_outage_length_s": _seconds(0.0, "how long one lasts, in the mean"),
    "truncate": _chance("chance that the station stops in the middle of a CLTU"),
    "lose_lock": _chance("chance that the receiver loses lock within a CLTU"),
    "duplicate": _chance("chance that a frame arrives twice"),
    "delay": _chance("chance that a CLTU is held up, and may be overtaken"),
    "delay_s": _seconds(0.0, "by how much at most"),
    "report_bytes": _whole("link", 32, 1, 65_536, "of a telemetry frame"),
    "report_every_s": _seconds(0.0, "from one telemetry frame to the next; 0: no pause"),
    "bytes": _whole(
        "message", 0, 1, 1 << 20, "size of an envelope made for the purpose, with Ed25519"
    ),
    "encoding": Key("message", "ours", "an encoding", "how the patch travels", bool, str),
}

SWEPT = tuple(name for name in KEYS if name not in ("runs", "seed", "level"))
"""Keys that an axis of a sweep may have."""

PATCH_KEYS = ("base", "target", "model", "trials", "encodings")
SECTIONS = ("link", "frames", "tesla", "message", "patch", "sweep")


def table() -> str:
    """All keys as Markdown, for docs/linksim.md; a test compares."""
    lines = ["| key | in | default | takes | means |", "|---|---|---|---|---|"]
    for name, key in KEYS.items():
        section = f"`[{key.section}]`" if key.section else "top"
        default = (
            "preset"
            if key.default is None
            else f"{key.default:g}"
            if key.kind is float
            else key.default
        )
        if name == "bytes":
            default = ""
        if name != "encoding":
            lines.append(f"| `{name}` | {section} | {default} | {key.expected} | {key.meaning} |")
    return "\n".join(lines) + "\n"
